//! Who really holds kernel locks: the processes whose descriptors carry them, from
//! `/proc/*/fdinfo`.
//!
//! `/proc/locks` names the process that took a lock. That one may be gone, and its children hold
//! the descriptor; an OFD lock has no name there at all. A process's own table of descriptors tells
//! the truth, for those processes that the caller may look into: its own user's, or all for root.
//! Everything changes while it is read.

use core::ffi::CStr;

use lock_core::fault::{Call, Fault};
use lock_core::os::{Inode, Node};
use lock_core::owner::Pid;
use lock_core::payload::message::Message;
use lock_core::payload::proc_locks::{Line, parse};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, major, minor, readlinkat_raw, statat};
use rustix::io::Errno;

use crate::descriptor::{lend, openat};
use crate::entries::Entries;
use crate::fault::fault;
use crate::lines::for_each_line;
use crate::place::FileName;
use crate::process;

/// A descriptor that carries a lock.
///
/// ```
/// let file = std::fs::File::create("/tmp/lock-rustix-doc-holding").unwrap();
/// file.lock_shared().unwrap();
/// let mut mine = None;
/// lock_rustix::holders::for_each(&mut |holding| {
///     if holding.pid.get() == u64::from(std::process::id()) {
///         mine = Some(*holding);
///     }
/// })
/// .unwrap();
/// assert_eq!(mine.unwrap().line.mode, lock_core::os::Mode::Shared);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-holding").unwrap();
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Holding {
    /// The process that has it.
    pub pid: Pid,
    /// The descriptor's number there.
    pub fd: u32,
    /// The lock, as `/proc/locks` shows it: with the pid of whoever took it.
    pub line: Line,
}

/// As much of a descriptor's facts as is read at once; no line is longer.
const FACTS_MAX: usize = 512;

/// Shows every descriptor that carries a lock to `see`, process by process. Processes that may not
/// be looked into are left out: see [`is_visible`].
///
/// ```
/// let file = std::fs::File::create("/tmp/lock-rustix-doc-holders").unwrap();
/// file.lock().unwrap();
/// let mut mine = 0;
/// lock_rustix::holders::for_each(&mut |holding| {
///     mine += u32::from(holding.pid.get() == u64::from(std::process::id()));
/// })?;
/// assert_eq!(mine, 1);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-holders").unwrap();
/// # Ok::<(), lock_core::fault::Fault>(())
/// ```
pub fn for_each(see: &mut dyn FnMut(&Holding)) -> Result<(), Fault> {
    let processes = open(c"/proc", OFlags::DIRECTORY)
        .map_err(|errno| fault(Call::Open, Node::LockTable, errno))?;
    let mut pids = Entries::of(lend(&processes));
    while let Some(pid) =
        number(&mut pids).map_err(|errno| fault(Call::Open, Node::LockTable, errno))?
    {
        let Some(pid) = Pid::new(u64::from(pid)) else { continue };
        let Some(facts) = facts_of(pid) else { continue };
        let mut descriptors = Entries::of(lend(&facts));
        // A process that ends meanwhile has no descriptors any more.
        while let Ok(Some(fd)) = number(&mut descriptors) {
            for_each_lock(&facts, pid, fd, see);
        }
    }
    Ok(())
}

/// A process that has a descriptor with an flock or record lock on this file, as far as can be
/// seen.
///
/// ```
/// use lock_core::os::Inode;
/// use std::os::unix::fs::MetadataExt;
///
/// let file = std::fs::File::create("/tmp/lock-rustix-doc-holder").unwrap();
/// let facts = file.metadata().unwrap();
/// let inode = Inode { dev: facts.dev(), ino: facts.ino() };
/// assert_eq!(lock_rustix::holders::holder(inode), None);
/// file.lock().unwrap();
/// let pid = lock_rustix::holders::holder(inode).unwrap();
/// assert_eq!(pid.get(), u64::from(std::process::id()));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-holder").unwrap();
/// ```
pub fn holder(inode: Inode) -> Option<Pid> {
    let device = (major(inode.dev), minor(inode.dev));
    let mut found = None;
    let _ = for_each(&mut |Holding { pid, line, .. }| {
        if line.ino == inode.ino && (line.major, line.minor) == device {
            found = Some(*pid);
        }
    });
    found
}

/// Whether the descriptors of this process can be looked at.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::holders::is_visible;
///
/// assert!(is_visible(Pid::new(u64::from(std::process::id())).unwrap()));
/// // No process has such a number.
/// assert!(!is_visible(Pid::new(u64::from(u32::MAX)).unwrap()));
/// ```
pub fn is_visible(pid: Pid) -> bool {
    facts_of(pid).is_some()
}

/// The path of a process's open file: its name when it was opened or last renamed, with
/// ` (deleted)` behind it if it has none any more. Cut to fit.
///
/// ```
/// use lock_core::owner::Pid;
/// use std::os::fd::AsRawFd;
///
/// let file = std::fs::File::create("/tmp/lock-rustix-doc-fd-path").unwrap();
/// let fd = file.as_raw_fd().try_into().unwrap();
/// let me = Pid::new(u64::from(std::process::id())).unwrap();
/// std::fs::remove_file("/tmp/lock-rustix-doc-fd-path").unwrap();
/// let mut buffer = [0; 200];
/// let path = lock_rustix::holders::path(me, fd, &mut buffer).unwrap();
/// assert_eq!(path, b"/tmp/lock-rustix-doc-fd-path (deleted)");
/// ```
pub fn path(pid: Pid, fd: u32, buffer: &mut [u8]) -> Option<&[u8]> {
    let link = fact_name(pid, b"/fd/", Some(fd))?;
    let len = readlinkat_raw(CWD, link.as_c_str(), &mut *buffer).ok()?;
    buffer.get(..len)
}

/// A descriptor of the process for the file that a line is about: of one that waits for a lock.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::{holders, lock_table};
///
/// let file = std::fs::File::create("/tmp/lock-rustix-doc-descriptor").unwrap();
/// file.lock().unwrap();
/// let me = Pid::new(u64::from(std::process::id())).unwrap();
/// lock_table::for_each(|line| {
///     let mine = line.pid == Some(std::process::id());
///     assert_eq!(holders::descriptor(me, line).is_some(), mine);
///     true
/// })
/// .unwrap();
/// # std::fs::remove_file("/tmp/lock-rustix-doc-descriptor").unwrap();
/// ```
#[allow(clippy::unnecessary_cast, reason = "its width differs between architectures")]
pub fn descriptor(pid: Pid, line: &Line) -> Option<u32> {
    let facts = facts_of(pid)?;
    let mut descriptors = Entries::of(lend(&facts));
    while let Ok(Some(fd)) = number(&mut descriptors) {
        let name = fact_name(pid, b"/fd/", Some(fd))?;
        let stat = statat(CWD, name.as_c_str(), AtFlags::empty());
        let is_it = stat.is_ok_and(|stat| {
            let dev = stat.st_dev as u64;
            stat.st_ino as u64 == line.ino && (major(dev), minor(dev)) == (line.major, line.minor)
        });
        if is_it {
            return Some(fd);
        }
    }
    None
}

fn facts_of(pid: Pid) -> Option<OwnedFd> {
    open(fact_name(pid, b"/fdinfo", None)?.as_c_str(), OFlags::DIRECTORY).ok()
}

/// `/proc/PID/fd/N`, or the like.
fn fact_name(pid: Pid, what: &[u8], number: Option<u32>) -> Option<FileName> {
    // The message of a pid is its digits and a newline.
    let pid = Message::from_pid(u32::try_from(pid.get()).ok()?);
    let number = number.map(Message::from_pid);
    let digits = number.as_ref().map_or(&b""[..], Message::text);
    FileName::new(&[b"/proc/", pid.text(), what, digits]).ok()
}

fn open(path: &CStr, more: OFlags) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC | more, Mode::empty())
}

/// The next entry that is a number.
fn number(entries: &mut Entries<'_>) -> Result<Option<u32>, Errno> {
    while let Some(name) = entries.next()? {
        if let Some(number) = decimal(name.to_bytes()) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

fn for_each_lock(facts: &OwnedFd, pid: Pid, fd: u32, see: &mut dyn FnMut(&Holding)) {
    let name = Message::from_pid(fd);
    let Ok(name) = FileName::new(&[name.text()]) else { return };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(file) = openat(lend(facts), name.as_c_str(), flags, Mode::empty()) else { return };
    let _ = for_each_line(&file, &mut [0; FACTS_MAX], &mut |line| {
        let lock = line.strip_prefix(b"lock:").map(<[u8]>::trim_ascii).and_then(parse);
        if let Some(line) = lock {
            see(&Holding { pid, fd, line });
        }
        true
    });
}

fn decimal(digits: &[u8]) -> Option<u32> {
    u32::try_from(process::number(digits)?).ok()
}
