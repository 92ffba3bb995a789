//! The waist: what a lock may ask of an operating system.
//!
//! Methods carry the names of the system calls they stand for, take one call each, and never
//! block. A scheme bounds its functions by exactly the traits it needs, so its signature says
//! which calls it can make and a program links no others. Back ends: lock-rustix on Linux, the
//! simulated disk of the tests.
//!
//! An implementation MUST make each method atomic with respect to every other participant, MUST
//! close a [`Files::File`] when it is dropped (releasing its kernel locks as the platform does),
//! and MUST report failure by [`FaultKind`](crate::fault::FaultKind), never by panic. Schemes go by
//! the kinds that are named below; any other ends an attempt.
//!
//! # Example
//!
//! With the back end for Linux:
//!
//! ```
//! use lock_core::os::{Access, FileType, Files, Flock, Inode, Mode, Node, Stat};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let os = Sys::new(Place::path(c"backup.lock"));
//! let file = os.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
//! os.flock(&file, Mode::Exclusive).unwrap();
//! let Stat { inode, file_type, len, links, .. } = os.fstat(&file).unwrap();
//! assert_eq!((file_type, len, links), (FileType::Regular, 0, 1));
//!
//! // The name can be given to another file, and this lock be found by nobody: so schemes compare.
//! std::fs::remove_file("backup.lock").unwrap();
//! std::fs::write("backup.lock", "").unwrap();
//! let named: Inode = os.stat(Node::Lock).unwrap().inode;
//! assert_ne!(named, inode);
//! ```

use crate::fault::Fault;
use crate::owner::{Pid, StartTime};

/// A name that a scheme uses. Only the back end knows directory and path.
/// See the [example](self#example).
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
    /// A file beside the lock that waiters queue at where the lock is nothing to queue at.
    Queue,
    /// The symbolic link inside a lock directory that names the holder.
    Owner,
    /// The file beside the lock that counts its acquisitions.
    Token,
}

impl Node {
    /// What a person calls it.
    ///
    /// ```
    /// use lock_core::os::Node;
    ///
    /// assert_eq!(Node::Companion.name(), "the companion file");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Node::Lock => "the lock file",
            Node::LockTable => "the system's lock table",
            Node::Private => "the private file",
            Node::Companion => "the companion file",
            Node::Directory => "the directory",
            Node::Guard => "the guard file",
            Node::Queue => "the waiters' file",
            Node::Owner => "the owner link",
            Node::Token => "the token file",
        }
    }
}

/// What a file is opened for. See the [example](self#example).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Access {
    /// `O_RDONLY`.
    Read,
    /// `O_RDWR`.
    ReadWrite,
}

/// How a kernel lock is held. See the [example](self#example).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    /// Beside other shared holders: `LOCK_SH`, `F_RDLCK`.
    Shared,
    /// Alone: `LOCK_EX`, `F_WRLCK`.
    Exclusive,
}

/// A file's identity for as long as somebody has it open: file systems reuse inode numbers.
/// See the [example](self#example).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Inode {
    /// `st_dev`, as the platform encodes it.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

/// What a file is. See the [example](self#example).
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

/// The part of `struct stat` that schemes use. See the [example](self#example).
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
///
/// ```
/// use lock_core::os::{Blocker, Mode};
///
/// // What `F_GETLK` says of an OFD lock: its pid is -1.
/// let blocker = Blocker { mode: Mode::Exclusive, pid: u32::try_from(-1).ok() };
/// assert_eq!(blocker.pid, None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Blocker {
    /// How it is held.
    pub mode: Mode,
    /// The process the kernel names, if it names one: OFD locks and locks of other hosts or pid
    /// namespaces have none. For inherited descriptors this is the opener, perhaps long dead.
    pub pid: Option<u32>,
}

/// Opens files and tells them apart.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::{Access, Files, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let missing = os.open(Node::Lock, Access::Read).unwrap_err();
/// assert_eq!(missing.kind, FaultKind::Missing);
/// let file = os.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
/// assert_eq!(os.fstat(&file).unwrap().inode, os.stat(Node::Lock).unwrap().inode);
/// ```
pub trait Files {
    /// An open file. Dropping it closes it.
    type File;
    /// `open(2)` of a name that must exist (else `Missing`); close-on-exec.
    fn open(&self, node: Node, access: Access) -> Result<Self::File, Fault>;
    /// `open(2)` with `O_CREAT`: makes the file if it is not there; close-on-exec, mode 0664 less
    /// the umask.
    fn open_or_create(&self, node: Node, access: Access) -> Result<Self::File, Fault>;
    /// `fstat(2)`.
    fn fstat(&self, file: &Self::File) -> Result<Stat, Fault>;
    /// `stat(2)` of the name, following a symbolic link exactly where [`open`](Self::open) does;
    /// `Missing` if there is none.
    fn stat(&self, node: Node) -> Result<Stat, Fault>;
}

/// Reads and writes open files.
///
/// ```
/// use lock_core::os::{Access, Contents, Files, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let file = os.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
/// let mut buffer = [0; 8];
/// assert_eq!(os.pwrite(&file, b"4711\n", 0).unwrap(), 5);
/// assert_eq!(os.pread(&file, &mut buffer, 2).unwrap(), 3);
/// assert_eq!(&buffer[..3], b"11\n");
/// os.ftruncate(&file, 0).unwrap();
/// assert_eq!(os.pread(&file, &mut buffer, 0).unwrap(), 0);
/// ```
pub trait Contents: Files {
    /// `pread(2)`: bytes read into `buffer` from `offset`; 0 at the end of the file.
    fn pread(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> Result<usize, Fault>;
    /// `pwrite(2)`: how many of `bytes` were written at `offset`; fewer on a full disk.
    fn pwrite(&self, file: &Self::File, bytes: &[u8], offset: u64) -> Result<usize, Fault>;
    /// `ftruncate(2)`.
    fn ftruncate(&self, file: &Self::File, len: u64) -> Result<(), Fault>;
}

/// Removes names.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::{Names, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// std::fs::write("backup.lock", "").unwrap();
/// os.unlink(Node::Lock).unwrap();
/// assert_eq!(os.unlink(Node::Lock).unwrap_err().kind, FaultKind::Missing);
/// ```
pub trait Names {
    /// `unlink(2)`: `Missing` if there is none, `Denied` in a sticky directory of others.
    fn unlink(&self, node: Node) -> Result<(), Fault>;
}

/// Makes files that nobody else can have opened.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::{CreateNew, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let mine = os.create_new(Node::Lock).unwrap();
/// assert_eq!(os.create_new(Node::Lock).unwrap_err().kind, FaultKind::Exists);
/// ```
pub trait CreateNew: Files {
    /// `open(2)` with `O_CREAT` and `O_EXCL`, for reading and writing; close-on-exec.
    /// `Exists` if the name is taken.
    fn create_new(&self, node: Node) -> Result<Self::File, Fault>;
}

/// Gives files further names, or other ones.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::{CreateNew, Links, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock").with_private(c".backup.1"));
/// os.create_new(Node::Private).unwrap();
/// os.link(Node::Private, Node::Lock).unwrap();
/// let spared = os.rename_noreplace(Node::Private, Node::Lock);
/// assert_eq!(spared.unwrap_err().kind, FaultKind::Exists);
/// os.rename_exchange(Node::Private, Node::Lock).unwrap();
/// // To two names of one file, rename(2) does nothing and says that it did.
/// os.rename(Node::Private, Node::Lock).unwrap();
/// ```
pub trait Links {
    /// `link(2)`: `to` must not exist. The one call that NFS makes atomic on every client; its
    /// answer can get lost there, so that a link which was made is reported as
    /// [`Exists`](crate::fault::FaultKind::Exists).
    fn link(&self, from: Node, to: Node) -> Result<(), Fault>;
    /// `rename(2)`: replaces a file at `to`.
    fn rename(&self, from: Node, to: Node) -> Result<(), Fault>;
    /// `renameat2(2)` with `RENAME_NOREPLACE`: `to` must not exist (else `Exists`); `Unsupported`
    /// where there is no such thing, as on NFS.
    fn rename_noreplace(&self, from: Node, to: Node) -> Result<(), Fault>;
    /// `renameat2(2)` with `RENAME_EXCHANGE`: both must exist.
    fn rename_exchange(&self, one: Node, other: Node) -> Result<(), Fault>;
}

/// Makes files without a name, and names them when they are complete.
///
/// ```
/// use lock_core::os::{Files, Node, Unnamed};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let file = os.open_unnamed().unwrap();
/// assert_eq!(os.fstat(&file).unwrap().links, 0);
/// os.link_unnamed(&file, Node::Lock).unwrap();
/// assert!(os.link_unnamed(&file, Node::Lock).is_err(), "the name is taken");
/// ```
pub trait Unnamed: Files {
    /// `open(2)` of the lock's directory with `O_TMPFILE`.
    fn open_unnamed(&self) -> Result<Self::File, Fault>;
    /// `linkat(2)` of such a file: `to` must not exist (else `Exists`).
    fn link_unnamed(&self, file: &Self::File, to: Node) -> Result<(), Fault>;
}

/// Makes and reads symbolic links.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::{Node, Symlinks};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// os.symlink(b"vm:4711", Node::Lock).unwrap();
/// assert_eq!(os.symlink(b"x", Node::Lock).unwrap_err().kind, FaultKind::Exists);
/// let mut target = [0; 64];
/// assert_eq!(os.readlink(Node::Lock, &mut target).unwrap(), 7);
/// assert_eq!(os.readlink(Node::Lock, &mut target[..4]).unwrap(), 4, "perhaps not all of it");
/// ```
pub trait Symlinks {
    /// `symlink(2)`: `node` must not exist (else `Exists`); it has its target from the first
    /// instant. Linux says `Missing` of an empty target, whether or not there is such a name.
    fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault>;
    /// `readlink(2)`: how many bytes of the target are in `buffer`. A target that fills it may be
    /// longer. `Missing` or `NotSymlink` for what is none.
    fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault>;
}

/// Makes and removes directories, and reaches into opened ones whatever they are called by then.
///
/// ```
/// use lock_core::os::{Dirs, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// os.mkdir(Node::Lock).unwrap();
/// let directory = os.open_directory(Node::Lock).unwrap();
/// std::fs::rename("backup.lock", "elsewhere").unwrap();
/// // The open directory is the same, wherever it is now.
/// os.symlink_in(b"vm:4711", &directory).unwrap();
/// assert_eq!(os.readlink_in(&directory, &mut [0; 64]).unwrap(), 7);
/// os.unlink_in(&directory).unwrap();
/// std::fs::rename("elsewhere", "backup.lock").unwrap();
/// os.rmdir(Node::Lock).unwrap();
/// ```
pub trait Dirs: Files {
    /// `mkdir(2)`: `Exists` if the name is taken.
    fn mkdir(&self, node: Node) -> Result<(), Fault>;
    /// `rmdir(2)`: `NotEmpty` if there is anything in it.
    fn rmdir(&self, node: Node) -> Result<(), Fault>;
    /// `open(2)` with `O_DIRECTORY`, for reading: `NotDirectory` for anything else.
    fn open_directory(&self, node: Node) -> Result<Self::File, Fault>;
    /// `symlinkat(2)`: makes [`Node::Owner`] in an open directory.
    fn symlink_in(&self, target: &[u8], directory: &Self::File) -> Result<(), Fault>;
    /// `readlinkat(2)` of [`Node::Owner`] in an open directory, as [`Symlinks::readlink`].
    fn readlink_in(&self, directory: &Self::File, buffer: &mut [u8]) -> Result<usize, Fault>;
    /// `unlinkat(2)` of [`Node::Owner`] in an open directory.
    fn unlink_in(&self, directory: &Self::File) -> Result<(), Fault>;
}

/// Knows processes.
///
/// ```
/// use lock_core::os::{ProcessState, Processes};
/// use lock_core::owner::Pid;
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let state = |pid| os.process(Pid::new(pid).unwrap());
/// assert!(matches!(state(std::process::id().into()), ProcessState::Running { .. }));
/// // Linux never has more than 2²² pids.
/// assert_eq!(state(1 << 22), ProcessState::Gone);
/// ```
pub trait Processes {
    /// What has become of the process with this pid, in the caller's pid namespace. Never guesses.
    fn process(&self, pid: Pid) -> ProcessState;
}

/// See [`Processes::process`].
///
/// ```
/// use lock_core::os::ProcessState;
///
/// /// Whether the process can still do something with what it locked.
/// fn is_alive(state: ProcessState) -> bool {
///     matches!(state, ProcessState::Running { .. })
/// }
/// assert!(!is_alive(ProcessState::Zombie));
/// ```
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
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::{Access, Files, Flock, Mode, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let open = || os.open_or_create(Node::Lock, Access::Read).unwrap();
/// let (mine, yours) = (open(), open());
/// os.flock(&mine, Mode::Exclusive).unwrap();
/// assert_eq!(os.flock(&yours, Mode::Shared).unwrap_err().kind, FaultKind::WouldBlock);
/// os.flock_un(&mine).unwrap();
/// os.flock(&yours, Mode::Shared).unwrap();
/// ```
pub trait Flock: Files {
    /// `LOCK_SH` or `LOCK_EX`, with `LOCK_NB`. On a file already locked this converts, which is
    /// not atomic: the old lock goes first, and is gone if the new one is refused: `WouldBlock`.
    fn flock(&self, file: &Self::File, mode: Mode) -> Result<(), Fault>;
    /// `LOCK_UN`.
    fn flock_un(&self, file: &Self::File) -> Result<(), Fault>;
}

/// `fcntl(2)` record locks on the whole file that belong to the process.
///
/// Any close of the file by the process, through whichever descriptor, drops them.
///
/// ```
/// use lock_core::os::{Access, Files, Mode, Node, PosixLocks};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let open = || os.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
/// let (one, other) = (open(), open());
/// os.setlk(&one, Mode::Exclusive).unwrap();
/// // Both are this process's, so neither is in the other's way.
/// assert_eq!(os.getlk(&other, Mode::Exclusive).unwrap(), None);
/// os.setlk(&other, Mode::Shared).unwrap();
/// os.setlk_un(&other).unwrap();
/// ```
pub trait PosixLocks: Files {
    /// `F_SETLK`: takes or converts, atomically; `WouldBlock` if another process is in the way.
    fn setlk(&self, file: &Self::File, mode: Mode) -> Result<(), Fault>;
    /// `F_SETLK` with `F_UNLCK`.
    fn setlk_un(&self, file: &Self::File) -> Result<(), Fault>;
    /// `F_GETLK`: a lock of another process that is in the way of `mode`.
    fn getlk(&self, file: &Self::File, mode: Mode) -> Result<Option<Blocker>, Fault>;
}

/// `fcntl(2)` record locks on the whole file that belong to the open file. They exclude POSIX
/// locks and the other way round.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::{Access, Blocker, Files, Mode, Node, OfdLocks};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let open = || os.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
/// let (mine, yours) = (open(), open());
/// os.ofd_setlk(&mine, Mode::Exclusive).unwrap();
/// assert_eq!(os.ofd_setlk(&yours, Mode::Shared).unwrap_err().kind, FaultKind::WouldBlock);
/// let blocker = os.ofd_getlk(&yours, Mode::Shared).unwrap();
/// assert_eq!(blocker, Some(Blocker { mode: Mode::Exclusive, pid: None }));
/// os.ofd_setlk_un(&mine).unwrap();
/// ```
pub trait OfdLocks: Files {
    /// `F_OFD_SETLK`: takes or converts, atomically; `WouldBlock` if anybody is in the way.
    fn ofd_setlk(&self, file: &Self::File, mode: Mode) -> Result<(), Fault>;
    /// `F_OFD_SETLK` with `F_UNLCK`.
    fn ofd_setlk_un(&self, file: &Self::File) -> Result<(), Fault>;
    /// `F_OFD_GETLK`: a lock of anybody else, POSIX or OFD, that is in the way of `mode`.
    fn ofd_getlk(&self, file: &Self::File, mode: Mode) -> Result<Option<Blocker>, Fault>;
}

/// The system's own list of kernel locks (`/proc/locks` on Linux), for looking without touching.
///
/// ```
/// use lock_core::os::{Access, Files, Flock, LockTable, Mode, Node};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let file = os.open_or_create(Node::Lock, Access::Read).unwrap();
/// let inode = os.fstat(&file).unwrap().inode;
/// assert_eq!(os.flock_listed(&file, inode).unwrap(), None);
/// os.flock(&file, Mode::Shared).unwrap();
/// assert_eq!(os.flock_listed(&file, inode).unwrap().unwrap().mode, Mode::Shared);
/// ```
pub trait LockTable: Files {
    /// An flock that somebody holds on the file, if the list shows one. Locks taken on other
    /// hosts, or in pid namespaces that this one cannot see into, are not in the list.
    fn flock_listed(&self, file: &Self::File, inode: Inode) -> Result<Option<Blocker>, Fault>;
}
