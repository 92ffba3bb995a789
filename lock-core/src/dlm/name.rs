//! What lockspaces, resources and locks are called, and the bytes that a resource can carry.

use core::fmt;
use core::num::NonZeroU32;

/// The longest name of a lockspace or a resource, in bytes.
pub const NAME_MAX: usize = 64;

/// How many bytes a value block has.
pub const VALUE_LEN: usize = 32;

/// The bytes that all locks on a resource share, if they care.
pub type ValueBlock = [u8; VALUE_LEN];

/// Why a name is none.
///
/// ```
/// use lock_core::dlm::name::{LockspaceName, NameError};
///
/// assert_eq!(LockspaceName::new(b""), Err(NameError::Empty));
/// let error = NameError::TooLong { len: 65 };
/// assert_eq!(error.to_string(), "the name has 65 bytes, and 64 are allowed");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NameError {
    /// Longer than [`NAME_MAX`] bytes.
    TooLong {
        /// How long it is.
        len: usize,
    },
    /// A lockspace must have a name.
    Empty,
    /// A lockspace's name is the end of a device's file name: no slash, no NUL.
    NotAFileName,
}

impl fmt::Display for NameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::TooLong { len } => {
                write!(out, "the name has {len} bytes, and {NAME_MAX} are allowed")
            }
            NameError::Empty => out.write_str("the name is empty"),
            NameError::NotAFileName => out.write_str("the name has a slash or a NUL in it"),
        }
    }
}

impl core::error::Error for NameError {}

/// The name of a resource: any bytes, at most [`NAME_MAX`]. The kernel pads it with NULs when it
/// compares, so names that differ only in NULs at the end are one.
///
/// ```
/// use lock_core::dlm::name::{NameError, ResourceName};
///
/// assert_eq!(ResourceName::new(b"disk1").unwrap().as_bytes(), b"disk1");
/// assert_eq!(ResourceName::new(&[b'x'; 65]), Err(NameError::TooLong { len: 65 }));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ResourceName(Bytes);

impl ResourceName {
    /// A name of these bytes. The only error is [`TooLong`](NameError::TooLong).
    pub fn new(name: &[u8]) -> Result<ResourceName, NameError> {
        Bytes::new(name).map(ResourceName)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.get()
    }
}

/// The name of a lockspace: 1 to [`NAME_MAX`] bytes that can stand in a file name.
///
/// ```
/// use lock_core::dlm::name::{LockspaceName, NameError};
///
/// assert_eq!(LockspaceName::new(b"cluster1").unwrap().as_bytes(), b"cluster1");
/// assert_eq!(LockspaceName::new(b"a/b"), Err(NameError::NotAFileName));
/// assert_eq!(LockspaceName::new(b""), Err(NameError::Empty));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LockspaceName(Bytes);

impl LockspaceName {
    /// A name of these bytes. Errors: empty, a slash or NUL in it, too long.
    pub fn new(name: &[u8]) -> Result<LockspaceName, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains(&b'/') || name.contains(&0) {
            return Err(NameError::NotAFileName);
        }
        Bytes::new(name).map(LockspaceName)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.get()
    }
}

/// The kernel's number for a lock, `lkid`. It is unique in a lockspace on one node, and used again
/// after the lock's end.
///
/// ```
/// use lock_core::dlm::name::LockId;
///
/// assert_eq!(LockId::new(0x0100_0001).map(LockId::get), Some(0x0100_0001));
/// assert_eq!(LockId::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LockId(pub NonZeroU32);

impl LockId {
    /// The id with this number; the kernel has no lock 0.
    pub const fn new(raw: u32) -> Option<LockId> {
        match NonZeroU32::new(raw) {
            Some(raw) => Some(LockId(raw)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A program's own number for a lock, which the kernel repeats in every answer about it. The C
/// library puts addresses there; nothing follows them.
///
/// ```
/// use lock_core::dlm::name::Token;
///
/// assert_eq!(Token::new(7).map(Token::get), Some(7));
/// assert_eq!(Token::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Token(pub NonZeroU32);

impl Token {
    /// The token with this number; 0 is refused by the kernel.
    pub const fn new(raw: u32) -> Option<Token> {
        match NonZeroU32::new(raw) {
            Some(raw) => Some(Token(raw)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A few bytes, zeros behind them.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Bytes {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl Bytes {
    fn new(name: &[u8]) -> Result<Bytes, NameError> {
        let len = name.len();
        let mut bytes = [0; NAME_MAX];
        let room = bytes.get_mut(..len).ok_or(NameError::TooLong { len })?;
        room.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        Ok(Bytes { bytes, len })
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes { bytes: [0; NAME_MAX], len: 0 }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\"", self.get().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn names_are_as_long_as_the_kernel_allows() {
        let long = [b'x'; NAME_MAX];
        assert_eq!(LockspaceName::new(&long).unwrap().as_bytes(), long);
        assert_eq!(ResourceName::new(&long).unwrap().as_bytes(), long);
        let error = LockspaceName::new(&[b'x'; 70]).unwrap_err();
        assert_eq!(error.to_string(), "the name has 70 bytes, and 64 are allowed");
        assert_eq!(ResourceName::new(b"").unwrap().as_bytes(), b"");
        assert_eq!(LockspaceName::new(b"a\0b"), Err(NameError::NotAFileName));
    }

    #[test]
    fn nothing_has_the_number_zero() {
        assert_eq!((LockId::new(0), Token::new(0)), (None, None));
        assert_eq!(LockId::new(7).unwrap().get(), Token::new(7).unwrap().get());
    }
}
