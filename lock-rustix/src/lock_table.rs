//! `/proc/locks`, read without allocation: who holds a kernel lock on a file, without touching it.
//!
//! The list changes while it is read, page by page: a lock taken or released meanwhile may or may
//! not be in it.

use lock_core::fault::{Call, Fault};
use lock_core::os::{Blocker, Inode, Mode, Node};
use lock_core::payload::proc_locks::{Class, Line, parse};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode as Permissions, OFlags, fstatfs, major, minor};

use crate::descriptor::openat;
use crate::fault::fault;
use crate::lines::for_each_line;

/// The kernel's longest line has some 80 bytes; it hands out whole pages of them.
const BUFFER: usize = 4096;

/// An flock that somebody holds on the open file; an exclusive one if there is one.
///
/// Who waits does not count. Fails with the error of `open(2)` or `read(2)` if `/proc/locks` cannot
/// be read, as where `/proc` is not mounted.
///
/// ```
/// use lock_core::os::{Access, Files, Flock, Mode, Node};
/// use lock_rustix::{lock_table::find_flock, place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-find"));
/// let file = sys.open_or_create(Node::Lock, Access::Read).unwrap();
/// sys.flock(&file, Mode::Exclusive).unwrap();
/// let inode = sys.fstat(&file).unwrap().inode;
/// let blocker = find_flock(&file, inode).unwrap().unwrap();
/// assert_eq!((blocker.mode, blocker.pid), (Mode::Exclusive, Some(std::process::id())));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-find").unwrap();
/// ```
pub fn find_flock<Fd: AsFd>(file: Fd, inode: Inode) -> Result<Option<Blocker>, Fault> {
    let mut found = None;
    // Asked at most once: whether `stat` shows a subvolume's device instead of the file system's.
    let mut subvolumes = None;
    for_each(|line| {
        let flock = line.class == Class::Flock && !line.waiting && line.ino == inode.ino;
        let same_device = line.major == major(inode.dev) && line.minor == minor(inode.dev);
        let same_file = same_device
            || flock
                && line.major == 0
                && major(inode.dev) == 0
                && *subvolumes.get_or_insert_with(|| has_subvolumes(file.as_fd()));
        if flock && same_file {
            found = Some(Blocker { mode: line.mode, pid: line.pid });
        }
        !matches!(found, Some(Blocker { mode: Mode::Exclusive, .. }))
    })?;
    Ok(found)
}

/// btrfs: there an equal inode number on any nameless device counts as this file. That can mistake
/// a lock on another file system for one on this file, but never misses one.
fn has_subvolumes(file: BorrowedFd<'_>) -> bool {
    const BTRFS_SUPER_MAGIC: u32 = 0x9123_683E;
    // The field's type differs between architectures; the magic number's 32 bits do not.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fstatfs(file).is_ok_and(|facts| facts.f_type as u32 == BTRFS_SUPER_MAGIC)
}

/// Reads `/proc/locks` and shows each line to `see` as long as it answers that it wants more.
///
/// ```
/// use lock_rustix::lock_table::for_each;
/// use lock_rustix::rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
///
/// let path = c"/tmp/lock-rustix-doc-table";
/// let file = open(path, OFlags::CREATE, Mode::RUSR).unwrap();
/// flock(&file, FlockOperation::LockExclusive).unwrap();
/// let mut held = 0;
/// for_each(|line| {
///     held += u32::from(line.pid == Some(std::process::id()) && !line.waiting);
///     true
/// })
/// .unwrap();
/// assert!(held > 0);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-table").unwrap();
/// ```
pub fn for_each(mut see: impl FnMut(&Line) -> bool) -> Result<(), Fault> {
    for_each_dyn(&mut see)
}

fn for_each_dyn(see: &mut dyn FnMut(&Line) -> bool) -> Result<(), Fault> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, c"/proc/locks", flags, Permissions::empty())
        .map_err(|errno| fault(Call::Open, Node::LockTable, errno))?;
    for_each_line(&file, &mut [0; BUFFER], &mut |line| parse(line).is_none_or(|line| see(&line)))
        .map_err(|errno| fault(Call::Pread, Node::LockTable, errno))
}
