//! The builder: which lock, and how to hold it.

use std::os::fd::OwnedFd;
use std::path::Path;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_core::payload::message::Message;

use crate::signals::WakeSignal;
use crate::site::Site;
use crate::waiting::{Cancel, WaitEvent};

/// A lock that can be asked for, as often as one likes. Nothing is opened or made before that.
///
/// The kinds here are kernel locks on an open file, which end with the process that holds them,
/// however it ends: [`Kind::File`] (the default: flock and record lock together, holder named in
/// the file), [`Kind::Flock`], [`Kind::Lockf`] and [`Kind::Ofd`]. Those that outlive their process
/// are [`ExistenceLock`](crate::ExistenceLock)s.
///
/// All threads of a process count as one holder: what one has, another is refused with
/// [`HeldByThisProcess`](crate::LockError::HeldByThisProcess), for POSIX locks too. Shared flock
/// and ofd locks can have several guards in one process; a lockf lock has one, shared or not.
///
/// ```
/// use std::time::Duration;
/// use lock_std::{Kind, Lock};
///
/// # let path = format!("/tmp/lock-std-doc-lock-{}", std::process::id());
/// let lock = Lock::at(&path).message("nightly backup");
/// let guard = lock.lock_timeout(Duration::from_secs(5))?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"nightly backup\n");
/// guard.unlock()?;
///
/// let readers = Lock::at(&path).kind(Kind::Flock).shared();
/// let (one, another) = (readers.try_lock()?, readers.try_lock()?);
/// # drop((one, another));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "nothing is locked before it is asked for"]
#[derive(Clone, Debug)]
pub struct Lock {
    pub(crate) site: Site,
}

impl Lock {
    /// The lock at a path, taken as it is given: no part of it is resolved beforehand. A relative
    /// one starts at the working directory of the moment when the lock is asked for.
    ///
    /// ```
    /// use lock_std::Lock;
    ///
    /// // Nothing is opened or made yet, and nothing can fail.
    /// let lock = Lock::at("/no such directory/lock");
    /// assert!(lock.try_lock().is_err());
    /// ```
    pub fn at(path: impl AsRef<Path>) -> Lock {
        Lock { site: Site::new(path.as_ref(), None) }
    }

    /// The lock of a name in an opened directory: the same one when the directory is renamed or the
    /// working directory changes.
    ///
    /// ```
    /// # let dir = format!("/tmp/lock-std-doc-dir-{}", std::process::id());
    /// # std::fs::create_dir(&dir).unwrap();
    /// let opened = std::fs::File::open(&dir)?;
    /// let guard = lock_std::Lock::in_directory(opened, "lock").try_lock()?;
    /// assert!(std::fs::exists(format!("{dir}/lock"))?);
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn in_directory(directory: impl Into<OwnedFd>, name: impl AsRef<Path>) -> Lock {
        Lock { site: Site::new(name.as_ref(), Some(directory.into())) }
    }

    /// Which kind of lock; else [`Kind::File`]. A kind of [`ExistenceLock`](crate::ExistenceLock)
    /// is [`Invalid`](crate::LockError::Invalid).
    ///
    /// ```
    /// use lock_std::{Kind, Lock, LockError};
    ///
    /// # let path = format!("/tmp/lock-std-doc-lock-kind-{}", std::process::id());
    /// let _guard = Lock::at(&path).kind(Kind::Flock).try_lock()?;
    /// // `flock(2)` and record locks do not see each other: all must agree on the kind.
    /// let _other = Lock::at(&path).kind(Kind::Ofd).try_lock()?;
    /// let refused = Lock::at(&path).kind(Kind::Mkdir).try_lock();
    /// assert!(matches!(refused, Err(LockError::Invalid { .. })));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn kind(mut self, kind: Kind) -> Lock {
        self.site.terms_mut().kind = kind;
        self
    }

    /// Holds it beside other shared holders, not alone. Not for [`Kind::File`].
    ///
    /// ```
    /// use lock_std::{Kind, Lock};
    ///
    /// # let path = format!("/tmp/lock-std-doc-shared-{}", std::process::id());
    /// let readers = Lock::at(&path).kind(Kind::Ofd).shared();
    /// let (one, other) = (readers.try_lock()?, readers.try_lock()?);
    /// assert!(Lock::at(&path).kind(Kind::Ofd).try_lock().unwrap_err().is_held());
    /// # drop((one, other));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn shared(mut self) -> Lock {
        self.site.terms_mut().mode = Mode::Shared;
        self
    }

    /// What to write into the file of a [`Kind::File`] lock: at most 1023 bytes of any sort. Else
    /// it is the process's pid. A longer one is refused with [`TooLong`](crate::FaultKind::TooLong)
    /// when the lock is asked for. The text stays in the file when the lock is released.
    ///
    /// ```
    /// use lock_std::{FaultKind, Lock, LockError};
    ///
    /// # let path = format!("/tmp/lock-std-doc-lock-message-{}", std::process::id());
    /// let _guard = Lock::at(&path).message("nightly backup").try_lock()?;
    /// assert_eq!(std::fs::read(&path).unwrap(), b"nightly backup\n");
    /// let refused = Lock::at(&path).message([b'x'; 1024]).try_lock().unwrap_err();
    /// let LockError::Fault { fault, .. } = refused else { panic!("{refused}") };
    /// assert_eq!(fault.kind, FaultKind::TooLong);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn message(mut self, message: impl AsRef<[u8]>) -> Lock {
        self.site.terms_mut().message = Some(Message::new(message.as_ref()));
        self
    }

    /// The permissions of a file that is made for the lock, less the umask; else 0664.
    ///
    /// ```
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// # let path = format!("/tmp/lock-std-doc-mode-{}", std::process::id());
    /// let guard = lock_std::Lock::at(&path).mode(0o600).try_lock()?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Lock {
        self.site.terms_mut().permissions = mode;
        self
    }

    /// Whether programs that this process starts do without the lock's descriptor; else they do.
    ///
    /// With `false` they inherit it, and the lock is held until the last of them has ended too. A
    /// lockf lock is not inherited: its descriptor is, and means nothing.
    ///
    /// ```
    /// use std::process::Command;
    /// use lock_std::Lock;
    ///
    /// # let path = format!("/tmp/lock-std-doc-exec-{}", std::process::id());
    /// let lock = Lock::at(&path).close_on_exec(false);
    /// let guard = lock.try_lock()?;
    /// let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    /// drop(guard);
    /// assert!(lock.is_locked()?, "the child has it still");
    /// child.kill().unwrap();
    /// child.wait().unwrap();
    /// assert!(!lock.is_locked()?);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn close_on_exec(mut self, close_on_exec: bool) -> Lock {
        self.site.terms_mut().close_on_exec = close_on_exec;
        self
    }

    /// Whether the file is removed when the lock is released, or at the latest when the process
    /// exits: by the end of `main`, by a panic that unwinds, or by `exit`. It goes while the lock
    /// is held, and only if the path still names it. It stays when the process is killed or aborts,
    /// which does no harm.
    ///
    /// **Only for paths that nobody uses who does not check, after locking, that the path still
    /// names the file he locked.** This library does. util-linux `flock` and Jane Street's
    /// `Lock_file_blocking` do not: they can have the file open, wait for the lock, and get it when
    /// the name is gone already. Then they hold a lock that nobody else can find, beside the next
    /// one's. For the same reason it does not go with [`shared`](Lock::shared), and should not with
    /// `close_on_exec(false)`: the children would keep a lock without a name.
    ///
    /// Threads that still run when `exit` is called may work on without the name.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-unlink-{}", std::process::id());
    /// let guard = lock_std::Lock::at(&path).unlink_on_exit(true).try_lock()?;
    /// assert!(std::fs::exists(&path).unwrap());
    /// drop(guard);
    /// assert!(!std::fs::exists(&path).unwrap());
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn unlink_on_exit(mut self, unlink_on_exit: bool) -> Lock {
        self.site.terms_mut().unlink_on_exit = unlink_on_exit;
        self
    }

    /// Whether a symbolic link at the path is followed; else it is refused, so that nobody who can
    /// write to the directory leads the lock to a file of his choice. Links in the directory part
    /// are followed in any case.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-follow-{}", std::process::id());
    /// std::os::unix::fs::symlink(format!("{path}-real"), &path).unwrap();
    /// let lock = lock_std::Lock::at(&path);
    /// assert_eq!(lock.try_lock().unwrap_err().raw_os_error(), Some(40)); // ELOOP
    /// lock.follow_symlinks(true).try_lock()?;
    /// # std::fs::remove_file(format!("{path}-real")).unwrap();
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn follow_symlinks(mut self, follow_symlinks: bool) -> Lock {
        self.site.terms_mut().follow_symlinks = follow_symlinks;
        self
    }

    /// Gives the file to this user once the lock is held; if that is refused, the lock is given
    /// back. A process without privilege can give it to itself only: else
    /// [`Denied`](crate::FaultKind::Denied).
    ///
    /// ```
    /// use std::os::unix::fs::MetadataExt;
    ///
    /// # let path = format!("/tmp/lock-std-doc-uid-{}", std::process::id());
    /// let me = std::fs::metadata("/proc/self").unwrap().uid();
    /// let _guard = lock_std::Lock::at(&path).owner_uid(me).try_lock()?;
    /// assert_eq!(std::fs::metadata(&path).unwrap().uid(), me);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn owner_uid(mut self, uid: u32) -> Lock {
        self.site.terms_mut().owner_uid = Some(uid);
        self
    }

    /// Ends the lock's waits when this says so: see [`Cancel`].
    ///
    /// ```
    /// use lock_std::{Cancel, Lock, LockError};
    ///
    /// # let path = format!("/tmp/lock-std-doc-lock-cancel-{}", std::process::id());
    /// let cancel = Cancel::new()?;
    /// let lock = Lock::at(&path).cancelled_by(&cancel);
    /// let _guard = lock.try_lock()?;
    /// cancel.cancel();
    /// assert!(matches!(lock.lock(), Err(LockError::Interrupted { .. })));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancelled_by(mut self, cancel: &Cancel) -> Lock {
        self.site.terms_mut().manner.cancel = Some(cancel.clone());
        self
    }

    /// Lets waits with a limit be ended by a signal of the program's: the thread itself stands in
    /// the kernel's queue then. That is quicker by the start and end of a process, and
    /// `/proc/locks` names this process. Waits that can be [cancelled](Lock::cancelled_by) or are
    /// [observed](Lock::observe) do as without.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{Lock, WakeSignal};
    ///
    /// # let path = format!("/tmp/lock-std-doc-timed-{}", std::process::id());
    /// let lock = Lock::at(&path).timed_by(WakeSignal::install(39)?);
    /// let _guard = lock.try_lock()?;
    /// let error = lock.lock_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert!(error.is_held());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn timed_by(mut self, signal: WakeSignal) -> Lock {
        self.site.terms_mut().manner.signal = Some(signal);
        self
    }

    /// Is told how waits for the lock go, by the thread that waits: who is in the way, when that
    /// changes, and about once a second; at last that the lock is ours. A lock that is free is
    /// taken without a word. [`lock_while`](Lock::lock_while) is silent.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let path = format!("/tmp/lock-std-doc-observe-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path).observe(|event| eprintln!("{event}"));
    /// let guard = lock.lock()?;
    /// // PATH: held by pid 4711; waited 0.0 s, giving up in 0.0 s
    /// assert!(lock.lock_timeout(Duration::from_millis(1)).is_err());
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn observe(mut self, call: impl Fn(&WaitEvent<'_>) + Send + Sync + 'static) -> Lock {
        self.site.terms_mut().manner.observe(call);
        self
    }

    /// The path, as it was given.
    ///
    /// ```
    /// let lock = lock_std::Lock::at("backup.lock");
    /// assert_eq!(lock.path(), std::path::Path::new("backup.lock"));
    /// ```
    pub fn path(&self) -> &Path {
        self.site.path()
    }
}
