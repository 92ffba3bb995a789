//! Pidfile.jl, Julia's `FileWatching.Pidfile`, by its own names, for programs that are being ported
//! or share a pid file with Julia.
//!
//! The file says `PID HOST`, and a lock is abandoned by the rule of [`stale_pidfile`]. What the
//! original leaves to luck is settled here: a stale file is removed by one process only, a lock
//! says whose it is from its first instant, and one that this library holds is not taken from a
//! living holder however old it looks. A holder of this host that is provably gone is not waited
//! for, whatever the stale age. [`ExistenceLock`] with [`Kind::Pidfile`] is the same lock, with
//! time limits and a [callback](ExistenceLock::on_lost) for when it is lost.
//!
//! What the original throws is an error here, and what it warns of can be asked for: who was in the
//! way from [`LockError::owner`], a clock that is wrong from a negative [`PidInfo::age`], the loss
//! of a lock from [`PidLock::still_held`]. [`PidLock::close`] is Julia's `close`.
//!
//! Sources: Pidfile.jl 1.3; `FileWatching.Pidfile` of Julia 1.9 to 1.11 where that says more.
//!
//! What it does not protect from: a Julia program with a stale age may remove a lock of ours that
//! is not refreshed, as it may remove another Julia program's. Give all of them the same stale age.

mod child;
mod exclusive;
mod read;

use core::time::Duration;
use std::path::Path;
use std::process::Child;

use lock_core::kind::Kind;
use lock_core::owner::Pid;
use rustix::io::Errno;

pub use exclusive::{open_exclusive, tryopen_exclusive};
pub use read::{PidInfo, isvalidpid, parse_pidfile, stale_pidfile, write_pidfile};

use crate::error::LockError;
use crate::existence::{ExistenceGuard, ExistenceLock};
use child::{Ending, Watcher};

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
    /// How old a lock may get without a process that may be alive; with one, as every process of
    /// another host is, 25 times as old. Zero, the default: for ever, unless its holder is provably
    /// gone.
    pub stale_age: Duration,
    /// How often the held lock is touched; else half the stale age. Zero: never.
    ///
    /// An interval that is given also shortens the patience with others, as since Julia 1.11: they
    /// are supposed to refresh too, and are judged after 5 times the stale age instead of 25.
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
///
/// ```
/// use lock_std::pidfile::{Options, mkpidlock};
///
/// # let path = format!("/tmp/lock-std-doc-pidlock-{}", std::process::id());
/// let lock = mkpidlock(&path, Options::default())?;
/// drop(lock);
/// assert!(!std::fs::exists(&path).unwrap());
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "dropping it gives the lock back"]
#[derive(Debug)]
pub struct PidLock {
    held: Holding,
}

#[derive(Debug)]
enum Holding {
    Own(ExistenceGuard),
    Child(Watcher),
}

/// Why a lock for a child is refused.
const UNWATCHABLE: &str =
    "the end of the child cannot be waited for; use mkpidlock_pid, and close it yourself";

/// Takes the lock for this process.
///
/// The directory is looked up once: a later `chdir`, or a renamed parent, leads the lock nowhere
/// else.
///
/// Errors: with `wait` off, [`Held`](LockError::Held) by another or
/// [`HeldByThisProcess`](LockError::HeldByThisProcess), where the original fails with `Failed to
/// get pidfile lock for "PATH".`;
/// [`StaleButNotPermitted`](LockError::StaleButNotPermitted) if a dead holder's lock may not be
/// removed; [`Fault`](LockError::Fault) when it cannot be taken whoever holds it, as without its
/// directory.
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

/// Takes the lock for the process with this pid. It is given back by [`PidLock::close`], not by the
/// end of that process: see [`mkpidlock_proc`].
///
/// Errors: those of [`mkpidlock`]; [`Invalid`](LockError::Invalid) if there is no such process, so
/// that the lock would be stale from the start.
///
/// ```
/// use lock_std::Pid;
/// use lock_std::pidfile::{Options, mkpidlock_pid, parse_pidfile};
///
/// # let path = format!("/tmp/lock-std-doc-mkpidlock-pid-{}", std::process::id());
/// let me = Pid::new(u64::from(std::process::id())).unwrap();
/// let _lock = mkpidlock_pid(&path, me, Options::default())?;
/// assert_eq!(parse_pidfile(&path).pid, std::process::id());
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn mkpidlock_pid(
    at: impl AsRef<Path>,
    pid: Pid,
    options: Options,
) -> Result<PidLock, LockError> {
    take(&lock(at.as_ref(), options).holder(pid), options)
}

/// Takes the lock for a child that has not been waited for, and gives it back as soon as the child
/// has ended, or this is dropped.
///
/// Errors: those of [`mkpidlock`]; [`Invalid`](LockError::Invalid) if the child has ended already,
/// or its end cannot be waited for: the kernel is older than Linux 5.3, or there are no descriptors
/// or threads left. Then nothing is locked.
///
/// ```
/// use std::process::{Command, Stdio};
/// use lock_std::pidfile::{Options, mkpidlock_proc};
///
/// # let path = format!("/tmp/lock-std-doc-mkpidlock-proc-{}", std::process::id());
/// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
/// let lock = mkpidlock_proc(&path, &child, Options::default())?;
/// assert!(lock.still_held()?);
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
    // Before the lock is taken: what follows cannot fail but for want of a thread.
    let ending = match Ending::of(child) {
        Ok(ending) => ending,
        Err(Errno::SRCH) => return Err(lock.invalid("the child has ended already")),
        Err(_) => return Err(lock.invalid(UNWATCHABLE)),
    };
    let Some(pid) = Pid::new(u64::from(child.id())) else {
        return Err(lock.invalid("a child has a pid"));
    };
    let lock = lock.holder(pid);
    let guard = take_guard(&lock, options)?;
    match Watcher::start(ending, guard) {
        Ok(watcher) => Ok(PidLock { held: Holding::Child(watcher) }),
        Err(_) => Err(lock.invalid(UNWATCHABLE)),
    }
}

/// Runs `f` while this process holds the lock, which is given back also if `f` panics.
///
/// Errors: those of [`mkpidlock`]; then `f` did not run.
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

/// [`mkpidlock`] without waiting: `None` if the lock is held. Since Julia 1.10.
///
/// Errors: those of [`mkpidlock`], but for a lock that is held.
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
    /// Sets the file's time to now, by the clock of its file system, so that others do not take the
    /// lock for abandoned. Through the open file: another's lock in its place is not touched. Does
    /// nothing when the child that the lock was for has ended.
    ///
    /// Errors: [`Fault`](LockError::Fault) if the file system refuses.
    ///
    /// ```
    /// use lock_std::pidfile::{Options, mkpidlock, parse_pidfile};
    ///
    /// # let path = format!("/tmp/lock-std-doc-pidlock-touch-{}", std::process::id());
    /// let lock = mkpidlock(&path, Options::default())?;
    /// std::fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    /// lock.touch()?;
    /// assert!(parse_pidfile(&path).age < 60.0);
    /// # lock.close();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn touch(&self) -> Result<(), LockError> {
        match &self.held {
            Holding::Own(guard) => guard.touch(),
            Holding::Child(watcher) => watcher.touch(),
        }
    }

    /// Whether the lock is still ours: nobody removed or replaced the file, and the child that it
    /// is for has not ended. Never true again once it was false.
    ///
    /// Errors: [`Fault`](LockError::Fault) if the file cannot be looked at.
    ///
    /// ```
    /// use lock_std::pidfile::{Options, mkpidlock};
    ///
    /// # let path = format!("/tmp/lock-std-doc-still-held-{}", std::process::id());
    /// let lock = mkpidlock(&path, Options::default())?;
    /// assert!(lock.still_held()?);
    /// std::fs::remove_file(&path).unwrap();
    /// assert!(!lock.still_held()?);
    /// assert!(!lock.close());
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn still_held(&self) -> Result<bool, LockError> {
        match &self.held {
            Holding::Own(guard) => guard.still_held(),
            Holding::Child(watcher) => watcher.still_held(),
        }
    }

    /// Gives the lock back. Whether it was ours until now: `false` if somebody removed or replaced
    /// the file, or it could not be removed, or the child that it was for has ended before. In a
    /// forked child it is `false`, and the lock stays the parent's.
    ///
    /// ```
    /// use lock_std::pidfile::{Options, mkpidlock};
    ///
    /// # let path = format!("/tmp/lock-std-doc-close-{}", std::process::id());
    /// assert!(mkpidlock(&path, Options::default())?.close());
    /// let lock = mkpidlock(&path, Options::default())?;
    /// std::fs::remove_file(&path).unwrap();
    /// assert!(!lock.close());
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    ///
    /// To close twice, which answers `false` in Julia, does not compile:
    ///
    /// ```compile_fail,E0382
    /// use lock_std::pidfile::{Options, mkpidlock};
    ///
    /// let lock = mkpidlock("/tmp/lock-std-doc-twice", Options::default()).unwrap();
    /// lock.close();
    /// lock.close();
    /// ```
    pub fn close(self) -> bool {
        match self.held {
            Holding::Own(guard) => guard.unlock().is_ok(),
            Holding::Child(watcher) => watcher.close(),
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
    take_guard(lock, options).map(|guard| PidLock { held: Holding::Own(guard) })
}

fn take_guard(lock: &ExistenceLock, options: Options) -> Result<ExistenceGuard, LockError> {
    if options.wait { lock.lock() } else { lock.try_lock() }
}
