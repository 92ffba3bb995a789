//! Plain pid files: one tolerant reader, and the exact bytes that each convention writes.
//!
//! | written by | bytes |
//! |---|---|
//! | daemons, systemd, liblockfile, picocom | `1234\n` |
//! | BSD's `pidfile(3)`; a symbolic link's target | `1234` |
//! | UUCP, X11 | `      1234\n`, ten columns |
//! | minicom | `      1234 minicom root\n` |
//! | UUCP of old | four bytes, a native integer |
//! | `PostgreSQL` | `1234\n` and more lines; `-1234\n` without a postmaster |
//! | Python's filelock, soft | `1234\nhost\n` |
//! | git | `pid 1234\n` |
//! | liblockfile, procmail, for nobody in particular | `0\n`, formerly `0` and a NUL; `0` |
//!
//! The strict readers among them (BSD, X11, git) refuse their neighbours' files; which of these a
//! file is, is told by [`PidText::dialect`].
//! Source: each program's source; liblockfile, procmail and Mercurial run.

use arrayvec::ArrayVec;

use super::parse::{Expected, ParseError, check_len, pid};
use super::write::{WriteError, build};
use crate::owner::{HOST_MAX, Host, Owner, Pid};
use crate::staleness::Claim;

/// The longest file that is read, in bytes. A `postmaster.pid` can have three paths in it.
pub const PID_TEXT_MAX: usize = 4096;

/// The longest line that [`line()`], [`bare()`] and [`column()`] write, in bytes.
pub const PID_LINE_MAX: usize = 11;

/// The longest file that [`with_host`] writes, in bytes.
pub const PID_AND_HOST_MAX: usize = PID_LINE_MAX + HOST_MAX + 1;

/// liblockfile's lock of nobody in particular.
pub const ANONYMOUS_LINE: &[u8] = b"0\n";

/// procmail's lock.
pub const ANONYMOUS: &[u8] = b"0";

/// A pid file.
///
/// ```
/// use lock_core::payload::pid_text::PidText;
///
/// let server = PidText::parse(b"-4711\n/var/lib/postgresql\n").unwrap();
/// assert!(server.standalone, "it runs without a postmaster");
/// assert_eq!(server.rest, b"/var/lib/postgresql");
/// assert_eq!(server.claim().owner.to_string(), "pid 4711");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PidText<'a> {
    /// The process, if one is named.
    pub pid: Option<Pid>,
    /// Whether the pid has a minus sign: a `PostgreSQL` server without a postmaster.
    pub standalone: bool,
    /// In which way it is written.
    pub dialect: Dialect,
    /// What stands behind the pid: words of its line, or further lines.
    pub rest: &'a [u8],
}

/// The way in which a pid is written down.
///
/// ```
/// use lock_core::payload::pid_text::{Dialect, PidText};
///
/// let dialect = |file| PidText::parse(file).unwrap().dialect;
/// assert_eq!(dialect(b"4711\n"), Dialect::Line);
/// assert_eq!(dialect(b"      4711\n"), Dialect::Column);
/// assert_eq!(dialect(b"pid 4711\n"), Dialect::Tagged);
/// assert_eq!(dialect(b"04711\n"), Dialect::Loose, "no program writes that");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Dialect {
    /// Digits only.
    Bare,
    /// Four bytes: an integer of this machine.
    Binary,
    /// Right-aligned in ten columns, and a newline.
    Column,
    /// Nothing but white space: the holder has not written yet, or never does.
    Empty,
    /// Digits and a newline.
    Line,
    /// Further lines follow.
    Lines,
    /// With other white space or zeros than any of these programs write.
    Loose,
    /// Digits and a NUL.
    Nul,
    /// The word `pid`, a space, digits, a newline.
    Tagged,
    /// Further words follow on the line.
    Words,
}

impl<'a> PidText<'a> {
    /// Reads a whole file.
    ///
    /// Takes white space before the pid and anything behind it that is separated from it. Pid 0
    /// and an empty file name nobody; a minus sign, `PostgreSQL`'s mark for a server without
    /// postmaster, does not count. Errors: no pid, or one larger than the kernel's type.
    ///
    /// ```
    /// use lock_core::payload::pid_text::{Dialect, PidText};
    ///
    /// let file = PidText::parse(b"     25619 minicom root\n").unwrap();
    /// assert_eq!(file.pid.unwrap().get(), 25619);
    /// assert_eq!((file.dialect, file.rest), (Dialect::Words, &b"minicom root"[..]));
    /// assert_eq!(PidText::parse(b"0\n").unwrap().pid, None);
    /// assert!(PidText::parse(b"hello\n").is_err());
    /// ```
    pub fn parse(file: &'a [u8]) -> Result<PidText<'a>, ParseError> {
        check_len(file, PID_TEXT_MAX)?;
        if file.trim_ascii().is_empty() {
            return Ok(PidText {
                pid: None,
                standalone: false,
                dialect: Dialect::Empty,
                rest: &[],
            });
        }
        if let Some(pid) = binary(file) {
            let pid = u64::try_from(pid).ok().and_then(Pid::new);
            return Ok(PidText { pid, standalone: false, dialect: Dialect::Binary, rest: &[] });
        }
        let untagged = file.strip_prefix(b"pid ").unwrap_or(file);
        let signed = untagged.trim_ascii_start();
        let text = signed.strip_prefix(b"-").unwrap_or(signed);
        let at = file.len().saturating_sub(text.len());
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, after) = text.split_at_checked(digits).unwrap_or_default();
        let separated = matches!(after, [] | [b' ' | b'\t'..=b'\r' | 0, ..]);
        if digits.is_empty() || !separated {
            let at = at.saturating_add(digits.len());
            return Err(ParseError::new(at, Expected::Pid));
        }
        let pid = match digits {
            zeros if zeros.iter().all(|&byte| byte == b'0') => None,
            digits => Pid::new(u64::from(pid(digits, at)?)),
        };
        let standalone = text.len() < signed.len();
        let rest = after.strip_prefix(b"\0").unwrap_or(after).trim_ascii();
        Ok(PidText { pid, standalone, dialect: dialect(file, digits, after), rest })
    }

    /// What it says about the holder.
    pub fn claim(&self) -> Claim {
        let owner = Owner { pid: self.pid, ..Owner::default() };
        Claim { owner, ..Claim::default() }
    }
}

/// `1234\n`: daemons, systemd, liblockfile with a pid.
///
/// ```
/// use lock_core::payload::pid_text::{bare, column, line};
///
/// assert_eq!(line(1234).as_slice(), b"1234\n");
/// assert_eq!(bare(1234).as_slice(), b"1234");
/// assert_eq!(column(1234).as_slice(), b"      1234\n");
/// ```
pub fn line(pid: u32) -> ArrayVec<u8, PID_LINE_MAX> {
    let mut line = bare(pid);
    // Ten digits leave room for it.
    let _ = line.try_push(b'\n');
    line
}

/// `1234`: BSD's `pidfile(3)`, whose reader refuses a newline.
///
/// ```
/// use lock_core::payload::pid_text::bare;
///
/// assert_eq!(bare(u32::MAX).as_slice(), b"4294967295");
/// ```
pub fn bare(pid: u32) -> ArrayVec<u8, PID_LINE_MAX> {
    build(|out| out.decimal(u64::from(pid))).unwrap_or_default()
}

/// `      1234\n`: UUCP and X11, whose reader wants these eleven bytes.
///
/// ```
/// use lock_core::payload::pid_text::column;
///
/// assert_eq!(column(7).as_slice(), b"         7\n");
/// assert_eq!(column(u32::MAX).len(), 11, "always eleven bytes");
/// ```
pub fn column(pid: u32) -> ArrayVec<u8, PID_LINE_MAX> {
    let digits = bare(pid);
    let line = build(|out| {
        for _ in digits.len()..10 {
            out.bytes(b" ");
        }
        out.bytes(&digits);
        out.bytes(b"\n");
    });
    line.unwrap_or_default()
}

/// `1234\nvm\n`: Python's filelock, soft. `Ambiguous`: white space or control characters in the
/// host's name.
///
/// ```
/// use lock_core::owner::Host;
/// use lock_core::payload::pid_text::with_host;
///
/// let host = Host::try_from(&b"vm"[..]).unwrap();
/// assert_eq!(with_host(1234, &host).unwrap().as_slice(), b"1234\nvm\n");
/// ```
pub fn with_host(pid: u32, host: &Host) -> Result<ArrayVec<u8, PID_AND_HOST_MAX>, WriteError> {
    if host.iter().any(|byte| byte.is_ascii_control() || *byte == b' ') {
        return Err(WriteError::Ambiguous);
    }
    build(|out| {
        out.bytes(&line(pid));
        out.bytes(host);
        out.bytes(b"\n");
    })
}

/// The number in a file of four bytes that are no text. Four digits or blanks would make an integer
/// that no Linux process has; three digits and a NUL might, and are taken for text.
fn binary(file: &[u8]) -> Option<i32> {
    let bytes = <[u8; 4]>::try_from(file).ok()?;
    let [start @ .., last] = bytes;
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let ends_in_nul = last == 0 && start.iter().all(u8::is_ascii_digit);
    let text = ends_in_nul || bytes.iter().all(is_text);
    if text { None } else { Some(i32::from_ne_bytes(bytes)) }
}

/// Which program's bytes `file` is exactly, or how it differs from all.
fn dialect(file: &[u8], digits: &[u8], after: &[u8]) -> Dialect {
    let exact = digits == b"0" || !digits.starts_with(b"0");
    let before = file.len().saturating_sub(digits.len()).saturating_sub(after.len());
    let before = file.get(..before).unwrap_or_default();
    match (before, after) {
        (b"", b"") if exact => Dialect::Bare,
        (b"", b"\n") if exact => Dialect::Line,
        (b"", b"\0") if exact => Dialect::Nul,
        (b"pid ", b"\n") if exact => Dialect::Tagged,
        (blanks, b"\n")
            if exact && file.len() == PID_LINE_MAX && blanks.iter().all(|&byte| byte == b' ') =>
        {
            Dialect::Column
        }
        _ => {
            let line = after.split(|&byte| byte == b'\n').next().unwrap_or_default();
            if !line.trim_ascii().is_empty() && line != b"\0" {
                Dialect::Words
            } else if after.get(line.len()..).is_some_and(|lines| !lines.trim_ascii().is_empty()) {
                Dialect::Lines
            } else {
                Dialect::Loose
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Option<(u64, Dialect, &[u8])> {
        let text = PidText::parse(file).ok()?;
        Some((text.pid.map_or(0, Pid::get), text.dialect, text.rest))
    }

    #[test]
    fn what_is_written_is_recognised() {
        for pid in [1, 9, 1234, 4_194_303, 2_147_483_647] {
            let number = u64::from(pid);
            assert_eq!(read(&line(pid)), Some((number, Dialect::Line, &b""[..])));
            assert_eq!(read(&bare(pid)), Some((number, Dialect::Bare, &b""[..])));
            let expected = if pid < 1_000_000_000 { Dialect::Column } else { Dialect::Line };
            assert_eq!(read(&column(pid)), Some((number, expected, &b""[..])));
            assert_eq!(column(pid).len(), 11);
            let host = Host::from([b'h'; HOST_MAX]);
            let file = with_host(pid, &host).unwrap();
            assert_eq!(read(&file), Some((number, Dialect::Lines, &host[..])));
        }
        assert!(line(u32::MAX).is_full() && column(u32::MAX).is_full());
        assert_eq!(read(ANONYMOUS_LINE), Some((0, Dialect::Line, &b""[..])));
        assert_eq!(read(ANONYMOUS), Some((0, Dialect::Bare, &b""[..])));
        assert_eq!(with_host(1, &Host::from_iter(*b"a\nb")), Err(WriteError::Ambiguous));
    }

    #[test]
    fn reads_what_others_write() {
        for (file, pid, dialect, rest) in [
            (&b""[..], 0, Dialect::Empty, &b""[..]),
            (b" \n", 0, Dialect::Empty, b""),
            (b"0\0", 0, Dialect::Nul, b""),
            (b"123\0", 123, Dialect::Nul, b""),
            (b"00000\n", 0, Dialect::Loose, b""),
            (b"0042\n", 42, Dialect::Loose, b""),
            (b"\t 12 \r\n", 12, Dialect::Loose, b""),
            (b" 1234\n", 1234, Dialect::Loose, b""),
            (b"      1234", 1234, Dialect::Loose, b""),
            (b"00012 minicom root\n", 12, Dialect::Words, b"minicom root"),
            (b"12 a\nb\n", 12, Dialect::Words, b"a\nb"),
            (b"12\n\nb\n", 12, Dialect::Lines, b"b"),
            (b"-12\n/var/lib/pg\n", 12, Dialect::Lines, b"/var/lib/pg"),
            (b"pid 12\n", 12, Dialect::Tagged, b""),
            (b"pid 12", 12, Dialect::Loose, b""),
        ] {
            assert_eq!(read(file), Some((pid, dialect, rest)), "{}", file.escape_ascii());
        }
        assert!(PidText::parse(b"-12\n").unwrap().standalone);
    }

    #[test]
    fn four_bytes_are_an_integer_unless_they_are_text() {
        for (pid, expected) in [(1230i32, 1230), (48, 48), (4_194_303, 4_194_303), (0, 0), (-1, 0)]
        {
            let file = pid.to_ne_bytes();
            assert_eq!(read(&file), Some((expected, Dialect::Binary, &b""[..])), "{pid}");
        }
        assert_eq!(read(b"1234"), Some((1234, Dialect::Bare, &b""[..])));
        assert_eq!(read(b"123\n"), Some((123, Dialect::Line, &b""[..])));
    }

    #[test]
    fn says_where_a_pid_should_stand() {
        for (file, at) in [
            (&b"hello\n"[..], 0),
            (b"  x", 2),
            (b"12x", 2),
            (b"1.5\n", 1),
            (b"--5", 1),
            (b"pid \n", 5),
            (b"2147483648\n", 0),
            (b"99999999999999999999", 0),
        ] {
            let error = ParseError::new(at, Expected::Pid);
            assert_eq!(PidText::parse(file), Err(error), "{}", file.escape_ascii());
        }
        let long = [b' '; PID_TEXT_MAX + 1];
        let error = ParseError::too_long(PID_TEXT_MAX, PID_TEXT_MAX);
        assert_eq!(PidText::parse(&long), Err(error));
    }
}
