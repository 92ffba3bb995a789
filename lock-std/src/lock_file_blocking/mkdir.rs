//! `Lock_file_blocking.Mkdir` by its own names: a bare directory that is the lock.
//!
//! It says nothing about its holder and is never found stale: whoever crashed holds it until
//! somebody removes the directory. [`ExistenceLock`](crate::ExistenceLock) with
//! [`Kind::Mkdir`] is the one that names its holder.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lock_core::fault::{Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::scheme::mkdir::plain;
use lock_rustix::place::{Place, open_parent};
use lock_rustix::sys::Sys;

use crate::error::LockError;

/// A directory that is held as a lock. It stays until [`unlock_exn`], also when this is dropped.
///
/// ```
/// use lock_std::lock_file_blocking::mkdir::{Outcome, lock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-held-{}", std::process::id());
/// let Outcome::WeTookIt(held) = lock_exn(&path)? else { panic!("held") };
/// drop(held);
/// assert!(matches!(lock_exn(&path)?, Outcome::SomebodyElseTookIt));
/// # std::fs::remove_dir(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "the directory stays until it is unlocked"]
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    dir: OwnedFd,
    name: CString,
}

/// How [`lock_exn`] ended.
///
/// ```
/// use lock_std::lock_file_blocking::mkdir::{Outcome, lock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-mkdir-outcome-{}", std::process::id());
/// // Whatever has the name: here a file that somebody put there.
/// std::fs::write(&path, "").unwrap();
/// assert!(matches!(lock_exn(&path)?, Outcome::SomebodyElseTookIt));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "it may have the lock in it"]
#[derive(Debug)]
pub enum Outcome {
    /// The lock is held.
    WeTookIt(Held),
    /// It is not: something has that name already.
    SomebodyElseTookIt,
}

/// Tries to make the directory. Where the lock's own directory is, is found out now: a later
/// `chdir` does not matter.
///
/// ```
/// use lock_std::lock_file_blocking::mkdir::{Outcome, lock_exn, unlock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-mkdir-{}", std::process::id());
/// let Outcome::WeTookIt(held) = lock_exn(&path)? else { panic!("held") };
/// assert!(matches!(lock_exn(&path)?, Outcome::SomebodyElseTookIt));
/// unlock_exn(held)?;
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn lock_exn(path: impl AsRef<Path>) -> Result<Outcome, LockError> {
    let path = path.as_ref();
    let (dir, name) = open(path, Kind::Mkdir)?;
    let sys = Sys::new(Place::in_directory(dir.as_fd(), &name));
    match plain::try_lock(&sys) {
        Ok(()) => Ok(Outcome::WeTookIt(Held { path: path.to_owned(), dir, name })),
        Err(fault) if fault.kind == FaultKind::Exists => Ok(Outcome::SomebodyElseTookIt),
        Err(fault) => Err(failed(path, Kind::Mkdir, fault)),
    }
}

/// Removes the directory. An error if it is gone, or not empty.
///
/// ```
/// use lock_std::lock_file_blocking::mkdir::{Outcome, lock_exn, unlock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-mkdir-unlock-{}", std::process::id());
/// let Outcome::WeTookIt(held) = lock_exn(&path)? else { panic!("held") };
/// std::fs::remove_dir(&path).unwrap();
/// assert_eq!(unlock_exn(held).unwrap_err().raw_os_error(), Some(2)); // ENOENT
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn unlock_exn(held: Held) -> Result<(), LockError> {
    let Held { path, dir, name } = held;
    let sys = Sys::new(Place::in_directory(dir.as_fd(), &name));
    plain::unlock(&sys).map_err(|fault| failed(&path, Kind::Mkdir, fault))
}

/// Opens the directory of a path and answers the name in it.
pub(super) fn open(path: &Path, kind: Kind) -> Result<(OwnedFd, CString), LockError> {
    let Ok(c_path) = CString::new(path.as_os_str().as_bytes()) else {
        let why = "a path cannot contain a NUL; correct it";
        return Err(LockError::Invalid { path: path.to_owned(), kind, why });
    };
    let (dir, name) = open_parent(&c_path).map_err(|fault| failed(path, kind, fault))?;
    Ok((dir, name.to_owned()))
}

pub(super) fn failed(path: &Path, kind: Kind, fault: Fault) -> LockError {
    LockError::Fault { path: path.to_owned(), kind, fault }
}
