//! `Lock_file_blocking.Nfs` by its own names: hard-link locks that programs on several hosts share.
//!
//! The lock of PATH is the file PATH`.nfs_lock`, which says host, pid, start time and message; PATH
//! is the same file, for readers. It excludes OCaml programs of every version and this library's
//! [`Kind::Nfs`]. Neither of the two bugs that the original documents is possible here: a stale
//! lock is taken over by one process only, and what a lock says is written before it is one.

use core::time::Duration;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lock_core::kind::Kind;
use lock_core::owner::Pid;
use lock_core::payload::nfs_info::{NFS_INFO_MAX, NfsInfo};

use crate::error::LockError;
use crate::existence::{ExistenceGuard, ExistenceLock};

/// Locks that [`keep`] holds, by their paths as they were given.
static KEPT: Mutex<Option<HashMap<PathBuf, ExistenceGuard>>> = Mutex::new(None);

/// Tries to take the lock; cleans up first if a dead process of this host left it. An error if it
/// is held, and it says by whom: what the original answers as `Error`.
///
/// The original holds the lock until [`unlock`] or the end of the process: see [`keep`].
///
/// ```
/// use lock_std::lock_file_blocking::nfs;
///
/// # let path = format!("/tmp/lock-std-doc-nfs-{}", std::process::id());
/// let guard = nfs::create(&path, Some(b"nightly backup"))?;
/// assert_eq!(nfs::get_message(&path).unwrap(), b"nightly backup");
/// # drop(guard);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn create(path: impl AsRef<Path>, message: Option<&[u8]>) -> Result<ExistenceGuard, LockError> {
    lock(path.as_ref(), message).try_lock()
}

/// [`create`], whose error the original raises.
///
/// ```
/// # let path = format!("/tmp/lock-std-doc-nfs-exn-{}", std::process::id());
/// use lock_std::lock_file_blocking::nfs::create_exn;
///
/// let _guard = create_exn(&path, None)?;
/// assert!(create_exn(&path, None).unwrap_err().is_held());
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn create_exn(
    path: impl AsRef<Path>,
    message: Option<&[u8]>,
) -> Result<ExistenceGuard, LockError> {
    create(path, message)
}

/// Waits for the lock, at most as long as `timeout` says. An error that waiting does not mend is
/// answered at once.
///
/// ```
/// use std::time::Duration;
/// use lock_std::lock_file_blocking::nfs;
///
/// # let path = format!("/tmp/lock-std-doc-nfs-blocking-{}", std::process::id());
/// let _guard = nfs::blocking_create(&path, Some(Duration::from_secs(5)), None)?;
/// assert!(nfs::blocking_create(&path, Some(Duration::ZERO), None).is_err());
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn blocking_create(
    path: impl AsRef<Path>,
    timeout: Option<Duration>,
    message: Option<&[u8]>,
) -> Result<ExistenceGuard, LockError> {
    let lock = lock(path.as_ref(), message);
    match timeout {
        Some(timeout) => lock.lock_timeout(timeout),
        None => lock.lock(),
    }
}

/// Runs `f` while the lock is held. An error of giving the lock back is an error, and what `f`
/// answered is gone then.
///
/// ```
/// use std::time::Duration;
/// use lock_std::lock_file_blocking::nfs;
///
/// # let path = format!("/tmp/lock-std-doc-nfs-critical-{}", std::process::id());
/// let sum = nfs::critical_section(&path, Some(Duration::from_secs(5)), None, || 1 + 1)?;
/// assert_eq!(sum, 2);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn critical_section<T>(
    path: impl AsRef<Path>,
    timeout: Option<Duration>,
    message: Option<&[u8]>,
    f: impl FnOnce() -> T,
) -> Result<T, LockError> {
    let guard = blocking_create(path, timeout, message)?;
    let answer = f();
    guard.unlock().map(|()| answer)
}

/// Holds the lock as the original does: until [`unlock`] with the same path, or the end of the
/// process by `exit`.
///
/// ```
/// use lock_std::lock_file_blocking::nfs;
///
/// # let path = format!("/tmp/lock-std-doc-nfs-keep-{}", std::process::id());
/// nfs::keep(nfs::create(&path, None)?);
/// assert!(nfs::create(&path, None).is_err());
/// nfs::unlock(&path)?;
/// assert!(!std::fs::exists(path).unwrap());
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn keep(guard: ExistenceGuard) {
    let path = guard.path().to_owned();
    kept().get_or_insert_default().insert(path, guard);
}

/// Gives the lock back if this process [keeps](keep) it, or removes it if a dead process of this
/// host left it. Nothing at all is no error. A living process's lock is
/// [`Held`](LockError::Held), and [`HeldByThisProcess`](LockError::HeldByThisProcess) if a guard
/// of this process has it.
///
/// ```
/// use lock_std::lock_file_blocking::nfs;
///
/// # let path = format!("/tmp/lock-std-doc-lfb-nfs-unlock-{}", std::process::id());
/// let guard = nfs::create(&path, None)?;
/// assert!(nfs::unlock(&path).unwrap_err().is_held(), "a guard has it");
/// guard.unlock()?;
/// nfs::unlock(&path)?; // nothing is there
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn unlock(path: impl AsRef<Path>) -> Result<(), LockError> {
    let path = path.as_ref();
    let guard = kept().as_mut().and_then(|kept| kept.remove(path));
    match guard {
        Some(guard) => guard.unlock(),
        None => lock(path, None).remove_stale().map(|_| ()),
    }
}

/// [`unlock`], whose error the original raises.
///
/// ```
/// use lock_std::lock_file_blocking::nfs::unlock_exn;
///
/// assert!(unlock_exn("/no lock here").is_ok());
/// assert!(unlock_exn("/no such directory/lock").is_err());
/// ```
pub fn unlock_exn(path: impl AsRef<Path>) -> Result<(), LockError> {
    unlock(path)
}

/// The host and pid that the lock names, whether or not that process still lives. `None` if there
/// is no lock, or none that can be read.
///
/// ```
/// use lock_std::lock_file_blocking::nfs;
///
/// # let path = format!("/tmp/lock-std-doc-nfs-who-{}", std::process::id());
/// assert_eq!(nfs::get_hostname_and_pid(&path), None);
/// let guard = nfs::create(&path, None)?;
/// let (host, pid) = nfs::get_hostname_and_pid(&path).unwrap();
/// assert_eq!(pid.get(), u64::from(std::process::id()));
/// # drop(guard);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn get_hostname_and_pid(path: impl AsRef<Path>) -> Option<(Vec<u8>, Pid)> {
    let info = read(path.as_ref())?;
    Some((info.host.to_vec(), info.pid))
}

/// The message that the lock carries; empty if it has none. `None` if there is no lock, or none
/// that can be read.
///
/// ```
/// use lock_std::lock_file_blocking::nfs;
///
/// # let path = format!("/tmp/lock-std-doc-lfb-nfs-message-{}", std::process::id());
/// let _guard = nfs::create(&path, Some(b"nightly backup"))?;
/// assert_eq!(nfs::get_message(&path).unwrap(), b"nightly backup");
/// assert_eq!(nfs::get_message("/no lock here"), None);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn get_message(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    read(path.as_ref()).map(|info| info.message.to_vec())
}

fn lock(path: &Path, message: Option<&[u8]>) -> ExistenceLock {
    ExistenceLock::at(path, Kind::Nfs).message(message.unwrap_or_default())
}

/// What the lock says; what PATH says, if somebody wrote it there alone.
fn read(path: &Path) -> Option<NfsInfo> {
    use std::io::Read;

    let mut name = path.as_os_str().to_owned();
    name.push(".nfs_lock");
    let file = std::fs::File::open(name).or_else(|_| std::fs::File::open(path)).ok()?;
    let mut text = Vec::new();
    // One byte more than is understood shows that there is more.
    file.take(NFS_INFO_MAX as u64 + 1).read_to_end(&mut text).ok()?;
    NfsInfo::parse(&text).ok()
}

fn kept() -> MutexGuard<'static, Option<HashMap<PathBuf, ExistenceGuard>>> {
    // Nothing in between can panic halfway.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}
