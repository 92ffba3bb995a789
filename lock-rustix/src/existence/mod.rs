//! Existence locks by kind: nfs, pidfile, symlink and mkdir; one try, and what a holder has.
//!
//! Everything happens relative to the lock's directory, opened once: a directory that is renamed or
//! replaced meanwhile, or a `chdir`, changes nothing.

pub(crate) mod built;
mod contender;
mod line;
mod look;
mod prepared;
mod removal;
mod waiting;

use core::ffi::CStr;

use arrayvec::ArrayVec;
use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::scheme::breaking::{Excluded, Terms, TryLockError, exclude, open_guard};
use lock_core::scheme::hardlink::{self, Layout, Unlocked};
use lock_core::scheme::{lease, mkdir, symlink};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FlockOperation, RawMode, Timespec, Timestamps, UTIME_NOW, flock, futimens};
use rustix::io::Errno;

use self::built::{FILES, LEASE, MKDIR, NFS, SYMLINK};
use self::prepared::Prepared;
use crate::descriptor::lend;
use crate::place::{FileName, Nonce, Place, open_parent};
use crate::process;
use crate::sys::{LOCK_FILE_MODE, Sys};

pub use built::is_built;
pub use contender::{Contender, LIVE_FACTOR};
pub use look::look;
pub use removal::{release_for, remove, remove_by_force, sweep, touch_for};
pub use waiting::{Event, RESTARTS_MAX, Refused, Request};

/// What an nfs lock's name has after the path's.
pub const NFS_SUFFIX: &[u8] = b".nfs_lock";

/// Where an existence lock is: its directory, held open, and its names.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::existence::Spot;
///
/// let spot = Spot::open(Kind::Nfs, c"/tmp/backup").unwrap();
/// assert_eq!((spot.name(), spot.lock_name()), (c"backup", c"backup.nfs_lock"));
/// ```
#[derive(Debug)]
pub struct Spot {
    kind: Kind,
    dir: OwnedFd,
    lock: FileName,
    companion: FileName,
    guard: FileName,
    mode: RawMode,
    lease: bool,
}

impl Spot {
    /// The place of the lock of this kind at a path. The directory must exist. Makes nothing.
    ///
    /// Fails as [`open_parent`] does, and with [`NameTooLong`](FaultKind::NameTooLong) if there is
    /// no room for what the kind adds to the name.
    ///
    /// ```
    /// use lock_core::{fault::FaultKind, kind::Kind};
    /// use lock_rustix::existence::Spot;
    ///
    /// assert!(Spot::open(Kind::Mkdir, c"/tmp/lock").is_ok());
    /// let fault = Spot::open(Kind::Mkdir, c"/tmp/").unwrap_err();
    /// assert_eq!(fault.kind, FaultKind::IsDirectory);
    /// ```
    pub fn open(kind: Kind, path: &CStr) -> Result<Spot, Fault> {
        let (dir, name) = open_parent(path)?;
        Spot::in_directory(kind, dir, name)
    }

    /// The place of the lock of this kind by a name in an opened directory. Fails with
    /// [`NameTooLong`](FaultKind::NameTooLong) only.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::{existence::Spot, place::open_parent};
    ///
    /// let (directory, _) = open_parent(c"/tmp/anything").unwrap();
    /// let spot = Spot::in_directory(Kind::Symlink, directory, c"lock").unwrap();
    /// assert_eq!(spot.lock_name(), c"lock");
    /// ```
    pub fn in_directory(kind: Kind, dir: OwnedFd, name: &CStr) -> Result<Spot, Fault> {
        let suffix = if kind == Kind::Nfs { NFS_SUFFIX } else { b"" };
        let lock = FileName::new(&[name.to_bytes(), suffix])?;
        let companion = FileName::new(&[name.to_bytes()])?;
        let guard = FileName::guard(lock.as_c_str());
        Ok(Spot { kind, dir, lock, companion, guard, mode: LOCK_FILE_MODE, lease: false })
    }

    /// Makes new files with these permissions, less the umask. Else it is [`LOCK_FILE_MODE`].
    /// Symbolic links have no permissions.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::{Contender, Spot};
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let spot = Spot::open(Kind::Nfs, c"/tmp/lock-rustix-doc-spot-mode").unwrap();
    /// let contender = Contender::at(spot.with_mode(0o400));
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// let file = std::fs::metadata("/tmp/lock-rustix-doc-spot-mode.nfs_lock").unwrap();
    /// assert_eq!(file.permissions().mode() & 0o777, 0o400);
    /// # taken.unlock(&contender.spot).unwrap();
    /// ```
    #[must_use]
    pub fn with_mode(self, mode: RawMode) -> Spot {
        Spot { mode, ..self }
    }

    /// Takes and gives back the lock as a lease, which a holder who no longer touches it loses to
    /// others after a time, though he may still run: see [`lease`]. All who use the lock must do
    /// so, and judge it by [`Rule::Lease`](lock_core::scheme::breaking::Rule::Lease). Only a
    /// [`Kind::Pidfile`] can be one.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_core::scheme::breaking::TryLockError;
    /// use lock_rustix::existence::{Contender, Spot};
    ///
    /// let spot = Spot::open(Kind::Mkdir, c"/tmp/lock-rustix-doc-lease").unwrap().with_lease();
    /// let contender = Contender::at(spot);
    /// let refused = contender.try_lock(&contender.me, b"", true).unwrap_err();
    /// assert!(matches!(refused, TryLockError::Fault(_)), "no pid file");
    /// ```
    #[must_use]
    pub fn with_lease(self) -> Spot {
        Spot { lease: true, ..self }
    }

    /// Which kind of lock is here.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Spot;
    ///
    /// let spot = Spot::open(Kind::Pidfile, c"/tmp/lock").unwrap();
    /// assert_eq!(spot.kind(), Kind::Pidfile);
    /// ```
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The lock's own name in its directory.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::{NFS_SUFFIX, Spot};
    ///
    /// let spot = Spot::open(Kind::Nfs, c"/tmp/lock").unwrap();
    /// assert!(spot.lock_name().to_bytes().ends_with(NFS_SUFFIX));
    /// ```
    pub fn lock_name(&self) -> &CStr {
        self.lock.as_c_str()
    }

    /// The lock's name in its directory, without what a kind adds to it.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Spot;
    ///
    /// let spot = Spot::open(Kind::Nfs, c"/tmp/lock").unwrap();
    /// assert_eq!(spot.name(), c"lock");
    /// ```
    pub fn name(&self) -> &CStr {
        self.companion.as_c_str()
    }

    /// The private name of an attempt.
    fn private(&self, nonce: &Nonce) -> FileName {
        FileName::private(self.lock.as_c_str(), nonce)
    }

    /// The system around the lock, for an attempt whose private name is `private`.
    fn sys<'a>(&'a self, private: &'a FileName) -> Sys<'a> {
        let place = Place::in_directory(lend(&self.dir), self.lock.as_c_str())
            .with_private(private.as_c_str())
            .with_companion(self.companion.as_c_str())
            .with_guard(self.guard.as_c_str());
        Sys::new(place).with_mode(self.mode)
    }

    fn layout(&self) -> Layout {
        if NFS && self.kind == Kind::Nfs { Layout::WithCompanion } else { Layout::Single }
    }
}

impl AsFd for Spot {
    /// The directory.
    fn as_fd(&self) -> BorrowedFd<'_> {
        lend(&self.dir)
    }
}

/// A held existence lock, to be given to [`Taken::unlock`] or left standing by [`Taken::leave`].
/// Merely dropped, it stands without its flock, and others will find it stale.
///
/// ```
/// use lock_core::{kind::Kind, scheme::hardlink::Unlocked};
/// use lock_rustix::existence::Contender;
///
/// let contender = Contender::new(Kind::Pidfile, c"/tmp/lock-rustix-doc-taken").unwrap();
/// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
/// assert!(taken.is_mine() && taken.still_held(&contender.spot).unwrap());
/// assert_eq!(taken.unlock(&contender.spot), Ok(Unlocked::Released));
/// ```
#[must_use = "unlock it, or leave it standing"]
#[derive(Debug)]
pub struct Taken {
    nonce: Nonce,
    proof: Proof,
    pid: u32,
    /// What a link was made with: it is ours as long as it has this target.
    target: Target,
    /// The lock of a holder before us, flocked: others are queued there, and need not come and look
    /// before this lock is given back.
    turnstile: Option<OwnedFd>,
    /// The file beside the lock that others are queued at, flocked, likewise.
    line: Option<OwnedFd>,
}

type Target = ArrayVec<u8, { symlink::TARGET_MAX }>;

#[derive(Debug)]
enum Proof {
    File(hardlink::Locked<OwnedFd>),
    Lease(hardlink::Locked<OwnedFd>),
    Link(symlink::Locked),
    Directory(mkdir::Locked<OwnedFd>),
}

/// One try at the lock; `nonce` must be fresh.
///
/// Fails with [`Held`](TryLockError::Held), with [`Again`](TryLockError::Again) if the world
/// changed under it, with [`NotPermitted`](TryLockError::NotPermitted) for a stale lock that is not
/// ours to remove, or with a fault. Then nothing is left behind. [`Contender::try_lock`] writes the
/// payload itself.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_core::scheme::breaking::{Rule, Terms};
/// use lock_core::staleness::Policy;
/// use lock_rustix::existence::{Spot, try_lock};
/// use lock_rustix::identity::{myself, nonce};
/// use lock_rustix::signature::decode;
///
/// let spot = Spot::open(Kind::Pidfile, c"/tmp/lock-rustix-doc-existence-try").unwrap();
/// let (me, rule) = (myself(), Rule::Strict(Policy::default()));
/// let (decode, observer) = (decode(Kind::Pidfile), &me.observer);
/// let terms = Terms { payload: b"4711\n", decode, observer, rule, local: false };
/// let taken = try_lock(&spot, &terms, &nonce().unwrap()).unwrap();
/// assert_eq!(std::fs::read("/tmp/lock-rustix-doc-existence-try").unwrap(), b"4711\n");
/// taken.unlock(&spot).unwrap();
/// ```
pub fn try_lock(
    spot: &Spot,
    terms: &Terms<'_>,
    nonce: &Nonce,
) -> Result<Taken, TryLockError<OwnedFd>> {
    let mut prepared = Prepared::new(spot, terms, nonce, true)?;
    prepared.try_lock(spot, terms).inspect_err(|_| prepared.discard(spot))
}

impl Taken {
    /// The lock's own file or directory; a symbolic link has none.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// for (kind, has_file) in [(Kind::Mkdir, true), (Kind::Symlink, false)] {
    ///     let contender = Contender::new(kind, c"/tmp/lock-rustix-doc-taken-file").unwrap();
    ///     let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    ///     assert_eq!(taken.file().is_some(), has_file);
    ///     taken.unlock(&contender.spot).unwrap();
    /// }
    /// ```
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        match &self.proof {
            Proof::File(locked) | Proof::Lease(locked) => Some(lend(locked.file())),
            Proof::Directory(locked) => Some(lend(locked.directory())),
            Proof::Link(_) => None,
        }
    }

    /// Whether this is the process that took the lock, and not a forked child of it: what the
    /// parent took stays the parent's.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-mine").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// assert!(taken.is_mine());
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn is_mine(&self) -> bool {
        self.pid == process::id()
    }

    /// Whether the lock is still held: nobody removed or replaced it. Fails if that cannot be found
    /// out.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Symlink, c"/tmp/lock-rustix-doc-still").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// assert_eq!(taken.still_held(&contender.spot), Ok(true));
    /// std::fs::remove_file("/tmp/lock-rustix-doc-still").unwrap();
    /// assert_eq!(taken.still_held(&contender.spot), Ok(false));
    /// ```
    pub fn still_held(&self, spot: &Spot) -> Result<bool, Fault> {
        let private = spot.private(&self.nonce);
        let sys = spot.sys(&private);
        match &self.proof {
            Proof::File(locked) if FILES => hardlink::still_held(&sys, locked),
            Proof::Lease(locked) if LEASE => lease::still_held(&sys, locked),
            Proof::Directory(locked) if MKDIR => mkdir::still_held(&sys, locked),
            Proof::Link(_) if SYMLINK => symlink::still_held(&sys, &self.target),
            // Nobody can have made one of these.
            _ => Ok(false),
        }
    }

    /// Sets the lock's time to now, by the file system's clock, through the open file: a lock that
    /// took this one's place is not touched. A symbolic link keeps its time.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    /// use std::fs::{File, metadata};
    ///
    /// let path = "/tmp/lock-rustix-doc-touch";
    /// let contender = Contender::new(Kind::Pidfile, c"/tmp/lock-rustix-doc-touch").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    /// taken.touch().unwrap();
    /// assert!(metadata(path).unwrap().modified().unwrap().elapsed().unwrap().as_secs() < 60);
    /// # taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn touch(&self) -> Result<(), Fault> {
        self.file().map_or(Ok(()), set_time_to_now)
    }

    /// Gives the lock back, and tells whether it was ours until now. A lock that another has by now
    /// is left to him. Of a lease it waits for whoever is just looking at it, which takes a few
    /// calls.
    ///
    /// ```
    /// use lock_core::{kind::Kind, scheme::hardlink::Unlocked};
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-unlock-lost").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// contender.remove_by_force().unwrap();
    /// assert_eq!(taken.unlock(&contender.spot), Ok(Unlocked::WasBroken));
    /// ```
    pub fn unlock(self, spot: &Spot) -> Result<Unlocked, Fault> {
        let private = spot.private(&self.nonce);
        let sys = spot.sys(&private);
        let outcome = match self.proof {
            Proof::File(locked) if FILES => hardlink::unlock(&sys, locked),
            Proof::Lease(locked) if LEASE => {
                wait_for_guard(&sys).and_then(|guard| lease::unlock(&sys, guard, locked))
            }
            Proof::Directory(locked) if MKDIR => mkdir::unlock(&sys, locked),
            Proof::Link(locked) if SYMLINK => symlink::unlock(&sys, locked, &self.target),
            _ => Ok(Unlocked::WasBroken),
        };
        // Only now is there something to come and look for, whoever else has a copy of the file.
        if let Some(file) = self.turnstile {
            let _ = flock(lend(&file), FlockOperation::Unlock);
        }
        if let Some(file) = self.line {
            line::leave(spot, file);
        }
        outcome
    }

    /// Leaves the lock standing on behalf of the process that its payload names.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-leave").unwrap();
    /// contender.try_lock(&contender.me, b"", false).unwrap().leave(&contender.spot);
    /// assert!(contender.look().unwrap().is_some());
    /// contender.release_for(&contender.me).unwrap();
    /// ```
    pub fn leave(self, spot: &Spot) {
        drop(self.proof);
        if let Some(file) = self.line {
            line::leave(spot, file);
        }
    }
}

/// Shuts out the breakers of a lease. They have the guard for the time of a few calls only.
fn wait_for_guard(sys: &Sys<'_>) -> Result<Excluded<OwnedFd>, Fault> {
    let mut guard = open_guard(sys)?;
    loop {
        guard = match exclude(sys, guard) {
            Ok(excluded) => return Ok(excluded),
            Err(TryLockError::Held { queue: Some(guard), .. }) => guard,
            Err(TryLockError::Fault(fault)) => return Err(fault),
            Err(_) => open_guard(sys)?,
        };
        // A signal only means to look again.
        match flock(lend(&guard), FlockOperation::LockExclusive) {
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => return Err(crate::fault::fault(Call::Flock, Node::Guard, errno)),
        }
    }
}

/// Sets an open file's time to now, by the clock of its file system.
fn set_time_to_now(file: BorrowedFd<'_>) -> Result<(), Fault> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    futimens(file, &times).map_err(|errno| crate::fault::fault(Call::Utimens, Node::Lock, errno))
}

fn fault(call: Call, kind: FaultKind) -> Fault {
    Fault { call, node: Node::Lock, kind, errno: 0 }
}
