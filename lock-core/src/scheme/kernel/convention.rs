//! Which kernel locks make up a lock, and in what order they are taken.

use crate::fault::Fault;
use crate::os::{Access, Blocker, Files, Flock, LockTable, Mode, OfdLocks, PosixLocks, Stat};

/// Which kernel locks make up the lock. Implemented by [`ByFlock`], [`ByPosix`], [`ByOfd`] and
/// [`ByBoth`].
///
/// ```
/// use lock_core::os::{Access, Files, Mode, Node};
/// use lock_core::scheme::kernel::{ByBoth, Convention};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// assert_eq!(<ByBoth as Convention<Sys>>::access(Mode::Shared), Access::ReadWrite);
/// assert!(!<ByBoth as Convention<Sys>>::read_only_suffices(Mode::Shared));
/// let open = || os.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
/// let (mine, yours) = (open(), open());
/// ByBoth::lock(&os, &mine, Mode::Exclusive).unwrap();
/// assert!(ByBoth::blocker(&os, &yours, os.fstat(&yours).unwrap()).unwrap().is_some());
/// ```
pub trait Convention<O: Files> {
    /// Whether directories can be locked, and not only regular files.
    const DIRECTORIES: bool;
    /// What the file is best opened for.
    fn access(mode: Mode) -> Access;
    /// Whether a file that may not be written can be locked too.
    fn read_only_suffices(mode: Mode) -> bool;
    /// Takes the lock or converts it to `mode`; all of it or, on failure, nothing new.
    fn lock(os: &O, file: &O::File, mode: Mode) -> Result<(), Fault>;
    /// Looks whether somebody else holds it, without touching it.
    fn blocker(os: &O, file: &O::File, stat: Stat) -> Result<Option<Blocker>, Fault>;
}

/// `flock(2)`.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByFlock, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// std::fs::create_dir("spool").unwrap();
/// let os = Sys::new(Place::path(c"spool"));
/// // The only one that can lock a directory.
/// assert!(try_lock::<ByFlock, _>(&os, Mode::Exclusive).is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ByFlock;

/// POSIX record lock, owned by the process.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByPosix, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let first = try_lock::<ByPosix, _>(&os, Mode::Exclusive).unwrap();
/// let second = try_lock::<ByPosix, _>(&os, Mode::Exclusive);
/// assert!(second.is_ok(), "a process does not exclude itself: ask `held` first");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ByPosix;

/// OFD record lock, owned by the open file.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByOfd, TryLockError, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// std::fs::create_dir("spool").unwrap();
/// let os = Sys::new(Place::path(c"spool"));
/// let refused = try_lock::<ByOfd, _>(&os, Mode::Exclusive);
/// let Err(TryLockError::Fault(fault)) = refused else { panic!("locked a directory") };
/// assert_eq!(fault.kind, FaultKind::IsDirectory);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ByOfd;

/// `flock(2)` and an OFD record lock: Jane Street's `Lock_file_blocking`.
///
/// Both, so that a network file system that honours only one of them refuses instead of seeming
/// to succeed. Jane Street takes a POSIX lock for the second; an OFD lock excludes it just as well
/// and is not lost when the process closes the file elsewhere.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByBoth, ByFlock, ByOfd, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let locked = try_lock::<ByBoth, _>(&os, Mode::Exclusive).unwrap();
/// assert!(try_lock::<ByFlock, _>(&os, Mode::Shared).is_err());
/// assert!(try_lock::<ByOfd, _>(&os, Mode::Shared).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ByBoth;

impl<O: Flock + LockTable> Convention<O> for ByFlock {
    const DIRECTORIES: bool = true;

    fn access(_: Mode) -> Access {
        Access::Read
    }

    fn read_only_suffices(_: Mode) -> bool {
        true
    }

    fn lock(os: &O, file: &O::File, mode: Mode) -> Result<(), Fault> {
        os.flock(file, mode)
    }

    fn blocker(os: &O, file: &O::File, stat: Stat) -> Result<Option<Blocker>, Fault> {
        os.flock_listed(file, stat.inode)
    }
}

impl<O: PosixLocks> Convention<O> for ByPosix {
    const DIRECTORIES: bool = false;

    fn access(_: Mode) -> Access {
        // For shared locks too, so that they can become exclusive.
        Access::ReadWrite
    }

    fn read_only_suffices(mode: Mode) -> bool {
        mode == Mode::Shared
    }

    fn lock(os: &O, file: &O::File, mode: Mode) -> Result<(), Fault> {
        os.setlk(file, mode)
    }

    fn blocker(os: &O, file: &O::File, _: Stat) -> Result<Option<Blocker>, Fault> {
        os.getlk(file, Mode::Exclusive)
    }
}

impl<O: OfdLocks> Convention<O> for ByOfd {
    const DIRECTORIES: bool = false;

    fn access(_: Mode) -> Access {
        // For shared locks too, so that they can become exclusive.
        Access::ReadWrite
    }

    fn read_only_suffices(mode: Mode) -> bool {
        mode == Mode::Shared
    }

    fn lock(os: &O, file: &O::File, mode: Mode) -> Result<(), Fault> {
        os.ofd_setlk(file, mode)
    }

    fn blocker(os: &O, file: &O::File, _: Stat) -> Result<Option<Blocker>, Fault> {
        os.ofd_getlk(file, Mode::Exclusive)
    }
}

impl<O: Flock + OfdLocks + LockTable> Convention<O> for ByBoth {
    const DIRECTORIES: bool = false;

    fn access(_: Mode) -> Access {
        Access::ReadWrite
    }

    fn read_only_suffices(_: Mode) -> bool {
        false
    }

    /// Always flock first, and no second lock without the first: in any other order two
    /// contenders can abort each other for ever.
    fn lock(os: &O, file: &O::File, mode: Mode) -> Result<(), Fault> {
        os.flock(file, mode)?;
        os.ofd_setlk(file, mode).inspect_err(|_| {
            // The caller may keep the file to wait on it; it must not keep half a lock.
            let _ = os.flock_un(file);
        })
    }

    fn blocker(os: &O, file: &O::File, stat: Stat) -> Result<Option<Blocker>, Fault> {
        // The record lock first: the kernel, or the file server, answers for it exactly.
        match os.ofd_getlk(file, Mode::Exclusive)? {
            // An OFD lock names no process. Its holder has the flock too, which does.
            Some(blocker) if blocker.pid.is_none() => {
                Ok(os.flock_listed(file, stat.inode).ok().flatten().or(Some(blocker)))
            }
            Some(blocker) => Ok(Some(blocker)),
            None => os.flock_listed(file, stat.inode),
        }
    }
}
