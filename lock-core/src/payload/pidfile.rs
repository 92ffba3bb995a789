//! What Pidfile.jl and Julia's `FileWatching.Pidfile` keep in a lock: `PID HOST`.
//!
//! Exactly that, without a newline. Whatever stands behind the first space is the host's name to
//! Julia's reader and is compared with its own for equality; a single byte more turns the holder
//! into another host's, whom nobody may judge. Before the space nothing but a number is understood.
//! So there is no place for further facts, and none are written: such a lock is judged by pid and
//! age, or by its holder's flock.
//! Source: Pidfile.jl 1.3 and Julia 1.9 to 1.11, read.

use arrayvec::ArrayVec;

use super::parse::{ParseError, split_first};
use super::write::build;
use crate::owner::{HOST_MAX, Host, Owner, Pid};
use crate::staleness::Claim;

/// The longest file that is written, in bytes.
pub const PIDFILE_MAX: usize = 10 + 1 + HOST_MAX;

/// The holder of a pidfile lock, in the words of the file.
///
/// ```
/// use lock_core::payload::pidfile::Pidfile;
///
/// let file = Pidfile::parse(b"1234 vm");
/// assert_eq!(file, Pidfile { pid: 1234, host: b"vm" });
/// assert_eq!(Pidfile::parse(b"-1  host\r\n"), Pidfile { pid: 0, host: b" host\r\n" });
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Pidfile<'a> {
    /// The process id; 0 if there is none.
    pub pid: u32,
    /// The host's name, any bytes; empty stands for the reader's own.
    pub host: &'a [u8],
}

impl<'a> Pidfile<'a> {
    /// Reads a whole file. Never fails: what is not a number is pid 0, as it is to Julia.
    pub fn parse(file: &'a [u8]) -> Pidfile<'a> {
        let (pid, host) = split_first(file, b' ').unwrap_or((file, &[]));
        Pidfile { pid: parse_pid(pid).unwrap_or(0), host }
    }

    /// What it says about the holder.
    ///
    /// The error is a host name longer than 64 bytes, which no Linux host has.
    ///
    /// ```
    /// use lock_core::payload::pidfile::Pidfile;
    ///
    /// let claim = Pidfile::parse(b"4711 vm").claim().unwrap();
    /// assert_eq!(claim.owner.to_string(), "pid 4711 on vm");
    /// assert!(Pidfile { pid: 4711, host: &[b'x'; 65] }.claim().is_err());
    /// ```
    pub fn claim(&self) -> Result<Claim, ParseError> {
        let host = Host::try_from(self.host).map_err(|_| ParseError::too_long(0, PIDFILE_MAX))?;
        let pid = Pid::new(u64::from(self.pid));
        let owner = Owner { host: Some(host), pid, ..Owner::default() };
        Ok(Claim { owner, ..Claim::default() })
    }
}

/// The file that names a holder.
///
/// ```
/// use lock_core::owner::Host;
/// use lock_core::payload::pidfile;
///
/// let host = Host::try_from(&b"vm"[..]).unwrap();
/// assert_eq!(pidfile::write(1234, &host).as_slice(), b"1234 vm");
/// ```
pub fn write(pid: u32, host: &Host) -> ArrayVec<u8, PIDFILE_MAX> {
    let file = build(|out| {
        out.decimal(u64::from(pid));
        out.bytes(b" ");
        out.bytes(host);
    });
    // A 32-bit number and the longest host name fit exactly.
    file.unwrap_or_default()
}

/// `tryparse(UInt32, text)`: white space around it, `0x`, `0o` and `0b` in small letters, no sign.
fn parse_pid(text: &[u8]) -> Option<u32> {
    let number = skip_blanks(text);
    let (base, mut rest) = match *number {
        [b'0', b'x', ref digits @ ..] => (16, digits),
        [b'0', b'o', ref digits @ ..] => (8, digits),
        [b'0', b'b', ref digits @ ..] => (2, digits),
        _ => (10, number),
    };
    let mut pid = None;
    while let [byte, after @ ..] = rest {
        let Some(digit) = char::from(*byte).to_digit(base) else { break };
        pid = Some(pid.unwrap_or(0u32).checked_mul(base)?.checked_add(digit)?);
        rest = after;
    }
    pid.filter(|_| skip_blanks(rest).is_empty())
}

/// What follows the white space that a text starts with. To Julia that is Unicode's in UTF-8, but
/// not its line and paragraph separators.
fn skip_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b'\t'..=b'\r' | b' ', rest @ ..]
            | [0xc2, 0x85 | 0xa0, rest @ ..]
            | [0xe1, 0x9a, 0x80, rest @ ..]
            | [0xe2, 0x80, 0x80..=0x8a | 0xaf, rest @ ..]
            | [0xe2, 0x81, 0x9f, rest @ ..]
            | [0xe3, 0x80, 0x80, rest @ ..] => rest,
            rest => return rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_julia_takes_for_numbers() {
        for (file, pid) in [
            ("1234", 1234),
            ("1234\n", 1234),
            ("\t1234\u{b}\u{a0}\u{85}", 1234),
            ("007", 7),
            ("0", 0),
            ("0x1F", 31),
            ("0xfe", 254),
            ("0o17", 15),
            ("0b11", 3),
            ("4294967295", u32::MAX),
            ("4294967296", 0),
            ("0x", 0),
            ("0X10", 0),
            ("1_000", 0),
            ("+7", 0),
            ("-7", 0),
            ("7.0", 0),
            ("12\tvm", 0),
            ("7\u{2028}", 0),
            ("", 0),
        ] {
            assert_eq!(Pidfile::parse(file.as_bytes()).pid, pid, "{file}");
        }
        assert_eq!(Pidfile::parse(b"7\xa0").pid, 0);
    }

    #[test]
    fn white_space_is_that_of_unicode() {
        for character in char::MIN..=char::MAX {
            let blank = character.is_whitespace() && !matches!(character, '\u{2028}' | '\u{2029}');
            let text = std::format!("{character}7{character}");
            let pid =
                if blank { 7 } else { character.to_digit(10).map_or(0, |digit| digit * 101 + 70) };
            assert_eq!(
                Pidfile::parse(text.replace(' ', "\t").as_bytes()).pid,
                pid,
                "{character:?}"
            );
        }
    }

    #[test]
    fn the_longest_file_fits_exactly() {
        let host = Host::from([b'h'; HOST_MAX]);
        let file = write(u32::MAX, &host);
        assert!(file.is_full());
        let read = Pidfile::parse(&file);
        assert_eq!(read, Pidfile { pid: u32::MAX, host: &host });
        assert_eq!(read.claim().unwrap().owner.host, Some(host));
    }

    #[test]
    fn a_host_that_does_not_fit_is_not_cut() {
        let file = [&b"7 "[..], &[b'h'; HOST_MAX + 1]].concat();
        assert!(Pidfile::parse(&file).claim().is_err());
    }
}
