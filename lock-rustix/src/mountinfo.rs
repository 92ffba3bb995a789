//! `/proc/self/mountinfo`, read without allocation: how the file system of an open directory is
//! mounted.
//!
//! The mount is found by the number that the kernel gives it, as `/proc/self/fdinfo` shows it for
//! the open directory. Devices would not do: btrfs shows others in `stat`, and one device can be
//! mounted several times.

use core::ffi::CStr;

use lock_core::payload::message::Message;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};

use crate::descriptor::{lend, openat};
use crate::lines::for_each_line;
use crate::place::FileName;
use crate::process;

/// As much of a line as is looked at. Layered file systems have longer ones, whose rest is names
/// of directories.
const LINE_MAX: usize = 4096;

/// One mount, as far as locks care.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mount<'a> {
    /// The file system's type, with its subtype.
    pub(crate) name: &'a [u8],
    /// Options of this mount.
    pub(crate) options: &'a [u8],
    /// Options of the file system, for all its mounts.
    pub(crate) super_options: &'a [u8],
}

/// Shows the mount that the directory is on, unless `/proc` does not tell.
pub(crate) fn of(dir: BorrowedFd<'_>, see: &mut dyn FnMut(&Mount<'_>)) {
    let (Some(id), Some(file)) = (mount_id(dir), open(c"/proc/self/mountinfo")) else { return };
    let mut line = [0; LINE_MAX];
    let _ = for_each_line(&file, &mut line, &mut |line| match parse(line) {
        Some((of, mount)) if of == id => {
            see(&mount);
            false
        }
        _ => true,
    });
}

/// Shows the mount that an absolute path leads to as far as its text tells, and then each better
/// one; the last is the best. Nothing but `/proc` is asked, so that this answers where the file
/// system does not; symbolic links are not followed.
pub(crate) fn of_path(path: &[u8], see: &mut dyn FnMut(&Mount<'_>)) {
    let Some(file) = open(c"/proc/self/mountinfo") else { return };
    let (mut line, mut longest) = ([0; LINE_MAX], 0);
    let _ = for_each_line(&file, &mut line, &mut |line| {
        let len = line.split(|&byte| byte == b' ').nth(4).and_then(|point| leads(point, path));
        // What is mounted later lies above.
        if let (Some(len), Some((_, mount))) = (len.filter(|&len| len >= longest), parse(line)) {
            longest = len;
            see(&mount);
        }
        true
    });
}

/// How long a mount point is, as it is written there, if the path leads to it or through it.
fn leads(point: &[u8], path: &[u8]) -> Option<usize> {
    let mut rest = path;
    let mut written = point;
    while let [byte, more @ ..] = written {
        let (byte, more) = match written {
            // Blanks, line ends and backslashes stand there in octal.
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', more @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), more)
            }
            _ => (*byte, more),
        };
        rest = rest.strip_prefix(&[byte])?;
        written = more;
    }
    let is_whole = point == b"/" || matches!(rest, [] | [b'/', ..]);
    is_whole.then_some(point.len())
}

/// `36 35 98:0 /root /mnt rw,noatime shared:1 - nfs4 server:/dir rw,vers=4.2`, with any number of
/// fields before the dash: the mount's number, and what it is.
fn parse(line: &[u8]) -> Option<(u64, Mount<'_>)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = decimal(fields.next()?)?;
    let options = fields.nth(4)?;
    let name = fields.find(|field| *field == b"-").and_then(|_| fields.next())?;
    Some((id, Mount { name, options, super_options: fields.nth(1).unwrap_or_default() }))
}

fn mount_id(dir: BorrowedFd<'_>) -> Option<u64> {
    let number = Message::from_pid(dir.as_raw_fd().unsigned_abs());
    let name = FileName::new(&[b"/proc/self/fdinfo/", number.text()]).ok()?;
    let mut facts = [0; 512];
    let len = rustix::io::read(lend(&open(name.as_c_str())?), &mut facts).ok()?;
    let mut lines = facts.get(..len)?.split(|&byte| byte == b'\n');
    lines.find_map(|line| decimal(line.strip_prefix(b"mnt_id:")?.trim_ascii()))
}

fn open(path: &CStr) -> Option<OwnedFd> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    process::number(digits)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use rustix::fd::AsFd;
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::vec::Vec;

    #[test]
    fn a_line_says_how_a_file_system_is_mounted() {
        let line = b"75 28 0:52 / /mnt/a\\040b rw,noatime shared:3 master:1 - nfs4 s:/export \
                     rw,vers=4.2,hard,local_lock=none";
        let (id, mount) = parse(line).unwrap();
        assert_eq!((id, mount.name, mount.options), (75, &b"nfs4"[..], &b"rw,noatime"[..]));
        assert_eq!(mount.super_options, b"rw,vers=4.2,hard,local_lock=none");
        for line in [&b""[..], b"x 1 0:1 / / rw - a b c", b"1 2 0:3 / / rw", b"1 2 0:3 / / rw -"] {
            assert_eq!(parse(line), None);
        }
    }

    #[test]
    fn a_path_leads_through_mount_points() {
        for (point, path, expected) in [
            ("/", "/mnt", Some(1)),
            ("/mnt", "/mnt", Some(4)),
            ("/mnt", "/mnt/a", Some(4)),
            ("/mnt", "/mntx", None),
            ("/mnt/a", "/mnt", None),
            ("/a\\040b", "/a b/c", Some(7)),
            ("/a\\040b", "/a_b/c", None),
        ] {
            assert_eq!(leads(point.as_bytes(), path.as_bytes()), expected, "{point} {path}");
        }
        let mut name = Vec::new();
        of_path(b"/proc/self", &mut |mount| name = mount.name.to_vec());
        assert_eq!(name, b"proc");
    }

    #[test]
    fn long_lines_are_cut_and_the_next_one_is_whole() {
        let file = memfd_create(c"lines", MemfdFlags::CLOEXEC).unwrap();
        rustix::io::pwrite(&file, b"one\nabcdefghijklmnopqrstuvwxyz\nthree\n", 0).unwrap();
        let mut lines = Vec::new();
        for_each_line(&file, &mut [0; 8], &mut |line| {
            lines.push(line.to_vec());
            true
        })
        .unwrap();
        assert_eq!(lines, [&b"one"[..], b"abcdefgh", b"three"]);
    }

    #[test]
    fn the_kernels_own_list_has_the_mount_of_every_directory() {
        for (path, name) in [(c"/proc", &b"proc"[..]), (c"/dev/shm", b"tmpfs")] {
            let dir = openat(CWD, path, OFlags::PATH, Mode::empty()).unwrap();
            let mut found = false;
            of(dir.as_fd(), &mut |mount| found = mount.name == name);
            assert!(found, "{path:?}");
        }
    }
}
