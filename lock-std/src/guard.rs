//! The guard: while it lives, the lock is held.

use core::error::Error;
use core::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::{Mode, Node};
use lock_rustix::{guard, local, process};

use crate::error::LockError;
use crate::exit::RemovedAtExit;
use crate::site::Site;

/// A held lock. Dropping it releases the lock; [`unlock`](Guard::unlock) does so too and reports.
///
/// In a forked child a guard is only a copy: dropping it there releases nothing. A daemon that
/// takes its lock before it forks has the lock until the last copy is gone (not a lockf lock, which
/// stays with the parent), but the file names the parent: better take it after the fork.
///
/// ```
/// # let path = format!("/tmp/lock-std-doc-guard-{}", std::process::id());
/// let lock = lock_std::Lock::at(&path);
/// let guard = lock.try_lock()?;
/// assert!(lock.is_locked()?);
/// drop(guard);
/// assert!(!lock.is_locked()?);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "dropping it releases the lock"]
#[derive(Debug)]
pub struct Guard {
    // In this order: the name goes while the lock is held.
    unlink: Option<RemovedAtExit>,
    held: guard::Guard,
    site: Site,
    pid: u32,
}

/// What became of a lock that should have been held in another mode.
///
/// ```
/// use lock_std::{ConvertError, Kind, Lock};
///
/// # let path = format!("/tmp/lock-std-doc-convert-error-{}", std::process::id());
/// let shared = Lock::at(&path).kind(Kind::Flock).shared();
/// let (first, second) = (shared.try_lock()?, shared.try_lock()?);
/// match first.upgrade().unwrap_err() {
///     // `flock(2)` gave the shared lock up, and the second one is in the way.
///     ConvertError::Lost(why) => assert!(!why.is_held()),
///     ConvertError::Kept(first, _) => first.unlock()?,
/// }
/// # drop(second);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "it may have the guard in it"]
#[derive(Debug)]
pub enum ConvertError {
    /// The lock is held as before, and this is why.
    Kept(Box<Guard>, LockError),
    /// The lock is gone: `flock(2)` gives up the old mode before it tries the new one.
    Lost(LockError),
}

impl Guard {
    /// Makes a guard of what was just taken; on failure it is given back.
    pub(crate) fn new(held: guard::Guard, site: Site) -> Result<Guard, LockError> {
        let terms = site.terms();
        if let Some(uid) = terms.owner_uid {
            rustix::fs::fchown(&held, Some(rustix::fs::Uid::from_raw(uid)), None)
                .map_err(|errno| site.fault(fault(Call::Fchown, errno)))?;
        }
        if !terms.close_on_exec {
            rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty())
                .map_err(|errno| site.fault(fault(Call::Fcntl, errno)))?;
        }
        let unlink = terms.unlink_on_exit.then(|| RemovedAtExit::file(site.clone(), held.inode()));
        let pid = site.pid();
        Ok(Guard { unlink, held, site, pid })
    }

    /// The lock's path, as it was given.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-guard-path-{}", std::process::id());
    /// let guard = lock_std::Lock::at(&path).try_lock()?;
    /// assert_eq!(guard.path(), std::path::Path::new(&path));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.site.path()
    }

    /// The lock's kind.
    ///
    /// ```
    /// use lock_std::{Kind, Lock};
    ///
    /// # let path = format!("/tmp/lock-std-doc-guard-kind-{}", std::process::id());
    /// assert_eq!(Lock::at(&path).try_lock()?.kind(), Kind::File);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.site.terms().kind
    }

    /// How the lock is held.
    ///
    /// ```
    /// use lock_std::{Kind, Lock, Mode};
    ///
    /// # let path = format!("/tmp/lock-std-doc-guard-mode-{}", std::process::id());
    /// let guard = Lock::at(&path).kind(Kind::Ofd).shared().try_lock()?;
    /// assert_eq!(guard.mode(), Mode::Shared);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn mode(&self) -> Mode {
        self.held.mode()
    }

    /// Whether others still find the lock held: its path still names the locked file. If a person
    /// or a program removed or replaced the file, others can lock its successor.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-still-{}", std::process::id());
    /// let guard = lock_std::Lock::at(&path).try_lock()?;
    /// assert!(guard.still_held()?);
    /// std::fs::remove_file(&path).unwrap();
    /// assert!(!guard.still_held()?);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn still_held(&self) -> Result<bool, LockError> {
        self.held.still_held(&self.site.sys()).map_err(|fault| self.site.fault(fault))
    }

    /// Releases the lock and reports. Whatever is reported, the guard is gone.
    ///
    /// The lock is free when this returns, also when another thread is starting a child at this
    /// moment, which has copies of all descriptors until its exec; after a mere drop the lock can
    /// outlive the guard by that. A lock made with `close_on_exec(false)` is only closed, and stays
    /// with the children that have it.
    ///
    /// Errors: [`Lost`](LockError::Lost) if the lock was not [still held](Guard::still_held);
    /// [`HeldByParent`](LockError::HeldByParent) in a forked child, where nothing is released;
    /// [`Fault`](LockError::Fault) if a file that should go could not be removed.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-unlock-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path);
    /// lock.try_lock()?.unlock()?;
    /// let guard = lock.try_lock()?;
    /// std::fs::remove_file(&path).unwrap();
    /// std::fs::write(&path, "another file").unwrap();
    /// assert!(matches!(guard.unlock(), Err(lock_std::LockError::Lost { .. })));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn unlock(self) -> Result<(), LockError> {
        let Guard { unlink, held, site, pid } = self;
        let (path, kind) = site.name();
        if pid != process::id() {
            return Err(LockError::HeldByParent { path, kind });
        }
        let sys = site.sys();
        // Asked first: afterwards the file may be gone by our own hand.
        let still_held = held.still_held(&sys);
        let unlinked = unlink.map_or(Ok(()), RemovedAtExit::remove);
        let released = if site.terms().close_on_exec { held.unlock(&sys) } else { Ok(()) };
        match unlinked.and(released).and(still_held) {
            Ok(true) => Ok(()),
            Ok(false) => Err(LockError::Lost { path, kind, cause: None }),
            Err(fault) => Err(site.fault(fault)),
        }
    }

    /// Keeps the lock until the process ends. A file that should go at exit still does.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-keep-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path).unlink_on_exit(true);
    /// lock.try_lock()?.keep();
    /// assert!(lock.is_locked()?);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn keep(self) {
        core::mem::forget(self);
    }

    /// Holds the lock in another mode, without waiting.
    ///
    /// lockf and ofd locks change in one step. `flock(2)` gives the old mode up before it tries the
    /// new one: even when this succeeds, or says [`Kept`](ConvertError::Kept), somebody else may
    /// have held the lock in between; and when he still does, it is
    /// [`Lost`](ConvertError::Lost). So look again at what the lock protects.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-convert-{}", std::process::id());
    /// use lock_std::{ConvertError, Kind, Lock, Mode};
    ///
    /// let shared = Lock::at(&path).kind(Kind::Ofd).shared();
    /// let (first, second) = (shared.try_lock()?, shared.try_lock()?);
    /// let Err(ConvertError::Kept(first, why)) = first.convert(Mode::Exclusive) else {
    ///     panic!("the second holder is in the way");
    /// };
    /// assert!(why.is_held());
    /// drop(second);
    /// let first = first.convert(Mode::Exclusive).unwrap();
    /// assert_eq!(first.mode(), Mode::Exclusive);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn convert(self, mode: Mode) -> Result<Guard, ConvertError> {
        if mode == Mode::Shared {
            if let Err(error) = self.site.check_shared() {
                return Err(ConvertError::Kept(Box::new(self), error));
            }
        }
        let Guard { unlink, held, site, pid } = self;
        match held.convert(&site.sys(), mode) {
            Ok(held) => Ok(Guard { unlink, held, site, pid }),
            Err(guard::ConvertError::Kept(held, fault)) => {
                let error = match fault.kind {
                    FaultKind::WouldBlock => site.refusal(local::LockError::Held),
                    _ => site.fault(fault),
                };
                Err(ConvertError::Kept(Box::new(Guard { unlink, held, site, pid }), error))
            }
            Err(guard::ConvertError::Lost(fault)) => {
                let (path, kind) = site.name();
                Err(ConvertError::Lost(LockError::Lost { path, kind, cause: Some(fault) }))
            }
        }
    }

    /// [`convert`](Guard::convert) to hold the lock alone.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-upgrade-{}", std::process::id());
    /// use lock_std::{ConvertError, Kind, Lock};
    ///
    /// let reader = Lock::at(&path).kind(Kind::Lockf).shared().try_lock()?;
    /// let writer = reader.upgrade().map_err(ConvertError::into_error)?;
    /// assert_eq!(writer.mode(), lock_std::Mode::Exclusive);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn upgrade(self) -> Result<Guard, ConvertError> {
        self.convert(Mode::Exclusive)
    }

    /// [`convert`](Guard::convert) to hold the lock beside other readers.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-downgrade-{}", std::process::id());
    /// use lock_std::{ConvertError, Kind, Lock};
    ///
    /// let writer = Lock::at(&path).kind(Kind::Ofd).try_lock()?;
    /// let reader = writer.downgrade().map_err(ConvertError::into_error)?;
    /// assert!(Lock::at(&path).kind(Kind::Ofd).shared().try_lock().is_ok());
    /// # drop(reader);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn downgrade(self) -> Result<Guard, ConvertError> {
        self.convert(Mode::Shared)
    }
}

impl AsFd for Guard {
    /// The locked file. For a lockf lock, do not close a duplicate of this descriptor: that drops
    /// the lock.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }
}

impl ConvertError {
    /// Why. A guard that was kept is dropped, which releases its lock.
    ///
    /// ```
    /// use lock_std::{ConvertError, Kind, Lock};
    ///
    /// # let path = format!("/tmp/lock-std-doc-into-error-{}", std::process::id());
    /// let shared = Lock::at(&path).kind(Kind::Ofd).shared();
    /// let (first, second) = (shared.try_lock()?, shared.try_lock()?);
    /// assert!(first.upgrade().map_err(ConvertError::into_error).unwrap_err().is_held());
    /// // The first was kept, and is gone now: the second is alone.
    /// second.upgrade().map_err(ConvertError::into_error)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn into_error(self) -> LockError {
        match self {
            ConvertError::Kept(_, error) | ConvertError::Lost(error) => error,
        }
    }

    fn error(&self) -> &LockError {
        match self {
            ConvertError::Kept(_, error) | ConvertError::Lost(error) => error,
        }
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(out)
    }
}

impl Error for ConvertError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error().source()
    }
}

fn fault(call: Call, errno: rustix::io::Errno) -> Fault {
    lock_rustix::fault::fault(call, Node::Lock, errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_and_errors_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Guard>();
        crosses::<ConvertError>();
        crosses::<LockError>();
    }
}
