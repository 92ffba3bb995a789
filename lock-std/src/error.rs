//! Why there is no lock, or no more: a value for programs and one sentence for people.
//!
//! Every variant says which lock it is about, and who holds it where that can be known. As an
//! [`std::io::Error`] it keeps all that: the error it was is what `get_ref` gives.

use core::error::Error;
use core::time::Duration;
use std::path::{Path, PathBuf};

use lock_core::fault::{Call, Fault};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::owner::Owner;
use lock_core::staleness::{Stale, Unknown};

mod io;
mod sentence;

/// Why a lock could not be taken, kept or given back.
///
/// ```
/// use lock_std::{Lock, LockError};
///
/// # let path = format!("/tmp/lock-std-doc-error-{}", std::process::id());
/// let lock = Lock::at(&path);
/// let guard = lock.try_lock()?;
/// match lock.try_lock() {
///     Err(LockError::Held { owner, .. }) => println!("come back when {owner} is done"),
///     Err(error) => assert!(error.to_string().contains("locked by this process already")),
///     Ok(_) => unreachable!(),
/// }
/// # drop(guard);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds it.
    #[non_exhaustive]
    Held {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// Who held it just after the try; without a pid if that cannot be told.
        owner: Box<Owner>,
        /// Why it cannot be told whether he lives; of an existence lock.
        doubt: Option<Unknown>,
    },
    /// Nobody holds it, but what the dead holder left may not be removed: in a sticky directory
    /// only the owner of the file or of the directory may.
    #[non_exhaustive]
    StaleButNotPermitted {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// Why the lock is stale.
        why: Stale,
        /// The removal that was refused.
        fault: Fault,
    },
    /// This process holds it, through another guard.
    #[non_exhaustive]
    HeldByThisProcess {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
    },
    /// It was held until the time to wait was over.
    #[non_exhaustive]
    TimedOut {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// Who held it at the end; without a pid if that cannot be told.
        owner: Box<Owner>,
        /// How long this waited.
        waited: Duration,
    },
    /// The wait was given up because its caller said so.
    #[non_exhaustive]
    Interrupted {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
    },
    /// It was held and is not any more: somebody removed or replaced its file, or a conversion
    /// failed. What it protects may have been changed by others.
    #[non_exhaustive]
    Lost {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// Why a conversion failed, if it was one.
        cause: Option<Fault>,
    },
    /// The lock was taken by this process's parent before the fork: only the parent can release it.
    #[non_exhaustive]
    HeldByParent {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
    },
    /// What was asked for does not exist.
    #[non_exhaustive]
    Invalid {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// What is wrong, and what to do instead.
        why: &'static str,
    },
    /// A system call failed in a way that trying again does not mend.
    #[non_exhaustive]
    Fault {
        /// The lock's path, as it was given.
        path: PathBuf,
        /// Its kind.
        kind: Kind,
        /// Which call, on what, and why.
        fault: Fault,
    },
}

impl LockError {
    /// The lock's path, as it was given.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// let error = lock_std::Lock::at("/no such directory/lock").try_lock().unwrap_err();
    /// assert_eq!(error.path(), Path::new("/no such directory/lock"));
    /// ```
    pub fn path(&self) -> &Path {
        self.lock().0
    }

    /// The lock's kind.
    ///
    /// ```
    /// use lock_std::{Kind, Lock};
    ///
    /// let error = Lock::at("/no such directory/lock").kind(Kind::Ofd).try_lock().unwrap_err();
    /// assert_eq!(error.kind(), Kind::Ofd);
    /// ```
    pub fn kind(&self) -> Kind {
        self.lock().1
    }

    /// Who else holds the lock, if that is what is wrong. `None` for all but
    /// [`Held`](LockError::Held) and [`TimedOut`](LockError::TimedOut).
    ///
    /// ```
    /// use lock_std::{Lock, LockError};
    ///
    /// fn complain(error: &LockError) {
    ///     match error.owner() {
    ///         Some(owner) => eprintln!("wait for {owner}"),
    ///         None => eprintln!("{error}"),
    ///     }
    /// }
    /// # let path = format!("/tmp/lock-std-doc-owner-{}", std::process::id());
    /// let lock = Lock::at(&path);
    /// let _guard = lock.try_lock()?;
    /// // Nobody else does: it is this process.
    /// assert!(lock.try_lock().unwrap_err().owner().is_none());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            LockError::Held { owner, .. } | LockError::TimedOut { owner, .. } => Some(owner),
            _ => None,
        }
    }

    /// Whether the lock is held by others, or by this process, and may be free later.
    ///
    /// ```
    /// use lock_std::Lock;
    ///
    /// # let path = format!("/tmp/lock-std-doc-is-held-{}", std::process::id());
    /// let lock = Lock::at(&path);
    /// let _guard = lock.try_lock()?;
    /// assert!(lock.try_lock().unwrap_err().is_held());
    /// // Waiting does not help here.
    /// assert!(!Lock::at("/no such directory/lock").try_lock().unwrap_err().is_held());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn is_held(&self) -> bool {
        matches!(
            self,
            LockError::Held { .. }
                | LockError::HeldByThisProcess { .. }
                | LockError::TimedOut { .. }
        )
    }

    /// The error number of the system call that failed, if one did.
    ///
    /// ```
    /// let error = lock_std::Lock::at("/no such directory/lock").try_lock().unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(2)); // ENOENT
    /// let error = lock_std::Lock::at("no\0path").try_lock().unwrap_err();
    /// assert_eq!(error.raw_os_error(), None);
    /// ```
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            LockError::Fault { fault, .. } | LockError::StaleButNotPermitted { fault, .. }
                if fault.errno != 0 =>
            {
                Some(i32::from(fault.errno))
            }
            _ => None,
        }
    }

    /// That a pid file could not be opened.
    pub(crate) fn from_open(path: &Path, error: &std::io::Error) -> LockError {
        let errno = rustix::io::Errno::from_raw_os_error(error.raw_os_error().unwrap_or_default());
        let fault = lock_rustix::fault::fault(Call::Open, Node::Lock, errno);
        LockError::Fault { path: path.to_owned(), kind: Kind::Pidfile, fault }
    }

    fn lock(&self) -> (&Path, Kind) {
        match self {
            LockError::Held { path, kind, .. }
            | LockError::HeldByThisProcess { path, kind }
            | LockError::TimedOut { path, kind, .. }
            | LockError::Interrupted { path, kind }
            | LockError::Lost { path, kind, .. }
            | LockError::HeldByParent { path, kind }
            | LockError::StaleButNotPermitted { path, kind, .. }
            | LockError::Invalid { path, kind, .. }
            | LockError::Fault { path, kind, .. } => (path, *kind),
        }
    }
}

impl Error for LockError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LockError::Fault { fault, .. }
            | LockError::StaleButNotPermitted { fault, .. }
            | LockError::Lost { cause: Some(fault), .. } => Some(fault),
            _ => None,
        }
    }
}
