//! Why a text was not understood: what was expected, and at which byte.
//!
//! One type for every codec, so that a tool can point at the byte whatever the format was.

use core::fmt;

use crate::owner::Owner;
use crate::staleness::Claim;

/// A text that is not of the format it was read as.
///
/// ```
/// use lock_core::payload::nfs_info::NfsInfo;
///
/// let error = NfsInfo::parse(b"((host vm)(pid 0)(message m))").unwrap_err();
/// assert_eq!(error.to_string(), "expected a process id at byte 15");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ParseError {
    /// How many bytes precede the place where reading stopped. Counted in 32 bits,
    /// so that an error fits a register; in a text of four gigabytes the count starts again.
    pub at: u32,
    /// What should have stood there.
    pub expected: Expected,
}

/// What a format asks for at some place.
///
/// ```
/// use lock_core::payload::parse::{Expected, ParseError};
/// use lock_core::payload::pid_text::PidText;
///
/// let error = PidText::parse(b"  12x").unwrap_err();
/// assert_eq!(error, ParseError { at: 4, expected: Expected::Pid });
/// assert_eq!(Expected::Byte(b'(').to_string(), "'('");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Expected {
    /// An atom of an s-expression.
    Atom,
    /// An atom without `#|` and `|#` in it.
    AtomWithoutCommentMark,
    /// The seconds of a boot time.
    BootTime,
    /// This character.
    Byte(u8),
    /// A date: `2026-11-20`, `20261120`, `2026/11/20`, `20NOV2026`.
    Date,
    /// Three decimal digits, 255 at most.
    DecimalEscape,
    /// The end of the text.
    End,
    /// The end of a `#|` comment.
    EndOfComment,
    /// The closing quote of an atom.
    EndOfQuote,
    /// The expression that a `#;` hides.
    Expression,
    /// A field: `host`, `pid` or `message`.
    Field(Required),
    /// A field not given before.
    FieldOnce,
    /// One of `host`, `pid`, `message` and `start_time`.
    FieldName,
    /// Two hexadecimal digits.
    HexEscape,
    /// A host's name.
    Host,
    /// A short identity in its only spelling: base64url without padding, hexadecimal without zeros
    /// in front.
    Identity,
    /// An IPv4 address.
    IpAddress,
    /// No more bytes than this.
    Length(u16),
    /// A list.
    List,
    /// Words.
    Message,
    /// The number of a pid namespace, in hexadecimal.
    Namespace,
    /// No more lists inside each other than this.
    Nesting(u8),
    /// A process id.
    Pid,
    /// A pid right-aligned in ten columns and a newline: eleven bytes.
    PidColumn,
    /// A time of day: `20:54:13.144921Z`.
    TimeOfDay,
    /// A time in the years 0000 to 9999.
    Year,
}

/// A field that a record cannot do without.
///
/// ```
/// use lock_core::payload::parse::{Expected, Required};
///
/// assert_eq!(Expected::Field(Required::Pid).to_string(), "the field pid");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Required {
    /// `host`.
    Host,
    /// `pid`.
    Pid,
    /// `message`.
    Message,
}

impl ParseError {
    pub(crate) fn new(at: usize, expected: Expected) -> ParseError {
        ParseError { at: u32::try_from(at & 0xffff_ffff).unwrap_or(0), expected }
    }

    /// More than `max` bytes from `at` on; `max` has 16 bits.
    pub(crate) fn too_long(at: usize, max: usize) -> ParseError {
        ParseError::new(at, Expected::Length(u16::try_from(max).unwrap_or(u16::MAX)))
    }

    /// The same error in a text of which what was read starts at `start`.
    pub(crate) fn shifted(self, start: usize) -> ParseError {
        let start = ParseError::new(start, self.expected);
        ParseError { at: self.at.wrapping_add(start.at), ..start }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "expected {} at byte {}", self.expected, self.at)
    }
}

impl core::error::Error for ParseError {}

impl fmt::Display for Expected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Expected::Atom => "an atom",
            Expected::AtomWithoutCommentMark => "an atom without comment marks",
            Expected::BootTime => "a boot time in seconds",
            Expected::Byte(byte) => return write!(out, "'{}'", byte.escape_ascii()),
            Expected::Date => "a date",
            Expected::DecimalEscape => "three digits up to 255",
            Expected::End => "the end of the text",
            Expected::EndOfComment => "the end of a comment",
            Expected::EndOfQuote => "a closing quote",
            Expected::Expression => "an expression after #;",
            Expected::Field(Required::Host) => "the field host",
            Expected::Field(Required::Pid) => "the field pid",
            Expected::Field(Required::Message) => "the field message",
            Expected::FieldOnce => "a field that was not given before",
            Expected::FieldName => "one of host, pid, message and start_time",
            Expected::HexEscape => "two hexadecimal digits",
            Expected::Host => "a host name",
            Expected::Identity => "a short identity",
            Expected::IpAddress => "an IPv4 address",
            Expected::Length(max) => return write!(out, "no more than {max} bytes"),
            Expected::List => "a list",
            Expected::Message => "a message",
            Expected::Namespace => "a pid namespace in hexadecimal",
            Expected::Nesting(max) => return write!(out, "no more than {max} nested lists"),
            Expected::Pid => "a process id",
            Expected::PidColumn => "a pid in ten columns and a newline",
            Expected::TimeOfDay => "a time of day",
            Expected::Year => "a year from 0000 to 9999",
        })
    }
}

/// The claim that a format makes by what it tells of the owner.
pub(crate) fn claim(
    tell: impl FnOnce(&mut Owner) -> Result<(), ParseError>,
) -> Result<Claim, ParseError> {
    let mut claim = Claim::default();
    tell(&mut claim.owner)?;
    Ok(claim)
}

/// Refuses a text longer than `max`, so that a reader whose buffer has room for one byte more
/// cannot mistake a part for the whole.
pub(crate) fn check_len(text: &[u8], max: usize) -> Result<(), ParseError> {
    if text.len() > max { Err(ParseError::too_long(max, max)) } else { Ok(()) }
}

/// A pid as `kill(2)` takes it, in decimal digits and nothing else; `at` is where it starts.
pub(crate) fn pid(digits: &[u8], at: usize) -> Result<u32, ParseError> {
    decimal(digits)
        .and_then(|pid| u32::try_from(pid).ok())
        .filter(|&pid| pid != 0 && i32::try_from(pid).is_ok())
        .ok_or(ParseError::new(at, Expected::Pid))
}

/// The number that all of `digits` make up, if they are decimal digits, one at least.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The number that all of `digits` make up, if they are lower-case hexadecimal digits, one at
/// least.
pub(crate) fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &byte| match byte {
        b'0'..=b'9' | b'a'..=b'f' => {
            Some(number.wrapping_shl(4) | u64::from(char::from(byte).to_digit(16)?))
        }
        _ => None,
    })
}

/// What precedes the first `byte`, and what follows it.
pub(crate) fn split_first(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    split_at_byte(text, text.iter().position(|&other| other == byte)?)
}

/// What precedes the last `byte`, and what follows it.
pub(crate) fn split_last(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    split_at_byte(text, text.iter().rposition(|&other| other == byte)?)
}

fn split_at_byte(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.split_first()?.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for (text, value) in [("0", Some(0)), ("18446744073709551615", Some(u64::MAX))] {
            assert_eq!(decimal(text.as_bytes()), value);
        }
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616", "\u{661}"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
        assert_eq!(hex(b"ffffffffffffffff"), Some(u64::MAX));
        for text in ["", "F", "0x1", "g", "00000000000000000"] {
            assert_eq!(hex(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_pid_is_what_the_kernel_can_name() {
        assert_eq!(pid(b"2147483647", 3), Ok(2_147_483_647));
        for text in ["0", "2147483648", "", "-1"] {
            assert_eq!(pid(text.as_bytes(), 3), Err(ParseError::new(3, Expected::Pid)), "{text}");
        }
    }

    #[test]
    fn says_what_and_where() {
        let error = ParseError::new(2, Expected::Byte(b'\n')).shifted(5);
        assert_eq!(error.to_string(), "expected '\\n' at byte 7");
    }
}
