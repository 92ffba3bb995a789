//! What a program reads from a lockspace's device: `struct dlm_lock_result`, perhaps with a value
//! block behind it. One read gives one answer.

use super::flags::AnswerFlags;
use super::layout::{Layout, LayoutError, Reader, Writer};
use super::mode::Mode;
use super::name::{LockId, Token, ValueBlock};
use super::request::{BLOCKING, COMPLETION};
use super::status::Status;
use super::version::Version;

/// The longest answer, in bytes. A shorter read never gets the value block.
pub const ANSWER_MAX: usize = 72 + 32;

/// One answer about one lock.
///
/// ```
/// use lock_core::dlm::Layout;
/// use lock_core::dlm::answer::{Answer, Completion, Event};
/// use lock_core::dlm::flags::AnswerFlags;
/// use lock_core::dlm::name::{LockId, Token};
/// use lock_core::dlm::status::Status;
/// use lock_core::dlm::version::Version;
///
/// let status = Status::WouldBlock;
/// let ended = Completion { status, flags: AnswerFlags::empty(), value: None };
/// let event = Event::Completion(ended);
/// let answer = Answer { token: Token::new(7), id: LockId::new(1).unwrap(), event };
/// let (bytes, len) = answer.encode(Layout::NATIVE, Version::OURS);
/// assert_eq!(Answer::decode(&bytes[..len], Layout::NATIVE), Ok(answer));
/// assert!(Answer::decode(&bytes[..10], Layout::NATIVE).is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Answer {
    /// The number that its last request carried; none if that is none of ours. Who unlocks
    /// another's lock by its id, as anybody with the device open can, puts his own here: the id is
    /// what counts.
    pub token: Option<Token>,
    /// The lock.
    pub id: LockId,
    /// What happened to it.
    pub event: Event,
}

/// See [`Answer::event`].
///
/// ```
/// use lock_core::dlm::answer::Event;
/// use lock_core::dlm::mode::Mode;
///
/// /// Whether a reader should let go, for a writer who waits.
/// fn is_in_the_way(event: &Event) -> bool {
///     matches!(event, Event::Blocking(wanted) if !wanted.is_compatible(Mode::PR))
/// }
/// assert!(is_in_the_way(&Event::Blocking(Mode::EX)));
/// assert!(!is_in_the_way(&Event::Blocking(Mode::CR)));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// An operation ended.
    Completion(Completion),
    /// Somebody waits for a lock in this mode, and ours is in his way.
    Blocking(Mode),
}

/// How an operation ended.
///
/// ```
/// use lock_core::dlm::answer::Completion;
/// use lock_core::dlm::flags::AnswerFlags;
/// use lock_core::dlm::status::Status;
///
/// let (flags, value) = (AnswerFlags::VALNOTVALID, Some([0; 32]));
/// let ended = Completion { status: Status::Granted, flags, value };
/// let trusted = ended.value.filter(|_| !ended.flags.contains(AnswerFlags::VALNOTVALID));
/// assert_eq!(trusted, None, "its last writer died");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Completion {
    /// How.
    pub status: Status,
    /// And what besides.
    pub flags: AnswerFlags,
    /// The value block, if the operation read it.
    pub value: Option<ValueBlock>,
}

impl Answer {
    /// Reads an answer of this layout.
    ///
    /// Errors: shorter than it says itself, a routine that this library did not write, an unknown
    /// mode.
    pub fn decode(bytes: &[u8], layout: Layout) -> Result<Answer, LayoutError> {
        let mut fields = Reader(bytes);
        let _version: [u8; 12] = fields.array()?;
        let _len = fields.u32()?;
        let routine = fields.address(layout)?;
        let _parameter = fields.address(layout)?;
        let lksb = fields.address(layout)?;
        let status = Status::from_raw(i32::from_ne_bytes(fields.array()?));
        let id = LockId::new(fields.u32()?).ok_or(LayoutError::Foreign)?;
        let [flags, _, _, _] = fields.array()?;
        if layout == Layout::Bits64 {
            let _alignment = fields.u32()?;
        }
        let _address_of_value = fields.address(layout)?;
        let [mode, _, _, _] = fields.array()?;
        let value_at = fields.u32()?;
        let token = u32::try_from(lksb).ok().and_then(Token::new);
        let event = if routine == u64::from(BLOCKING) {
            Event::Blocking(Mode::from_raw(mode).ok_or(LayoutError::Mode(mode))?)
        } else if routine == u64::from(COMPLETION) {
            let value = if value_at == 0 { None } else { Some(value(bytes, value_at)?) };
            let flags = AnswerFlags::from_bits_retain(flags);
            Event::Completion(Completion { status, flags, value })
        } else {
            return Err(LayoutError::Foreign);
        };
        Ok(Answer { token, id, event })
    }

    /// What the kernel would answer, and how many bytes of it count.
    ///
    /// ```
    /// use lock_core::dlm::Layout;
    /// use lock_core::dlm::answer::{Answer, Event};
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::{LockId, Token};
    /// use lock_core::dlm::version::Version;
    ///
    /// let answer = Answer {
    ///     token: Token::new(7),
    ///     id: LockId::new(1).unwrap(),
    ///     event: Event::Blocking(Mode::EX),
    /// };
    /// let (bytes, len) = answer.encode(Layout::Bits64, Version::OURS);
    /// assert_eq!(Answer::decode(&bytes[..len], Layout::Bits64), Ok(answer));
    /// ```
    pub fn encode(&self, layout: Layout, version: Version) -> ([u8; ANSWER_MAX], usize) {
        let mut out = Writer::new();
        let (routine, mode, status, flags, value) = match &self.event {
            Event::Completion(Completion { status, flags, value }) => {
                (COMPLETION, Mode::NL, *status, *flags, value.as_ref())
            }
            Event::Blocking(mode) => (BLOCKING, *mode, Status::Granted, AnswerFlags::empty(), None),
        };
        let without_value = u32::try_from(layout.answer_len()).unwrap_or(0);
        let value_len = value.map_or(0, |value| u32::try_from(value.len()).unwrap_or(0));
        out.bytes(&version.encode());
        out.u32(without_value.saturating_add(value_len));
        out.address(layout, routine);
        let token = self.token.map_or(0, Token::get);
        out.address(layout, token);
        out.address(layout, token);
        out.bytes(&status.to_raw().to_ne_bytes());
        out.u32(self.id.get());
        out.bytes(&[flags.bits(), 0, 0, 0]);
        if layout == Layout::Bits64 {
            out.u32(0);
        }
        out.address(layout, 0);
        out.bytes(&[mode.to_raw(), 0, 0, 0]);
        out.u32(if value.is_some() { without_value } else { 0 });
        out.bytes(value.map_or(&[], |value| &value[..]));
        out.finish()
    }
}

/// The value block at this place of the answer.
fn value(bytes: &[u8], at: u32) -> Result<ValueBlock, LayoutError> {
    let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
    Reader(rest.ok_or(LayoutError::TooShort)?).array()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(value: Option<ValueBlock>) -> Answer {
        let flags = AnswerFlags::VALNOTVALID;
        let completion = Completion { status: Status::Deadlock, flags, value };
        let event = Event::Completion(completion);
        Answer { token: Token::new(0x22), id: LockId::new(0x11).unwrap(), event }
    }

    #[test]
    fn every_answer_comes_back_in_both_layouts() {
        let blocking = Answer { event: Event::Blocking(Mode::PW), ..completion(None) };
        let foreign = Answer { token: None, ..blocking };
        for layout in [Layout::Bits32, Layout::Bits64] {
            for answer in [completion(None), completion(Some([7; 32])), blocking, foreign] {
                let (bytes, len) = answer.encode(layout, Version::OURS);
                assert_eq!(Answer::decode(&bytes[..len], layout), Ok(answer));
                assert!(len >= layout.answer_len());
                for short in 0..len {
                    let decoded = Answer::decode(&bytes[..short], layout);
                    assert_eq!(decoded, Err(LayoutError::TooShort));
                }
            }
        }
    }

    /// Where the fields are, from the kernel's headers by `offsetof`.
    #[test]
    fn fields_are_where_the_kernel_writes_them() {
        for (layout, [lksb, status, id, flags, mode, value_at]) in
            [(Layout::Bits64, [32, 40, 44, 48, 64, 68]), (Layout::Bits32, [24, 28, 32, 36, 44, 48])]
        {
            let (bytes, len) = completion(Some([9; 32])).encode(layout, Version::OURS);
            let word = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            let size = i32::try_from(layout.answer_len()).unwrap();
            assert_eq!([word(12), word(16)], [size + 32, 1]);
            assert_eq!([word(lksb), word(status), word(id)], [0x22, -35, 0x11]);
            assert_eq!([bytes[flags], bytes[mode]], [2, 0]);
            assert_eq!(word(value_at), size);
            assert_eq!(bytes[layout.answer_len()..len], [9; 32]);
        }
    }

    #[test]
    fn what_no_kernel_answers_is_refused() {
        let (good, len) = completion(Some([9; 32])).encode(Layout::Bits64, Version::OURS);
        let changed = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            Answer::decode(&bytes[..len], Layout::Bits64)
        };
        assert_eq!(changed(16, 3), Err(LayoutError::Foreign));
        assert_eq!(changed(44, 0), Err(LayoutError::Foreign));
        assert_eq!(changed(68, 200), Err(LayoutError::TooShort));
        let (mut blocking, _) = good_blocking();
        blocking[64] = 6;
        assert_eq!(Answer::decode(&blocking, Layout::Bits64), Err(LayoutError::Mode(6)));
    }

    fn good_blocking() -> ([u8; ANSWER_MAX], usize) {
        let blocking = Answer { event: Event::Blocking(Mode::PW), ..completion(None) };
        blocking.encode(Layout::Bits64, Version::OURS)
    }
}
