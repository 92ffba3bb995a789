//! Text for standard output and standard error: put together in a buffer, written with one call.

use arrayvec::ArrayVec;
use lock_rustix::rustix::io::Errno;

use crate::number::Decimal;
use crate::sys;

/// The longest text that is written at once; more is cut into pieces.
const BUFFER: usize = 1024;

/// A text on its way to a descriptor. Written when it is dropped.
#[derive(Debug)]
pub struct Out {
    fd: i32,
    text: ArrayVec<u8, BUFFER>,
}

/// Writes a text to standard output.
pub fn print(text: &str) {
    Out::stdout().text(text);
}

/// Writes a text to standard error, in which `%` stands for `name`.
pub fn complain(text: &str, name: &[u8]) {
    Out::stderr().fill(text, name);
}

impl Out {
    /// A text for standard output.
    pub fn stdout() -> Out {
        Out { fd: 1, text: ArrayVec::new() }
    }

    /// A text for standard error.
    pub fn stderr() -> Out {
        Out { fd: 2, text: ArrayVec::new() }
    }

    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Out {
        for &byte in bytes {
            self.byte(byte);
        }
        self
    }

    /// Adds a byte.
    #[inline(never)]
    pub fn byte(&mut self, byte: u8) {
        if self.text.is_full() {
            self.flush();
        }
        let _ = self.text.try_push(byte);
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Out {
        self.bytes(text.as_bytes())
    }

    /// Adds a text in which `%` stands for a name of anybody's making.
    pub fn fill(&mut self, text: &str, name: &[u8]) -> &mut Out {
        for &byte in text.as_bytes() {
            self.fill_byte(byte, name);
        }
        self
    }

    /// [`fill`](Out::fill), if there is a name.
    pub fn fill_some(&mut self, text: &str, name: Option<&[u8]>) -> &mut Out {
        match name {
            Some(name) => self.fill(text, name),
            None => self,
        }
    }

    /// Adds a text in which `%` stands for a number.
    pub fn fill_number(&mut self, text: &str, number: u64) -> &mut Out {
        self.fill(text, Decimal::new(number).as_bytes())
    }

    /// Adds a byte of such a text.
    pub(crate) fn fill_byte(&mut self, byte: u8, name: &[u8]) {
        if byte == b'%' {
            self.foreign(name);
        } else {
            self.byte(byte);
        }
    }

    /// Adds bytes of anybody's making, with control characters made visible.
    #[inline(never)]
    pub fn foreign(&mut self, bytes: &[u8]) -> &mut Out {
        for &byte in bytes {
            match byte {
                b' '..=b'~' | 128.. => self.byte(byte),
                _ => {
                    self.text("\\x").byte(hex(byte >> 4));
                    self.byte(hex(byte & 15));
                }
            }
        }
        self
    }

    /// Adds a number in decimal.
    pub fn number(&mut self, number: u64) -> &mut Out {
        self.padded(number, 1)
    }

    /// Adds a number in decimal, with zeros in front if it has fewer digits than `width`.
    #[inline(never)]
    pub fn padded(&mut self, number: u64, width: u32) -> &mut Out {
        let mut unit = 10_000_000_000_000_000_000;
        for place in (0..20).rev() {
            let shifted = number / unit;
            if shifted > 0 || place < width {
                self.byte(b'0' + u8::try_from(shifted % 10).unwrap_or(0));
            }
            unit /= 10;
        }
        self
    }

    /// What waits to be written, which is not written then.
    #[cfg(test)]
    pub(crate) fn take(&mut self) -> ArrayVec<u8, BUFFER> {
        self.text.take()
    }

    fn flush(&mut self) {
        let mut rest = &self.text[..];
        while !rest.is_empty() {
            match sys::write(self.fd, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                // Nobody to tell.
                Err(_) => break,
            }
        }
        self.text.clear();
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.flush();
    }
}

/// A hexadecimal digit.
pub fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
}
