//! Text for standard output and standard error: put together in a buffer, written with one call.

use core::slice;

use arrayvec::ArrayVec;
use lock_rustix::rustix::fd::BorrowedFd;
use lock_rustix::rustix::io::{Errno, write};

use crate::number::Decimal;

/// The longest text that is written at once; more is cut into pieces.
const BUFFER: usize = 1024;

/// A text on its way to a descriptor. Written when it is dropped.
#[derive(Debug)]
pub struct Out {
    fd: BorrowedFd<'static>,
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
        Out { fd: crate::sys::stdout(), text: ArrayVec::new() }
    }

    /// A text for standard error.
    pub fn stderr() -> Out {
        Out { fd: crate::sys::stderr(), text: ArrayVec::new() }
    }

    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Out {
        for &byte in bytes {
            if self.text.try_push(byte).is_err() {
                self.flush();
                let _ = self.text.try_push(byte);
            }
        }
        self
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Out {
        self.bytes(text.as_bytes())
    }

    /// Adds a text in which `%` stands for a name of anybody's making.
    pub fn fill(&mut self, text: &str, name: &[u8]) -> &mut Out {
        for byte in text.as_bytes() {
            match byte {
                b'%' => self.foreign(name),
                _ => self.bytes(slice::from_ref(byte)),
            };
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

    /// Adds bytes of anybody's making, with control characters made visible.
    pub fn foreign(&mut self, bytes: &[u8]) -> &mut Out {
        for &byte in bytes {
            match byte {
                b' '..=b'~' | 128.. => self.bytes(&[byte]),
                _ => self.bytes(&[b'\\', b'x', hex(byte >> 4), hex(byte & 15)]),
            };
        }
        self
    }

    /// Adds a number in decimal.
    pub fn number(&mut self, number: u64) -> &mut Out {
        self.bytes(Decimal::new(number).as_bytes())
    }

    fn flush(&mut self) {
        let mut rest = &self.text[..];
        while !rest.is_empty() {
            match write(self.fd, rest) {
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
