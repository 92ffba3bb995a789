//! A memory that keeps its bytes without power, as FRAM does, behind the traits of `embedded-io`.
//!
//! It can be told to lose power after some bytes: what was written until then stays, in the middle
//! of a record if need be, and everything after fails.

use embedded_io::{Error, ErrorKind, ErrorType, Read, Seek, SeekFrom, Write};

/// Its size in bytes.
pub const SIZE: usize = 8192;

/// The memory, with a position as a file has.
pub struct Fram {
    bytes: [u8; SIZE],
    at: usize,
    bytes_until_power_fails: Option<usize>,
}

/// Why it did not do what was asked.
#[derive(Debug)]
pub enum FramError {
    /// There is no power.
    NoPower,
    /// There is no such place.
    OutOfRange,
}

impl Fram {
    /// As it comes from the factory.
    pub const fn new() -> Fram {
        Fram { bytes: [0xff; SIZE], at: 0, bytes_until_power_fails: None }
    }

    /// Loses power after so many more bytes have been written; `None`: does not.
    pub fn fail_after(&mut self, bytes: Option<usize>) {
        self.bytes_until_power_fails = bytes;
    }

    /// Whether power is gone.
    pub fn has_failed(&self) -> bool {
        self.bytes_until_power_fails == Some(0)
    }
}

impl Error for FramError {
    fn kind(&self) -> ErrorKind {
        match self {
            FramError::NoPower => ErrorKind::Other,
            FramError::OutOfRange => ErrorKind::InvalidInput,
        }
    }
}

impl core::fmt::Display for FramError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(match self {
            FramError::NoPower => "no power",
            FramError::OutOfRange => "out of range",
        })
    }
}

impl core::error::Error for FramError {}

impl ErrorType for Fram {
    type Error = FramError;
}

impl Read for Fram {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FramError> {
        if self.has_failed() {
            return Err(FramError::NoPower);
        }
        let len = buffer.len().min(SIZE - self.at);
        buffer[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl Write for Fram {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, FramError> {
        if self.has_failed() {
            return Err(FramError::NoPower);
        }
        let mut len = bytes.len().min(SIZE - self.at);
        if let Some(left) = &mut self.bytes_until_power_fails {
            len = len.min(*left);
            *left -= len;
        }
        if len == 0 && !bytes.is_empty() {
            return Err(FramError::OutOfRange);
        }
        self.bytes[self.at..self.at + len].copy_from_slice(&bytes[..len]);
        self.at += len;
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), FramError> {
        Ok(())
    }
}

impl Seek for Fram {
    fn seek(&mut self, to: SeekFrom) -> Result<u64, FramError> {
        let at = match to {
            SeekFrom::Start(at) => i64::try_from(at).ok(),
            SeekFrom::Current(by) => i64::try_from(self.at).ok().and_then(|at| at.checked_add(by)),
            SeekFrom::End(by) => i64::try_from(SIZE).ok().and_then(|end| end.checked_add(by)),
        };
        let at = at.and_then(|at| usize::try_from(at).ok()).filter(|&at| at <= SIZE);
        self.at = at.ok_or(FramError::OutOfRange)?;
        u64::try_from(self.at).map_err(|_| FramError::OutOfRange)
    }
}
