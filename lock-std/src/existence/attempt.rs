//! Asking for an existence lock: once, until it comes, or for a limited time; and what can be done
//! with one that another process holds.

use core::time::Duration;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::Node;
use lock_core::owner::Owner;
use lock_core::scheme::breaking::TryLockError;
use lock_core::scheme::look::Found;
use lock_core::staleness::{Stale, Unknown, Verdict};
use lock_rustix::clock::monotonic_ns;
use lock_rustix::existence::{Contender, Event, RESTARTS_MAX, Refused, Request};

use super::{ExistenceGuard, ExistenceLock};
use crate::error::LockError;
use crate::signals::WakeSignal;
use crate::waiting::pauses::ns;
use crate::waiting::{Cancel, Report};

impl ExistenceLock {
    /// One try, without waiting. A dead holder's lock is taken over.
    ///
    /// Errors: [`Held`](LockError::Held) by another process, perhaps with a doubt;
    /// [`HeldByThisProcess`](LockError::HeldByThisProcess);
    /// [`StaleButNotPermitted`](LockError::StaleButNotPermitted); [`Invalid`](LockError::Invalid)
    /// terms; [`Fault`](LockError::Fault) when it cannot be taken whoever holds it.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-try-{}", std::process::id());
    /// let guard = ExistenceLock::at(&path, Kind::Nfs).message("nightly backup").try_lock()?;
    /// let text = std::fs::read_to_string(&path).unwrap();
    /// assert!(text.contains("(message \"nightly backup\")"));
    /// # drop(guard);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn try_lock(&self) -> Result<ExistenceGuard, LockError> {
        let contender = self.contender()?;
        let holder = self.living_holder(&contender)?;
        let request = Request {
            holder: &holder,
            message: &self.message,
            flocked: self.holder.is_none(),
            ..Request::once(&holder)
        };
        match contender.lock(&request, &mut |_| {}) {
            Ok(taken) => Ok(ExistenceGuard::new(self, contender, taken)),
            Err(refused) => Err(self.refused(&contender, refused)),
        }
    }

    /// Waits until the lock is ours. Behind a holder that keeps his lock flocked, as this library
    /// does, it queues in the kernel, and wakes when he releases it or dies.
    ///
    /// A thread that holds the lock already waits for itself, for ever. Errors: those of
    /// [`try_lock`](ExistenceLock::try_lock), without the two about others holding the lock.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-lock-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Nfs);
    /// let guard = lock.lock()?;
    /// let waiter = std::thread::spawn(move || lock.lock()?.unlock());
    /// guard.unlock()?;
    /// waiter.join().unwrap()?;
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock(&self) -> Result<ExistenceGuard, LockError> {
        self.wait(None)
    }

    /// Waits at most this long; with no time at all it still tries once. Answers
    /// [`TimedOut`](LockError::TimedOut) when the time is over, never before, and then the lock
    /// will not be taken any more. By the monotonic clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{ExistenceLock, Kind, LockError};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-timeout-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Mkdir);
    /// let _guard = lock.lock_timeout(Duration::from_secs(5))?;
    /// match lock.lock_timeout(Duration::from_millis(1)).unwrap_err() {
    ///     LockError::TimedOut { waited, .. } => assert!(waited >= Duration::from_millis(1)),
    ///     error => panic!("{error}"),
    /// }
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Result<ExistenceGuard, LockError> {
        self.wait(Instant::now().checked_add(timeout))
    }

    /// Waits until this moment, as [`lock_timeout`](ExistenceLock::lock_timeout) does.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-deadline-{}", std::process::id());
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// // One limit for both.
    /// let first = ExistenceLock::at(format!("{path}-1"), Kind::Symlink).lock_deadline(deadline)?;
    /// let second = ExistenceLock::at(format!("{path}-2"), Kind::Symlink).lock_deadline(deadline)?;
    /// assert!(first.still_held()? && second.still_held()?);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock_deadline(&self, deadline: Instant) -> Result<ExistenceGuard, LockError> {
        self.wait(Some(deadline))
    }

    /// Waits as [`lock`](ExistenceLock::lock) does, as a future: see
    /// [`Lock::lock_async`](crate::Lock::lock_async). Needs the feature `async`.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-existence-async-{}", std::process::id());
    /// # use std::{pin::pin, task::{Context, Waker}};
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// let backup = async {
    ///     let guard = ExistenceLock::at(&path, Kind::Mkdir).lock_async().await?;
    ///     // nobody else is here
    ///     guard.unlock()
    /// };
    /// # assert!(pin!(backup).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    /// ```
    #[cfg(feature = "async")]
    pub fn lock_async(&self) -> crate::Locking<ExistenceGuard> {
        crate::Locking::new(self.clone())
    }

    /// Who holds the lock and whether he lives, found out without touching it; `None` if there is
    /// no lock.
    ///
    /// ```
    /// use lock_std::{Alive, ExistenceLock, Kind, Verdict};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-look-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Symlink);
    /// assert_eq!(lock.look()?, None);
    /// let guard = lock.try_lock()?;
    /// assert_eq!(lock.look()?.unwrap().verdict, Verdict::Live(Alive::Runs));
    /// # drop(guard);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn look(&self) -> Result<Option<Found>, LockError> {
        self.contender()?.look().map_err(|fault| self.fault(fault))
    }

    /// Gives back the lock that was taken for the [holder](ExistenceLock::holder), or for this
    /// process, and left standing. `false`: there is none. Another's lock, and one that a living
    /// process keeps open, is [`Held`](LockError::Held) and stays.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-release-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Symlink);
    /// lock.try_lock()?.leave();
    /// assert!(lock.release()?);
    /// assert!(!lock.release()?, "there is none any more");
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn release(&self) -> Result<bool, LockError> {
        let contender = self.contender()?;
        let holder = self.any_holder(&contender);
        self.settle(&contender, || contender.release_for(&holder)).map(|done| done.is_some())
    }

    /// Removes the lock if it is stale, and tells why it was; `None` if there is none. One that is
    /// not stale is [`Held`](LockError::Held).
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind, Stale};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-stale-{}", std::process::id());
    /// // No process has such a number.
    /// std::fs::write(&path, "4194305").unwrap();
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile);
    /// assert_eq!(lock.remove_stale()?, Some(Stale::NoProcess));
    /// assert_eq!(lock.remove_stale()?, None);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn remove_stale(&self) -> Result<Option<Stale>, LockError> {
        let contender = self.contender()?;
        self.settle(&contender, || contender.remove())
    }

    /// Removes the lock, whoever holds it and whether or not he lives: for a person who knows
    /// better. `false`: there is none. Its holder is not told, but what he asks then says that he
    /// has lost it.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind, LockError};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-force-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Mkdir);
    /// let guard = lock.try_lock()?;
    /// assert!(lock.remove_by_force()?);
    /// assert!(matches!(guard.unlock(), Err(LockError::Lost { .. })));
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn remove_by_force(&self) -> Result<bool, LockError> {
        self.contender()?.remove_by_force().map_err(|fault| self.fault(fault))
    }

    /// Sets the time of a lock that was left standing for the [holder](ExistenceLock::holder), or
    /// this process, to now. `false`: there is none, or another's.
    ///
    /// Errors: [`Unsupported`](lock_core::fault::FaultKind::Unsupported) for a symbolic link, whose
    /// time nobody judges.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-touch-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile);
    /// assert!(!lock.touch()?);
    /// lock.try_lock()?.leave();
    /// assert!(lock.touch()?);
    /// # lock.release()?;
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn touch(&self) -> Result<bool, LockError> {
        let contender = self.contender()?;
        let holder = self.any_holder(&contender);
        contender.touch_for(&holder).map_err(|fault| self.fault(fault))
    }

    /// Removes what killed processes left beside the lock; tells how many. What is in use stays.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-sweep-{}", std::process::id());
    /// # std::fs::create_dir(&path).unwrap();
    /// // What a process left that was killed between two calls of an attempt:
    /// std::fs::write(format!("{path}/.lock.nfs_lock.{:032x}.lk", 7), "").unwrap();
    /// assert_eq!(ExistenceLock::at(format!("{path}/lock"), Kind::Nfs).sweep()?, 1);
    /// # std::fs::remove_dir(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn sweep(&self) -> Result<u32, LockError> {
        self.contender()?.sweep().map_err(|fault| self.fault(fault))
    }

    /// A pid file that stays empty for the caller to write, with its flock.
    pub(crate) fn open_empty(&self, wait: bool) -> Result<File, LockError> {
        let contender = self.contender()?;
        let request = Request {
            deadline_ns: if wait { u64::MAX } else { 0 },
            longest_pause_ns: ns(self.longest_pause),
            ..Request::once(&contender.me)
        };
        let taken =
            contender.lock_empty(&request).map_err(|refused| self.refused(&contender, refused))?;
        let file = taken.file().map(|file| file.try_clone_to_owned());
        taken.leave(&contender.spot);
        match file {
            Some(Ok(file)) => Ok(file.into()),
            Some(Err(error)) => Err(LockError::from_open(&self.path, &error)),
            None => Err(self.invalid("this kind has no file")),
        }
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<ExistenceGuard, LockError> {
        let contender = self.contender()?;
        let holder = self.living_holder(&contender)?;
        let mut report = Report::new(&self.manner, &self.path, self.kind, deadline);
        let start = report.start();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(start));
        let request = Request {
            holder: &holder,
            message: &self.message,
            flocked: self.holder.is_none(),
            deadline_ns: left.map_or(u64::MAX, |left| monotonic_ns().saturating_add(ns(left))),
            longest_pause_ns: ns(self.longest_pause),
            tell_every_ns: report.every_ns(),
            cancel: self.manner.cancel.as_ref().map(Cancel::as_fd),
            signal: self.manner.signal.map(WakeSignal::number),
        };
        let mut waited = false;
        if report.is_wanted() {
            if let Ok(Some(found)) = contender.look() {
                tell(&mut report, &found);
                waited = true;
            }
        }
        let outcome = contender.lock(&request, &mut |event| {
            waited = true;
            match event {
                Event::Waiting { found, .. } if report.is_wanted() => tell(&mut report, found),
                Event::Polling => report.polling(),
                _ => {}
            }
        });
        match outcome {
            Ok(taken) => {
                if waited {
                    report.acquired();
                }
                Ok(ExistenceGuard::new(self, contender, taken))
            }
            Err(Refused::Held(_)) if start.elapsed() >= left.unwrap_or_default() => {
                let (path, kind, owner) = (self.path.clone(), self.kind, owner(&contender));
                Err(LockError::TimedOut { path, kind, owner, waited: start.elapsed() })
            }
            Err(refused) => Err(self.refused(&contender, refused)),
        }
    }

    /// Repeats a removal as long as the lock changes under it; `None` if there is none.
    fn settle<T>(
        &self,
        contender: &Contender,
        removal: impl Fn() -> Result<T, TryLockError<OwnedFd>>,
    ) -> Result<Option<T>, LockError> {
        let mut restarts = 0;
        loop {
            match removal() {
                Ok(done) => return Ok(Some(done)),
                Err(TryLockError::Again) if restarts < RESTARTS_MAX => {
                    if let Ok(None) = contender.look() {
                        return Ok(None);
                    }
                    restarts += 1;
                }
                Err(error) => return Err(self.refusal(contender, &error)),
            }
        }
    }

    fn refusal(&self, contender: &Contender, error: &TryLockError<OwnedFd>) -> LockError {
        let (path, kind) = (self.path.clone(), self.kind);
        match *error {
            TryLockError::Held { verdict, .. } => self.held(contender, doubt(verdict)),
            TryLockError::NotPermitted { why, fault } => {
                LockError::StaleButNotPermitted { path, kind, why, fault }
            }
            TryLockError::Fault(fault) => LockError::Fault { path, kind, fault },
            TryLockError::Again => {
                let replaced = FaultKind::Replaced;
                let fault = Fault { call: Call::Open, node: Node::Lock, kind: replaced, errno: 0 };
                LockError::Fault { path, kind, fault }
            }
        }
    }

    fn refused(&self, contender: &Contender, refused: Refused) -> LockError {
        match refused {
            Refused::Held(verdict) => self.held(contender, doubt(verdict)),
            Refused::NotPermitted(why, fault) => {
                self.refusal(contender, &TryLockError::NotPermitted { why, fault })
            }
            Refused::Failed(fault) => self.fault(fault),
            _ => LockError::Interrupted { path: self.path.clone(), kind: self.kind },
        }
    }

    fn held(&self, contender: &Contender, doubt: Option<Unknown>) -> LockError {
        let (path, kind) = (self.path.clone(), self.kind);
        let claim = contender.look().ok().flatten().and_then(|found| found.claim);
        match claim {
            Some(claim) if contender.me.made(&claim) => LockError::HeldByThisProcess { path, kind },
            claim => {
                let owner = claim.map(|claim| claim.owner).unwrap_or_default();
                LockError::Held { path, kind, owner: Box::new(owner), doubt }
            }
        }
    }
}

#[cfg(feature = "async")]
impl crate::waiting::Lockable<ExistenceGuard> for ExistenceLock {
    fn try_lock(&self) -> Result<ExistenceGuard, LockError> {
        ExistenceLock::try_lock(self)
    }

    fn wait(self: Box<Self>, cancel: &Cancel) -> Result<ExistenceGuard, LockError> {
        self.cancelled_by(cancel).lock()
    }

    fn cannot_wait(&self) -> LockError {
        self.invalid("there is no thread or descriptor left to wait with; try again later")
    }
}

fn tell(report: &mut Report<'_>, found: &Found) {
    let owner = found.claim.as_ref().map(|claim| claim.owner.clone()).unwrap_or_default();
    match found.verdict {
        Verdict::Stale(why) => report.stale(&owner, why),
        verdict => report.waiting(&owner, doubt(Some(verdict))),
    }
}

fn doubt(verdict: Option<Verdict>) -> Option<Unknown> {
    match verdict {
        Some(Verdict::Unknown(why)) => Some(why),
        _ => None,
    }
}

fn owner(contender: &Contender) -> Box<Owner> {
    let claim = contender.look().ok().flatten().and_then(|found| found.claim);
    Box::new(claim.map(|claim| claim.owner).unwrap_or_default())
}
