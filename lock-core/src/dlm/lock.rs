//! One lock as a conversation with the kernel.
//!
//! Whoever drives it writes what [`poll_transmit`](Lock::poll_transmit) gives, tells what the write
//! returned, and hands over every answer about the lock. Nothing here waits or knows the time: a
//! time limit is a [`cancel`](Lock::cancel) that the driver makes.
//!
//! The races are the reason for a machine:
//!
//! - An answer can come before the write that asked for it has returned.
//! - A cancel can find the lock granted. It then has no answer of its own, and the lock is held.
//! - A cancel ends a waiting request, and leaves a converting lock in its old mode.
//! - An unlock of a waiting request can find it granted, waiting, or refused already: then its
//!   refusal is the last answer, else `Unlocked` is, after whatever else was under way.
//! - Anybody who can open the device can unlock this lock by its id.
//! - After a request or conversion with `VALBLK`, the kernel takes the value of *every* unlock,
//!   even of one without that flag, which would then write zeros. So an unlock that is to keep the
//!   value repeats the one last read or written, or makes it invalid if none is known; and what
//!   waits with `VALBLK` is cancelled first, lest an unlock meet a grant whose value nobody read.
//!
//! Only one write about a lock is under way at a time, so that a cancel cannot hit what was asked
//! for after it.

use super::answer::Completion;
use super::flags::{AnswerFlags, LockFlags};
use super::mode::Mode;
use super::name::{LockId, ValueBlock};
use super::status::Status;

mod state;
mod transmit;

/// What the kernel answers about a lock that it does not know.
const ENOENT: u16 = 2;

pub use state::{Change, End, LastValue, Refusal, State};
pub use transmit::Transmit;

/// A lock on one resource.
///
/// ```
/// use lock_core::dlm::answer::Completion;
/// use lock_core::dlm::flags::{AnswerFlags, LockFlags};
/// use lock_core::dlm::lock::{Change, Lock, Transmit};
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::name::LockId;
/// use lock_core::dlm::status::Status;
///
/// let (flags, value) = (AnswerFlags::empty(), None);
/// let id = LockId::new(1).unwrap();
/// let mut lock = Lock::request(Mode::EX, LockFlags::empty());
/// assert!(matches!(lock.poll_transmit(), Some(Transmit::Request { mode: Mode::EX, .. })));
/// assert_eq!(lock.handle_written(Ok(Some(id))), None);
/// lock.cancel();
/// assert_eq!(lock.poll_transmit(), Some(Transmit::Cancel { id }));
/// // The grant was under way already.
/// let granted = Completion { status: Status::Granted, flags, value };
/// assert!(matches!(lock.handle_completion(id, granted), Some(Change::Granted { .. })));
/// assert_eq!(lock.mode(), Some(Mode::EX));
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Lock {
    state: State,
    id: Option<LockId>,
    writing: Option<Writing>,
    wish: Wish,
    wanted: Option<Mode>,
    carried: Carried,
}

/// What the kernel writes to the resource with the next unlock in a mode that writes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Carried {
    /// Nothing: the last request or conversion was without a value.
    Nothing,
    /// What stands in the unlock; the resource's own value is this.
    Value(ValueBlock),
    /// What stands in the unlock; the resource's own value is not known, or invalid.
    Unknown,
}

/// The write that is under way.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Writing {
    Request,
    Convert,
    Cancel,
    Unlock,
}

/// What the user wants next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Wish {
    Nothing,
    Cancel,
    /// The cancel is written, or was tried.
    CancelSent,
    Unlock(LastValue),
    /// The same, and the cancel before it is written.
    UnlockNext(LastValue),
}

/// There is no lock to convert, or something is under way with it.
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::lock::{Lock, NotGranted};
/// use lock_core::dlm::mode::Mode;
///
/// let mut lock = Lock::request(Mode::PR, LockFlags::empty());
/// assert_eq!(lock.convert(Mode::EX, LockFlags::empty(), None), Err(NotGranted));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct NotGranted;

impl core::fmt::Display for NotGranted {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("the lock is not held, or is being converted or unlocked already")
    }
}

impl core::error::Error for NotGranted {}

impl Lock {
    /// Wants a new lock.
    pub const fn request(mode: Mode, flags: LockFlags) -> Lock {
        Lock::new(State::Asking { mode, flags }, None, Carried::Nothing)
    }

    /// Has an orphan that was adopted: the write returned its id, and there is no answer.
    ///
    /// ```
    /// use lock_core::dlm::lock::{Lock, State};
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::LockId;
    ///
    /// let orphan = Lock::adopted(LockId::new(1).unwrap(), Mode::EX);
    /// assert_eq!(orphan.state(), State::Granted { mode: Mode::EX });
    /// assert_eq!(orphan.mode(), Some(Mode::EX));
    /// ```
    pub const fn adopted(id: LockId, mode: Mode) -> Lock {
        Lock::new(State::Granted { mode }, Some(id), Carried::Unknown)
    }

    const fn new(state: State, id: Option<LockId>, carried: Carried) -> Lock {
        Lock { state, id, writing: None, wish: Wish::Nothing, wanted: None, carried }
    }

    /// Where it stands.
    ///
    /// ```
    /// use lock_core::dlm::flags::LockFlags;
    /// use lock_core::dlm::lock::{Lock, State};
    /// use lock_core::dlm::mode::Mode;
    ///
    /// let lock = Lock::request(Mode::PR, LockFlags::NOQUEUE);
    /// assert_eq!(lock.state(), State::Asking { mode: Mode::PR, flags: LockFlags::NOQUEUE });
    /// ```
    pub const fn state(&self) -> State {
        self.state
    }

    /// The kernel's number for it, from the return of the write or the first answer on.
    pub const fn id(&self) -> Option<LockId> {
        self.id
    }

    /// The mode that is surely held now: while a conversion is under way what the old and the new
    /// one have in common, and nothing once an unlock was written.
    pub const fn mode(&self) -> Option<Mode> {
        match self.state {
            State::Granted { mode } | State::Asked { from: mode, .. } => Some(mode),
            State::Converting { sure, .. } => Some(sure),
            _ => None,
        }
    }

    /// The mode that somebody waits for because of this lock, until that has changed.
    ///
    /// ```
    /// use lock_core::dlm::lock::Lock;
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::LockId;
    ///
    /// let mut reader = Lock::adopted(LockId::new(1).unwrap(), Mode::PR);
    /// reader.handle_blocking(Mode::EX);
    /// assert_eq!(reader.wanted(), Some(Mode::EX));
    /// ```
    pub const fn wanted(&self) -> Option<Mode> {
        self.wanted
    }

    /// Whether this lock needs nothing any more: it has ended, and no write is under way.
    ///
    /// ```
    /// use lock_core::dlm::flags::LockFlags;
    /// use lock_core::dlm::lock::{Change, End, LastValue, Lock};
    /// use lock_core::dlm::mode::Mode;
    ///
    /// let mut lock = Lock::request(Mode::EX, LockFlags::empty());
    /// assert_eq!(lock.unlock(LastValue::Keep), Some(Change::Ended(End::NeverAsked)));
    /// assert!(lock.is_ended());
    /// ```
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended(_)) && self.writing.is_none()
    }

    /// Wants a held lock in another mode. `value` is written to the resource if the conversion
    /// writes ([`Mode::value_move`]); `Some` also asks for it if it reads. Fails, changing nothing,
    /// unless the lock is held and nothing is under way with it.
    ///
    /// ```
    /// use lock_core::dlm::flags::LockFlags;
    /// use lock_core::dlm::lock::{Lock, Transmit};
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::LockId;
    ///
    /// let mut lock = Lock::adopted(LockId::new(1).unwrap(), Mode::EX);
    /// lock.convert(Mode::PR, LockFlags::NOQUEUE, None).unwrap();
    /// assert!(matches!(lock.poll_transmit(), Some(Transmit::Convert { to: Mode::PR, .. })));
    /// assert_eq!(lock.mode(), Some(Mode::PR), "what is sure until the answer");
    /// ```
    pub fn convert(
        &mut self,
        to: Mode,
        flags: LockFlags,
        value: Option<ValueBlock>,
    ) -> Result<(), NotGranted> {
        match (self.state, self.wish) {
            (State::Granted { mode: from }, Wish::Nothing | Wish::CancelSent) => {
                self.state = State::Asked { from, to, flags, value };
                self.wish = Wish::Nothing;
                Ok(())
            }
            _ => Err(NotGranted),
        }
    }

    /// Wants whatever is under way ended: a request, or a conversion. A lock that is granted stays,
    /// and so it does if the grant is quicker than the cancel. The answer is the change that comes
    /// at once, if what is ended was not written yet.
    pub fn cancel(&mut self) -> Option<Change> {
        match (self.state, self.wish) {
            (State::Asking { .. }, _) => Some(self.end(End::NeverAsked)),
            (State::Asked { from, .. }, _) => {
                self.state = State::Granted { mode: from };
                Some(Change::Kept { mode: from, why: Refusal::Status(Status::Cancelled) })
            }
            (State::Requested { .. } | State::Converting { .. }, Wish::Nothing) => {
                self.wish = Wish::Cancel;
                None
            }
            _ => None,
        }
    }

    /// Wants no lock, whether it is held or waits. The answer is the change that comes at once, if
    /// there was nothing written yet. Wanting it twice changes nothing.
    ///
    /// ```
    /// use lock_core::dlm::lock::{LastValue, Lock, Transmit};
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::LockId;
    ///
    /// let mut lock = Lock::adopted(LockId::new(1).unwrap(), Mode::EX);
    /// assert_eq!(lock.unlock(LastValue::Write([7; 32])), None, "the kernel is to be asked");
    /// assert!(matches!(lock.poll_transmit(), Some(Transmit::Unlock { value: [7, ..], .. })));
    /// assert_eq!(lock.mode(), None, "nothing is sure any more");
    /// ```
    pub fn unlock(&mut self, value: LastValue) -> Option<Change> {
        match self.state {
            State::Asking { .. } => return Some(self.end(End::NeverAsked)),
            State::Unlocking { .. } | State::Ended(_) => return None,
            State::Asked { from, .. } => self.state = State::Granted { mode: from },
            State::Requested { .. } | State::Granted { .. } | State::Converting { .. } => {}
        }
        if !matches!(self.wish, Wish::Unlock(_) | Wish::UnlockNext(_)) {
            self.wish = Wish::Unlock(value);
        }
        None
    }

    /// What the write returned: the id of a new lock, or an error number.
    pub fn handle_written(&mut self, result: Result<Option<LockId>, u16>) -> Option<Change> {
        let writing = self.writing.take()?;
        let errno = match result {
            Ok(id) => {
                self.id = self.id.or(id);
                return None;
            }
            Err(errno) => errno,
        };
        match (writing, self.state) {
            (Writing::Request, State::Requested { .. }) => Some(self.end(End::Failed(errno))),
            // There is no such lock any more; the answer that says so may be on its way.
            (Writing::Convert, State::Converting { .. }) if errno == ENOENT => {
                Some(self.end(End::Lost))
            }
            (Writing::Convert, State::Converting { from, .. }) => {
                self.settle(from);
                Some(Change::Kept { mode: from, why: Refusal::Errno(errno) })
            }
            (Writing::Unlock, State::Unlocking { held, pending }) => {
                Some(self.not_unlocked(held, pending, errno))
            }
            // A cancel that failed found nothing to cancel; the answer is on its way.
            _ => None,
        }
    }

    /// The kernel's answer to an operation. Those to nobody's question change nothing.
    pub fn handle_completion(&mut self, id: LockId, completion: Completion) -> Option<Change> {
        let Completion { status, flags, .. } = completion;
        match self.state {
            State::Requested { mode } => {
                self.id = Some(id);
                match status {
                    Status::Granted => Some(self.granted(mode, completion)),
                    Status::Unlocked => Some(self.end(End::Lost)),
                    refused => Some(self.end(End::Refused(refused))),
                }
            }
            State::Converting { from, to, .. } => match status {
                Status::Granted => Some(self.granted(to, completion)),
                Status::Unlocked => Some(self.end(End::Lost)),
                refused => {
                    let demoted = flags.contains(AnswerFlags::DEMOTED);
                    let mode = if demoted { Mode::NL } else { from };
                    self.settle(mode);
                    Some(Change::Kept { mode, why: Refusal::Status(refused) })
                }
            },
            State::Unlocking { held, pending } => self.unlocking(held, pending, completion),
            State::Granted { .. } | State::Asked { .. } if status == Status::Unlocked => {
                Some(self.end(End::Lost))
            }
            _ => None,
        }
    }

    /// Somebody waits for a mode because of this lock. What this lock, or the mode that it is being
    /// converted to, does not exclude is of yesterday.
    ///
    /// ```
    /// use lock_core::dlm::lock::{Change, Lock};
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::LockId;
    ///
    /// let mut reader = Lock::adopted(LockId::new(1).unwrap(), Mode::PR);
    /// assert_eq!(reader.handle_blocking(Mode::EX), Some(Change::Blocking(Mode::EX)));
    /// assert_eq!(reader.handle_blocking(Mode::PR), None, "readers stand beside each other");
    /// ```
    pub fn handle_blocking(&mut self, wanted: Mode) -> Option<Change> {
        let excludes = match self.state {
            State::Granted { mode } | State::Asked { from: mode, .. } => {
                !mode.is_compatible(wanted)
            }
            State::Converting { from, to, .. } => {
                !from.is_compatible(wanted) && !to.is_compatible(wanted)
            }
            _ => false,
        };
        if !excludes {
            return None;
        }
        self.wanted = Some(wanted);
        Some(Change::Blocking(wanted))
    }

    /// An answer while an unlock is under way.
    fn unlocking(
        &mut self,
        held: Option<Mode>,
        pending: Option<Mode>,
        completion: Completion,
    ) -> Option<Change> {
        match (completion.status, pending) {
            (Status::Unlocked, _) => Some(self.end(End::Unlocked)),
            (Status::Granted, Some(mode)) => {
                let mode = granted_mode(mode, completion.flags);
                self.state = State::Unlocking { held: Some(mode), pending: None };
                None
            }
            // A new request that ended otherwise has no lock left that could be unlocked.
            (_, Some(_)) if held.is_none() => Some(self.end(End::Unlocked)),
            (_, Some(_)) => {
                self.state = State::Unlocking { held, pending: None };
                None
            }
            (_, None) => None,
        }
    }

    /// The unlock was refused: back to where it was asked for, if the kernel still knows the lock.
    /// What it may still answer about one that it does not know changes nothing.
    fn not_unlocked(&mut self, held: Option<Mode>, pending: Option<Mode>, errno: u16) -> Change {
        if errno == ENOENT {
            return self.end(if held.is_some() { End::Lost } else { End::Unlocked });
        }
        self.state = match (held, pending) {
            (Some(from), Some(to)) => State::Converting { from, to, sure: Mode::NL },
            (Some(mode), None) => State::Granted { mode },
            (None, Some(mode)) => State::Requested { mode },
            (None, None) => State::Ended(End::Lost),
        };
        self.wish = Wish::Nothing;
        Change::NotUnlocked(errno)
    }

    /// A request or conversion succeeded.
    fn granted(&mut self, asked: Mode, completion: Completion) -> Change {
        let Completion { flags, value, .. } = completion;
        let mode = granted_mode(asked, flags);
        if let (Some(value), true) = (value, self.carried != Carried::Nothing) {
            let valid = !flags.contains(AnswerFlags::VALNOTVALID);
            self.carried = if valid { Carried::Value(value) } else { Carried::Unknown };
        }
        self.settle(mode);
        Change::Granted { mode, value, flags }
    }

    /// Nothing is under way any more but what was wished for since.
    fn settle(&mut self, mode: Mode) {
        self.state = State::Granted { mode };
        self.wanted = self.wanted.filter(|wanted| !mode.is_compatible(*wanted));
        if matches!(self.wish, Wish::Cancel | Wish::CancelSent) {
            self.wish = Wish::Nothing;
        }
    }

    fn end(&mut self, end: End) -> Change {
        self.state = State::Ended(end);
        self.wish = Wish::Nothing;
        self.wanted = None;
        Change::Ended(end)
    }
}

/// The mode that was granted, as the flags tell.
const fn granted_mode(asked: Mode, flags: AnswerFlags) -> Mode {
    if flags.contains(AnswerFlags::ALTMODE) { asked.alternative() } else { asked }
}
