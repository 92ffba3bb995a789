//! Asking for a lock: once, until it comes, or for a limited time.

use core::time::Duration;
use std::time::Instant;

use lock_core::fault::FaultKind;
use lock_rustix::{guard, local};

use crate::error::LockError;
use crate::guard::Guard;
use crate::lock::Lock;
use crate::site::Site;
use crate::wait;

impl Lock {
    /// One try, without waiting.
    ///
    /// Errors: [`Held`](LockError::Held) by another process;
    /// [`HeldByThisProcess`](LockError::HeldByThisProcess), which includes a lockf lock that
    /// another thread is just trying to take; [`Invalid`](LockError::Invalid) terms;
    /// [`Fault`](LockError::Fault) when it cannot be taken whoever holds it.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-try-{}", std::process::id());
    /// match lock_std::Lock::at(&path).try_lock() {
    ///     Ok(guard) => println!("ours until the guard is dropped: {guard:?}"),
    ///     Err(error) => eprintln!("{error}"),
    /// }
    /// # std::fs::remove_file(path).unwrap();
    /// ```
    pub fn try_lock(&self) -> Result<Guard, LockError> {
        let site = self.site.pinned()?;
        let outcome = local::try_lock(&site.sys(), &site.request());
        finish(site, outcome)
    }

    /// Waits until the lock is ours, in the kernel's own queue; signals do not end the wait.
    ///
    /// A thread that holds the lock already waits for itself, for ever. The kernel refuses to
    /// queue a lockf lock where it sees processes waiting in a circle, which with threads may not
    /// be one: that is a [`Fault`](LockError::Fault) of kind
    /// [`Deadlock`](FaultKind::Deadlock). Other errors are those of [`try_lock`](Lock::try_lock),
    /// without the two about others holding the lock.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-wait-{}", std::process::id());
    /// let guard = lock_std::Lock::at(&path).lock()?;
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock(&self) -> Result<Guard, LockError> {
        self.lock_while(|| true)
    }

    /// Waits as [`lock`](Lock::lock) does, as long as `go_on` says so. It is asked when a signal
    /// handler has run in this thread, and now and then.
    ///
    /// Answers [`Interrupted`](LockError::Interrupted) when it said no; then nothing is held.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// /// Set by a handler of SIGINT that does not restart system calls.
    /// static STOP: AtomicBool = AtomicBool::new(false);
    ///
    /// # let path = format!("/tmp/lock-std-doc-while-{}", std::process::id());
    /// let guard = lock_std::Lock::at(&path).lock_while(|| !STOP.load(Ordering::Relaxed))?;
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock_while(&self, mut go_on: impl FnMut() -> bool) -> Result<Guard, LockError> {
        self.wait(None, |site| match local::lock(&site.sys(), &site.request(), &mut go_on) {
            // The kernel does not queue a process behind itself, so its threads must try again.
            Err(local::LockError::HeldByThisProcess) if go_on() => None,
            Err(local::LockError::HeldByThisProcess) => Some(Err(local::LockError::Interrupted)),
            outcome => Some(outcome),
        })
    }

    /// Waits at most this long; with no time at all it still tries once.
    ///
    /// Answers [`TimedOut`](LockError::TimedOut) when the time is over, never before, and then the
    /// lock will not be taken any more. What waiting does not mend is answered at once. The clock
    /// is the monotonic one, which nobody sets and which stands still while the machine sleeps.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let path = format!("/tmp/lock-std-doc-timeout-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path);
    /// let guard = lock.lock_timeout(Duration::from_secs(10))?;
    /// let error = lock.lock_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.owner().unwrap().pid.unwrap().get(), u64::from(std::process::id()));
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Guard, LockError> {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.lock_deadline(deadline),
            None => self.lock(),
        }
    }

    /// Waits until this moment, as [`lock_timeout`](Lock::lock_timeout) does.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// # let path = format!("/tmp/lock-std-doc-deadline-{}", std::process::id());
    /// let deadline = Instant::now() + Duration::from_secs(10);
    /// let guard = lock_std::Lock::at(&path).lock_deadline(deadline)?;
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock_deadline(&self, deadline: Instant) -> Result<Guard, LockError> {
        self.wait(Some(deadline), |site| match local::try_lock(&site.sys(), &site.request()) {
            Err(local::LockError::Held | local::LockError::HeldByThisProcess) => None,
            Err(local::LockError::Fault(fault)) if fault.kind == FaultKind::Interrupted => None,
            outcome => Some(outcome),
        })
    }

    fn wait(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&Site) -> Option<Result<guard::Guard, local::LockError>>,
    ) -> Result<Guard, LockError> {
        let start = Instant::now();
        let site = self.site.pinned()?;
        if let Some(outcome) = wait::until(deadline, || attempt(&site)) {
            return finish(site, outcome);
        }
        let waited = start.elapsed();
        let (path, kind) = site.name();
        Err(LockError::TimedOut { path, kind, owner: site.owner(), waited })
    }
}

fn finish(site: Site, outcome: Result<guard::Guard, local::LockError>) -> Result<Guard, LockError> {
    match outcome {
        Ok(held) => Guard::new(held, site),
        Err(error) => Err(site.refusal(error)),
    }
}
