//! The waist: what a lock may ask of an operating system.
//!
//! Methods carry the names of the system calls they stand for, take one call each, and never
//! block. A scheme bounds its functions by exactly the traits it needs, so its signature says
//! which calls it can make and a program links no others. Back ends: lock-rustix on Linux, the
//! simulated disk of the tests.
//!
//! An implementation MUST make each method atomic with respect to every other participant, MUST
//! close a [`Files::File`] when it is dropped (releasing its kernel locks as the platform does),
//! and MUST report failure by [`FaultKind`](crate::fault::FaultKind), never by panic.

use crate::fault::Fault;

/// A name that a scheme uses. Only the back end knows directory and path.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Node {
    /// The name whose open file carries the lock, or whose presence is the lock.
    Lock,
    /// The system's list of kernel locks.
    LockTable,
}

impl Node {
    /// What a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Node::Lock => "the lock file",
            Node::LockTable => "the system's lock table",
        }
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Access {
    /// `O_RDONLY`.
    Read,
    /// `O_RDWR`.
    ReadWrite,
}

/// How a kernel lock is held.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    /// Beside other shared holders: `LOCK_SH`, `F_RDLCK`.
    Shared,
    /// Alone: `LOCK_EX`, `F_WRLCK`.
    Exclusive,
}

/// A file's identity for as long as somebody has it open: file systems reuse inode numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Inode {
    /// `st_dev`, as the platform encodes it.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link that was not followed.
    Symlink,
    /// A FIFO, device or socket.
    Special,
}

/// The part of `struct stat` that schemes use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Stat {
    /// Which file.
    pub inode: Inode,
    /// What it is.
    pub file_type: FileType,
    /// Its size in bytes.
    pub len: u64,
}

/// A lock in the way of the one asked about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Blocker {
    /// How it is held.
    pub mode: Mode,
    /// The process the kernel names, if it names one: OFD locks and locks of other hosts or pid
    /// namespaces have none. For inherited descriptors this is the opener, perhaps long dead.
    pub pid: Option<u32>,
}

/// Opens files and tells them apart.
pub trait Files {
    /// An open file. Dropping it closes it.
    type File;
    /// `open(2)` of a name that must exist; close-on-exec.
    fn open(&self, node: Node, access: Access) -> Result<Self::File, Fault>;
    /// `open(2)` with `O_CREAT`: makes the file if it is not there; close-on-exec, mode 0664 less
    /// the umask.
    fn open_or_create(&self, node: Node, access: Access) -> Result<Self::File, Fault>;
    /// `fstat(2)`.
    fn fstat(&self, file: &Self::File) -> Result<Stat, Fault>;
    /// `stat(2)` of the name, following a symbolic link exactly where [`open`](Self::open) does.
    fn stat(&self, node: Node) -> Result<Stat, Fault>;
}

/// Reads and writes open files.
pub trait Contents: Files {
    /// `pread(2)`: bytes read into `buffer` from `offset`; 0 at the end of the file.
    fn pread(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> Result<usize, Fault>;
    /// `pwrite(2)`: how many of `bytes` were written at `offset`.
    fn pwrite(&self, file: &Self::File, bytes: &[u8], offset: u64) -> Result<usize, Fault>;
    /// `ftruncate(2)`.
    fn ftruncate(&self, file: &Self::File, len: u64) -> Result<(), Fault>;
}

/// Removes names.
pub trait Names {
    /// `unlink(2)`.
    fn unlink(&self, node: Node) -> Result<(), Fault>;
}

/// `flock(2)`: a lock that belongs to the open file, shared with its duplicates.
pub trait Flock: Files {
    /// `LOCK_SH` or `LOCK_EX`, with `LOCK_NB`. On a file already locked this converts, which is
    /// not atomic: the old lock goes first, and is gone if the new one is refused.
    fn flock(&self, file: &Self::File, mode: Mode) -> Result<(), Fault>;
    /// `LOCK_UN`.
    fn flock_un(&self, file: &Self::File) -> Result<(), Fault>;
}

/// `fcntl(2)` record locks on the whole file that belong to the process.
///
/// Any close of the file by the process, through whichever descriptor, drops them.
pub trait PosixLocks: Files {
    /// `F_SETLK`: takes or converts, atomically.
    fn setlk(&self, file: &Self::File, mode: Mode) -> Result<(), Fault>;
    /// `F_SETLK` with `F_UNLCK`.
    fn setlk_un(&self, file: &Self::File) -> Result<(), Fault>;
    /// `F_GETLK`: a lock of another process that is in the way of `mode`.
    fn getlk(&self, file: &Self::File, mode: Mode) -> Result<Option<Blocker>, Fault>;
}

/// `fcntl(2)` record locks on the whole file that belong to the open file. They exclude POSIX
/// locks and the other way round.
pub trait OfdLocks: Files {
    /// `F_OFD_SETLK`: takes or converts, atomically.
    fn ofd_setlk(&self, file: &Self::File, mode: Mode) -> Result<(), Fault>;
    /// `F_OFD_SETLK` with `F_UNLCK`.
    fn ofd_setlk_un(&self, file: &Self::File) -> Result<(), Fault>;
    /// `F_OFD_GETLK`: a lock of anybody else, POSIX or OFD, that is in the way of `mode`.
    fn ofd_getlk(&self, file: &Self::File, mode: Mode) -> Result<Option<Blocker>, Fault>;
}

/// The system's own list of kernel locks (`/proc/locks` on Linux), for looking without touching.
pub trait LockTable: Files {
    /// An flock that somebody holds on the file, if the list shows one. Locks taken on other
    /// hosts, or in pid namespaces that this one cannot see into, are not in the list.
    fn flock_listed(&self, file: &Self::File, inode: Inode) -> Result<Option<Blocker>, Fault>;
}
