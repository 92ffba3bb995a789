//! Existence locks by kind: nfs, pidfile, symlink and mkdir; one try, and what a holder has.
//!
//! Everything happens relative to the lock's directory, opened once: a directory that is renamed or
//! replaced meanwhile, or a `chdir`, changes nothing.

pub(crate) mod built;
mod contender;
mod look;
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

use self::built::{LEASE, MKDIR, NFS, PIDFILE, SYMLINK};
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
    /// The place of the lock of this kind at a path. The directory must exist.
    pub fn open(kind: Kind, path: &CStr) -> Result<Spot, Fault> {
        let (dir, name) = open_parent(path)?;
        Spot::in_directory(kind, dir, name)
    }

    /// The place of the lock of this kind by a name in an opened directory.
    pub fn in_directory(kind: Kind, dir: OwnedFd, name: &CStr) -> Result<Spot, Fault> {
        let suffix = if kind == Kind::Nfs { NFS_SUFFIX } else { b"" };
        let lock = FileName::new(&[name.to_bytes(), suffix])?;
        let companion = FileName::new(&[name.to_bytes()])?;
        let guard = FileName::guard(lock.as_c_str());
        Ok(Spot { kind, dir, lock, companion, guard, mode: LOCK_FILE_MODE, lease: false })
    }

    /// Makes new files with these permissions, less the umask.
    #[must_use]
    pub fn with_mode(self, mode: RawMode) -> Spot {
        Spot { mode, ..self }
    }

    /// Takes and gives back the lock as a lease, which a holder who no longer touches it loses to
    /// others after a time, though he may still run: see [`lease`]. All who use the lock must do
    /// so, and judge it by [`Rule::Lease`](lock_core::scheme::breaking::Rule::Lease). Only a
    /// [`Kind::Pidfile`] can be one.
    #[must_use]
    pub fn with_lease(self) -> Spot {
        Spot { lease: true, ..self }
    }

    /// Which kind of lock is here.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The lock's own name in its directory.
    pub fn lock_name(&self) -> &CStr {
        self.lock.as_c_str()
    }

    /// The lock's name in its directory, without what a kind adds to it.
    pub fn name(&self) -> &CStr {
        self.companion.as_c_str()
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
#[must_use = "unlock it, or leave it standing"]
#[derive(Debug)]
pub struct Taken {
    private: FileName,
    proof: Proof,
    pid: u32,
    /// The lock of a holder before us, flocked: others are queued there, and need not come and look
    /// before this lock is given back.
    turnstile: Option<OwnedFd>,
}

/// What a symbolic link was made with: the link is ours as long as it has this target.
type Target = ArrayVec<u8, { symlink::TARGET_MAX }>;

#[derive(Debug)]
// Without allocation the target stays where it is, however long.
#[allow(clippy::large_enum_variant)]
enum Proof {
    File(hardlink::Locked<OwnedFd>),
    Lease(hardlink::Locked<OwnedFd>),
    Link(symlink::Locked, Target),
    Directory(mkdir::Locked<OwnedFd>),
}

/// One try at the lock; `nonce` must be fresh.
pub fn try_lock(
    spot: &Spot,
    terms: &Terms<'_>,
    nonce: &Nonce,
) -> Result<Taken, TryLockError<OwnedFd>> {
    let private = FileName::private(spot.lock.as_c_str(), nonce);
    let sys = spot.sys(&private);
    let proof = match (spot.lease, spot.kind) {
        (false, kind) => attempt(&sys, kind, terms),
        (true, Kind::Pidfile) if LEASE => lease::try_lock(&sys, terms).map(Proof::Lease),
        (true, _) => Err(fault(Call::Open, FaultKind::Unsupported).into()),
    }?;
    Ok(Taken { private, proof, pid: process::id(), turnstile: None })
}

fn attempt(sys: &Sys<'_>, kind: Kind, terms: &Terms<'_>) -> Result<Proof, TryLockError<OwnedFd>> {
    match kind {
        Kind::Nfs if NFS => hardlink::try_lock_linked(sys, terms).map(Proof::File),
        Kind::Pidfile if PIDFILE => match hardlink::try_lock_unnamed(sys, terms) {
            Err(TryLockError::Fault(fault)) if cannot_be_unnamed(fault) => {
                hardlink::try_lock_named(sys, terms)
            }
            outcome => outcome,
        }
        .map(Proof::File),
        Kind::Symlink if SYMLINK => {
            let too_long = fault(Call::Symlink, FaultKind::TooLong);
            let target = Target::try_from(terms.payload).map_err(|_| too_long)?;
            symlink::try_lock(sys, terms).map(|locked| Proof::Link(locked, target))
        }
        Kind::Mkdir if MKDIR => mkdir::try_lock(sys, terms).map(Proof::Directory),
        _ => Err(fault(Call::Open, FaultKind::Unsupported).into()),
    }
}

/// How file systems and kernels say that they have no `O_TMPFILE`.
fn cannot_be_unnamed(fault: Fault) -> bool {
    fault.node == Node::Private
        && fault.call == Call::Open
        && matches!(
            fault.kind,
            FaultKind::Unsupported | FaultKind::IsDirectory | FaultKind::Missing
        )
}

impl Taken {
    /// The lock's own file or directory; a symbolic link has none.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        match &self.proof {
            Proof::File(locked) | Proof::Lease(locked) => Some(lend(locked.file())),
            Proof::Directory(locked) => Some(lend(locked.directory())),
            Proof::Link(..) => None,
        }
    }

    /// Whether this is the process that took the lock, and not a forked child of it: what the
    /// parent took stays the parent's.
    pub fn is_mine(&self) -> bool {
        self.pid == process::id()
    }

    /// Whether the lock is still held: nobody removed or replaced it.
    pub fn still_held(&self, spot: &Spot) -> Result<bool, Fault> {
        let sys = spot.sys(&self.private);
        match &self.proof {
            Proof::File(locked) => hardlink::still_held(&sys, locked),
            Proof::Lease(locked) => lease::still_held(&sys, locked),
            Proof::Directory(locked) => mkdir::still_held(&sys, locked),
            Proof::Link(_, target) => symlink::still_held(&sys, target),
        }
    }

    /// Sets the lock's time to now, by the file system's clock, through the open file: a lock that
    /// took this one's place is not touched. A symbolic link keeps its time.
    pub fn touch(&self) -> Result<(), Fault> {
        self.file().map_or(Ok(()), set_time_to_now)
    }

    /// Gives the lock back, and tells whether it was ours until now.
    pub fn unlock(self, spot: &Spot) -> Result<Unlocked, Fault> {
        let sys = spot.sys(&self.private);
        let outcome = match self.proof {
            Proof::File(locked) => hardlink::unlock(&sys, locked),
            Proof::Lease(locked) => lease::unlock(&sys, wait_for_guard(&sys)?, locked),
            Proof::Directory(locked) => mkdir::unlock(&sys, locked),
            Proof::Link(locked, target) => symlink::unlock(&sys, locked, &target),
        };
        // Only now is there something to come and look for.
        drop(self.turnstile);
        outcome
    }

    /// Leaves the lock standing on behalf of the process that its payload names.
    pub fn leave(self) {
        drop(self.proof);
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
