//! A held lock: its mode, its value, who wants it.

use core::time::Duration;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use lock_core::dlm::flags::{AnswerFlags, LockFlags};
use lock_core::dlm::lock::{Change, LastValue};
use lock_core::dlm::mode::{Mode, ValueMove};
use lock_core::dlm::name::{LockId, ResourceName, Token, VALUE_LEN, ValueBlock};

use super::error::{DlmError, DlmErrorKind};
use super::lockspace::Context;

/// The bytes that all locks on a resource share.
///
/// ```
/// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
/// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
/// let mut guard = lockspace.resource("epoch").value().lock().unwrap();
/// guard.set_value([7; 32]);
/// guard.unlock().unwrap();
/// let value = lockspace.resource("epoch").value().lock().unwrap().value().unwrap();
/// assert!(value.valid && value.bytes == [7; 32]);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Value {
    /// As they were last read.
    pub bytes: ValueBlock,
    /// `false` if their last writer died, or said that he left things half done: look after what
    /// they describe before you trust them. Writing them makes them valid.
    pub valid: bool,
}

/// A held lock. Dropping it gives it back, without waiting until that is done.
///
/// ```
/// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
/// use lock_std::dlm::Mode;
///
/// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
/// let mut guard = lockspace.resource("counter").value().lock().unwrap();
/// let mut value = guard.value().unwrap().bytes;
/// value[0] += 1;
/// guard.set_value(value);
/// // Others may read from here on, and read the new value.
/// guard.convert(Mode::PR).unwrap();
/// assert_eq!(guard.mode(), Some(Mode::PR));
/// guard.unlock().unwrap();
/// ```
#[must_use = "dropping it gives the lock back"]
pub struct Guard {
    context: Arc<Context>,
    token: Token,
    name: ResourceName,
    valued: bool,
    value: Option<Value>,
    last: LastValue,
    /// Whether somebody else has taken care of giving it back.
    done: bool,
}

impl Guard {
    pub(super) fn new(
        context: Arc<Context>,
        token: Token,
        name: ResourceName,
        valued: bool,
        change: Change,
    ) -> Guard {
        let mut guard = Guard::adopted(context, token, name, valued);
        guard.read(change);
        guard
    }

    pub(super) fn adopted(
        context: Arc<Context>,
        token: Token,
        name: ResourceName,
        valued: bool,
    ) -> Guard {
        let (value, last, done) = (None, LastValue::Keep, false);
        Guard { context, token, name, valued, value, last, done }
    }

    /// The mode that is surely held now; `None` if the lock was lost: somebody unlocked it by its
    /// id, or the lockspace was removed by force.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::Mode;
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("disk1").mode(Mode::PR).lock().unwrap();
    /// assert_eq!(guard.mode(), Some(Mode::PR));
    /// ```
    pub fn mode(&self) -> Option<Mode> {
        self.context.engine.look(self.token, |entry| entry.lock.mode()).flatten()
    }

    /// The kernel's number for it, on this node.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("disk1").lock().unwrap();
    /// assert!(guard.id().is_some());
    /// ```
    pub fn id(&self) -> Option<LockId> {
        self.context.engine.look(self.token, |entry| entry.lock.id()).flatten()
    }

    /// The resource's value as it was when the lock was granted or last converted up; `None`
    /// without [`Resource::value`](super::Resource::value), or if no operation read it.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// assert!(lockspace.resource("epoch").lock().unwrap().value().is_none(), "not asked for");
    /// let guard = lockspace.resource("epoch").value().lock().unwrap();
    /// assert_eq!(guard.value().unwrap().bytes, [0; 32]);
    /// ```
    pub fn value(&self) -> Option<Value> {
        self.value
    }

    /// Has this written to the resource whenever the lock is converted down, and when it is given
    /// back; if it is [`PW`](Mode::PW) or [`EX`](Mode::EX) then, and was asked for
    /// [with its value](super::Resource::value).
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let counter = lockspace.resource("counter").value();
    /// for expected in 0..3 {
    ///     let mut guard = counter.lock().unwrap();
    ///     let mut bytes = guard.value().unwrap().bytes;
    ///     assert_eq!(bytes[0], expected);
    ///     bytes[0] += 1;
    ///     guard.set_value(bytes);
    ///     guard.unlock().unwrap();
    /// }
    /// ```
    pub fn set_value(&mut self, bytes: ValueBlock) {
        self.value = Some(Value { bytes, valid: true });
        self.last = LastValue::Write(bytes);
    }

    /// Has the resource's value made invalid when the lock is converted down or given back: for a
    /// writer who leaves things half done. The kernel does so too for a [`PW`](Mode::PW) or
    /// [`EX`](Mode::EX) lock whose program dies.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let journal = lockspace.resource("journal").value();
    /// let mut guard = journal.lock().unwrap();
    /// guard.invalidate_value();
    /// guard.unlock().unwrap();
    /// assert!(!journal.lock().unwrap().value().unwrap().valid, "look after the journal first");
    /// ```
    pub fn invalidate_value(&mut self) {
        self.last = LastValue::Invalidate;
    }

    /// The mode that somebody waits for because of this lock. Only with
    /// [`Resource::blocking_asts`](super::Resource::blocking_asts).
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("cache").blocking_asts().lock().unwrap();
    /// assert_eq!(guard.wanted(), None, "nobody waits");
    /// ```
    pub fn wanted(&self) -> Option<Mode> {
        self.context.engine.look(self.token, |entry| entry.lock.wanted()).flatten()
    }

    /// Waits until somebody wants this lock, for so long at most; `None` if nobody did, or the lock
    /// is lost.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::time::Duration;
    /// use lock_std::dlm::Mode;
    ///
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// let guard = ours.resource("cache").blocking_asts().lock().unwrap();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| theirs.resource("cache").mode(Mode::PR).lock().unwrap().unlock());
    ///     assert_eq!(guard.wait_wanted(Duration::from_secs(60)), Some(Mode::PR));
    ///     guard.unlock().unwrap(); // they go on
    /// });
    /// ```
    pub fn wait_wanted(&self, timeout: Duration) -> Option<Mode> {
        self.context.engine.wait_wanted(self.token, Instant::now().checked_add(timeout))
    }

    /// Converts the lock to another mode; waits without a limit if others are in the way. To a
    /// weaker mode that never waits for others.
    ///
    /// If it fails, the lock is held as before; with [`Deadlock`](DlmErrorKind::Deadlock) if that
    /// is what somebody else waits for who wants the same. With [`Lost`](DlmErrorKind::Lost) there
    /// is no lock any more.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::Mode;
    ///
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// let mut guard = ours.resource("disk1").lock().unwrap();
    /// guard.convert(Mode::PR).unwrap();
    /// assert!(theirs.resource("disk1").mode(Mode::PR).try_lock().is_ok());
    /// # drop(guard);
    /// ```
    pub fn convert(&mut self, to: Mode) -> Result<(), DlmError> {
        self.convert_until(to, LockFlags::empty(), None)
    }

    /// The same, with a limit.
    ///
    /// When it fails with [`TimedOut`](DlmErrorKind::TimedOut), the conversion is being taken back,
    /// and may yet have succeeded: [`mode`](Guard::mode) tells what is surely held, and the next
    /// operation on this lock waits until it is certain.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::time::Duration;
    /// use lock_std::dlm::{DlmErrorKind, Mode};
    ///
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// let mut guard = ours.resource("disk1").mode(Mode::PR).lock().unwrap();
    /// let reader = theirs.resource("disk1").mode(Mode::PR).lock().unwrap();
    /// let error = guard.convert_timeout(Mode::EX, Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.kind, DlmErrorKind::TimedOut);
    /// # drop((guard, reader));
    /// ```
    pub fn convert_timeout(&mut self, to: Mode, timeout: Duration) -> Result<(), DlmError> {
        self.convert_until(to, LockFlags::empty(), Instant::now().checked_add(timeout))
    }

    /// Converts the lock if nobody is in the way.
    ///
    /// Fails with [`Held`](DlmErrorKind::Held), and keeps the lock as it was.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::{DlmErrorKind, Mode};
    ///
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// let mut guard = ours.resource("disk1").mode(Mode::PR).lock().unwrap();
    /// let reader = theirs.resource("disk1").mode(Mode::PR).lock().unwrap();
    /// assert_eq!(guard.try_convert(Mode::EX).unwrap_err().kind, DlmErrorKind::Held);
    /// assert_eq!(guard.mode(), Some(Mode::PR));
    /// # drop(reader);
    /// ```
    pub fn try_convert(&mut self, to: Mode) -> Result<(), DlmError> {
        self.convert_until(to, LockFlags::NOQUEUE, None)
    }

    /// Converts the lock so, until then; flags are the kernel's. Errors: those of
    /// [`convert`](Guard::convert), [`convert_timeout`](Guard::convert_timeout) and
    /// [`try_convert`](Guard::try_convert), by what was asked for.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::time::{Duration, Instant};
    /// use lock_std::dlm::{LockFlags, Mode};
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let mut guard = lockspace.resource("disk1").mode(Mode::NL).lock().unwrap();
    /// let until = Some(Instant::now() + Duration::from_secs(60));
    /// // In turn with those who wait, as new requests are.
    /// guard.convert_until(Mode::EX, LockFlags::QUECVT, until).unwrap();
    /// assert_eq!(guard.mode(), Some(Mode::EX));
    /// ```
    pub fn convert_until(
        &mut self,
        to: Mode,
        flags: LockFlags,
        until: Option<Instant>,
    ) -> Result<(), DlmError> {
        let moves = self.mode().map(|from| from.value_move(to));
        let (value, flags) = match (self.last, moves) {
            _ if !self.valued => (None, flags),
            (LastValue::Write(value), _) => (Some(value), flags),
            (_, Some(ValueMove::Read)) => (Some([0; VALUE_LEN]), flags),
            (LastValue::Invalidate, Some(ValueMove::Write)) => (None, flags | LockFlags::IVVALBLK),
            _ => (None, flags),
        };
        let outcome = self.context.engine.convert(self.token, to, flags, value, until);
        let change = outcome.map_err(|kind| self.error(kind))?;
        self.read(change);
        Ok(())
    }

    /// Gives the lock back, and waits until that is done, without a limit.
    ///
    /// Fails with [`Lost`](DlmErrorKind::Lost) if it was not held any more.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// lockspace.resource("disk1").lock().unwrap().unlock().unwrap();
    /// // Now, and not only soon, it is free.
    /// assert!(lockspace.resource("disk1").try_lock().is_ok());
    /// ```
    pub fn unlock(mut self) -> Result<(), DlmError> {
        self.unlock_until(None)
    }

    /// The same, but waits no longer than that. When it fails with
    /// [`TimedOut`](DlmErrorKind::TimedOut), the lock is given back as soon as the kernel takes it.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::time::Duration;
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("disk1").lock().unwrap();
    /// assert!(guard.unlock_timeout(Duration::from_secs(60)).is_ok());
    /// ```
    pub fn unlock_timeout(mut self, timeout: Duration) -> Result<(), DlmError> {
        self.unlock_until(Instant::now().checked_add(timeout))
    }

    /// Leaves the lock to the kernel: it is held until the lockspace is closed, and a
    /// [persistent](super::Resource::persistent) one is an orphan then.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// ours.resource("disk1").lock().unwrap().keep();
    /// assert!(theirs.resource("disk1").try_lock().is_err());
    /// ours.close();
    /// assert!(theirs.resource("disk1").try_lock().is_ok());
    /// ```
    pub fn keep(mut self) {
        self.done = true;
        self.context.engine.leave(self.token);
    }

    fn unlock_until(&mut self, until: Option<Instant>) -> Result<(), DlmError> {
        self.done = true;
        let outcome = self.context.engine.unlock(self.token, self.last, until);
        outcome.map_err(|kind| self.error(kind))
    }

    fn read(&mut self, change: Change) {
        if let (Change::Granted { value: Some(bytes), flags, .. }, LastValue::Keep) =
            (change, self.last)
        {
            let valid = !flags.contains(AnswerFlags::VALNOTVALID);
            self.value = Some(Value { bytes, valid });
        }
    }

    fn error(&self, kind: DlmErrorKind) -> DlmError {
        self.context.error(Some(self.name.as_bytes()), kind)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.done {
            self.context.engine.abandon(self.token, self.last);
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Guard")
            .field("lockspace", &self.context.name)
            .field("resource", &String::from_utf8_lossy(self.name.as_bytes()))
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}
