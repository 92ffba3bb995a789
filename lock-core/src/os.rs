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
use crate::owner::{Pid, StartTime};

/// A name that a scheme uses. Only the back end knows directory and path.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Node {
    /// The name whose open file carries the lock, or whose presence is the lock.
    Lock,
    /// The system's list of kernel locks.
    LockTable,
    /// A name beside the lock that no other attempt uses: it carries a nonce.
    Private,
    /// The name beside a hard-link lock where readers look: PATH for PATH`.nfs_lock`.
    Companion,
    /// The directory that the lock is in.
    Directory,
    /// A file beside the lock that breakers lock where directories cannot be locked.
    Guard,
    /// The symbolic link inside a lock directory that names the holder.
    Owner,
    /// The file beside the lock that counts its acquisitions.
    Token,
}

impl Node {
    /// What a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Node::Lock => "the lock file",
            Node::LockTable => "the system's lock table",
            Node::Private => "the private file",
            Node::Companion => "the companion file",
            Node::Directory => "the directory",
            Node::Guard => "the guard file",
            Node::Owner => "the owner link",
            Node::Token => "the token file",
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
    /// How many names it has.
    pub links: u64,
    /// When it was last modified, by the file system's clock: milliseconds since 1970.
    pub modified_ms: i64,
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

/// Makes files that nobody else can have opened.
pub trait CreateNew: Files {
    /// `open(2)` with `O_CREAT` and `O_EXCL`, for reading and writing; close-on-exec.
    fn create_new(&self, node: Node) -> Result<Self::File, Fault>;
}

/// Gives files further names, or other ones.
pub trait Links {
    /// `link(2)`: `to` must not exist. The one call that NFS makes atomic on every client; its
    /// answer can get lost there, so that a link which was made is reported as
    /// [`Exists`](crate::fault::FaultKind::Exists).
    fn link(&self, from: Node, to: Node) -> Result<(), Fault>;
    /// `rename(2)`: replaces a file at `to`.
    fn rename(&self, from: Node, to: Node) -> Result<(), Fault>;
    /// `renameat2(2)` with `RENAME_NOREPLACE`: `to` must not exist.
    fn rename_noreplace(&self, from: Node, to: Node) -> Result<(), Fault>;
    /// `renameat2(2)` with `RENAME_EXCHANGE`: both must exist.
    fn rename_exchange(&self, one: Node, other: Node) -> Result<(), Fault>;
}

/// Makes files without a name, and names them when they are complete.
pub trait Unnamed: Files {
    /// `open(2)` of the lock's directory with `O_TMPFILE`.
    fn open_unnamed(&self) -> Result<Self::File, Fault>;
    /// `linkat(2)` of such a file: `to` must not exist.
    fn link_unnamed(&self, file: &Self::File, to: Node) -> Result<(), Fault>;
}

/// Makes and reads symbolic links.
pub trait Symlinks {
    /// `symlink(2)`: `node` must not exist; it has its target from the first instant.
    fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault>;
    /// `readlink(2)`: how many bytes of the target are in `buffer`. A target that fills it may be
    /// longer.
    fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault>;
}

/// Makes and removes directories, and reaches into opened ones whatever they are called by then.
pub trait Dirs: Files {
    /// `mkdir(2)`.
    fn mkdir(&self, node: Node) -> Result<(), Fault>;
    /// `rmdir(2)`.
    fn rmdir(&self, node: Node) -> Result<(), Fault>;
    /// `open(2)` with `O_DIRECTORY`, for reading.
    fn open_directory(&self, node: Node) -> Result<Self::File, Fault>;
    /// `symlinkat(2)`: makes [`Node::Owner`] in an open directory.
    fn symlink_in(&self, target: &[u8], directory: &Self::File) -> Result<(), Fault>;
    /// `readlinkat(2)` of [`Node::Owner`] in an open directory, as [`Symlinks::readlink`].
    fn readlink_in(&self, directory: &Self::File, buffer: &mut [u8]) -> Result<usize, Fault>;
    /// `unlinkat(2)` of [`Node::Owner`] in an open directory.
    fn unlink_in(&self, directory: &Self::File) -> Result<(), Fault>;
}

/// Knows processes.
pub trait Processes {
    /// What has become of the process with this pid, in the caller's pid namespace. Never guesses.
    fn process(&self, pid: Pid) -> ProcessState;
}

/// See [`Processes::process`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ProcessState {
    /// There is none.
    Gone,
    /// It has ended and waits to be reaped: it runs no code and holds no descriptor.
    Zombie,
    /// It runs.
    Running {
        /// When it started, in ticks since boot, if that can be seen.
        start: Option<StartTime>,
        /// The same by the wall clock, in microseconds since 1970: jumps with the clock.
        started_at_us: Option<i64>,
    },
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
