//! Values that no compiler can foresee, and a system that answers with them.

use core::fmt::{self, Write};

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::{
    Access, Blocker, Contents, CreateNew, Dirs, FileType, Files, Flock, Inode, Links, LockTable,
    Mode, Names, Node, OfdLocks, PosixLocks, ProcessState, Processes, Stat, Symlinks, Unnamed,
};
use lock_core::owner::{Pid, StartTime};

unsafe extern "C" {
    fn outside_number() -> u64;
    fn outside_bytes(len: &mut usize) -> *const u8;
    fn outside_keep(value: *const u8);
}

/// Any number.
pub fn number() -> u64 {
    // SAFETY: the library is never linked, so this is never called.
    unsafe { outside_number() }
}

/// Any number, perhaps negative.
pub fn signed() -> i64 {
    i64::from_ne_bytes(number().to_ne_bytes())
}

/// Any number, or none.
pub fn maybe() -> Option<u64> {
    Some(number()).filter(|_| flag())
}

/// Any number, perhaps negative, or none.
pub fn maybe_signed() -> Option<i64> {
    Some(signed()).filter(|_| flag())
}

/// Yes or no.
pub fn flag() -> bool {
    number() & 1 == 1
}

/// Any bytes.
pub fn bytes(use_them: impl FnOnce(&[u8])) {
    let mut len = 0;
    // SAFETY: the library is never linked, so this is never called.
    use_them(unsafe { core::slice::from_raw_parts(outside_bytes(&mut len), len) });
}

/// Makes a value matter, so that what it took to get it stays.
#[allow(clippy::needless_pass_by_value, reason = "dropping it matters too")]
pub fn keep<T>(value: T) {
    // SAFETY: the library is never linked, so this is never called.
    unsafe { outside_keep((&raw const value).cast()) }
}

/// Makes a value's words matter.
pub fn print(value: impl fmt::Display) {
    keep(write!(Sink, "{value}").is_ok());
}

struct Sink;

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        keep(text);
        if flag() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// A system that answers anything to everything.
pub struct Anything;

/// An open file of it.
pub struct AnyFile(u64);

impl Drop for AnyFile {
    fn drop(&mut self) {
        keep(self.0);
    }
}

const KINDS: [FaultKind; 28] = [
    FaultKind::BadDescriptor,
    FaultKind::CrossDevice,
    FaultKind::Deadlock,
    FaultKind::Denied,
    FaultKind::Exists,
    FaultKind::Interrupted,
    FaultKind::Io,
    FaultKind::IsDirectory,
    FaultKind::Missing,
    FaultKind::NameTooLong,
    FaultKind::NoLocks,
    FaultKind::NoSpace,
    FaultKind::NotDirectory,
    FaultKind::NotEmpty,
    FaultKind::Linked,
    FaultKind::NotRegular,
    FaultKind::Quota,
    FaultKind::ReadOnly,
    FaultKind::Replaced,
    FaultKind::StaleHandle,
    FaultKind::Symlink,
    FaultKind::TableFull,
    FaultKind::TooLong,
    FaultKind::TooManyLinks,
    FaultKind::TooManyFiles,
    FaultKind::Unsupported,
    FaultKind::WouldBlock,
    FaultKind::Other,
];

/// Any of a few values.
pub fn one_of<T: Copy, const N: usize>(values: [T; N]) -> Option<T> {
    let at = usize::try_from(number()).ok()?;
    values.get(at).copied()
}

/// Any fault.
pub fn fault(call: Call, node: Node) -> Fault {
    let kind = one_of(KINDS).unwrap_or(FaultKind::Other);
    Fault { call, node, kind, errno: (number() & 0xffff) as u16 }
}

fn answer(call: Call, node: Node) -> Result<(), Fault> {
    if flag() { Ok(()) } else { Err(fault(call, node)) }
}

fn open(node: Node) -> Result<AnyFile, Fault> {
    answer(Call::Open, node).map(|()| AnyFile(number()))
}

/// Any process.
pub fn process() -> ProcessState {
    match number() {
        0 => ProcessState::Gone,
        1 => ProcessState::Zombie,
        _ => ProcessState::Running { start: maybe().map(StartTime), started_at_us: maybe_signed() },
    }
}

/// Any lock mode.
pub fn mode() -> Mode {
    if flag() { Mode::Shared } else { Mode::Exclusive }
}

fn blocker() -> Option<Blocker> {
    flag().then(|| Blocker { mode: mode(), pid: maybe().map(|pid| (pid & 0xffff_ffff) as u32) })
}

fn stat() -> Stat {
    let types = [FileType::Regular, FileType::Directory, FileType::Symlink];
    Stat {
        inode: Inode { dev: number(), ino: number() },
        file_type: one_of(types).unwrap_or(FileType::Special),
        len: number(),
        links: number(),
        modified_ms: signed(),
    }
}

/// Fills any part of a buffer; as a system call does, at most all of it.
fn fill(buffer: &mut [u8]) -> usize {
    let mut len = 0;
    bytes(|bytes| {
        for (to, from) in buffer.iter_mut().zip(bytes) {
            *to = *from;
            len += 1;
        }
    });
    len
}

impl Files for Anything {
    type File = AnyFile;
    fn open(&self, node: Node, _: Access) -> Result<AnyFile, Fault> {
        open(node)
    }
    fn open_or_create(&self, node: Node, _: Access) -> Result<AnyFile, Fault> {
        open(node)
    }
    fn fstat(&self, _: &AnyFile) -> Result<Stat, Fault> {
        answer(Call::Fstat, Node::Lock).map(|()| stat())
    }
    fn stat(&self, node: Node) -> Result<Stat, Fault> {
        answer(Call::Stat, node).map(|()| stat())
    }
}

impl Contents for Anything {
    fn pread(&self, _: &AnyFile, buffer: &mut [u8], offset: u64) -> Result<usize, Fault> {
        keep(offset);
        answer(Call::Pread, Node::Lock).map(|()| fill(buffer))
    }
    fn pwrite(&self, _: &AnyFile, bytes: &[u8], offset: u64) -> Result<usize, Fault> {
        keep((bytes, offset));
        answer(Call::Pwrite, Node::Lock).map(|()| number() as usize)
    }
    fn ftruncate(&self, _: &AnyFile, len: u64) -> Result<(), Fault> {
        keep(len);
        answer(Call::Ftruncate, Node::Lock)
    }
}

impl Names for Anything {
    fn unlink(&self, node: Node) -> Result<(), Fault> {
        answer(Call::Unlink, node)
    }
}

impl CreateNew for Anything {
    fn create_new(&self, node: Node) -> Result<AnyFile, Fault> {
        open(node)
    }
}

impl Links for Anything {
    fn link(&self, _: Node, to: Node) -> Result<(), Fault> {
        answer(Call::Link, to)
    }
    fn rename(&self, _: Node, to: Node) -> Result<(), Fault> {
        answer(Call::Rename, to)
    }
    fn rename_noreplace(&self, _: Node, to: Node) -> Result<(), Fault> {
        answer(Call::Rename, to)
    }
    fn rename_exchange(&self, one: Node, _: Node) -> Result<(), Fault> {
        answer(Call::Rename, one)
    }
}

impl Unnamed for Anything {
    fn open_unnamed(&self) -> Result<AnyFile, Fault> {
        open(Node::Private)
    }
    fn link_unnamed(&self, _: &AnyFile, to: Node) -> Result<(), Fault> {
        answer(Call::Link, to)
    }
}

impl Symlinks for Anything {
    fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault> {
        keep(target);
        answer(Call::Symlink, node)
    }
    fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault> {
        answer(Call::Readlink, node).map(|()| fill(buffer))
    }
}

impl Dirs for Anything {
    fn mkdir(&self, node: Node) -> Result<(), Fault> {
        answer(Call::Mkdir, node)
    }
    fn rmdir(&self, node: Node) -> Result<(), Fault> {
        answer(Call::Rmdir, node)
    }
    fn open_directory(&self, node: Node) -> Result<AnyFile, Fault> {
        open(node)
    }
    fn symlink_in(&self, target: &[u8], _: &AnyFile) -> Result<(), Fault> {
        keep(target);
        answer(Call::Symlink, Node::Owner)
    }
    fn readlink_in(&self, _: &AnyFile, buffer: &mut [u8]) -> Result<usize, Fault> {
        answer(Call::Readlink, Node::Owner).map(|()| fill(buffer))
    }
    fn unlink_in(&self, _: &AnyFile) -> Result<(), Fault> {
        answer(Call::Unlink, Node::Owner)
    }
}

impl Processes for Anything {
    fn process(&self, pid: Pid) -> ProcessState {
        keep(pid);
        process()
    }
}

impl Flock for Anything {
    fn flock(&self, _: &AnyFile, _: Mode) -> Result<(), Fault> {
        answer(Call::Flock, Node::Lock)
    }
    fn flock_un(&self, _: &AnyFile) -> Result<(), Fault> {
        answer(Call::Flock, Node::Lock)
    }
}

impl PosixLocks for Anything {
    fn setlk(&self, _: &AnyFile, _: Mode) -> Result<(), Fault> {
        answer(Call::Fcntl, Node::Lock)
    }
    fn setlk_un(&self, _: &AnyFile) -> Result<(), Fault> {
        answer(Call::Fcntl, Node::Lock)
    }
    fn getlk(&self, _: &AnyFile, _: Mode) -> Result<Option<Blocker>, Fault> {
        answer(Call::Fcntl, Node::Lock).map(|()| blocker())
    }
}

impl OfdLocks for Anything {
    fn ofd_setlk(&self, _: &AnyFile, _: Mode) -> Result<(), Fault> {
        answer(Call::Fcntl, Node::Lock)
    }
    fn ofd_setlk_un(&self, _: &AnyFile) -> Result<(), Fault> {
        answer(Call::Fcntl, Node::Lock)
    }
    fn ofd_getlk(&self, _: &AnyFile, _: Mode) -> Result<Option<Blocker>, Fault> {
        answer(Call::Fcntl, Node::Lock).map(|()| blocker())
    }
}

impl LockTable for Anything {
    fn flock_listed(&self, _: &AnyFile, _: Inode) -> Result<Option<Blocker>, Fault> {
        answer(Call::Open, Node::LockTable).map(|()| blocker())
    }
}
