//! What is to be written next about a lock.

use super::super::flags::LockFlags;
use super::super::mode::{Conversion, Mode, ValueMove};
use super::super::name::{LockId, Token, ValueBlock};
use super::super::request::{LockRequest, Request, UnlockRequest};
use super::{Carried, LastValue, Lock, State, Wish, Writing};
use crate::dlm::name::{ResourceName, VALUE_LEN};

/// See [`Lock::poll_transmit`].
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::lock::{Lock, Transmit};
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::name::{ResourceName, Token};
/// use lock_core::dlm::request::Request;
///
/// let mut lock = Lock::request(Mode::EX, LockFlags::NOQUEUE);
/// let transmit: Transmit = lock.poll_transmit().unwrap();
/// let name = ResourceName::new(b"disk1").unwrap();
/// let request = transmit.request(Token::new(7).unwrap(), name, true);
/// let Request::Lock(request) = request else { panic!() };
/// assert_eq!((request.name, request.id, request.blocking), (name, None, true));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Transmit {
    /// Ask for a new lock.
    Request {
        /// The mode.
        mode: Mode,
        /// How.
        flags: LockFlags,
    },
    /// Ask for another mode.
    Convert {
        /// The lock.
        id: LockId,
        /// The mode.
        to: Mode,
        /// How, [`CONVERT`](LockFlags::CONVERT) included.
        flags: LockFlags,
        /// The value to write.
        value: ValueBlock,
    },
    /// End what the lock waits for.
    Cancel {
        /// The lock.
        id: LockId,
    },
    /// End the lock.
    Unlock {
        /// The lock.
        id: LockId,
        /// How.
        flags: LockFlags,
        /// The value to write.
        value: ValueBlock,
    },
}

impl Transmit {
    /// The request to write, about a resource of this name. `blocking` tells whether to be told of
    /// those who wait for this lock.
    pub fn request(self, token: Token, name: ResourceName, blocking: bool) -> Request {
        let lock = |id, mode, flags, value, name: ResourceName| {
            let transaction = 0;
            Request::Lock(LockRequest {
                mode,
                flags,
                id,
                token,
                blocking,
                transaction,
                value,
                name,
            })
        };
        match self {
            Transmit::Request { mode, flags } => lock(None, mode, flags, [0; VALUE_LEN], name),
            Transmit::Convert { id, to, flags, value } => {
                lock(Some(id), to, flags, value, ResourceName::default())
            }
            Transmit::Cancel { id } => {
                let (flags, value) = (LockFlags::CANCEL, [0; VALUE_LEN]);
                Request::Unlock(UnlockRequest { id, flags, token, value })
            }
            Transmit::Unlock { id, flags, value } => {
                Request::Unlock(UnlockRequest { id, flags, token, value })
            }
        }
    }
}

impl Lock {
    /// What to write now. It counts as under way until
    /// [`handle_written`](Lock::handle_written) tells what the write returned.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.writing.is_some() {
            return None;
        }
        match (self.state, self.wish) {
            (State::Asking { mode, flags }, _) => {
                self.state = State::Requested { mode };
                let valued = flags.contains(LockFlags::VALBLK);
                self.carried = if valued { Carried::Unknown } else { Carried::Nothing };
                Some(self.transmit(Writing::Request, Transmit::Request { mode, flags }))
            }
            (State::Asked { from, to, flags, value }, _) => {
                let id = self.id?;
                let flags = with_value(flags | LockFlags::CONVERT, value.is_some());
                let sure = sure_meanwhile(from, to, flags);
                self.state = State::Converting { from, to, sure };
                let value = value.unwrap_or([0; VALUE_LEN]);
                self.carried = match (flags.contains(LockFlags::VALBLK), self.carried) {
                    (false, _) => Carried::Nothing,
                    (true, _) if from.value_move(to) == ValueMove::Write => Carried::Value(value),
                    (true, known @ Carried::Value(_)) if writes(from) => known,
                    (true, _) => Carried::Unknown,
                };
                let convert = Transmit::Convert { id, to, flags, value };
                Some(self.transmit(Writing::Convert, convert))
            }
            (State::Requested { .. } | State::Converting { .. }, Wish::Cancel) => {
                let id = self.id?;
                self.wish = Wish::CancelSent;
                Some(self.transmit(Writing::Cancel, Transmit::Cancel { id }))
            }
            (State::Requested { .. } | State::Converting { .. }, Wish::Unlock(value))
                if self.carried != Carried::Nothing =>
            {
                let id = self.id?;
                self.wish = Wish::UnlockNext(value);
                Some(self.transmit(Writing::Cancel, Transmit::Cancel { id }))
            }
            (State::Requested { mode }, Wish::Unlock(_)) => {
                self.end_by_force(None, Some(mode), LastValue::Keep)
            }
            (State::Converting { from, to, .. }, Wish::Unlock(value)) => {
                self.end_by_force(Some(from), Some(to), value)
            }
            (State::Granted { mode }, Wish::Unlock(value) | Wish::UnlockNext(value)) => {
                self.end_so(Some(mode), None, LockFlags::empty(), value)
            }
            _ => None,
        }
    }

    /// Ends a lock that waits: without force the kernel refuses while another node is asked.
    fn end_by_force(
        &mut self,
        held: Option<Mode>,
        pending: Option<Mode>,
        value: LastValue,
    ) -> Option<Transmit> {
        self.end_so(held, pending, LockFlags::FORCEUNLOCK, value)
    }

    fn end_so(
        &mut self,
        held: Option<Mode>,
        pending: Option<Mode>,
        flags: LockFlags,
        value: LastValue,
    ) -> Option<Transmit> {
        let id = self.id?;
        self.state = State::Unlocking { held, pending };
        self.wish = Wish::Nothing;
        let (flags, value) = match value {
            LastValue::Keep => match (self.carried, held) {
                (Carried::Value(value), _) => (flags | LockFlags::VALBLK, value),
                (Carried::Unknown, Some(mode)) if writes(mode) => {
                    (flags | LockFlags::IVVALBLK, [0; VALUE_LEN])
                }
                (Carried::Nothing | Carried::Unknown, _) => (flags, [0; VALUE_LEN]),
            },
            LastValue::Write(value) => (flags | LockFlags::VALBLK, value),
            LastValue::Invalidate => (flags | LockFlags::IVVALBLK, [0; VALUE_LEN]),
        };
        Some(self.transmit(Writing::Unlock, Transmit::Unlock { id, flags, value }))
    }

    fn transmit(&mut self, writing: Writing, transmit: Transmit) -> Transmit {
        self.writing = Some(writing);
        transmit
    }
}

/// Whether an unlock in this mode writes the value.
const fn writes(mode: Mode) -> bool {
    matches!(mode, Mode::PW | Mode::EX)
}

fn with_value(flags: LockFlags, value: bool) -> LockFlags {
    if value { flags | LockFlags::VALBLK } else { flags }
}

/// What is held for sure from the write of a conversion to its answer.
fn sure_meanwhile(from: Mode, to: Mode, flags: LockFlags) -> Mode {
    match from.conversion(to) {
        // The kernel may let go of everything to get the better mode.
        Conversion::Up | Conversion::Sideways if flags.contains(LockFlags::CONVDEADLK) => Mode::NL,
        _ => from.common(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlm::answer::Completion;
    use crate::dlm::flags::AnswerFlags;
    use crate::dlm::lock::{Change, End, Refusal};
    use crate::dlm::status::Status;

    fn id() -> LockId {
        LockId::new(5).unwrap()
    }

    fn answer(lock: &mut Lock, status: Status, flags: AnswerFlags) -> Change {
        let completion = Completion { status, flags, value: None };
        lock.handle_completion(id(), completion).unwrap()
    }

    #[test]
    fn the_last_value_is_in_the_flags_of_an_unlock() {
        for (last, flags, value) in [
            (LastValue::Keep, LockFlags::IVVALBLK, [0; VALUE_LEN]),
            (LastValue::Write([9; VALUE_LEN]), LockFlags::VALBLK, [9; VALUE_LEN]),
            (LastValue::Invalidate, LockFlags::IVVALBLK, [0; VALUE_LEN]),
        ] {
            let mut lock = Lock::adopted(id(), Mode::EX);
            assert_eq!(lock.unlock(last), None);
            let unlock = Transmit::Unlock { id: id(), flags, value };
            assert_eq!(lock.poll_transmit(), Some(unlock));
            assert_eq!((lock.mode(), lock.poll_transmit()), (None, None));
        }
    }

    fn unlock(lock: &mut Lock) -> (LockFlags, ValueBlock) {
        lock.unlock(LastValue::Keep);
        match lock.poll_transmit() {
            Some(Transmit::Unlock { flags, value, .. }) => (flags, value),
            other => panic!("{other:?}"),
        }
    }

    /// A lock with a value, as the kernel grants it.
    fn valued(mode: Mode, flags: AnswerFlags) -> Lock {
        let mut lock = Lock::request(mode, LockFlags::VALBLK);
        lock.poll_transmit().unwrap();
        lock.handle_written(Ok(Some(id())));
        let value = Some([5; VALUE_LEN]);
        lock.handle_completion(id(), Completion { status: Status::Granted, flags, value });
        lock
    }

    #[test]
    fn a_value_that_is_to_stay_is_repeated_or_made_invalid() {
        let (none, invalid) = (AnswerFlags::empty(), AnswerFlags::VALNOTVALID);
        let repeated = (LockFlags::VALBLK, [5; VALUE_LEN]);
        let unknown = (LockFlags::IVVALBLK, [0; VALUE_LEN]);
        assert_eq!(unlock(&mut valued(Mode::EX, none)), repeated);
        assert_eq!(unlock(&mut valued(Mode::PW, invalid)), unknown);
        assert_eq!(unlock(&mut valued(Mode::PR, invalid)), (LockFlags::empty(), [0; VALUE_LEN]));
        for (value, last) in [
            (None, (LockFlags::empty(), [0; VALUE_LEN])),
            (Some([6; VALUE_LEN]), (LockFlags::VALBLK, [6; VALUE_LEN])),
        ] {
            let mut lock = valued(Mode::EX, none);
            lock.convert(Mode::PW, LockFlags::empty(), value).unwrap();
            lock.poll_transmit().unwrap();
            lock.handle_written(Ok(None));
            answer(&mut lock, Status::Granted, none);
            assert_eq!(unlock(&mut lock), last);
        }
    }

    #[test]
    fn what_waits_with_a_value_is_cancelled_before_it_is_unlocked() {
        let mut lock = Lock::request(Mode::EX, LockFlags::VALBLK);
        lock.poll_transmit().unwrap();
        lock.handle_written(Ok(Some(id())));
        assert_eq!(lock.unlock(LastValue::Keep), None);
        assert_eq!(lock.poll_transmit(), Some(Transmit::Cancel { id: id() }));
        lock.handle_written(Ok(None));
        assert_eq!(lock.poll_transmit(), None);
        let value = Some([5; VALUE_LEN]);
        let granted = Completion { status: Status::Granted, flags: AnswerFlags::empty(), value };
        lock.handle_completion(id(), granted);
        let (flags, value) = (LockFlags::VALBLK, [5; VALUE_LEN]);
        assert_eq!(lock.poll_transmit(), Some(Transmit::Unlock { id: id(), flags, value }));
    }

    #[test]
    fn what_the_kernel_may_take_back_is_not_sure() {
        for (from, to, flags, sure) in [
            (Mode::PR, Mode::EX, LockFlags::empty(), Mode::PR),
            (Mode::PR, Mode::EX, LockFlags::CONVDEADLK, Mode::NL),
            (Mode::EX, Mode::CR, LockFlags::empty(), Mode::CR),
            (Mode::PR, Mode::CW, LockFlags::empty(), Mode::CR),
        ] {
            let mut lock = Lock::adopted(id(), from);
            lock.convert(to, flags, None).unwrap();
            assert_eq!(lock.mode(), Some(from));
            lock.poll_transmit().unwrap();
            assert_eq!(lock.mode(), Some(sure), "{from} {to}");
        }
    }

    #[test]
    fn flags_of_the_answer_tell_the_mode() {
        let mut lock = Lock::adopted(id(), Mode::NL);
        lock.convert(Mode::PR, LockFlags::ALTCW, Some([0; VALUE_LEN])).unwrap();
        let Some(Transmit::Convert { flags, .. }) = lock.poll_transmit() else { panic!() };
        assert_eq!(flags, LockFlags::ALTCW | LockFlags::CONVERT | LockFlags::VALBLK);
        lock.handle_written(Ok(None));
        answer(&mut lock, Status::Granted, AnswerFlags::ALTMODE);
        assert_eq!(lock.mode(), Some(Mode::CW));

        lock.convert(Mode::EX, LockFlags::CONVDEADLK, None).unwrap();
        lock.poll_transmit().unwrap();
        lock.handle_written(Ok(None));
        let change = answer(&mut lock, Status::Cancelled, AnswerFlags::DEMOTED);
        let why = Refusal::Status(Status::Cancelled);
        assert_eq!(change, Change::Kept { mode: Mode::NL, why });
    }

    #[test]
    fn a_write_that_fails_leaves_the_lock_as_it_was() {
        let mut lock = Lock::adopted(id(), Mode::PR);
        lock.convert(Mode::EX, LockFlags::empty(), None).unwrap();
        lock.poll_transmit().unwrap();
        let kept = Change::Kept { mode: Mode::PR, why: Refusal::Errno(22) };
        assert_eq!(lock.handle_written(Err(22)), Some(kept));
        lock.unlock(LastValue::Keep);
        lock.poll_transmit().unwrap();
        assert_eq!(lock.handle_written(Err(12)), Some(Change::NotUnlocked(12)));
        assert_eq!(lock.mode(), Some(Mode::PR));
        lock.convert(Mode::EX, LockFlags::empty(), None).unwrap();
        lock.poll_transmit().unwrap();
        assert_eq!(lock.handle_written(Err(2)), Some(Change::Ended(End::Lost)));
    }
}
