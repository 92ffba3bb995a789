//! `Lock_file_blocking.Symlink` by its own names: a symbolic link that is the lock, and whose
//! target is the caller's own text.
//!
//! Others can read the text, but nobody can tell from it whether the holder lives: the lock is
//! never found stale. [`ExistenceLock`](crate::ExistenceLock) with [`Kind::Symlink`] is the one
//! that can.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use lock_core::fault::FaultKind;
use lock_core::kind::Kind;
use lock_core::os::{Node, Symlinks};
use lock_core::scheme::symlink::{self, plain};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

use super::mkdir::{failed, open};
use crate::error::LockError;

/// A symbolic link that is held as a lock. It stays until [`unlock_exn`], also when this is
/// dropped.
///
/// ```
/// use lock_std::lock_file_blocking::symlink::{Outcome, lock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-link-held-{}", std::process::id());
/// let Outcome::WeTookIt(held) = lock_exn(&path, b"me")? else { panic!("held") };
/// drop(held);
/// assert_eq!(std::fs::read_link(&path).unwrap(), std::path::Path::new("me"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "the link stays until it is unlocked"]
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    dir: OwnedFd,
    name: CString,
    metadata: Vec<u8>,
}

/// How [`lock_exn`] ended.
///
/// ```
/// use lock_std::lock_file_blocking::symlink::{Outcome, lock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-link-outcome-{}", std::process::id());
/// // Not a link: held all the same, but nobody can tell by whom.
/// std::fs::write(&path, "").unwrap();
/// assert!(matches!(lock_exn(&path, b"me")?, Outcome::SomebodyElseTookIt(Err(_))));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "it may have the lock in it"]
#[derive(Debug)]
pub enum Outcome {
    /// The lock is held.
    WeTookIt(Held),
    /// It is not: somebody else's text, or why it could not be read.
    SomebodyElseTookIt(Result<Vec<u8>, LockError>),
}

/// Tries to make the link. Where the lock's own directory is, is found out now: a later `chdir`
/// does not matter. Empty metadata is an error of kind [`Missing`](FaultKind::Missing), as the
/// kernel says; metadata ends at its first NUL.
///
/// ```
/// use lock_std::lock_file_blocking::symlink::{Outcome, lock_exn, unlock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-symlink-{}", std::process::id());
/// let Outcome::WeTookIt(held) = lock_exn(&path, b"pid 4711")? else { panic!("held") };
/// let Outcome::SomebodyElseTookIt(Ok(who)) = lock_exn(&path, b"me")? else { panic!("free") };
/// assert_eq!(who, b"pid 4711");
/// unlock_exn(held)?;
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn lock_exn(path: impl AsRef<Path>, metadata: &[u8]) -> Result<Outcome, LockError> {
    let path = path.as_ref();
    let (dir, name) = open(path, Kind::Symlink)?;
    let metadata = metadata.split(|&byte| byte == 0).next().unwrap_or_default();
    let sys = Sys::new(Place::in_directory(dir.as_fd(), &name));
    match plain::try_lock(&sys, metadata) {
        Ok(()) => {
            let (path, metadata) = (path.to_owned(), metadata.to_owned());
            Ok(Outcome::WeTookIt(Held { path, dir, name, metadata }))
        }
        Err(fault) if fault.kind == FaultKind::Exists => {
            let mut target = vec![0; 4096];
            let read = sys.readlink(Node::Lock, &mut target);
            Ok(Outcome::SomebodyElseTookIt(match read {
                Ok(len) => {
                    target.truncate(len);
                    Ok(target)
                }
                Err(fault) => Err(failed(path, Kind::Symlink, fault)),
            }))
        }
        Err(fault) => Err(failed(path, Kind::Symlink, fault)),
    }
}

/// Removes the link, if it has our text still; else [`Lost`](LockError::Lost), where the original
/// removes whatever is there.
///
/// ```
/// use lock_std::LockError;
/// use lock_std::lock_file_blocking::symlink::{Outcome, lock_exn, unlock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-link-unlock-{}", std::process::id());
/// let Outcome::WeTookIt(held) = lock_exn(&path, b"me")? else { panic!("held") };
/// std::fs::remove_file(&path).unwrap();
/// std::os::unix::fs::symlink("another", &path).unwrap();
/// assert!(matches!(unlock_exn(held), Err(LockError::Lost { .. })));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn unlock_exn(held: Held) -> Result<(), LockError> {
    let Held { path, dir, name, metadata } = held;
    let sys = Sys::new(Place::in_directory(dir.as_fd(), &name));
    let kind = Kind::Symlink;
    match symlink::still_held(&sys, &metadata) {
        Ok(true) => plain::unlock(&sys).map_err(|fault| failed(&path, kind, fault)),
        Ok(false) => Err(LockError::Lost { path, kind, cause: None }),
        Err(fault) => Err(failed(&path, kind, fault)),
    }
}
