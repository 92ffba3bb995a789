//! What `Lock_file_blocking` writes into a local lock: the message and a newline.
//!
//! The default message is the holder's pid in decimal. Any program may have written the file, so
//! reading one never fails: either there is a pid in it or there is none.
//! Source: `core_unix` v0.15 to v0.18, `lock_file_blocking.ml`, run.

use core::fmt;
use core::ops::Range;

use arrayvec::ArrayVec;

use super::ocaml_int;
use crate::owner::Pid;

/// The longest message, in bytes, without its newline.
pub const MESSAGE_MAX: usize = 1023;

/// A message as it stands in the file, newline included.
///
/// ```
/// use lock_core::payload::message::Message;
///
/// assert_eq!(Message::from_pid(18229).as_bytes(), b"18229\n");
/// assert_eq!(Message::new(b"nightly backup").unwrap().as_bytes(), b"nightly backup\n");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Message(ArrayVec<u8, { MESSAGE_MAX + 1 }>);

/// The message has more than [`MESSAGE_MAX`] bytes.
///
/// ```
/// use lock_core::payload::message::{MESSAGE_MAX, Message, TooLong};
///
/// assert_eq!(Message::new(&[b'x'; MESSAGE_MAX + 1]), Err(TooLong));
/// assert_eq!(TooLong.to_string(), "message longer than 1023 bytes");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TooLong;

impl Message {
    /// A message of the caller's own: any bytes, also none. The error is more than
    /// [`MESSAGE_MAX`] of them.
    pub fn new(text: &[u8]) -> Result<Message, TooLong> {
        let mut bytes = ArrayVec::new();
        bytes.try_extend_from_slice(text).map_err(|_| TooLong)?;
        bytes.try_push(b'\n').map_err(|_| TooLong)?;
        Ok(Message(bytes))
    }

    /// The default message.
    pub fn from_pid(pid: u32) -> Message {
        let mut bytes = ArrayVec::new();
        // Ten digits at most: always room.
        let mut scale = 1_000_000_000u32;
        while scale > 0 {
            let digit = pid.checked_div(scale).unwrap_or(0) % 10;
            if digit != 0 || scale == 1 || !bytes.is_empty() {
                let _ = bytes.try_push(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0)));
            }
            scale /= 10;
        }
        let _ = bytes.try_push(b'\n');
        Message(bytes)
    }

    /// The bytes to write.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the caller said, without the newline.
    ///
    /// ```
    /// use lock_core::payload::message::Message;
    ///
    /// assert_eq!(Message::new(b"nightly backup").unwrap().text(), b"nightly backup");
    /// ```
    pub fn text(&self) -> &[u8] {
        self.0.split_last().map_or(&[], |(_, text)| text)
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "message longer than {MESSAGE_MAX} bytes")
    }
}

impl core::error::Error for TooLong {}

/// The pid that a lock file names, by the rule of Jane Street's `get_pid`: the whole file without
/// surrounding white space, as OCaml reads integers, and positive.
///
/// ```
/// use lock_core::payload::message::parse_pid;
///
/// assert_eq!(parse_pid(b"18229\n").map(|pid| pid.get()), Some(18229));
/// assert_eq!(parse_pid(b"nightly backup\n"), None);
/// assert_eq!(parse_pid(b""), None);
/// ```
pub fn parse_pid(file: &[u8]) -> Option<Pid> {
    let number = ocaml_int::parse(strip(file))?;
    u64::try_from(number).ok().and_then(Pid::new)
}

fn strip(text: &[u8]) -> &[u8] {
    text.get(stripped(text)).unwrap_or_default()
}

/// What `String.strip` leaves of a text; its white space has the vertical tab too.
pub(super) fn stripped(text: &[u8]) -> Range<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at.saturating_add(1));
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn a_message_is_its_text_and_a_newline() {
        assert_eq!(Message::new(b"").unwrap().as_bytes(), b"\n");
        assert_eq!(Message::new(b"a\nb\0").unwrap().text(), b"a\nb\0");
        assert_eq!(Message::new(&vec![b'x'; MESSAGE_MAX]).unwrap().text().len(), MESSAGE_MAX);
        assert_eq!(Message::new(&vec![b'x'; MESSAGE_MAX + 1]), Err(TooLong));
    }

    #[test]
    fn every_pid_is_read_back() {
        for pid in [1, 9, 10, 18229, 4_194_304, 1_000_000_000, u32::MAX] {
            let message = Message::from_pid(pid);
            assert_eq!(message.as_bytes(), std::format!("{pid}\n").as_bytes());
            assert_eq!(parse_pid(message.as_bytes()).map(Pid::get), Some(u64::from(pid)));
        }
        assert_eq!(Message::from_pid(0).as_bytes(), b"0\n");
    }

    #[test]
    fn white_space_around_a_pid_does_not_matter() {
        assert_eq!(parse_pid(b" \t\r\n\x0b\x0c12\n").map(Pid::get), Some(12));
        for none in [&b""[..], b"\n", b"0", b"-5", b"12 34", b"123\n456", b"123\0", b"\xa012"] {
            assert_eq!(parse_pid(none), None, "{none:?}");
        }
    }
}
