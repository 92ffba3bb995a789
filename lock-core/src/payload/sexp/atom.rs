//! The words of an s-expression, in the text: bare, or quoted with escapes.

use arrayvec::ArrayVec;

use crate::payload::parse::{Expected, ParseError, decimal};

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
        self.read_into(&mut array)?;
        Ok(array)
    }

    /// Fills a buffer with its bytes; an error if they do not fit.
    pub(in crate::payload) fn read_into<const N: usize>(
        &self,
        array: &mut ArrayVec<u8, N>,
    ) -> Result<(), ParseError> {
        array.clear();
        for byte in self.bytes() {
            array.try_push(byte).map_err(|_| ParseError::too_long(self.at, N))?;
        }
        Ok(())
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
            let (byte, rest) = self.raw.split_first()?;
            self.raw = rest;
            if *byte != b'\\' || !self.quoted {
                return Some(*byte);
            }
            let (meaning, used) = escape(rest).ok()?;
            self.raw = rest.get(used..).unwrap_or_default();
            match meaning {
                Meaning::Byte(byte) => return Some(byte),
                Meaning::Itself(byte) => {
                    self.pending = Some(byte);
                    return Some(b'\\');
                }
                Meaning::Nothing => {}
            }
        }
    }
}

/// What a backslash and the bytes behind it stand for.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    Byte(u8),
    /// The backslash and this byte.
    Itself(u8),
    /// A line break that is hidden, with the blanks that start the next line.
    Nothing,
}

/// The meaning of what stands behind a backslash, and how many bytes that are.
pub(super) fn escape(text: &[u8]) -> Result<(Meaning, usize), ParseError> {
    let (byte, used) = match *text {
        [b'\n', ref rest @ ..] | [b'\r', b'\n', ref rest @ ..] => {
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let used = text.len().saturating_sub(rest.len()).saturating_add(blanks);
            return Ok((Meaning::Nothing, used));
        }
        [b'n', ..] => (b'\n', 1),
        [b't', ..] => (b'\t', 1),
        [b'r' | b'\r', ..] => (b'\r', 1),
        [b'b', ..] => (b'\x08', 1),
        [byte @ (b'\\' | b'\'' | b'"'), ..] => (byte, 1),
        [b'0'..=b'9', ..] => {
            let byte = text.get(..3).and_then(decimal).and_then(|byte| u8::try_from(byte).ok());
            (byte.ok_or(ParseError::new(0, Expected::DecimalEscape))?, 3)
        }
        [b'x', ref rest @ ..] => {
            let byte = rest.get(..2).and_then(hex_digits);
            (byte.ok_or(ParseError::new(1, Expected::HexEscape))?, 3)
        }
        [byte, ..] => return Ok((Meaning::Itself(byte), 1)),
        [] => return Ok((Meaning::Nothing, 0)),
    };
    Ok((Meaning::Byte(byte), used))
}

/// Where two bytes of a bare atom would open or close a comment.
pub(super) fn comment_mark(atom: &[u8]) -> Option<usize> {
    atom.windows(2).position(|pair| pair == b"#|" || pair == b"|#")
}

/// The byte that hexadecimal digits, capitals too, mean.
fn hex_digits(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |byte, &digit| {
        let value = u8::try_from(char::from(digit).to_digit(16)?).ok()?;
        Some(byte.wrapping_shl(4) | value)
    })
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
