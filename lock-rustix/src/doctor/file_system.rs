//! What a directory's file system is: its name, the mount options that change what locks do, and
//! what is known of its kind.

use arrayvec::ArrayVec;
use rustix::fd::BorrowedFd;
use rustix::fs::fstatfs;
use rustix::io::Errno;

use crate::mountinfo::{self, Mount};

/// A short text of the kernel's, cut to fit.
///
/// ```
/// let text = lock_rustix::doctor::Text::<8>::try_from(&b"ext4"[..]).unwrap();
/// assert_eq!(&text[..], b"ext4");
/// ```
pub type Text<const N: usize> = ArrayVec<u8, N>;

/// A file system and how it is mounted.
///
/// ```
/// use lock_rustix::doctor::{LIMIT_NS, Nature, examine};
///
/// let found = examine(c"/dev/shm", LIMIT_NS).unwrap().file_system.unwrap();
/// assert_eq!((&found.name[..], found.nature), (&b"tmpfs"[..], Nature::Local));
/// ```
#[derive(Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FileSystem {
    /// What `statfs(2)` calls it; 0 if that did not answer.
    pub magic: u32,
    /// Its type as `mount(8)` has it, with the subtype; by its number where `/proc` does not tell.
    pub name: Text<32>,
    /// Those of its mount options that change what locks do, as they stand, with commas between.
    pub options: Text<160>,
    /// Who else uses it.
    pub nature: Nature,
    /// Which locks the mount keeps on this machine.
    pub local_locks: LocalLocks,
}

/// Who uses a file system, which is how far its locks have to reach.
///
/// ```
/// use lock_rustix::doctor::Nature;
///
/// assert_eq!(Nature::Nfs.reach(), "shared by the clients of its server");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Nature {
    /// A disk or memory of this machine: its processes only.
    Local,
    /// Layers put together: processes that use this very mount. Through another one, in another
    /// container, the same file has locks of its own.
    Layered,
    /// NFS: whoever uses the server. Its clients ask it for locks, unless mount options forbid.
    Nfs,
    /// Another network or cluster file system: names are made by the server, and kernel locks are
    /// what the server makes of them.
    Network,
    /// Driven by a program (FUSE), by a hypervisor, or not known here: anything can be true.
    Foreign,
}

/// Kernel locks that a mount keeps on this machine, though others use the file system too.
///
/// ```
/// use lock_rustix::doctor::{LIMIT_NS, LocalLocks, examine};
///
/// let found = examine(c"/dev/shm", LIMIT_NS).unwrap().file_system.unwrap();
/// // Nobody else uses it: there is nothing that a mount could keep from others.
/// assert_eq!(found.local_locks, LocalLocks { flock: false, record: false });
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct LocalLocks {
    /// `flock(2)`: NFS with `nolock` or `local_lock=flock`, `nobrl` of SMB, and the like.
    pub flock: bool,
    /// POSIX and OFD locks.
    pub record: bool,
}

/// The name of a file system with zeros behind it, its number to `statfs(2)`, and its nature.
type Known = ([u8; 8], u32, Nature);

#[allow(clippy::indexing_slicing, reason = "only the compiler calls it, and would refuse")]
const fn known(name: &[u8], number: u32, nature: Nature) -> Known {
    let (mut padded, mut at, mut rest) = ([0; 8], 0, name);
    while let [byte, others @ ..] = rest {
        padded[at] = *byte;
        (at, rest) = (at + 1, others);
    }
    (padded, number, nature)
}

static KNOWN: [Known; 35] = [
    known(b"ext4", 0xEF53, Nature::Local),
    known(b"ext3", 0xEF53, Nature::Local),
    known(b"ext2", 0xEF53, Nature::Local),
    known(b"xfs", 0x5846_5342, Nature::Local),
    known(b"btrfs", 0x9123_683E, Nature::Local),
    known(b"f2fs", 0xF2F5_2010, Nature::Local),
    known(b"tmpfs", 0x0102_1994, Nature::Local),
    known(b"ramfs", 0x8584_58F6, Nature::Local),
    known(b"zfs", 0x2FC1_2FC1, Nature::Local),
    known(b"bcachefs", 0xCA45_1A4E, Nature::Local),
    known(b"vfat", 0x4D44, Nature::Local),
    known(b"exfat", 0x2011_BAB0, Nature::Local),
    known(b"ntfs3", 0x7366_746E, Nature::Local),
    known(b"hfsplus", 0x482B, Nature::Local),
    known(b"udf", 0x1501_3346, Nature::Local),
    known(b"ubifs", 0x2405_1905, Nature::Local),
    known(b"overlay", 0x794C_7630, Nature::Layered),
    known(b"aufs", 0x6175_6673, Nature::Layered),
    known(b"ecryptfs", 0xF15F, Nature::Layered),
    known(b"nfs", 0x6969, Nature::Nfs),
    known(b"nfs4", 0x6969, Nature::Nfs),
    known(b"cifs", 0xFF53_4D42, Nature::Network),
    known(b"smb3", 0xFE53_4D42, Nature::Network),
    known(b"9p", 0x0102_1997, Nature::Network),
    known(b"ceph", 0x00C3_6400, Nature::Network),
    known(b"lustre", 0x0BD0_0BD0, Nature::Network),
    known(b"gfs2", 0x0116_1970, Nature::Network),
    known(b"ocfs2", 0x7461_636F, Nature::Network),
    known(b"gpfs", 0x4750_4653, Nature::Network),
    known(b"afs", 0x5346_414F, Nature::Network),
    known(b"fuse", 0x6573_5546, Nature::Foreign),
    // A disk of this machine, as ntfs-3g has it.
    known(b"fuseblk", 0x6573_5546, Nature::Local),
    known(b"virtiofs", 0x6573_5546, Nature::Foreign),
    known(b"vboxsf", 0x786F_4256, Nature::Foreign),
    known(b"vmhgfs", 0xBACB_ACBC, Nature::Foreign),
];

/// Options worth telling: whole, or up to the equals sign.
const TELLING: &[u8] = b"ro,sync,nolock,lock,local_lock,nobrl,brl,soft,softerr,hard,vers,nfsvers,\
noac,actimeo,lookupcache,cache,flock,noflock,localflock,localflocks,noposix,forcemand,trans,\
version,timeo,volatile";

/// Options that keep `flock(2)` on this machine.
const FLOCK_IS_LOCAL: &[u8] =
    b"nolock,local_lock=all,nobrl,localflock,local_lock=flock,localflocks";

/// Options that keep POSIX and OFD locks on this machine.
const RECORD_IS_LOCAL: &[u8] = b"nolock,local_lock=all,nobrl,localflock,local_lock=posix";

/// Looks at the file system of an open directory.
pub(super) fn look(dir: BorrowedFd<'_>) -> Result<FileSystem, Errno> {
    // The field's type differs between architectures; the magic number's 32 bits do not.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let magic = fstatfs(dir)?.f_type as u32;
    let mut found = FileSystem::of(magic);
    mountinfo::of(dir, &mut |mount| found.note(mount));
    Ok(found)
}

/// What can be told of a path's file system without asking it. A relative path is not looked up.
pub(super) fn guess(path: &[u8]) -> Option<FileSystem> {
    let (mut found, mut any) = (FileSystem::of(0), false);
    mountinfo::of_path(path, &mut |mount| {
        found.note(mount);
        any = true;
    });
    any.then_some(found)
}

/// As much of a text as there is room for.
fn cut<const N: usize>(text: &[u8]) -> Text<N> {
    Text::try_from(text.get(..N).unwrap_or(text)).unwrap_or_default()
}

impl Clone for FileSystem {
    /// Without the panic of `ArrayVec`'s own for a text that is longer than itself.
    fn clone(&self) -> FileSystem {
        FileSystem { name: cut(&self.name), options: cut(&self.options), ..*self }
    }
}

impl FileSystem {
    /// What the number tells.
    pub(super) fn of(magic: u32) -> FileSystem {
        let known = by_number(magic);
        FileSystem {
            magic,
            name: cut(known.map_or(b"unknown", name_of)),
            options: Text::new(),
            nature: known.map_or(Nature::Foreign, |(.., nature)| *nature),
            local_locks: LocalLocks::default(),
        }
    }

    /// Notes how it is mounted, in the place of what was known before.
    fn note(&mut self, mount: &Mount<'_>) {
        self.name = cut(mount.name);
        self.options.clear();
        self.local_locks = LocalLocks::default();
        // By the name; where that is not known, by the number.
        let by_name = KNOWN.iter().find(|known| name_of(known) == mount.name);
        let known = by_name.or_else(|| by_number(self.magic));
        self.nature = known.map_or(Nature::Foreign, |(.., nature)| *nature);
        for options in [mount.options, mount.super_options] {
            for option in each(options) {
                self.add(option);
            }
        }
    }

    /// Notes an option, if it matters.
    #[inline(never)]
    fn add(&mut self, option: &[u8]) {
        let key = option.split(|&byte| byte == b'=').next().unwrap_or(option);
        if !lists(TELLING, key) || self.has(option) {
            return;
        }
        if self.options.remaining_capacity() > option.len() {
            if !self.options.is_empty() {
                let _ = self.options.try_push(b',');
            }
            let _ = self.options.try_extend_from_slice(option);
        }
        self.local_locks.flock |= lists(FLOCK_IS_LOCAL, option);
        self.local_locks.record |= lists(RECORD_IS_LOCAL, option);
    }

    /// Whether it is mounted with this option.
    ///
    /// ```
    /// let report = lock_rustix::doctor::examine(c"/tmp", 10_000_000_000).unwrap();
    /// assert!(!report.file_system.unwrap().has(b"nolock"));
    /// ```
    pub fn has(&self, option: &[u8]) -> bool {
        lists(&self.options, option)
    }

    /// Whether a call can fail because the server is away for a while, and a lock be lost unseen.
    /// Only NFS mounted `soft` or `softerr` does.
    ///
    /// ```
    /// use lock_rustix::doctor::{LIMIT_NS, examine};
    ///
    /// assert!(!examine(c"/dev/shm", LIMIT_NS).unwrap().file_system.unwrap().gives_up());
    /// ```
    pub fn gives_up(&self) -> bool {
        self.nature == Nature::Nfs && (self.has(b"soft") || self.has(b"softerr"))
    }
}

/// The options that stand there with commas between.
fn each(options: &[u8]) -> impl Iterator<Item = &[u8]> {
    options.split(|&byte| byte == b',')
}

/// Whether an option is one of them.
fn lists(options: &[u8], option: &[u8]) -> bool {
    each(options).any(|one| one == option)
}

/// Its name, without the zeros.
fn name_of((name, ..): &Known) -> &[u8] {
    let len = name.iter().take_while(|&&byte| byte != 0).count();
    name.get(..len).unwrap_or_default()
}

fn by_number(magic: u32) -> Option<&'static Known> {
    KNOWN.iter().find(|(_, number, _)| *number == magic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(magic: u32, name: &str, options: &str, super_options: &str) -> FileSystem {
        let [name, options, super_options] = [name, options, super_options].map(str::as_bytes);
        let mut found = FileSystem::of(magic);
        found.note(&Mount { name, options, super_options });
        found
    }

    #[test]
    fn mount_options_decide_where_locks_are_kept() {
        for (name, options, flock, record) in [
            ("nfs", "rw,vers=3,hard,nolock,local_lock=all", true, true),
            ("nfs", "rw,vers=3,hard,local_lock=none", false, false),
            ("nfs", "rw,vers=3,local_lock=flock", true, false),
            ("nfs", "rw,vers=3,local_lock=posix", false, true),
            ("nfs4", "rw,vers=4.2,soft,local_lock=none", false, false),
            ("cifs", "rw,vers=3.1.1,cache=strict,nobrl", true, true),
            ("gfs2", "rw,localflocks", true, false),
            ("9p", "rw,trans=virtio", false, false),
        ] {
            let found = mounted(0, name, "rw,relatime", options);
            assert_eq!(found.local_locks, LocalLocks { flock, record }, "{name} {options}");
        }
    }

    #[test]
    fn only_what_matters_is_told_and_once() {
        let found = mounted(
            0x6969,
            "nfs4",
            "ro,relatime",
            "ro,vers=4.2,rsize=262144,soft,clientaddr=10.0.0.1,local_lock=none",
        );
        assert_eq!(&found.options[..], b"ro,vers=4.2,soft,local_lock=none");
        assert!(found.gives_up() && found.has(b"vers=4.2") && !found.has(b"vers"));
    }

    #[test]
    fn the_nature_is_known_by_name_or_number() {
        for (name, magic, expected) in [
            ("ext4", 0xEF53, Nature::Local),
            ("overlay", 0x794C_7630, Nature::Layered),
            ("nfs4", 0x6969, Nature::Nfs),
            ("9p", 0x0102_1997, Nature::Network),
            ("fuse.sshfs", 0x6573_5546, Nature::Foreign),
            ("newfs", 0x1234_5678, Nature::Foreign),
            ("ext9", 0xEF53, Nature::Local),
        ] {
            assert_eq!(mounted(magic, name, "", "").nature, expected, "{name}");
        }
    }
}
