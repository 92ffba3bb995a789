//! Jane Street's `Lock_file_blocking` by its own names, for programs that are being ported.
//!
//! The lock is that of [`Lock`]'s default [`Kind::File`](crate::Kind::File): both take it from each
//! other and from OCaml programs. What the original raises is an error here; what it cannot do,
//! release a lock before the process ends, dropping the guard does.
//! [`Guard::keep`](crate::Guard::keep) holds it to the end as the original does.

use core::time::Duration;
use std::path::Path;

use lock_core::owner::Pid;

use crate::error::LockError;
use crate::guard::Guard;
use crate::lock::Lock;

pub mod flock;
pub mod mkdir;
pub mod nfs;
pub mod symlink;

/// The optional arguments of [`create`] and its sisters.
///
/// ```
/// use lock_std::lock_file_blocking::Options;
///
/// let options = Options { message: Some(b"nightly backup"), ..Options::default() };
/// assert!(options.close_on_exec && !options.unlink_on_exit);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Options<'a> {
    /// What to write into the file, before a newline; else the pid.
    pub message: Option<&'a [u8]>,
    /// Whether programs that are started do not inherit the lock; so by default.
    pub close_on_exec: bool,
    /// Whether the file goes when the lock does; not by default.
    /// [`Lock::unlink_on_exit`] tells what that can do to OCaml programs that use the same path.
    pub unlink_on_exit: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { message: None, close_on_exec: true, unlink_on_exit: false }
    }
}

/// Tries to take the lock; answers `None` if it is held, by this process or another. Everything
/// else that is in the way is an error.
///
/// ```
/// use lock_std::lock_file_blocking::{Options, create};
///
/// # let path = format!("/tmp/lock-std-doc-create-{}", std::process::id());
/// match create(&path, Options::default())? {
///     Some(guard) => guard.keep(),
///     None => println!("another copy runs"),
/// }
/// assert!(create(&path, Options::default())?.is_none());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn create(path: impl AsRef<Path>, options: Options<'_>) -> Result<Option<Guard>, LockError> {
    match create_exn(path, options) {
        Ok(guard) => Ok(Some(guard)),
        Err(error) if error.is_held() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tries to take the lock; an error if it is held, and it says by whom.
///
/// ```
/// use lock_std::lock_file_blocking::{Options, create_exn};
///
/// # let path = format!("/tmp/lock-std-doc-exn-{}", std::process::id());
/// let _guard = create_exn(&path, Options::default())?;
/// assert!(create_exn(&path, Options::default()).unwrap_err().is_held());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn create_exn(path: impl AsRef<Path>, options: Options<'_>) -> Result<Guard, LockError> {
    lock(path.as_ref(), options).try_lock()
}

/// Waits for the lock, at most as long as `timeout` says. An error that waiting does not mend (no
/// directory, no permission) is answered at once; the original tries on until its time is over.
///
/// ```
/// use std::time::Duration;
/// use lock_std::lock_file_blocking::{Options, blocking_create};
///
/// # let path = format!("/tmp/lock-std-doc-blocking-{}", std::process::id());
/// let _guard = blocking_create(&path, Some(Duration::from_secs(5)), Options::default())?;
/// assert!(blocking_create(&path, Some(Duration::ZERO), Options::default()).is_err());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn blocking_create(
    path: impl AsRef<Path>,
    timeout: Option<Duration>,
    options: Options<'_>,
) -> Result<Guard, LockError> {
    let lock = lock(path.as_ref(), options);
    match timeout {
        Some(timeout) => lock.lock_timeout(timeout),
        None => lock.lock(),
    }
}

/// Whether somebody holds the lock; no for a file that does not exist. Unlike the original this
/// takes nothing, so no concurrent [`create`] fails because of it.
///
/// ```
/// assert!(!lock_std::lock_file_blocking::is_locked("/no such directory/lock")?);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn is_locked(path: impl AsRef<Path>) -> Result<bool, LockError> {
    Lock::at(path).is_locked()
}

/// The pid in the lock file, whether or not it is held; `None` if there is no such file, or no pid
/// in it. White space around it does not matter, and it is read as OCaml reads integers.
///
/// ```
/// # let path = format!("/tmp/lock-std-doc-get-pid-{}", std::process::id());
/// std::fs::write(&path, "0x10\n").unwrap();
/// assert_eq!(lock_std::lock_file_blocking::get_pid(&path).unwrap().get(), 16);
/// # std::fs::remove_file(path).unwrap();
/// ```
pub fn get_pid(path: impl AsRef<Path>) -> Option<Pid> {
    Lock::at(path).pid()
}

fn lock(path: &Path, options: Options<'_>) -> Lock {
    let lock =
        Lock::at(path).close_on_exec(options.close_on_exec).unlink_on_exit(options.unlink_on_exit);
    match options.message {
        Some(message) => lock.message(message),
        None => lock,
    }
}
