//! Pidfile.jl, Julia's `FileWatching.Pidfile`, by its own names, for programs that are being ported
//! or share a pid file with Julia.
//!
//! The file says `PID HOST`, and a lock is abandoned by the rule of [`stale_pidfile`]. What the
//! original leaves to luck is settled here: a stale file is removed by one process only, a lock
//! says whose it is from its first instant, and one that this library holds is not taken from a
//! living holder however old it looks. [`ExistenceLock`] with [`Kind::Pidfile`] is the same lock.
//!
//! What the original throws is an error here; [`PidLock::close`] is Julia's `close`.

mod child;
mod exclusive;
mod read;

use core::time::Duration;
use std::path::Path;
use std::process::Child;

use lock_core::kind::Kind;
use lock_core::owner::Pid;

pub use exclusive::{open_exclusive, tryopen_exclusive};
pub use read::{PidInfo, isvalidpid, parse_pidfile, stale_pidfile, write_pidfile};

use crate::error::LockError;
use crate::existence::{ExistenceGuard, ExistenceLock};
use child::Watcher;

/// The keyword arguments of [`mkpidlock`] and its sisters.
///
/// ```
/// use std::time::Duration;
/// use lock_std::pidfile::Options;
///
/// let options = Options { stale_age: Duration::from_secs(10), ..Options::default() };
/// assert!(options.wait && options.mode == 0o444);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Options {
    /// The permissions of the file, less the umask; else 0444.
    pub mode: u32,
    /// How old a lock without a living holder may get; zero, the default: for ever.
    pub stale_age: Duration,
    /// How often the held lock is touched; else half the stale age. Zero: never.
    pub refresh: Option<Duration>,
    /// The longest pause between two looks at a lock that is in the way; else 10 s. Where events
    /// come, as on local file systems, waiting ends with them, long before.
    pub poll_interval: Duration,
    /// Whether to wait for a lock that is held; so by default.
    pub wait: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            mode: 0o444,
            stale_age: Duration::ZERO,
            refresh: None,
            poll_interval: Duration::from_secs(10),
            wait: true,
        }
    }
}

/// A held pid file. Dropping it gives the lock back, as Julia's finalizer does.
#[must_use = "dropping it gives the lock back"]
#[derive(Debug)]
pub struct PidLock {
    /// Absent when the child it was for has ended and it was given back.
    guard: Option<ExistenceGuard>,
    watcher: Option<Watcher>,
}

/// Takes the lock for this process.
///
/// With `wait` off, a lock that is in the way is [`Held`](LockError::Held); the original's text is
/// `Failed to get pidfile lock for "PATH".`
///
/// ```
/// use lock_std::pidfile::{Options, mkpidlock, parse_pidfile};
///
/// # let path = format!("/tmp/lock-std-doc-mkpidlock-{}", std::process::id());
/// let lock = mkpidlock(&path, Options::default())?;
/// assert_eq!(parse_pidfile(&path).pid, std::process::id());
/// assert!(lock.close());
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn mkpidlock(at: impl AsRef<Path>, options: Options) -> Result<PidLock, LockError> {
    take(&lock(at.as_ref(), options), options)
}

/// Takes the lock for the process with this pid, which must exist. It is given back by
/// [`PidLock::close`], not by the end of that process: see [`mkpidlock_proc`].
///
/// ```
/// use lock_std::Pid;
/// use lock_std::pidfile::{Options, mkpidlock_pid, parse_pidfile};
///
/// # let path = format!("/tmp/lock-std-doc-mkpidlock-pid-{}", std::process::id());
/// let me = Pid::new(u64::from(std::process::id())).unwrap();
/// let lock = mkpidlock_pid(&path, me, Options::default())?;
/// # drop(lock);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn mkpidlock_pid(
    at: impl AsRef<Path>,
    pid: Pid,
    options: Options,
) -> Result<PidLock, LockError> {
    take(&lock(at.as_ref(), options).holder(pid), options)
}

/// Takes the lock for a child, and gives it back as soon as the child has ended, or this is
/// dropped. [`Invalid`](LockError::Invalid) if it has ended already.
///
/// ```
/// use std::process::{Command, Stdio};
/// use lock_std::pidfile::{Options, mkpidlock_proc};
///
/// # let path = format!("/tmp/lock-std-doc-mkpidlock-proc-{}", std::process::id());
/// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
/// let lock = mkpidlock_proc(&path, &child, Options::default())?;
/// drop(child.stdin.take());
/// child.wait().unwrap();
/// while std::fs::exists(&path).unwrap() {
///     std::thread::yield_now();
/// }
/// # drop(lock);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn mkpidlock_proc(
    at: impl AsRef<Path>,
    child: &Child,
    options: Options,
) -> Result<PidLock, LockError> {
    let lock = lock(at.as_ref(), options);
    let Some(pid) = Pid::new(u64::from(child.id())) else {
        return Err(lock.invalid("a child has a pid"));
    };
    let mut taken = take(&lock.holder(pid), options)?;
    if let Some(guard) = taken.guard.take() {
        match Watcher::start(pid, guard) {
            Ok(watcher) => taken.watcher = Some(watcher),
            // Nobody will watch; the lock is the caller's to give back.
            Err(guard) => taken.guard = Some(guard),
        }
    }
    Ok(taken)
}

/// Runs `f` while this process holds the lock.
///
/// ```
/// use lock_std::pidfile::{Options, with_pidlock};
///
/// # let path = format!("/tmp/lock-std-doc-with-pidlock-{}", std::process::id());
/// assert_eq!(with_pidlock(|| 6 * 7, &path, Options::default())?, 42);
/// assert!(!std::fs::exists(path).unwrap());
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn with_pidlock<T>(
    f: impl FnOnce() -> T,
    at: impl AsRef<Path>,
    options: Options,
) -> Result<T, LockError> {
    let lock = mkpidlock(at, options)?;
    let answer = f();
    lock.close();
    Ok(answer)
}

/// [`mkpidlock`] without waiting: `None` if the lock is held.
///
/// ```
/// use lock_std::pidfile::{Options, trymkpidlock};
///
/// # let path = format!("/tmp/lock-std-doc-trymkpidlock-{}", std::process::id());
/// let lock = trymkpidlock(&path, Options::default())?.unwrap();
/// assert!(trymkpidlock(&path, Options::default())?.is_none());
/// # drop(lock);
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn trymkpidlock(at: impl AsRef<Path>, options: Options) -> Result<Option<PidLock>, LockError> {
    match mkpidlock(at, Options { wait: false, ..options }) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.is_held() => Ok(None),
        Err(error) => Err(error),
    }
}

impl PidLock {
    /// Sets the file's time to now, so that others do not take the lock for abandoned.
    pub fn touch(&self) -> Result<(), LockError> {
        match (&self.guard, &self.watcher) {
            (Some(guard), _) => guard.touch(),
            (None, Some(watcher)) => watcher.touch(),
            (None, None) => Ok(()),
        }
    }

    /// Gives the lock back. Whether it was ours until now: `false` if somebody removed or replaced
    /// the file, or it could not be removed, or the child that it was for has ended before.
    pub fn close(mut self) -> bool {
        match (self.guard.take(), self.watcher.take()) {
            (Some(guard), _) => guard.unlock().is_ok(),
            (None, Some(watcher)) => watcher.close(),
            (None, None) => false,
        }
    }
}

fn lock(at: &Path, options: Options) -> ExistenceLock {
    let lock = ExistenceLock::at(at, Kind::Pidfile)
        .mode(options.mode)
        .stale_age(options.stale_age)
        .longest_pause(options.poll_interval)
        // Julia judges by what the asker does himself.
        .expect_refresh(options.refresh.is_some_and(|every| !every.is_zero()));
    match options.refresh {
        Some(every) => lock.refresh(every),
        None => lock,
    }
}

fn take(lock: &ExistenceLock, options: Options) -> Result<PidLock, LockError> {
    let guard = if options.wait { lock.lock() } else { lock.try_lock() }?;
    Ok(PidLock { guard: Some(guard), watcher: None })
}
