//! Fencing numbers: each acquisition of a lock gets a larger one than all before it.
//!
//! A holder passes its number on to what the lock protects, which refuses numbers smaller than the
//! largest it has seen: so a holder that lost the lock without noticing can do no harm. The number
//! is kept in a file beside the lock, `.NAME.token`, decimal with a newline. It stays when the lock
//! goes, or the next holder would start from nothing.
//!
//! Taken while the lock is held, and under the flock of the file: a holder that was stopped in the
//! middle of it for so long that others got the lock cannot give out a number twice. Where holders
//! can be dispossessed, look whether the lock is still held after taking the number.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::Node;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use crate::descriptor::{lend, openat};
use crate::fault::fault;
use crate::place::FileName;
use crate::process::number;

/// What the file's name ends in.
pub const TOKEN_SUFFIX: &[u8] = b".token";

/// Digits of the largest number, and a newline.
const TEXT_MAX: usize = 21;

/// Takes the next number for the lock `name` in this directory. To be called by its holder.
///
/// Fails with [`Exists`](FaultKind::Exists) if the file holds anything but a number, and changes
/// nothing then; with [`Unsupported`](FaultKind::Unsupported) after the largest number.
///
/// ```
/// use lock_rustix::fencing::next_token;
/// use lock_rustix::rustix::fs::{Mode, OFlags, open};
///
/// let directory = open(c"/tmp", OFlags::DIRECTORY, Mode::empty()).unwrap();
/// let first = next_token(&directory, c"lock-rustix-doc-fencing").unwrap();
/// assert!(next_token(&directory, c"lock-rustix-doc-fencing").unwrap() > first);
/// # std::fs::remove_file("/tmp/.lock-rustix-doc-fencing.token").unwrap();
/// ```
pub fn next_token<Fd: AsFd>(dir: Fd, name: &CStr) -> Result<u64, Fault> {
    let name = FileName::new(&[b".", name.to_bytes(), TOKEN_SUFFIX])?;
    let file = open(dir.as_fd(), name.as_c_str())?;
    while let Err(errno) = flock(lend(&file), FlockOperation::LockExclusive) {
        if errno != Errno::INTR {
            return Err(fault(Call::Flock, Node::Token, errno));
        }
    }
    let mut buffer = [0; TEXT_MAX + 1];
    let len = rustix::io::pread(lend(&file), &mut buffer, 0)
        .map_err(|errno| fault(Call::Pread, Node::Token, errno))?;
    let last = parse(buffer.get(..len).unwrap_or_default()).ok_or(own_fault(FaultKind::Exists))?;
    let next = last.checked_add(1).ok_or(own_fault(FaultKind::Unsupported))?;
    // Numbers only get longer, so the new text covers the old one.
    let text = print(next);
    let written = rustix::io::pwrite(lend(&file), &text, 0)
        .map_err(|errno| fault(Call::Pwrite, Node::Token, errno))?;
    if written == text.len() { Ok(next) } else { Err(own_fault(FaultKind::NoSpace)) }
}

/// Opens without `O_CREAT` first: see `fs.protected_regular`.
fn open(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mode = Mode::from_raw_mode(crate::sys::LOCK_FILE_MODE);
    match openat(dir, name, flags, mode) {
        Err(Errno::NOENT) => openat(dir, name, flags | OFlags::CREATE, mode),
        opened => opened,
    }
    .map_err(|errno| fault(Call::Open, Node::Token, errno))
}

/// The number in the file; an empty file is before the first.
fn parse(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_suffix(b"\n")?;
    number(digits)
}

fn print(number: u64) -> ArrayVec<u8, TEXT_MAX> {
    // As long as the largest number, so that there is always room.
    let mut text = ArrayVec::new();
    let mut scale = 10_000_000_000_000_000_000;
    while scale > 0 {
        let digit = u8::try_from(number / scale % 10).unwrap_or(0);
        if digit != 0 || scale == 1 || !text.is_empty() {
            let _ = text.try_push(b'0' + digit);
        }
        scale /= 10;
    }
    let _ = text.try_push(b'\n');
    text
}

fn own_fault(kind: FaultKind) -> Fault {
    Fault { call: Call::Pread, node: Node::Token, kind, errno: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [0, 1, 9, 10, 4711, u64::MAX] {
            assert_eq!(parse(&print(number)), Some(number));
        }
        assert_eq!(&print(u64::MAX)[..], b"18446744073709551615\n");
        for text in [&b"12"[..], b"\n", b"-1\n", b"1 \n", b"18446744073709551616\n"] {
            assert_eq!(parse(text), None);
        }
    }

    #[test]
    fn every_call_gets_a_larger_number() {
        let path = std::env::temp_dir().join(std::format!("lock-token-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let dir = rustix::fs::openat(
            rustix::fs::CWD,
            &*path.to_string_lossy(),
            OFlags::PATH,
            Mode::empty(),
        );
        let dir = dir.unwrap();
        for expected in 1..=11 {
            assert_eq!(next_token(&dir, c"lock"), Ok(expected));
        }
        std::fs::write(path.join(".lock.token"), "someone's\n").unwrap();
        assert_eq!(next_token(&dir, c"lock").unwrap_err().kind, FaultKind::Exists);
        assert_eq!(std::fs::read(path.join(".lock.token")).unwrap(), b"someone's\n");
        std::fs::remove_dir_all(&path).unwrap();
    }
}
