//! The guard of an existence lock: while it lives, the lock stands for this process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lock_core::fault::Fault;
use lock_core::kind::Kind;
use lock_core::scheme::hardlink::Unlocked;
use lock_rustix::existence::{Contender, Taken};
use lock_rustix::process;

use super::refresh::Refresher;
use super::{ExistenceLock, ms};
use crate::error::LockError;
use crate::exit::RemovedAtExit;

/// A held existence lock. Dropping it gives the lock back, and so does the end of the process by
/// `exit`; [`unlock`](ExistenceGuard::unlock) does it too and reports.
///
/// When the process is killed the lock stays, and the next taker finds it stale. In a forked child
/// a guard is only a copy: dropping it there gives nothing back.
///
/// ```
/// use lock_std::{ExistenceLock, Kind};
///
/// # let path = format!("/tmp/lock-std-doc-existence-guard-{}", std::process::id());
/// let lock = ExistenceLock::at(&path, Kind::Pidfile);
/// let guard = lock.try_lock()?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert!(text.starts_with(&format!("{} ", std::process::id())));
/// assert!(guard.still_held()?);
/// drop(guard);
/// assert!(!std::fs::exists(&path).unwrap());
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "dropping it gives the lock back"]
#[derive(Debug)]
pub struct ExistenceGuard {
    path: PathBuf,
    kind: Kind,
    held: Arc<Held>,
    refresher: Option<Refresher>,
    at_exit: Option<RemovedAtExit>,
}

/// What guard, refresher and exit share.
#[derive(Debug)]
pub(super) struct Held {
    contender: Contender,
    taken: Mutex<Option<Taken>>,
    /// A forked child must not even wait for the mutex: the thread that has it is the parent's.
    pid: u32,
}

impl ExistenceGuard {
    pub(super) fn new(lock: &ExistenceLock, contender: Contender, taken: Taken) -> ExistenceGuard {
        // Asked already, to find out who asks for the lock.
        let pid = contender.me.observer.owner.pid;
        let pid = pid.and_then(|pid| u32::try_from(pid.get()).ok()).unwrap_or_else(process::id);
        let held = Arc::new(Held { contender, taken: Mutex::new(Some(taken)), pid });
        let every = lock.refresh_every();
        let stale_age = lock.stale_age.max(lock.lease);
        let refresher = (!every.is_zero()).then(|| {
            let on_lost = lock.on_lost.clone();
            Refresher::start(Arc::clone(&held), ms(every), ms(stale_age), on_lost)
        });
        let leaving = Arc::clone(&held);
        let removal = move || {
            if leaving.is_parents() { Ok(()) } else { leaving.unlock().map(|_| ()) }
        };
        let at_exit = RemovedAtExit::register(pid, Box::new(removal));
        let (path, kind) = (lock.path.clone(), lock.kind);
        ExistenceGuard { path, kind, held, refresher, at_exit: Some(at_exit) }
    }

    /// The lock's path, as it was given.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-guard-path-{}", std::process::id());
    /// let guard = ExistenceLock::at(&path, Kind::Nfs).try_lock()?;
    /// // As given: the file has `.nfs_lock` behind it.
    /// assert_eq!(guard.path(), std::path::Path::new(&path));
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock's kind.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-guard-kind-{}", std::process::id());
    /// assert_eq!(ExistenceLock::at(&path, Kind::Mkdir).try_lock()?.kind(), Kind::Mkdir);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the lock is still this one: nobody removed or replaced it. Never true again once it
    /// was false.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-still-{}", std::process::id());
    /// let guard = ExistenceLock::at(&path, Kind::Pidfile).try_lock()?;
    /// assert!(guard.still_held()?);
    /// std::fs::remove_file(&path).unwrap();
    /// assert!(!guard.still_held()?);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn still_held(&self) -> Result<bool, LockError> {
        self.held.still_held().map_err(|fault| self.fault(fault))
    }

    /// Sets the lock's time to now by the clock of its file system, so that others do not take it
    /// for abandoned. A symbolic link keeps its time.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-guard-touch-{}", std::process::id());
    /// let guard = ExistenceLock::at(&path, Kind::Pidfile).try_lock()?;
    /// std::fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    /// guard.touch()?;
    /// assert!(std::fs::metadata(&path).unwrap().modified().unwrap() > std::time::UNIX_EPOCH);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn touch(&self) -> Result<(), LockError> {
        self.held.touch().map_err(|fault| self.fault(fault))
    }

    /// A number that is larger than those of all earlier acquisitions which asked for one. What the
    /// lock protects should refuse smaller numbers than it has seen: see
    /// [`fencing`](lock_rustix::fencing). It is kept in a file `.NAME.token` beside the lock, which
    /// stays.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let dir = format!("/tmp/lock-std-doc-token-{}", std::process::id());
    /// # std::fs::create_dir(&dir).unwrap();
    /// let lock = ExistenceLock::at(format!("{dir}/lock"), Kind::Symlink);
    /// let first = lock.try_lock()?.token()?;
    /// assert!(lock.try_lock()?.token()? > first);
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn token(&self) -> Result<u64, LockError> {
        self.held.contender.next_token().map_err(|fault| self.fault(fault))
    }

    /// Gives the lock back and reports. Whatever is reported, the guard is gone.
    ///
    /// Errors: [`Lost`](LockError::Lost) if somebody had removed or replaced it;
    /// [`HeldByParent`](LockError::HeldByParent) in a forked child, where nothing is given back;
    /// [`Fault`](LockError::Fault) if it cannot be removed.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind, LockError};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-unlock-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Symlink);
    /// lock.try_lock()?.unlock()?;
    /// let guard = lock.try_lock()?;
    /// std::fs::remove_file(&path).unwrap();
    /// assert!(matches!(guard.unlock(), Err(LockError::Lost { .. })));
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn unlock(mut self) -> Result<(), LockError> {
        self.refresher = None;
        let (path, kind) = (self.path.clone(), self.kind);
        if self.held.is_parents() {
            return Err(LockError::HeldByParent { path, kind });
        }
        let outcome = self.held.unlock();
        // Exit waits for our mutex with the registry locked: this locks it without our mutex.
        if let Some(at_exit) = self.at_exit.take() {
            at_exit.forget();
        }
        match outcome {
            Ok(Some(Unlocked::Released)) => Ok(()),
            Ok(_) => Err(LockError::Lost { path, kind, cause: None }),
            Err(fault) => Err(LockError::Fault { path, kind, fault }),
        }
    }

    /// Leaves the lock standing when this process has ended: for the
    /// [holder](ExistenceLock::holder) that it was taken for.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-leave-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Mkdir);
    /// lock.try_lock()?.leave();
    /// assert!(lock.look()?.is_some());
    /// # lock.release()?;
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn leave(mut self) {
        self.refresher = None;
        if let Some(taken) = self.held.lock().take() {
            taken.leave(&self.held.contender.spot);
        }
    }

    /// Keeps the lock until the process ends, and gives it back then, unless it is killed.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-keep-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile);
    /// lock.try_lock()?.keep();
    /// assert!(lock.try_lock().unwrap_err().is_held());
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn keep(mut self) {
        core::mem::forget(self.refresher.take());
        core::mem::forget(self.at_exit.take());
    }

    fn fault(&self, fault: Fault) -> LockError {
        LockError::Fault { path: self.path.clone(), kind: self.kind, fault }
    }
}

impl Held {
    pub(super) fn still_held(&self) -> Result<bool, Fault> {
        match &*self.lock() {
            Some(taken) => taken.still_held(&self.contender.spot),
            None => Ok(false),
        }
    }

    pub(super) fn touch(&self) -> Result<(), Fault> {
        self.lock().as_ref().map_or(Ok(()), Taken::touch)
    }

    /// In a forked child: the lock is its parent's.
    fn is_parents(&self) -> bool {
        self.pid != process::id()
    }

    /// Gives the lock back, once.
    fn unlock(&self) -> Result<Option<Unlocked>, Fault> {
        // Locked until that is done: exit waits for it.
        match self.lock().take() {
            Some(taken) => taken.unlock(&self.contender.spot).map(Some),
            None => Ok(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Taken>> {
        // Nothing in between can panic halfway.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
