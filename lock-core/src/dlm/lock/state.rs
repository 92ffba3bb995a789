//! Where a lock stands, and what a step means to its user.

use super::super::flags::{AnswerFlags, LockFlags};
use super::super::mode::Mode;
use super::super::name::ValueBlock;
use super::super::status::Status;

/// Where a lock stands.
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::lock::{Lock, State};
/// use lock_core::dlm::mode::Mode;
///
/// let mut lock = Lock::request(Mode::EX, LockFlags::empty());
/// assert!(matches!(lock.state(), State::Asking { .. }));
/// lock.poll_transmit();
/// assert_eq!(lock.state(), State::Requested { mode: Mode::EX });
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// To be asked for.
    Asking {
        /// In this mode.
        mode: Mode,
        /// So.
        flags: LockFlags,
    },
    /// Asked for, not answered.
    Requested {
        /// In this mode.
        mode: Mode,
    },
    /// Held.
    Granted {
        /// In this mode.
        mode: Mode,
    },
    /// Held, to be converted.
    Asked {
        /// The mode it has.
        from: Mode,
        /// The mode it shall have.
        to: Mode,
        /// How.
        flags: LockFlags,
        /// With this value.
        value: Option<ValueBlock>,
    },
    /// Held; the kernel was asked for a conversion.
    Converting {
        /// The mode it had.
        from: Mode,
        /// The mode it shall have.
        to: Mode,
        /// What is surely held meanwhile.
        sure: Mode,
    },
    /// The kernel was asked to end it.
    Unlocking {
        /// The mode it had, if it was held.
        held: Option<Mode>,
        /// The mode of a request or conversion that has not been answered.
        pending: Option<Mode>,
    },
    /// No lock, and no more answers.
    Ended(End),
}

/// Why there is no lock.
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::lock::{Change, End, Lock};
/// use lock_core::dlm::mode::Mode;
///
/// let mut lock = Lock::request(Mode::EX, LockFlags::empty());
/// lock.poll_transmit();
/// let failed = lock.handle_written(Err(22));
/// assert_eq!(failed, Some(Change::Ended(End::Failed(22))));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum End {
    /// It was given up before anybody was asked for it.
    NeverAsked,
    /// The kernel said no, or it was cancelled.
    Refused(Status),
    /// The request could not be written; the system's error number.
    Failed(u16),
    /// It was unlocked.
    Unlocked,
    /// It was held, and somebody else ended it: another program by its id, or the end of the
    /// lockspace.
    Lost,
}

/// What an answer or the result of a write means to the lock's user.
///
/// ```
/// use lock_core::dlm::flags::AnswerFlags;
/// use lock_core::dlm::lock::{Change, End};
/// use lock_core::dlm::mode::Mode;
///
/// /// Whether the holder may go on working.
/// fn is_held(change: Change) -> bool {
///     match change {
///         Change::Granted { .. } | Change::NotUnlocked(_) | Change::Blocking(_) => true,
///         Change::Kept { mode, .. } => mode != Mode::NL,
///         _ => false,
///     }
/// }
/// assert!(!is_held(Change::Ended(End::Lost)));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The lock is held in this mode, anew or after a conversion.
    Granted {
        /// The mode: what was asked for, or its alternative.
        mode: Mode,
        /// The value block, if it was asked for and the operation reads it.
        value: Option<ValueBlock>,
        /// Whether the value is invalid, and whether the lock was at `NL` meanwhile.
        flags: AnswerFlags,
    },
    /// A conversion failed, and the lock is held as before.
    Kept {
        /// The mode, the old one; `NL` if the kernel had to demote it.
        mode: Mode,
        /// Why.
        why: Refusal,
    },
    /// There is no lock; [`End`] says why. It comes once.
    Ended(End),
    /// The lock could not be unlocked and stands as before; the system's error number.
    NotUnlocked(u16),
    /// Somebody waits for this mode, and this lock is in his way.
    Blocking(Mode),
}

/// Why an operation failed.
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::lock::{Change, Lock, Refusal};
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::name::LockId;
///
/// let mut lock = Lock::adopted(LockId::new(1).unwrap(), Mode::PR);
/// lock.convert(Mode::EX, LockFlags::empty(), None).unwrap();
/// lock.poll_transmit();
/// let kept = Change::Kept { mode: Mode::PR, why: Refusal::Errno(22) };
/// assert_eq!(lock.handle_written(Err(22)), Some(kept));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// The kernel said no, or it was cancelled.
    Status(Status),
    /// It could not be written; the system's error number.
    Errno(u16),
}

/// What becomes of the resource's value with an unlock.
///
/// ```
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::lock::{LastValue, Lock, Transmit};
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::name::LockId;
///
/// let mut lock = Lock::adopted(LockId::new(1).unwrap(), Mode::EX);
/// lock.unlock(LastValue::Invalidate);
/// let Some(Transmit::Unlock { flags, .. }) = lock.poll_transmit() else { panic!() };
/// assert_eq!(flags, LockFlags::IVVALBLK);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum LastValue {
    /// It stays as it is; it becomes invalid if it is not known, which only an adopted lock, or one
    /// whose only operation with [`VALBLK`](LockFlags::VALBLK) was refused, can bring about.
    #[default]
    Keep,
    /// It becomes this, if the lock is [`PW`](Mode::PW) or [`EX`](Mode::EX), and was ever asked
    /// for or converted with [`VALBLK`](LockFlags::VALBLK): else the kernel made no room for it,
    /// and silently keeps the old value.
    Write(ValueBlock),
    /// It becomes invalid, if the lock is [`PW`](Mode::PW) or [`EX`](Mode::EX): for a writer who
    /// leaves things half done.
    Invalidate,
}
