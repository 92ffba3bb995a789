//! The two layouts of requests and answers, and reading and writing their fields in order.
//!
//! Numbers have the machine's own byte order.

use core::fmt;

/// The size of a program's addresses, by which the kernel lays its structures out.
///
/// A kernel of 64 bits understands both, told by a byte in the request; one open device must keep
/// to one. A kernel of 32 bits knows only the smaller.
///
/// ```
/// use lock_core::dlm::Layout;
///
/// assert_eq!(Layout::Bits64.request_len(), 120);
/// assert_eq!(Layout::Bits32.answer_len(), 52);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Layout {
    /// Addresses have 32 bits.
    Bits32,
    /// Addresses have 64 bits.
    Bits64,
}

impl Layout {
    /// What a program of this size writes: it always works on its own size of kernel, and on a
    /// 64-bit kernel too. Known limit: an i386 *kernel* refuses resource names of more than 60
    /// bytes in this layout, because its structure is four bytes shorter than everybody else's.
    pub const NATIVE: Layout =
        if cfg!(target_pointer_width = "64") { Layout::Bits64 } else { Layout::Bits32 };

    /// The bytes of a request before its name: `struct dlm_write_request`.
    pub const fn request_len(self) -> usize {
        match self {
            Layout::Bits32 => 104,
            Layout::Bits64 => 120,
        }
    }

    /// The bytes of an answer without a value block: `struct dlm_lock_result`.
    pub const fn answer_len(self) -> usize {
        match self {
            Layout::Bits32 => 52,
            Layout::Bits64 => 72,
        }
    }
}

/// Why bytes are no request or answer.
///
/// ```
/// use lock_core::dlm::request::Request;
/// use lock_core::dlm::{Layout, LayoutError};
///
/// assert_eq!(Request::decode(&[0; 20], Layout::Bits64), Err(LayoutError::TooShort));
/// assert_eq!(LayoutError::Command(9).to_string(), "unknown command 9");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LayoutError {
    /// A command that this library does not know.
    Command(u8),
    /// Tokens or ids that this library never writes.
    Foreign,
    /// Longer than the kernel takes, or a name longer than it may be.
    TooLong,
    /// Shorter than its layout.
    TooShort,
    /// A number that is no lock mode.
    Mode(u8),
    /// A lockspace that cannot be called so.
    Name,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::Command(command) => write!(out, "unknown command {command}"),
            LayoutError::Foreign => out.write_str("not from this library"),
            LayoutError::TooLong => out.write_str("too long"),
            LayoutError::TooShort => out.write_str("too short"),
            LayoutError::Mode(mode) => write!(out, "unknown lock mode {mode}"),
            LayoutError::Name => out.write_str("not the name of a lockspace"),
        }
    }
}

impl core::error::Error for LayoutError {}

/// Writes fields one after the other into a buffer of `N` bytes. What does not fit is left out;
/// the buffers here are as large as their largest structure.
pub(super) struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Writer<N> {
    pub(super) const fn new() -> Writer<N> {
        Writer { bytes: [0; N], len: 0 }
    }

    pub(super) fn bytes(&mut self, field: &[u8]) {
        let places = self.bytes.iter_mut().skip(self.len);
        for (place, byte) in places.zip(field) {
            *place = *byte;
        }
        self.len = self.len.saturating_add(field.len()).min(N);
    }

    pub(super) fn u8(&mut self, field: u8) {
        self.bytes(&[field]);
    }

    pub(super) fn u32(&mut self, field: u32) {
        self.bytes(&field.to_ne_bytes());
    }

    pub(super) fn u64(&mut self, field: u64) {
        self.bytes(&field.to_ne_bytes());
    }

    /// An address, or what stands in its place.
    pub(super) fn address(&mut self, layout: Layout, field: u32) {
        match layout {
            Layout::Bits32 => self.u32(field),
            Layout::Bits64 => self.u64(u64::from(field)),
        }
    }

    /// Zeros up to this length.
    pub(super) fn pad_to(&mut self, len: usize) {
        self.len = self.len.max(len.min(N));
    }

    pub(super) const fn finish(self) -> ([u8; N], usize) {
        (self.bytes, self.len)
    }
}

/// Reads fields one after the other.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], LayoutError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(LayoutError::TooShort)?;
        self.0 = rest;
        Ok(*field)
    }

    pub(super) fn u32(&mut self) -> Result<u32, LayoutError> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, LayoutError> {
        self.array().map(u64::from_ne_bytes)
    }

    pub(super) fn address(&mut self, layout: Layout) -> Result<u64, LayoutError> {
        match layout {
            Layout::Bits32 => self.u32().map(u64::from),
            Layout::Bits64 => self.u64(),
        }
    }
}
