//! Who this process is, told so that no other can be taken for it: host, boot, namespaces, pid and
//! start time. A process that asks often keeps the answer, and asks again in a forked child.

use lock_core::os::ProcessState;
use lock_core::owner::{BootId, Owner, Pid, PidNamespace};
use lock_core::staleness::{Claim, Observer, TimeNamespace, pid_is_comparable};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, fstatfs, major, statat};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::clock;
use crate::descriptor::{lend, openat};
use crate::mountinfo;
use crate::place::Nonce;
use crate::process;
use crate::superblock;

/// The calling process.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::identity::myself;
/// use lock_rustix::signature::{Signer, decode};
///
/// let me = myself();
/// let signer = Signer { holder: &me, message: b"", nonce: &[7; 16], flocked: false };
/// let payload = signer.payload(Kind::Mkdir).unwrap();
/// assert!(me.made(&decode(Kind::Mkdir)(payload.as_bytes()).unwrap()));
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    /// As it compares itself with the holders of locks.
    pub observer: Observer,
    /// When it started by the wall clock, as [`clock::wall_time_of_start_us`] counts.
    pub started_at_us: Option<i64>,
}

/// Everything there is to know about the calling process. What cannot be read (no `/proc`) is
/// absent, and makes judgements more cautious.
///
/// ```
/// let me = lock_rustix::identity::myself();
/// assert_eq!(me.observer.owner.pid.unwrap().get(), u64::from(std::process::id()));
/// assert!(me.observer.owner.boot.is_some());
/// ```
pub fn myself() -> Identity {
    let mut owner = Owner::from_pid(process::id());
    owner.host = Some(process::host());
    owner.boot = boot_id();
    owner.pid_namespace = namespace(c"/proc/self/ns/pid").map(PidNamespace);
    owner.start = owner.pid.and_then(process::start_time);
    let started_at_us = owner.start.map(clock::wall_time_of_start_us);
    let time_namespace = namespace(c"/proc/self/ns/time").map(TimeNamespace);
    Identity { observer: Observer { owner, time_namespace }, started_at_us }
}

/// Whether the calling process sees all processes of the machine, as the first pid namespace does.
/// `false` also where there is no `/proc`.
///
/// ```
/// // A container has a pid namespace of its own; a program on the machine itself has the first.
/// let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
/// let is_first = lock_rustix::identity::is_in_first_pid_namespace();
/// assert_eq!(is_first, namespace == std::path::Path::new("pid:[4026531836]"));
/// ```
pub fn is_in_first_pid_namespace() -> bool {
    /// What every Linux numbers it.
    const FIRST: u64 = 0xEFFF_FFFC;
    namespace(c"/proc/self/ns/pid") == Some(FIRST)
}

/// The process on whose behalf a lock is taken or given back, seen from the calling process: its
/// pid, counted here, and its start time. `None` if there is no such process.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::identity::{myself, of};
///
/// let me = myself();
/// let pid = Pid::new(u64::from(std::process::id())).unwrap();
/// assert_eq!(of(&me, pid).unwrap().observer, me.observer);
/// ```
pub fn of(me: &Identity, pid: Pid) -> Option<Identity> {
    let ProcessState::Running { start, started_at_us } = process::state(pid) else { return None };
    let mut identity = ended(me, pid);
    identity.observer.owner.start = start;
    identity.started_at_us = started_at_us;
    Some(identity)
}

/// A process that may have ended, seen from the calling one: nothing but its pid is known.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::identity::{ended, myself};
///
/// let past = ended(&myself(), Pid::new(4711).unwrap());
/// assert_eq!(past.observer.owner.pid.unwrap().get(), 4711);
/// assert!(past.observer.owner.start.is_none());
/// ```
pub fn ended(me: &Identity, pid: Pid) -> Identity {
    let mut identity = me.clone();
    identity.observer.owner.pid = Some(pid);
    identity.observer.owner.start = None;
    identity.started_at_us = None;
    identity
}

impl Identity {
    /// Whether this process is the holder that a lock's claim names: as far as both say it, same
    /// host, boot, pid namespace, pid and start.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::identity::myself;
    /// use lock_rustix::signature::decode;
    ///
    /// let claim = decode(Kind::Nfs)(b"((host vm) (pid 4711) (message \"\"))\n").unwrap();
    /// // Another pid, and most likely another host.
    /// assert!(!myself().made(&claim));
    /// ```
    pub fn made(&self, claim: &Claim) -> bool {
        let (mine, theirs) = (&self.observer.owner, &claim.owner);
        let started_apart =
            mine.start.zip(theirs.start).is_some_and(|(mine, theirs)| mine != theirs);
        pid_is_comparable(claim, &self.observer) && mine.pid == theirs.pid && !started_apart
    }
}

/// 128 random bits, fresh for each acquisition. `None` while the kernel has no random numbers yet,
/// which early in an initramfs can be long.
///
/// ```
/// let first = lock_rustix::identity::nonce().expect("the kernel has random numbers by now");
/// assert_ne!(lock_rustix::identity::nonce(), Some(first));
/// ```
pub fn nonce() -> Option<Nonce> {
    let mut nonce = Nonce::default();
    match getrandom(&mut nonce, GetRandomFlags::NONBLOCK) {
        Ok(len) if len == nonce.len() => Some(nonce),
        _ => None,
    }
}

/// A nonce for where there are no random numbers yet: no other process has this pid at this
/// nanosecond since boot. Only for one thread, one pid namespace and one host.
///
/// ```
/// use lock_rustix::identity::{nonce, nonce_of_this_moment};
///
/// let nonce = nonce().unwrap_or_else(nonce_of_this_moment);
/// assert_ne!(nonce, nonce_of_this_moment());
/// ```
pub fn nonce_of_this_moment() -> Nonce {
    (u128::from(process::id()) << 64 | u128::from(clock::monotonic_ns())).to_le_bytes()
}

/// Whether the file system belongs to this kernel alone: a disk or memory, known by name. Network
/// and layered file systems, and all that are not known, count as shared.
///
/// ```
/// use lock_rustix::{identity::is_local, place::open_parent};
///
/// assert!(is_local(open_parent(c"/dev/shm/lock").unwrap().0));
/// assert!(!is_local(open_parent(c"/proc/lock").unwrap().0));
/// ```
pub fn is_local<Fd: AsFd>(dir: Fd) -> bool {
    match superblock::magic(dir.as_fd()) {
        Some(magic) => is_of_local(magic),
        None => says_it_is_local(dir.as_fd()),
    }
}

/// Whether the magic number is a local file system's.
#[allow(clippy::cast_possible_truncation, reason = "the rest means nothing")]
fn is_of_local(magic: u64) -> bool {
    // ext2 to ext4, xfs, btrfs, f2fs, tmpfs, ramfs.
    const LOCAL: [u32; 6] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994, 0x8584_58F6];
    // `statfs` may extend its sign.
    LOCAL.contains(&(magic as u32))
}

/// Where the kernel does not tell itself: whether `statfs` says so, and told the truth. 9p passes
/// on what its server says, who has a disk of his own; but it has no device, and is listed by its
/// own name.
#[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "architectures differ")]
fn says_it_is_local(dir: BorrowedFd<'_>) -> bool {
    /// Local file systems without a device.
    const NAMES: [&[u8]; 5] = [b"tmpfs", b"ramfs", b"devtmpfs", b"rootfs", b"btrfs"];
    if !fstatfs(dir).is_ok_and(|facts| is_of_local(facts.f_type as u64)) {
        return false;
    }
    if fstat(dir).is_ok_and(|stat| major(stat.st_dev as u64) != 0) {
        return true;
    }
    // Without /proc, as early in a boot, there is no better word.
    let mut is_local = true;
    mountinfo::of(dir, &mut |mount| is_local = NAMES.contains(&mount.name));
    is_local
}

fn boot_id() -> Option<BootId> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, c"/proc/sys/kernel/random/boot_id", flags, Mode::empty()).ok()?;
    let mut text = [0; 40];
    let len = rustix::io::read(lend(&file), &mut text).ok()?;
    parse_uuid(text.get(..len)?)
}

/// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, wherever its dashes are.
fn parse_uuid(text: &[u8]) -> Option<BootId> {
    let (mut id, mut digits) = (0u128, 0);
    for &byte in text.trim_ascii().iter().filter(|&&byte| byte != b'-') {
        id = id << 4 | u128::from(char::from(byte).to_digit(16)?);
        digits += 1;
    }
    (digits == 32).then_some(BootId(id.to_be_bytes()))
}

/// A namespace's number: the inode of its file under `/proc`.
#[allow(clippy::unnecessary_cast, reason = "its width differs between architectures")]
fn namespace(path: &core::ffi::CStr) -> Option<u64> {
    statat(CWD, path, AtFlags::empty()).ok().map(|stat| stat.st_ino as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_a_uuid() {
        let id = parse_uuid(b"01234567-89ab-cdef-0123-456789abcdef\n").unwrap();
        assert_eq!(id.0[..3], [0x01, 0x23, 0x45]);
        assert_eq!(parse_uuid(b"01234567-89ab-cdef-0123-456789abcde"), None);
        assert_eq!(parse_uuid(b"01234567-89ab-cdef-0123-456789abcdefa"), None);
        assert_eq!(parse_uuid(b"x1234567-89ab-cdef-0123-456789abcdef"), None);
    }

    #[test]
    fn memory_is_local_and_proc_is_not() {
        for (path, expected) in [(c"/dev/shm", true), (c"/proc", false)] {
            let dir = openat(CWD, path, OFlags::PATH, Mode::empty()).unwrap();
            assert_eq!(is_local(&dir), expected, "{path:?}");
            // As on an old kernel.
            assert_eq!(says_it_is_local(dir.as_fd()), expected, "{path:?}");
        }
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(nonce().unwrap(), nonce().unwrap());
        assert_ne!(nonce_of_this_moment(), nonce_of_this_moment());
    }
}
