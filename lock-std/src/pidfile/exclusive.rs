//! Pid files that the caller writes himself.

use std::fs::File;
use std::path::Path;

use super::{Options, lock};
use crate::error::LockError;

/// Makes an empty file that nobody else has, for the caller to write: as [`mkpidlock`] waits and
/// judges, it does. The file stays until somebody removes it; while it is open, no other of this
/// library takes it for abandoned. [`Options::refresh`] only says how others are judged here.
///
/// Errors: those of [`mkpidlock`].
///
/// [`mkpidlock`]: super::mkpidlock
///
/// ```
/// use lock_std::pidfile::{Options, open_exclusive, write_pidfile};
///
/// # let path = format!("/tmp/lock-std-doc-open-exclusive-{}", std::process::id());
/// let file = open_exclusive(&path, Options::default())?;
/// write_pidfile(&file, std::process::id()).unwrap();
/// assert!(open_exclusive(&path, Options { wait: false, ..Options::default() }).is_err());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn open_exclusive(path: impl AsRef<Path>, options: Options) -> Result<File, LockError> {
    lock(path.as_ref(), options).open_empty(options.wait)
}

/// Makes an empty file that nobody else has, or answers `None` if there is one, stale or not.
///
/// The plain call of the original: nothing is judged, and nothing marks the empty file as in use.
/// Errors: [`Fault`](LockError::Fault) if it cannot be made, as without its directory.
///
/// ```
/// use lock_std::pidfile::tryopen_exclusive;
///
/// # let path = format!("/tmp/lock-std-doc-tryopen-{}", std::process::id());
/// assert!(tryopen_exclusive(&path, 0o444)?.is_some());
/// assert!(tryopen_exclusive(&path, 0o444)?.is_none());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn tryopen_exclusive(path: impl AsRef<Path>, mode: u32) -> Result<Option<File>, LockError> {
    use std::io::ErrorKind;
    use std::os::unix::fs::OpenOptionsExt;

    let path = path.as_ref();
    match File::options().read(true).write(true).create_new(true).mode(mode).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(LockError::from_open(path, &error)),
    }
}
