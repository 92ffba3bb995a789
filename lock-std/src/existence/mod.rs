//! Locks that are names: they can outlive the process that takes them, and be taken for another.
//!
//! A lock that a dead process left is found stale by the next taker and taken over; two takers can
//! never both get it. What "dead" means is proof only, unless an age was asked for: see
//! [`Stale`](lock_core::staleness::Stale).

mod attempt;
mod guard;
mod refresh;

use core::time::Duration;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock_core::fault::Fault;
use lock_core::kind::Kind;
use lock_core::owner::Pid;
use lock_core::scheme::breaking::Rule;
use lock_rustix::existence::{Contender, LIVE_FACTOR, Spot};
use lock_rustix::identity::{Identity, ended, of};
use lock_rustix::sys::LOCK_FILE_MODE;

pub use guard::ExistenceGuard;

use crate::error::LockError;
use crate::identity::myself;
use crate::signals::WakeSignal;
use crate::waiting::{Cancel, Manner, WaitEvent};

/// A lock of kind [`Nfs`](Kind::Nfs), [`Symlink`](Kind::Symlink), [`Mkdir`](Kind::Mkdir) or
/// [`Pidfile`](Kind::Pidfile) that can be asked for, as often as one likes. Nothing is opened or
/// made before that.
///
/// The directory that the lock is in is opened when the lock is asked for: a later `chdir`, or a
/// renamed or replaced parent, leads its guard nowhere else.
///
/// ```
/// use std::time::Duration;
/// use lock_std::{ExistenceLock, Kind};
///
/// # let path = format!("/tmp/lock-std-doc-existence-{}", std::process::id());
/// let lock = ExistenceLock::at(&path, Kind::Mkdir);
/// let guard = lock.lock_timeout(Duration::from_secs(5))?;
/// assert!(lock.try_lock().unwrap_err().is_held());
/// guard.unlock()?;
/// assert!(!std::fs::exists(path).unwrap());
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "nothing is locked before it is asked for"]
#[derive(Clone)]
pub struct ExistenceLock {
    path: PathBuf,
    kind: Kind,
    message: Vec<u8>,
    mode: u32,
    stale_age: Duration,
    lease: Duration,
    refresh: Option<Duration>,
    longest_pause: Duration,
    reading_refreshes: bool,
    holder: Option<Pid>,
    on_lost: Option<Arc<dyn Fn() + Send + Sync>>,
    manner: Manner,
}

impl ExistenceLock {
    /// The lock of this kind at a path. An nfs lock's file is the path with `.nfs_lock` behind it.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-at-{}", std::process::id());
    /// let _guard = ExistenceLock::at(&path, Kind::Nfs).try_lock()?;
    /// assert!(std::fs::exists(format!("{path}.nfs_lock")).unwrap());
    /// // Kernel locks are another type's.
    /// assert!(ExistenceLock::at(&path, Kind::Flock).try_lock().is_err());
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn at(path: impl AsRef<Path>, kind: Kind) -> ExistenceLock {
        ExistenceLock {
            path: path.as_ref().to_owned(),
            kind,
            message: Vec::new(),
            mode: LOCK_FILE_MODE,
            stale_age: Duration::ZERO,
            lease: Duration::ZERO,
            refresh: None,
            longest_pause: Duration::MAX,
            reading_refreshes: false,
            holder: None,
            on_lost: None,
            manner: Manner::default(),
        }
    }

    /// What an nfs lock says besides host and pid: at most 1023 bytes of any sort. Longer ones are
    /// refused with [`TooLong`](lock_core::fault::FaultKind::TooLong) when the lock is asked for.
    /// Other kinds have no room, and do without.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-message-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Nfs).message("nightly backup");
    /// let _guard = lock.try_lock()?;
    /// let owner = lock.look()?.unwrap().claim.unwrap().owner;
    /// assert_eq!(owner.message.unwrap()[..], b"nightly backup"[..]);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn message(self, message: impl AsRef<[u8]>) -> ExistenceLock {
        ExistenceLock { message: message.as_ref().to_owned(), ..self }
    }

    /// The permissions of a file that is made for the lock, less the umask; else 0664.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-mode-{}", std::process::id());
    /// let _guard = ExistenceLock::at(&path, Kind::Pidfile).mode(0o600).try_lock()?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn mode(self, mode: u32) -> ExistenceLock {
        ExistenceLock { mode, ..self }
    }

    /// Takes a pid file so old for abandoned if no living process holds it, and one 25 times as old
    /// in any case, as Pidfile.jl does. Zero, the default: never. A holder that keeps the file
    /// open, as this library's do, is not dispossessed however old it is. Other kinds refuse it as
    /// [`Invalid`](LockError::Invalid).
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-stale-age-{}", std::process::id());
    /// std::fs::File::create(&path)?.set_modified(UNIX_EPOCH)?;
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile);
    /// assert!(lock.try_lock().unwrap_err().is_held(), "an empty file proves nothing");
    /// lock.stale_age(Duration::from_secs(60)).try_lock()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stale_age(self, stale_age: Duration) -> ExistenceLock {
        ExistenceLock { stale_age, ..self }
    }

    /// Holds a pid file for so long after each [refresh](ExistenceLock::refresh) and no longer: it
    /// falls to others then, though its holder may still run. All who use the lock must say the
    /// same. What the lock protects should refuse the [numbers](ExistenceGuard::token) of those who
    /// lost it. Zero, the default: for ever.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-lease-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile).lease(Duration::from_secs(60));
    /// let guard = lock.try_lock()?;
    /// let token = guard.token()?; // goes with everything that is written under the lock
    /// assert!(guard.still_held()?);
    /// # drop(guard);
    /// # let (dir, name) = path.rsplit_once('/').unwrap();
    /// # std::fs::remove_file(format!("{dir}/.{name}.token")).unwrap();
    /// # let _ = std::fs::remove_file(format!("{dir}/.{name}.guard"));
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lease(self, ttl: Duration) -> ExistenceLock {
        ExistenceLock { lease: ttl, ..self }
    }

    /// How often a thread touches the held lock, so that others do not take it for abandoned; zero:
    /// never. Else it is half the [stale age](ExistenceLock::stale_age) or
    /// [lease](ExistenceLock::lease).
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-refresh-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile).stale_age(Duration::from_secs(60));
    /// // Every 10 seconds instead of 30.
    /// let guard = lock.refresh(Duration::from_secs(10)).try_lock()?;
    /// assert!(guard.still_held()?);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn refresh(self, every: Duration) -> ExistenceLock {
        ExistenceLock { refresh: Some(every), ..self }
    }

    /// Judges others by the rule of Julia 1.11 for those who refresh their own locks: 5 times the
    /// stale age instead of 25.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-expect-{}", std::process::id());
    /// std::fs::write(&path, std::process::id().to_string())?;
    /// let ten_minutes_ago = SystemTime::now() - Duration::from_secs(600);
    /// std::fs::File::open(&path)?.set_modified(ten_minutes_ago)?;
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile).stale_age(Duration::from_secs(60));
    /// assert!(lock.try_lock().unwrap_err().is_held(), "its process lives");
    /// // But one who refreshed it would have done so within five minutes.
    /// lock.expect_refresh(true).try_lock()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn expect_refresh(self, expect: bool) -> ExistenceLock {
        ExistenceLock { reading_refreshes: expect, ..self }
    }

    /// The longest pause between two looks at a lock that is in the way. Without this a wait relies
    /// on events where they come.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-pause-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Mkdir).longest_pause(Duration::from_secs(1));
    /// let _guard = lock.lock()?;
    /// assert!(lock.lock_timeout(Duration::from_millis(1)).is_err());
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn longest_pause(self, longest_pause: Duration) -> ExistenceLock {
        ExistenceLock { longest_pause, ..self }
    }

    /// Takes the lock for another process, which must exist then: the lock is its, and stays with
    /// it when the guard is [left](ExistenceGuard::leave).
    ///
    /// Errors, when the lock is asked for: [`Invalid`](LockError::Invalid) if there is no such
    /// process.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind, Pid};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-holder-{}", std::process::id());
    /// let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    /// let pid = Pid::new(u64::from(child.id())).unwrap();
    /// let lock = ExistenceLock::at(&path, Kind::Nfs).holder(pid);
    /// lock.try_lock()?.leave();
    /// assert_eq!(lock.look()?.unwrap().claim.unwrap().owner.pid, Some(pid));
    /// child.kill().unwrap();
    /// child.wait().unwrap();
    /// assert!(lock.release()?);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn holder(self, pid: Pid) -> ExistenceLock {
        ExistenceLock { holder: Some(pid), ..self }
    }

    /// Is called once, by the refreshing thread, when it finds that the lock is not held any more.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use std::time::Duration;
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-lost-{}", std::process::id());
    /// let (lost, told) = channel();
    /// let lock = ExistenceLock::at(&path, Kind::Nfs).refresh(Duration::from_millis(10));
    /// let _guard = lock.on_lost(move || lost.send(()).unwrap()).try_lock()?;
    /// std::fs::remove_file(format!("{path}.nfs_lock")).unwrap();
    /// assert!(told.recv_timeout(Duration::from_secs(60)).is_ok());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn on_lost(self, call: impl Fn() + Send + Sync + 'static) -> ExistenceLock {
        ExistenceLock { on_lost: Some(Arc::new(call)), ..self }
    }

    /// Ends the lock's waits when this says so: see [`Cancel`].
    ///
    /// ```
    /// use lock_std::{Cancel, ExistenceLock, Kind, LockError};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-cancel-{}", std::process::id());
    /// let cancel = Cancel::new()?;
    /// let lock = ExistenceLock::at(&path, Kind::Symlink).cancelled_by(&cancel);
    /// let _guard = lock.try_lock()?;
    /// cancel.cancel();
    /// assert!(matches!(lock.lock(), Err(LockError::Interrupted { .. })));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancelled_by(mut self, cancel: &Cancel) -> ExistenceLock {
        self.manner.cancel = Some(cancel.clone());
        self
    }

    /// Lets waits with a limit be ended by a signal of the program's, where they stand in the
    /// kernel's queue: see [`Lock::timed_by`](crate::Lock::timed_by).
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{ExistenceLock, Kind, WakeSignal};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-timed-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Nfs).timed_by(WakeSignal::install(39)?);
    /// let _guard = lock.try_lock()?;
    /// assert!(lock.lock_timeout(Duration::from_millis(1)).unwrap_err().is_held());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn timed_by(mut self, signal: WakeSignal) -> ExistenceLock {
        self.manner.signal = Some(signal);
        self
    }

    /// Is told how waits for the lock go, by the thread that waits: who is in the way, when that
    /// changes, and about once a second; what was found stale; at last that the lock is ours. A
    /// lock that is free is taken without a word.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// # let path = format!("/tmp/lock-std-doc-existence-observe-{}", std::process::id());
    /// let lock = ExistenceLock::at(&path, Kind::Pidfile).observe(|event| eprintln!("{event}"));
    /// let guard = lock.lock()?;
    /// assert!(lock.lock_timeout(Duration::from_millis(1)).is_err());
    /// # drop(guard);
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn observe(
        mut self,
        call: impl Fn(&WaitEvent<'_>) + Send + Sync + 'static,
    ) -> ExistenceLock {
        self.manner.observe(call);
        self
    }

    /// The path, as it was given.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// let lock = ExistenceLock::at("/run/lock/backup", Kind::Nfs);
    /// assert_eq!(lock.path(), std::path::Path::new("/run/lock/backup"));
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock's kind.
    ///
    /// ```
    /// use lock_std::{ExistenceLock, Kind};
    ///
    /// assert_eq!(ExistenceLock::at("/run/lock/backup", Kind::Nfs).kind(), Kind::Nfs);
    /// ```
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How often the held lock is touched; zero: never.
    fn refresh_every(&self) -> Duration {
        self.refresh.unwrap_or(self.stale_age.max(self.lease) / 2)
    }

    fn contender(&self) -> Result<Contender, LockError> {
        if !self.kind.is_existence() {
            return Err(self.invalid("this kind is a kernel lock; use Lock"));
        }
        let aged = !self.stale_age.is_zero() || !self.lease.is_zero();
        if aged && self.kind != Kind::Pidfile {
            return Err(self.invalid("only pid files are judged by age; use Kind::Pidfile"));
        }
        let Ok(path) = CString::new(self.path.as_os_str().as_bytes()) else {
            return Err(self.invalid("a path cannot contain a NUL; correct it"));
        };
        let spot = Spot::open(self.kind, &path).map_err(|fault| self.fault(fault))?;
        let contender = Contender::known_as(myself(), spot);
        let contender = contender.with_mode(self.mode);
        let live_factor = if self.reading_refreshes { 5 } else { LIVE_FACTOR };
        Ok(match self.kind {
            Kind::Pidfile if !self.lease.is_zero() => {
                contender.with_rule(Rule::Lease { ttl_ms: ms(self.lease) })
            }
            Kind::Pidfile => {
                contender.with_rule(Rule::Pidfile { stale_age_ms: ms(self.stale_age), live_factor })
            }
            _ => contender,
        })
    }

    /// For whom the lock is taken: he must exist.
    fn living_holder(&self, contender: &Contender) -> Result<Identity, LockError> {
        match self.holder {
            None => Ok(contender.me.clone()),
            Some(pid) => of(&contender.me, pid)
                .ok_or_else(|| self.invalid("there is no such process to hold it")),
        }
    }

    /// For whom the lock is given back: he may have ended.
    fn any_holder(&self, contender: &Contender) -> Identity {
        match self.holder {
            None => contender.me.clone(),
            Some(pid) => of(&contender.me, pid).unwrap_or_else(|| ended(&contender.me, pid)),
        }
    }

    fn fault(&self, fault: Fault) -> LockError {
        LockError::Fault { path: self.path.clone(), kind: self.kind, fault }
    }

    pub(crate) fn invalid(&self, why: &'static str) -> LockError {
        LockError::Invalid { path: self.path.clone(), kind: self.kind, why }
    }
}

impl core::fmt::Debug for ExistenceLock {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("ExistenceLock")
            .field("path", &self.path)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Milliseconds; more than an i64 holds is for ever.
fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
