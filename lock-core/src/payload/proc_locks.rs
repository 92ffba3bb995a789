//! Lines of Linux's `/proc/locks`: which locks the kernel holds, on which files, for whom.
//!
//! Looking here disturbs nobody. What it cannot show: locks taken on other hosts, locks of pid
//! namespaces that this one cannot see into, and the real holder of an inherited descriptor (the
//! pid is the opener's; OFD locks have none).
//! Source: `fs/locks.c` of Linux 2.6 to 6.18, and its output.

use super::parse::{decimal, hex};
use crate::os::Mode;

/// One lock, or one request that waits for it.
///
/// ```
/// use lock_core::payload::proc_locks::{Line, parse};
///
/// // Somebody waits for the first lock of the list.
/// let line: Line = parse(b"1: -> FLOCK  ADVISORY  WRITE 4712 08:02:131073 0 EOF").unwrap();
/// assert!(line.waiting);
/// assert_eq!((line.major, line.minor, line.ino), (8, 2, 131_073));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Line {
    /// Its family.
    pub class: Class,
    /// How it is held, or wanted.
    pub mode: Mode,
    /// The process that took it, unless the kernel shows none.
    pub pid: Option<u32>,
    /// Major number of the file system's device.
    pub major: u32,
    /// Minor number of the file system's device.
    pub minor: u32,
    /// The file's inode number.
    pub ino: u64,
    /// Whether this is a request in the queue and not a lock.
    pub waiting: bool,
}

/// A family of locks that exclude each other.
///
/// ```
/// use lock_core::payload::proc_locks::{Class, parse};
///
/// let line = parse(b"3: OFDLCK ADVISORY  READ  -1 08:02:131073 0 EOF").unwrap();
/// assert_eq!((line.class, line.pid), (Class::Ofd, None));
/// assert_eq!(parse(b"4: LEASE  ACTIVE    WRITE 9 08:02:131073 0 EOF"), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// `flock(2)`.
    Flock,
    /// `fcntl(2)` by a process.
    Posix,
    /// `fcntl(2)` by an open file.
    Ofd,
}

/// Reads one line, without its newline. `None` for leases, delegations and anything unknown.
///
/// ```
/// use lock_core::payload::proc_locks::{Class, parse};
///
/// let line = parse(b"2: FLOCK  ADVISORY  WRITE 4711 08:02:131073 0 EOF").unwrap();
/// assert_eq!((line.class, line.pid, line.ino), (Class::Flock, Some(4711), 131073));
/// ```
pub fn parse(line: &[u8]) -> Option<Line> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    words.next().filter(|number| number.ends_with(b":"))?;
    let mut word = words.next()?;
    let waiting = word == b"->";
    if waiting {
        word = words.next()?;
    }
    // Not by `match`, which compares byte by byte.
    let class = if word == b"FLOCK" {
        Class::Flock
    } else if word == b"POSIX" {
        Class::Posix
    } else if word == b"OFDLCK" {
        Class::Ofd
    } else {
        return None;
    };
    let _advisory = words.next()?;
    let word = words.next()?;
    let mode = if word == b"WRITE" || word == b"RW" {
        Mode::Exclusive
    } else if word == b"READ" {
        Mode::Shared
    } else {
        return None;
    };
    let pid = decimal(words.next()?).and_then(|pid| u32::try_from(pid).ok());
    let mut file = words.next()?.split(|&byte| byte == b':');
    let major = u32::try_from(hex(file.next()?)?).ok()?;
    let minor = u32::try_from(hex(file.next()?)?).ok()?;
    let ino = decimal(file.next()?)?;
    Some(Line { class, mode, pid: pid.filter(|&pid| pid != 0), major, minor, ino, waiting })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(class: Class, mode: Mode, pid: Option<u32>, waiting: bool) -> Line {
        Line { class, mode, pid, major: 0xfe, minor: 0x10, ino: 55, waiting }
    }

    #[test]
    fn reads_every_kind_of_line() {
        for (text, expected) in [
            (
                "1: POSIX  ADVISORY  WRITE 12 fe:10:55 0 EOF",
                Some(line(Class::Posix, Mode::Exclusive, Some(12), false)),
            ),
            (
                "12: FLOCK  ADVISORY  READ  12 fe:10:55 0 EOF",
                Some(line(Class::Flock, Mode::Shared, Some(12), false)),
            ),
            (
                "1: OFDLCK ADVISORY  READ -1 fe:10:55 128 128",
                Some(line(Class::Ofd, Mode::Shared, None, false)),
            ),
            (
                "1: -> FLOCK  ADVISORY  WRITE 13 fe:10:55 0 EOF",
                Some(line(Class::Flock, Mode::Exclusive, Some(13), true)),
            ),
            ("3: LEASE  ACTIVE    READ  14 fe:10:55 0 EOF", None),
            ("1: POSIX  ADVISORY  WRITE 12 <none>:0 0 EOF", None),
            ("1: POSIX  ADVISORY  WRITE 12 fe:10:", None),
            ("1: POSIX  ADVISORY", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }
}
