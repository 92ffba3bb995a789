//! What the kernel itself knows a directory's file system by, asked by `statx(2)` and
//! `statmount(2)`.
//!
//! `statfs(2)` asks the file system, which may answer for another: 9p passes on the magic number
//! that its server gives, and NFS asks its server first. The number in the superblock is the
//! driver's own, and to read it nobody is asked.
//!
//! Source: statmount(2); `linux/mount.h` and `linux/stat.h`, Linux 6.8.
#![allow(unsafe_code)]

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, StatxFlags, statx};

use crate::arch::syscall;

/// On every architecture.
const STATMOUNT: usize = 457;
/// `STATMOUNT_SB_BASIC`, and the same as bit of an answer's mask: it has the superblock's facts.
const SUPERBLOCK: u64 = 1;

/// `struct mnt_id_req`, as it first was.
#[repr(C)]
struct Question {
    size: u32,
    spare: u32,
    mount: u64,
    wanted: u64,
}

/// `struct statmount`, as far as it is wanted: the kernel writes no more than there is room for.
#[repr(C)]
#[derive(Default)]
struct Answer {
    size: u32,
    options: u32,
    mask: u64,
    device: [u32; 2],
    magic: u64,
}

/// The magic number that the driver of the directory's file system goes by. `None` where the kernel
/// does not tell: before Linux 6.8, under a filter of system calls, or for a mount that cannot be
/// reached from the root directory.
pub(crate) fn magic(dir: BorrowedFd<'_>) -> Option<u64> {
    let unique = StatxFlags::from_bits_retain(0x4000);
    // `AT_STATX_DONT_SYNC`: no server is asked either.
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let facts = statx(dir, c"", flags, unique).ok()?;
    // An older kernel does not know this number, and gives another one or none.
    if facts.stx_mask & unique.bits() == 0 {
        return None;
    }
    let size = size_of::<Question>();
    #[allow(clippy::cast_possible_truncation, reason = "it is 24")]
    let question =
        Question { size: size as u32, spare: 0, mount: facts.stx_mnt_id, wanted: SUPERBLOCK };
    let mut answer = Answer::default();
    let (from, to) = (&raw const question, &raw mut answer);
    // SAFETY: the kernel reads a `struct mnt_id_req` of the size that it says, which `Question` is
    // laid out as, and writes at most so many bytes as `Answer` has, any of which it may hold.
    let result =
        unsafe { syscall(STATMOUNT, [from as usize, to as usize, size_of::<Answer>(), 0]) };
    (result == 0 && answer.mask & SUPERBLOCK != 0).then_some(answer.magic)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::descriptor::openat;
    use crate::mountinfo;
    use rustix::fd::AsFd;
    use rustix::fs::{CWD, Mode, OFlags};
    use std::ffi::CString;
    use std::vec::Vec;

    /// File systems that tests may run on: how mountinfo lists them, and their magic number.
    const KNOWN: [(&[u8], u64); 10] = [
        (b"btrfs", 0x9123_683E),
        (b"ext2", 0xEF53),
        (b"ext3", 0xEF53),
        (b"ext4", 0xEF53),
        (b"f2fs", 0xF2F5_2010),
        (b"overlay", 0x794C_7630),
        (b"proc", 0x9FA0),
        (b"sysfs", 0x6265_6572),
        (b"tmpfs", 0x0102_1994),
        (b"xfs", 0x5846_5342),
    ];

    #[test]
    fn the_kernel_knows_a_file_system_as_it_lists_it() {
        let here = std::env::current_dir().unwrap();
        let here = CString::new(here.into_os_string().into_encoded_bytes()).unwrap();
        for path in [c"/", c"/dev/shm", c"/proc", c"/sys", c"/tmp", here.as_c_str()] {
            let dir = openat(CWD, path, OFlags::PATH, Mode::empty()).unwrap();
            let mut listed = Vec::new();
            mountinfo::of(dir.as_fd(), &mut |mount| listed = mount.name.to_vec());
            let known = KNOWN.iter().find(|(name, _)| *name == listed);
            match (magic(dir.as_fd()), known) {
                (Some(magic), Some((_, number))) => assert_eq!(magic, *number, "{path:?}"),
                (Some(_), None) => {}
                (None, _) => assert!(!is_told(), "{path:?}"),
            }
        }
    }

    /// Whether the kernel is new enough.
    fn is_told() -> bool {
        let kernel = rustix::system::uname();
        let mut numbers = kernel.release().to_bytes().split(|byte| !byte.is_ascii_digit());
        let mut number = || core::str::from_utf8(numbers.next().unwrap()).unwrap().parse().unwrap();
        let version: (u32, u32) = (number(), number());
        version >= (6, 8)
    }
}
