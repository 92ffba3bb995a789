//! Looking at a lock without taking it.

use lock_core::owner::{Owner, Pid};
use lock_rustix::look::{self, Standing};

use crate::error::LockError;
use crate::lock::Lock;

impl Lock {
    /// Whether somebody holds the lock: this process, or another. It is not taken to find out, not
    /// for an instant.
    ///
    /// Record locks are seen exactly, on NFS too. An flock is seen if `/proc/locks` shows it, which
    /// leaves out other hosts and pid namespaces that this one cannot see into. A lock that does
    /// not exist is not held; a path that cannot be looked at is a [`Fault`](LockError::Fault).
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-locked-{}", std::process::id());
    /// assert!(!lock_std::Lock::at(&path).is_locked()?);
    /// assert!(!std::fs::exists(path).unwrap());
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn is_locked(&self) -> Result<bool, LockError> {
        self.look().map(|standing| matches!(standing, Standing::Held(_)))
    }

    /// Who holds the lock, if somebody does, as far as that can be told:
    /// [`is_locked`](Lock::is_locked) says how far.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-owner-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path);
    /// let guard = lock.try_lock()?;
    /// let owner = lock.owner()?.unwrap();
    /// assert_eq!(owner.pid.unwrap().get(), u64::from(std::process::id()));
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn owner(&self) -> Result<Option<Owner>, LockError> {
        self.look().map(|standing| match standing {
            Standing::Held(owner) => Some(owner),
            _ => None,
        })
    }

    /// How the lock stands, found out without touching it: missing, free, or held by whom.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-look-{}", std::process::id());
    /// assert_eq!(lock_std::Lock::at(&path).look()?, lock_std::Standing::Missing);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn look(&self) -> Result<Standing, LockError> {
        self.site.check_path()?;
        let terms = self.site.terms();
        look::look(&self.site.sys(), terms.kind).map_err(|fault| self.site.fault(fault))
    }

    /// The pid in the lock file, whether or not that process still holds the lock or lives. `None`
    /// if there is no such file, or no pid in it.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-pid-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path);
    /// drop(lock.try_lock()?);
    /// assert_eq!(lock.pid().unwrap().get(), u64::from(std::process::id()));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn pid(&self) -> Option<Pid> {
        look::signature(&self.site.sys()).and_then(|owner| owner.pid)
    }
}
