//! Asking for a lock: once, until it comes, or for a limited time.

use core::time::Duration;
use std::os::fd::AsFd;
use std::time::Instant;

use lock_core::fault::FaultKind;
use lock_core::kind::Kind;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::limit::{Limit, Tick};
use lock_rustix::{guard, local};

use crate::error::LockError;
use crate::guard::Guard;
use crate::lock::Lock;
use crate::signals::WakeSignal;
use crate::site::Site;
use crate::waiting::pauses::{self, ns};
use crate::waiting::{Cancel, Report};

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
        let manner = &self.site.terms().manner;
        if manner.cancel.is_none()
            && !Report::new(manner, self.path(), Kind::File, None).is_wanted()
        {
            return self.lock_while(|| true);
        }
        self.wait(None)
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
    /// let lock = lock_std::Lock::at(&path);
    /// let guard = lock.lock_while(|| !STOP.load(Ordering::Relaxed))?;
    /// assert!(lock.is_locked()?);
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock_while(&self, mut go_on: impl FnMut() -> bool) -> Result<Guard, LockError> {
        let site = self.site.pinned()?;
        let outcome = pauses::until(None, None, || {
            match local::lock(&site.sys(), &site.request(), &mut go_on) {
                // The kernel does not queue a process behind itself, so its threads must try again.
                Err(local::LockError::HeldByThisProcess) if go_on() => None,
                Err(local::LockError::HeldByThisProcess) => {
                    Some(Err(local::LockError::Interrupted))
                }
                outcome => Some(outcome),
            }
        });
        let outcome = outcome.unwrap_or(Err(local::LockError::Interrupted));
        finish(site, outcome)
    }

    /// Waits at most this long; with no time at all it still tries once.
    ///
    /// Answers [`TimedOut`](LockError::TimedOut) when the time is over, never before, and then the
    /// lock will not be taken any more. What waiting does not mend is answered at once. The clock
    /// is the monotonic one, which nobody sets and which stands still while the machine sleeps.
    ///
    /// The wait has a place in the kernel's queue: a child process stands there in the thread's
    /// stead, with its memory and descriptors, and is gone when this returns. It takes no signal
    /// and sends none; the program's own waits for children do not see it. `/proc/locks` names its
    /// pid as the taker's, which [`owner`](Lock::owner) sees through. Where it cannot be started
    /// (limits on processes, a seccomp filter, Linux before 5.2) this tries again and again, with
    /// pauses of 1 to 25 ms. [`timed_by`](Lock::timed_by) offers a signal instead.
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
    /// let deadline = Instant::now() + Duration::from_millis(1);
    /// let lock = lock_std::Lock::at(&path);
    /// let _guard = lock.lock_deadline(deadline)?;
    /// assert!(lock.lock_deadline(deadline).is_err());
    /// assert!(Instant::now() >= deadline);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock_deadline(&self, deadline: Instant) -> Result<Guard, LockError> {
        self.wait(Some(deadline))
    }

    /// Waits as [`lock`](Lock::lock) does, as a future. Needs the feature `async`.
    ///
    /// The first poll tries, and if the lock is held a thread waits for it. Dropping the future
    /// ends the wait, and gives the lock back if it was just granted: a runtime's timeouts and
    /// selections do what they say. What the lock was [given](Lock::cancelled_by) to cancel it is
    /// not heeded here.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-async-{}", std::process::id());
    /// # use std::{pin::pin, sync::Arc, task::{Context, Poll, Wake, Waker}};
    /// # struct Noop;
    /// # impl Wake for Noop { fn wake(self: Arc<Self>) {} }
    /// let backup = async {
    ///     let guard = lock_std::Lock::at(&path).lock_async().await?;
    ///     // nobody else is here
    ///     guard.unlock()
    /// };
    /// # let waker = Waker::from(Arc::new(Noop));
    /// # assert!(pin!(backup).poll(&mut Context::from_waker(&waker)).is_ready());
    /// # std::fs::remove_file(path).unwrap();
    /// ```
    #[cfg(feature = "async")]
    pub fn lock_async(&self) -> crate::Locking<Guard> {
        crate::Locking::new(self.clone())
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<Guard, LockError> {
        let site = self.site.pinned()?;
        let (path, kind) = site.name();
        let terms = site.terms();
        let mut report = Report::new(&terms.manner, self.path(), kind, deadline);
        let start = report.start();
        let told = report.is_wanted();
        if told {
            match local::try_lock(&site.sys(), &site.request()) {
                Err(local::LockError::Held | local::LockError::HeldByThisProcess) => {
                    report.waiting(&site.owner(), None);
                }
                outcome => return finish(site.clone(), outcome),
            }
        }
        let cancel = terms.manner.cancel.as_ref();
        match wait_for(&site, deadline, cancel, &mut report) {
            Some(outcome) => {
                let guard = finish(site.clone(), outcome)?;
                if told {
                    report.acquired();
                }
                Ok(guard)
            }
            None if cancel.is_some_and(Cancel::is_cancelled) => {
                Err(LockError::Interrupted { path, kind })
            }
            None => {
                let waited = start.elapsed();
                Err(LockError::TimedOut { path, kind, owner: site.owner(), waited })
            }
        }
    }
}

#[cfg(feature = "async")]
impl crate::waiting::Lockable<Guard> for Lock {
    fn try_lock(&self) -> Result<Guard, LockError> {
        Lock::try_lock(self)
    }

    fn wait(self: Box<Self>, cancel: &Cancel) -> Result<Guard, LockError> {
        self.cancelled_by(cancel).lock()
    }

    fn cannot_wait(&self) -> LockError {
        self.site.invalid("there is no thread or descriptor left to wait with; try again later")
    }
}

/// Waits in the kernel's queue. A lock that another thread of this process has must be tried for
/// again and again, as all must be where the kernel has no process to wait with.
fn wait_for(
    site: &Site,
    deadline: Option<Instant>,
    cancel: Option<&Cancel>,
    report: &mut Report<'_>,
) -> Option<Result<guard::Guard, local::LockError>> {
    let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
    let deadline_ns = left.map_or(u64::MAX, |left| monotonic_ns().saturating_add(ns(left)));
    let limit = Limit::until(deadline_ns).cancelled_by(cancel.map(Cancel::as_fd));
    let limit = limit.timed_by(site.terms().manner.signal.map(WakeSignal::number));
    let every_ns = report.every_ns();
    let mut queues = true;
    pauses::until(deadline, cancel, || {
        let outcome = if queues {
            let mut tell = || report.waiting(&site.owner(), None);
            let mut tick = Tick { every_ns, call: &mut tell };
            local::lock_within(&site.sys(), &site.request(), &limit, &mut tick)
        } else {
            local::try_lock(&site.sys(), &site.request())
        };
        match outcome {
            Err(local::LockError::CannotQueue) => {
                queues = false;
                report.polling();
                None
            }
            Err(local::LockError::Held | local::LockError::HeldByThisProcess) => None,
            Err(local::LockError::Fault(fault)) if fault.kind == FaultKind::Interrupted => None,
            outcome => Some(outcome),
        }
    })
}

fn finish(site: Site, outcome: Result<guard::Guard, local::LockError>) -> Result<Guard, LockError> {
    match outcome {
        Ok(held) => Guard::new(held, site),
        Err(error) => Err(site.refusal(error)),
    }
}
