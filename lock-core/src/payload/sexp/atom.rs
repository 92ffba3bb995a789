//! The words of an s-expression, in the text: bare, or quoted with escapes.

use arrayvec::ArrayVec;

use crate::payload::parse::{self, ParseError};

/// A word, as it stands in the text. Its escapes have been checked.
///
/// ```
/// use lock_core::payload::sexp::{Reader, Token};
///
/// let Ok(Token::Atom(atom)) = Reader::new(b"\"two\\nlines\"").next_token() else { panic!() };
/// assert_eq!(atom.to_array::<9>().unwrap().as_slice(), b"two\nlines");
/// assert!(atom.to_array::<8>().is_err(), "nothing is cut off");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Atom<'a> {
    at: usize,
    /// Without the quotes.
    raw: &'a [u8],
    quoted: bool,
}

impl<'a> Atom<'a> {
    /// A word without quotes that stands at byte `at`.
    pub(super) fn bare(at: usize, raw: &'a [u8]) -> Self {
        Atom { at, raw, quoted: false }
    }

    /// What stands between quotes, from byte `at`. Its escapes must have been checked.
    pub(super) fn quoted(at: usize, raw: &'a [u8]) -> Self {
        Atom { at, raw, quoted: true }
    }

    /// Where its first byte stands, behind the quote if it has one.
    ///
    /// ```
    /// use lock_core::payload::sexp::{Reader, Token};
    ///
    /// let Ok(Token::Atom(atom)) = Reader::new(b"  \"v\\109\"").next_token() else { panic!() };
    /// assert_eq!(atom.at(), 3);
    /// ```
    pub fn at(&self) -> usize {
        self.at
    }

    /// Its bytes, escapes resolved.
    ///
    /// ```
    /// use lock_core::payload::sexp::{Reader, Token};
    ///
    /// let Ok(Token::Atom(atom)) = Reader::new(b"\"v\\109\"").next_token() else { panic!() };
    /// assert!(atom.bytes().eq(*b"vm"));
    /// ```
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        Bytes { raw: self.raw, quoted: self.quoted, pending: None }
    }

    /// Whether these are its bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.bytes().eq(bytes.iter().copied())
    }

    /// Its bytes in a buffer; an error if they do not fit.
    pub fn to_array<const N: usize>(&self) -> Result<ArrayVec<u8, N>, ParseError> {
        let mut array = ArrayVec::new();
        for byte in self.bytes() {
            if array.try_push(byte).is_err() {
                return Err(ParseError::too_long(self.at, N));
            }
        }
        Ok(array)
    }
}

/// The bytes of an atom whose escapes have been checked.
struct Bytes<'a> {
    raw: &'a [u8],
    quoted: bool,
    /// The character of an escape that stands for itself, after its backslash.
    pending: Option<u8>,
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let Some(byte) = self.pending.take() {
            return Some(byte);
        }
        loop {
            let (byte, used) = match *self.raw {
                [] => return None,
                [b'\\', ref escape @ ..] if self.quoted => match *escape {
                    [b'\n', ref rest @ ..] | [b'\r', b'\n', ref rest @ ..] => {
                        self.raw = skip_blanks(rest);
                        continue;
                    }
                    [b'n', ..] => (b'\n', 2),
                    [b't', ..] => (b'\t', 2),
                    [b'r' | b'\r', ..] => (b'\r', 2),
                    [b'b', ..] => (b'\x08', 2),
                    [byte @ (b'\\' | b'\'' | b'"'), ..] => (byte, 2),
                    [b'0'..=b'9', ..] => (escape.get(..3).and_then(decimal_escape)?, 4),
                    [b'x', ref digits @ ..] => (digits.get(..2).and_then(hex_escape)?, 4),
                    [byte, ..] => {
                        self.pending = Some(byte);
                        (b'\\', 2)
                    }
                    [] => return None,
                },
                [byte, ..] => (byte, 1),
            };
            self.raw = self.raw.get(used..).unwrap_or_default();
            return Some(byte);
        }
    }
}

/// Where two bytes of a bare atom would open or close a comment.
pub(super) fn comment_mark(atom: &[u8]) -> Option<usize> {
    atom.windows(2).position(|pair| pair == b"#|" || pair == b"|#")
}

/// The byte that three decimal digits mean.
pub(super) fn decimal_escape(digits: &[u8]) -> Option<u8> {
    u8::try_from(parse::decimal(digits)?).ok()
}

/// The byte that two hexadecimal digits mean.
pub(super) fn hex_escape(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |byte, &digit| {
        let value = u8::try_from(char::from(digit).to_digit(16)?).ok()?;
        Some(byte.wrapping_shl(4) | value)
    })
}

/// A backslash before a line break hides it with the blanks that start the next line.
fn skip_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    text.get(start.unwrap_or(text.len())..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::payload::sexp::{Reader, Token};
    use std::vec::Vec;

    #[test]
    fn escapes_mean_what_they_mean_to_the_original() {
        for (text, bytes) in [
            (&br#""""#[..], &b""[..]),
            (br#""\n\t\r\b""#, b"\n\t\r\x08"),
            (br#""\\\'\"""#, b"\\'\""),
            (br#""\065\255\x41\xfF""#, b"A\xffA\xff"),
            (br#""\q\ \X41""#, br"\q\ \X41"),
            (b"\"a\\\n \tb\"", b"ab"),
            (b"\"a\\\r\n \tb\"", b"ab"),
            (b"\"a\\\rb\"", b"a\rb"),
            (b"\"a\nb\tc\x00\xe9\"", b"a\nb\tc\x00\xe9"),
            (br"a\n", br"a\n"),
            (b"\xef\xbb\xbf\x00\x0b", b"\xef\xbb\xbf\x00\x0b"),
        ] {
            let Ok(Token::Atom(atom)) = Reader::new(text).next_token() else {
                panic!("{}", text.escape_ascii());
            };
            assert_eq!(atom.bytes().collect::<Vec<_>>(), bytes, "{}", text.escape_ascii());
        }
    }
}
