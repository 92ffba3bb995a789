//! The traits of [`lock_core::os`] on Linux: one system call per method.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::{
    Access, Blocker, Contents, FileType, Files, Flock, Inode, LockTable, Mode, Node, OfdLocks,
    PosixLocks, Stat,
};
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FlockOperation, OFlags, RawMode};
use rustix::io::Errno;

use crate::descriptor::{lend, openat};
use crate::fault::fault;
use crate::fcntl::{self, RecordOwner};
use crate::place::Place;

mod names;

/// Mode of a new lock file, before the umask: never writable for the world.
pub const LOCK_FILE_MODE: RawMode = 0o664;

/// The operating system, seen from one lock's place.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByFlock, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let path = c"/tmp/lock-rustix-doc-sys";
/// let locked = try_lock::<ByFlock, _>(&Sys::new(Place::path(path)), Mode::Exclusive).unwrap();
/// assert_eq!(locked.mode(), Mode::Exclusive);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-sys").unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sys<'a> {
    place: Place<'a>,
    mode: RawMode,
    flocked: Option<bool>,
}

impl<'a> Sys<'a> {
    /// The system around `place`; new files get [`LOCK_FILE_MODE`].
    ///
    /// ```
    /// use lock_core::os::{Access, Files, Node};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-sys-new"));
    /// let file = sys.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
    /// assert_eq!(sys.fstat(&file).unwrap().len, 0);
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-sys-new").unwrap();
    /// ```
    pub fn new(place: Place<'a>) -> Sys<'a> {
        Sys { place, mode: LOCK_FILE_MODE, flocked: None }
    }

    /// Makes new files with these permissions, less the umask. A file that exists keeps its own.
    ///
    /// ```
    /// use lock_core::os::{Access, Files, Node};
    /// use lock_rustix::{place::Place, sys::Sys};
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-sys-mode")).with_mode(0o600);
    /// sys.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
    /// let file = std::fs::metadata("/tmp/lock-rustix-doc-sys-mode").unwrap();
    /// assert_eq!(file.permissions().mode() & 0o777, 0o600);
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-sys-mode").unwrap();
    /// ```
    #[must_use]
    pub fn with_mode(self, mode: RawMode) -> Sys<'a> {
        Sys { mode, ..self }
    }

    /// Says whether the lock was just found flocked: the kernel's list need not be asked. To read
    /// that list can take 10 ms, because all processors are made to agree on it.
    #[must_use]
    pub(crate) fn known_to_be_flocked(self, flocked: Option<bool>) -> Sys<'a> {
        Sys { flocked, ..self }
    }

    /// Where the lock is.
    ///
    /// ```
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock").follow_symlinks());
    /// assert!(sys.place().follows());
    /// ```
    pub fn place(&self) -> Place<'a> {
        self.place
    }

    fn openat(&self, node: Node, access: Access, create: OFlags) -> Result<OwnedFd, Fault> {
        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        let follow = if self.place.follows() { OFlags::empty() } else { OFlags::NOFOLLOW };
        // Not blocking: else opening a FIFO that somebody planted here would wait for a writer.
        let flags = access | create | follow | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let name = self.name(Call::Open, node)?;
        openat(self.place.dir(), name, flags, self.mode.into())
            .map_err(|errno| open_fault(node, errno))
    }

    fn name(&self, call: Call, node: Node) -> Result<&'a core::ffi::CStr, Fault> {
        self.place.name(node).ok_or(Fault { call, node, kind: FaultKind::Unsupported, errno: 0 })
    }
}

/// A busy answer from `open(2)` is about a lease or a mount, never about the lock.
fn open_fault(node: Node, errno: Errno) -> Fault {
    let fault = fault(Call::Open, node, errno);
    match fault.kind {
        FaultKind::WouldBlock => Fault { kind: FaultKind::Other, ..fault },
        _ => fault,
    }
}

impl Files for Sys<'_> {
    type File = OwnedFd;

    fn open(&self, node: Node, access: Access) -> Result<OwnedFd, Fault> {
        self.openat(node, access, OFlags::empty())
    }

    fn open_or_create(&self, node: Node, access: Access) -> Result<OwnedFd, Fault> {
        self.openat(node, access, OFlags::CREATE)
    }

    fn fstat(&self, file: &OwnedFd) -> Result<Stat, Fault> {
        fs::fstat(lend(file))
            .map(|stat| facts(&stat))
            .map_err(|errno| fault(Call::Fstat, Node::Lock, errno))
    }

    fn stat(&self, node: Node) -> Result<Stat, Fault> {
        let flags = if self.place.follows() { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        fs::statat(self.place.dir(), self.name(Call::Stat, node)?, flags)
            .map(|stat| facts(&stat))
            .map_err(|errno| fault(Call::Stat, node, errno))
    }
}

/// The parts of `struct stat` that schemes use. Its fields differ in width between architectures.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, clippy::cast_possible_wrap)]
fn facts(stat: &fs::Stat) -> Stat {
    let file_type = match fs::FileType::from_raw_mode(stat.st_mode) {
        fs::FileType::RegularFile => FileType::Regular,
        fs::FileType::Directory => FileType::Directory,
        fs::FileType::Symlink => FileType::Symlink,
        _ => FileType::Special,
    };
    let inode = Inode { dev: stat.st_dev as u64, ino: stat.st_ino as u64 };
    // Far beyond any real date, and well within an i64.
    let modified_ms =
        (stat.st_mtime as i64).saturating_mul(1000) + stat.st_mtime_nsec as i64 / 1_000_000;
    Stat { inode, file_type, len: stat.st_size as u64, links: stat.st_nlink as u64, modified_ms }
}

impl Contents for Sys<'_> {
    fn pread(&self, file: &OwnedFd, buffer: &mut [u8], offset: u64) -> Result<usize, Fault> {
        rustix::io::pread(lend(file), buffer, offset)
            .map_err(|errno| fault(Call::Pread, Node::Lock, errno))
    }

    fn pwrite(&self, file: &OwnedFd, bytes: &[u8], offset: u64) -> Result<usize, Fault> {
        rustix::io::pwrite(lend(file), bytes, offset)
            .map_err(|errno| fault(Call::Pwrite, Node::Lock, errno))
    }

    fn ftruncate(&self, file: &OwnedFd, len: u64) -> Result<(), Fault> {
        fs::ftruncate(lend(file), len).map_err(|errno| fault(Call::Ftruncate, Node::Lock, errno))
    }
}

impl Flock for Sys<'_> {
    fn flock(&self, file: &OwnedFd, mode: Mode) -> Result<(), Fault> {
        let operation = match mode {
            Mode::Shared => FlockOperation::NonBlockingLockShared,
            Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        fs::flock(lend(file), operation).map_err(|errno| fault(Call::Flock, Node::Lock, errno))
    }

    fn flock_un(&self, file: &OwnedFd) -> Result<(), Fault> {
        fs::flock(lend(file), FlockOperation::Unlock)
            .map_err(|errno| fault(Call::Flock, Node::Lock, errno))
    }
}

impl PosixLocks for Sys<'_> {
    fn setlk(&self, file: &OwnedFd, mode: Mode) -> Result<(), Fault> {
        fcntl::setlk(lend(file), RecordOwner::Process, mode).map_err(fcntl_fault)
    }

    fn setlk_un(&self, file: &OwnedFd) -> Result<(), Fault> {
        fcntl::unlock(lend(file), RecordOwner::Process).map_err(fcntl_fault)
    }

    fn getlk(&self, file: &OwnedFd, mode: Mode) -> Result<Option<Blocker>, Fault> {
        fcntl::getlk(lend(file), RecordOwner::Process, mode).map_err(fcntl_fault)
    }
}

impl OfdLocks for Sys<'_> {
    fn ofd_setlk(&self, file: &OwnedFd, mode: Mode) -> Result<(), Fault> {
        fcntl::setlk(lend(file), RecordOwner::OpenFile, mode).map_err(fcntl_fault)
    }

    fn ofd_setlk_un(&self, file: &OwnedFd) -> Result<(), Fault> {
        fcntl::unlock(lend(file), RecordOwner::OpenFile).map_err(fcntl_fault)
    }

    fn ofd_getlk(&self, file: &OwnedFd, mode: Mode) -> Result<Option<Blocker>, Fault> {
        fcntl::getlk(lend(file), RecordOwner::OpenFile, mode).map_err(fcntl_fault)
    }
}

fn fcntl_fault(errno: Errno) -> Fault {
    fault(Call::Fcntl, Node::Lock, errno)
}

impl LockTable for Sys<'_> {
    fn flock_listed(&self, file: &OwnedFd, inode: Inode) -> Result<Option<Blocker>, Fault> {
        if let Some(flocked) = self.flocked {
            return Ok(flocked.then_some(Blocker { mode: Mode::Exclusive, pid: None }));
        }
        crate::lock_table::find_flock(lend(file), inode)
    }
}
