//! Record locks on whole files, by `fcntl(2)`: POSIX ones, owned by the process, and OFD ones,
//! owned by the open file. rustix has no OFD locks and no `F_GETLK`, so this is the crate's one
//! system call of its own.
//!
//! Source: fcntl(2), POSIX.1-2024; OFD locks: Linux 3.15.
#![allow(unsafe_code)]

use lock_core::os::{Blocker, Mode};
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;

use crate::arch::syscall;
use crate::descriptor::errno;

/// Who owns the lock.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_rustix::fcntl::{RecordOwner, setlk};
/// use lock_rustix::rustix::fs::{self, OFlags};
///
/// let path = c"/tmp/lock-rustix-doc-owner";
/// let open = || fs::open(path, OFlags::CREATE | OFlags::RDWR, fs::Mode::RWXU).unwrap();
/// let (one, other) = (open(), open());
/// // One process, two open files: a POSIX lock has one owner here, an OFD lock two.
/// setlk(&one, RecordOwner::Process, Mode::Exclusive).unwrap();
/// assert!(setlk(&other, RecordOwner::Process, Mode::Exclusive).is_ok());
/// assert!(setlk(&other, RecordOwner::OpenFile, Mode::Exclusive).is_err());
/// # std::fs::remove_file("/tmp/lock-rustix-doc-owner").unwrap();
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordOwner {
    /// The process: POSIX. Any close of the file by the process drops it.
    Process,
    /// The open file: OFD. Dropped with the last descriptor of that `open(2)`.
    OpenFile,
}

#[cfg(target_pointer_width = "64")]
mod abi {
    pub(super) const GETLK: [usize; 2] = [5, 36];
    pub(super) const SETLK: [usize; 2] = [6, 37];
    pub(super) const SETLKW: [usize; 2] = [7, 38];
}
#[cfg(target_pointer_width = "32")]
mod abi {
    pub(super) const GETLK: [usize; 2] = [12, 36];
    pub(super) const SETLK: [usize; 2] = [13, 37];
    pub(super) const SETLKW: [usize; 2] = [14, 38];
}

#[cfg(target_arch = "x86_64")]
pub(crate) const FCNTL: usize = 72;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub(crate) const FCNTL: usize = 25;
/// `fcntl64`.
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
pub(crate) const FCNTL: usize = 221;

const F_RDLCK: i16 = 0;
const F_WRLCK: i16 = 1;
const F_UNLCK: i16 = 2;

/// `struct flock`, on 32-bit machines `struct flock64`.
#[repr(C)]
struct Record {
    kind: i16,
    whence: i16,
    start: i64,
    len: i64,
    pid: i32,
}

/// `F_SETLK`, `F_OFD_SETLK`: takes or converts the lock without waiting.
///
/// Fails with `EAGAIN` (or `EACCES`, as POSIX allows) if somebody else's lock is in the way; then a
/// lock that is held already stays as it is. With `EBADF` if the descriptor is not open for reading
/// (shared) or for writing (exclusive), and with `ENOLCK` where the file system has no such locks.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_rustix::fcntl::{RecordOwner::OpenFile, setlk};
/// use lock_rustix::rustix::fs::{self, OFlags};
/// use lock_rustix::rustix::io::Errno;
///
/// let path = c"/tmp/lock-rustix-doc-setlk";
/// let open = || fs::open(path, OFlags::CREATE | OFlags::RDWR, fs::Mode::RWXU).unwrap();
/// let (one, other) = (open(), open());
/// setlk(&one, OpenFile, Mode::Shared).unwrap();
/// setlk(&other, OpenFile, Mode::Shared).unwrap();
/// assert_eq!(setlk(&other, OpenFile, Mode::Exclusive), Err(Errno::AGAIN));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-setlk").unwrap();
/// ```
pub fn setlk<Fd: AsFd>(fd: Fd, owner: RecordOwner, mode: Mode) -> Result<(), Errno> {
    fcntl(fd, pick(abi::SETLK, owner), &mut Record::whole_file(lock_type(mode)))
}

/// `F_SETLKW`, `F_OFD_SETLKW`: takes or converts the lock; waits in the kernel's queue.
///
/// Fails with `EINTR` when a signal is handled meanwhile, and for POSIX locks with `EDEADLK` when
/// the kernel sees processes waiting in a circle (which, with threads, may not be one).
///
/// ```
/// use lock_core::os::Mode;
/// use lock_rustix::fcntl::{RecordOwner::OpenFile, setlk, setlkw, unlock};
/// use lock_rustix::rustix::fs::{self, OFlags};
///
/// let path = c"/tmp/lock-rustix-doc-setlkw";
/// let open = || fs::open(path, OFlags::CREATE | OFlags::RDWR, fs::Mode::RWXU).unwrap();
/// let (one, other) = (open(), open());
/// setlk(&one, OpenFile, Mode::Exclusive).unwrap();
/// std::thread::scope(|scope| {
///     let waiter = scope.spawn(|| setlkw(&other, OpenFile, Mode::Exclusive));
///     unlock(&one, OpenFile).unwrap();
///     assert_eq!(waiter.join().unwrap(), Ok(()));
/// });
/// # std::fs::remove_file("/tmp/lock-rustix-doc-setlkw").unwrap();
/// ```
pub fn setlkw<Fd: AsFd>(fd: Fd, owner: RecordOwner, mode: Mode) -> Result<(), Errno> {
    fcntl(fd, pick(abi::SETLKW, owner), &mut Record::whole_file(lock_type(mode)))
}

/// `F_UNLCK`.
/// Gives the whole file back; what is not locked is no error.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_rustix::fcntl::{RecordOwner::OpenFile, setlk, unlock};
/// use lock_rustix::rustix::fs::{self, OFlags};
///
/// let path = c"/tmp/lock-rustix-doc-unlock";
/// let file = fs::open(path, OFlags::CREATE | OFlags::RDWR, fs::Mode::RWXU).unwrap();
/// setlk(&file, OpenFile, Mode::Exclusive).unwrap();
/// unlock(&file, OpenFile).unwrap();
/// assert_eq!(unlock(&file, OpenFile), Ok(()));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-unlock").unwrap();
/// ```
pub fn unlock<Fd: AsFd>(fd: Fd, owner: RecordOwner) -> Result<(), Errno> {
    fcntl(fd, pick(abi::SETLK, owner), &mut Record::whole_file(F_UNLCK))
}

/// `F_GETLK`, `F_OFD_GETLK`: a lock that is in the way of `mode`. Takes nothing.
///
/// Sees record locks only: never a flock, and for [`RecordOwner::Process`] none of this process.
///
/// ```
/// use lock_core::os::Mode::{Exclusive, Shared};
/// use lock_rustix::fcntl::{RecordOwner::OpenFile, getlk, setlk, unlock};
/// use lock_rustix::rustix::fs::{Mode, OFlags, open};
///
/// let open = || open(c"/tmp/lock-rustix-doc-fcntl", OFlags::CREATE | OFlags::RDWR, Mode::RWXU);
/// let (one, other) = (open().unwrap(), open().unwrap());
/// setlk(&one, OpenFile, Exclusive).unwrap();
/// assert!(getlk(&other, OpenFile, Shared).unwrap().is_some());
/// assert!(setlk(&other, OpenFile, Shared).is_err());
/// unlock(&one, OpenFile).unwrap();
/// assert!(getlk(&other, OpenFile, Shared).unwrap().is_none());
/// # std::fs::remove_file("/tmp/lock-rustix-doc-fcntl").unwrap();
/// ```
pub fn getlk<Fd: AsFd>(fd: Fd, owner: RecordOwner, mode: Mode) -> Result<Option<Blocker>, Errno> {
    let mut record = Record::whole_file(lock_type(mode));
    fcntl(fd, pick(abi::GETLK, owner), &mut record)?;
    let mode = match record.kind {
        F_UNLCK => return Ok(None),
        F_RDLCK => Mode::Shared,
        _ => Mode::Exclusive,
    };
    // -1 for an OFD lock, 0 for a process that this pid namespace does not see.
    let pid = u32::try_from(record.pid).ok().filter(|&pid| pid != 0);
    Ok(Some(Blocker { mode, pid }))
}

impl Record {
    fn whole_file(kind: i16) -> Record {
        // From byte 0 of the file, with length 0: to its end, wherever that will be.
        Record { kind, whence: 0, start: 0, len: 0, pid: 0 }
    }
}

fn lock_type(mode: Mode) -> i16 {
    match mode {
        Mode::Shared => F_RDLCK,
        Mode::Exclusive => F_WRLCK,
    }
}

fn pick([process, open_file]: [usize; 2], owner: RecordOwner) -> usize {
    match owner {
        RecordOwner::Process => process,
        RecordOwner::OpenFile => open_file,
    }
}

fn fcntl<Fd: AsFd>(fd: Fd, command: usize, record: &mut Record) -> Result<(), Errno> {
    // A borrowed descriptor is never negative.
    let fd = fd.as_fd().as_raw_fd().unsigned_abs() as usize;
    let record: *mut Record = record;
    // SAFETY: `command` is one of the record lock commands above. They read and write one
    // `struct flock`, which `Record` is laid out as, and `record` points to one exclusively.
    let result = unsafe { syscall(FCNTL, [fd, command, record as usize]) };
    if result < 0 { Err(errno(result)) } else { Ok(()) }
}
