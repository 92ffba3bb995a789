//! Putting a payload together in a buffer of fixed size.
//!
//! A text is written whole or not at all: what does not fit is an error, and so is what the
//! format's own readers would read back as something else.

use core::fmt;

use arrayvec::ArrayVec;

/// Why a payload cannot be written.
///
/// ```
/// use lock_core::payload::link_target::Mercurial;
/// use lock_core::payload::write::WriteError;
///
/// let colon = Mercurial { host: b"a:b", pid_namespace: None, pid: 7 };
/// assert_eq!(colon.write(), Err(WriteError::Ambiguous));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum WriteError {
    /// A part has a byte that the format uses to separate parts.
    Ambiguous,
    /// It does not fit the buffer.
    TooLong,
}

impl fmt::Display for WriteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            WriteError::Ambiguous => "would be read back as something else",
            WriteError::TooLong => "too long for a lock file of this format",
        })
    }
}

impl core::error::Error for WriteError {}

/// A buffer being filled.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    room: &'a mut [u8],
    len: usize,
    too_long: bool,
}

impl<'a> Out<'a> {
    pub(crate) fn new(room: &'a mut [u8]) -> Self {
        Out { room, len: 0, too_long: false }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let rest = self.room.get_mut(self.len..).unwrap_or_default();
        match rest.get_mut(..bytes.len()) {
            Some(room) => {
                // Not `copy_from_slice`, which compares their lengths first and can panic.
                room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                self.len = self.len.saturating_add(bytes.len());
            }
            None => self.too_long = true,
        }
    }

    pub(crate) fn decimal(&mut self, number: u64) {
        self.digits(number, 10, 1);
    }

    pub(crate) fn hex(&mut self, number: u64) {
        self.digits(number, 16, 1);
    }

    /// With zeros in front, `width` digits at least.
    pub(crate) fn digits(&mut self, number: u64, base: u32, width: usize) {
        let mut digits = [b'0'; 20];
        let mut rest = number;
        let mut used = 0usize;
        for digit in digits.iter_mut().rev() {
            if rest == 0 && used >= width {
                break;
            }
            let value = rest.checked_rem(u64::from(base)).unwrap_or(0);
            rest = rest.checked_div(u64::from(base)).unwrap_or(0);
            let value = u32::try_from(value).unwrap_or(0);
            *digit = char::from_digit(value, base).map_or(b'?', |digit| digit as u8);
            used = used.saturating_add(1);
        }
        self.bytes(digits.get(digits.len().saturating_sub(used)..).unwrap_or_default());
    }

    /// How many bytes have been written so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes were written.
    pub(crate) fn finish(self) -> Result<usize, WriteError> {
        if self.too_long { Err(WriteError::TooLong) } else { Ok(self.len) }
    }
}

/// A payload in a buffer of its own.
pub(crate) fn build<const N: usize>(
    fill: impl FnOnce(&mut Out<'_>),
) -> Result<ArrayVec<u8, N>, WriteError> {
    let mut bytes = [0; N];
    let mut out = Out::new(&mut bytes);
    fill(&mut out);
    let len = out.finish()?;
    let mut bytes = ArrayVec::from(bytes);
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_in_full() {
        for (number, base, width, text) in [
            (0, 10, 1, "0"),
            (0, 10, 0, ""),
            (7, 10, 4, "0007"),
            (12345, 10, 4, "12345"),
            (u64::MAX, 10, 1, "18446744073709551615"),
            (u64::MAX, 16, 1, "ffffffffffffffff"),
            (0xf000_0001, 16, 1, "f0000001"),
        ] {
            let bytes = build::<20>(|out| out.digits(number, base, width)).unwrap();
            assert_eq!(bytes.as_slice(), text.as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        assert_eq!(build::<3>(|out| out.bytes(b"abc")).unwrap().as_slice(), b"abc");
        assert_eq!(build::<3>(|out| out.bytes(b"abcd")), Err(WriteError::TooLong));
        // A later, shorter piece that would fit again does not hide the loss.
        let two = build::<3>(|out| {
            out.bytes(b"abcd");
            out.bytes(b"e");
        });
        assert_eq!(two, Err(WriteError::TooLong));
    }
}
