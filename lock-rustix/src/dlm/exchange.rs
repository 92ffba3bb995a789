//! One lock in one open lockspace, for a program of one thread: the machine of
//! [`lock_core::dlm::lock`] with its writes done and its answers read.

use lock_core::dlm::answer::Event;
use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::lock::{Change, LastValue, Lock, NotGranted};
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{ResourceName, Token, ValueBlock};
use rustix::fd::BorrowedFd;

use super::fault::{DlmFault, Reason};
use super::lockspace::Lockspace;
use crate::clock::monotonic_ns;

/// What the kernel repeats in its answers; one lock for each device needs no other.
const TOKEN: Token = Token(core::num::NonZeroU32::MIN);

/// A lock, or the wish for one. It is the only one in its open lockspace. Dropping it writes
/// nothing: the lock ends when the lockspace is closed.
///
/// ```no_run
/// use lock_core::dlm::flags::LockFlags;
/// use lock_core::dlm::lock::Change;
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::name::{LockspaceName, ResourceName};
/// use lock_rustix::dlm::exchange::Exchange;
/// use lock_rustix::dlm::lockspace::Lockspace;
///
/// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
/// let disk = ResourceName::new(b"disk1").unwrap();
/// let mut lock = Exchange::request(&lockspace, disk, Mode::EX, LockFlags::empty());
/// match lock.next(None, None).unwrap() {
///     Some(Change::Granted { mode: Mode::EX, .. }) => {}
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug)]
pub struct Exchange<'a> {
    lockspace: &'a Lockspace,
    lock: Lock,
    name: ResourceName,
    blocking: bool,
}

impl<'a> Exchange<'a> {
    /// Wants a new lock. Nothing is written before [`next`](Exchange::next).
    ///
    /// ```no_run
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_core::dlm::{flags::LockFlags, mode::Mode};
    /// use lock_rustix::dlm::{exchange::Exchange, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let disk = ResourceName::new(b"disk1").unwrap();
    /// let lock = Exchange::request(&lockspace, disk, Mode::PR, LockFlags::NOQUEUE);
    /// assert!(lock.lock().mode().is_none(), "not yet");
    /// ```
    pub fn request(
        lockspace: &'a Lockspace,
        name: ResourceName,
        mode: Mode,
        flags: LockFlags,
    ) -> Exchange<'a> {
        Exchange { lockspace, lock: Lock::request(mode, flags), name, blocking: false }
    }

    /// Takes over a lock that outlived its device; see [`Lockspace::adopt`] for what can fail.
    ///
    /// ```no_run
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_rustix::dlm::{exchange::Exchange, fault::Reason, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// match Exchange::adopt(&lockspace, ResourceName::new(b"disk1").unwrap(), Mode::EX) {
    ///     Ok(lock) => assert_eq!(lock.lock().mode(), Some(Mode::EX)),
    ///     Err(fault) => assert_eq!(fault.reason, Reason::NoLock, "nobody left it"),
    /// }
    /// ```
    pub fn adopt(
        lockspace: &'a Lockspace,
        name: ResourceName,
        mode: Mode,
    ) -> Result<Exchange<'a>, DlmFault> {
        let id = lockspace.adopt(&name, mode, TOKEN, false)?;
        Ok(Exchange { lockspace, lock: Lock::adopted(id, mode), name, blocking: false })
    }

    /// Wants to hear of those who wait for this lock. To be said before the first write.
    ///
    /// ```no_run
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_core::dlm::{flags::LockFlags, lock::Change, mode::Mode};
    /// use lock_rustix::dlm::{exchange::Exchange, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let disk = ResourceName::new(b"disk1").unwrap();
    /// let lock = Exchange::request(&lockspace, disk, Mode::EX, LockFlags::empty());
    /// let mut lock = lock.with_blocking();
    /// while let Some(change) = lock.next(None, None).unwrap() {
    ///     if let Change::Blocking(mode) = change {
    ///         println!("somebody waits for {mode}");
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn with_blocking(self) -> Exchange<'a> {
        Exchange { blocking: true, ..self }
    }

    /// The machine, to look at.
    ///
    /// ```no_run
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_rustix::dlm::{exchange::Exchange, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let disk = ResourceName::new(b"disk1").unwrap();
    /// let lock = Exchange::adopt(&lockspace, disk, Mode::EX).unwrap();
    /// println!("the kernel calls it {:?}", lock.lock().id());
    /// ```
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// See [`Lock::convert`]. Nothing is written before [`next`](Exchange::next).
    ///
    /// ```no_run
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_core::dlm::{flags::LockFlags, lock::Change, mode::Mode};
    /// use lock_rustix::dlm::{exchange::Exchange, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let disk = ResourceName::new(b"disk1").unwrap();
    /// let mut lock = Exchange::adopt(&lockspace, disk, Mode::EX).unwrap();
    /// lock.convert(Mode::PR, LockFlags::empty(), None).unwrap();
    /// assert!(matches!(lock.next(None, None), Ok(Some(Change::Granted { mode: Mode::PR, .. }))));
    /// ```
    pub fn convert(
        &mut self,
        to: Mode,
        flags: LockFlags,
        value: Option<ValueBlock>,
    ) -> Result<(), NotGranted> {
        self.lock.convert(to, flags, value)
    }

    /// See [`Lock::cancel`]. Nothing is written before [`next`](Exchange::next).
    ///
    /// ```no_run
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_core::dlm::{flags::LockFlags, mode::Mode};
    /// use lock_rustix::clock::monotonic_ns;
    /// use lock_rustix::dlm::{exchange::Exchange, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let disk = ResourceName::new(b"disk1").unwrap();
    /// let mut lock = Exchange::request(&lockspace, disk, Mode::EX, LockFlags::empty());
    /// if lock.next(Some(monotonic_ns() + 5_000_000_000), None).unwrap().is_none() {
    ///     // The answer tells who was faster: the lock may be ours all the same.
    ///     lock.cancel();
    ///     println!("{:?}", lock.next(None, None).unwrap());
    /// }
    /// ```
    pub fn cancel(&mut self) -> Option<Change> {
        self.lock.cancel()
    }

    /// See [`Lock::unlock`]. Nothing is written before [`next`](Exchange::next).
    ///
    /// ```no_run
    /// use lock_core::dlm::lock::{Change, End, LastValue};
    /// use lock_core::dlm::mode::Mode;
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_rustix::dlm::{exchange::Exchange, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let disk = ResourceName::new(b"disk1").unwrap();
    /// let mut lock = Exchange::adopt(&lockspace, disk, Mode::EX).unwrap();
    /// lock.unlock(LastValue::Keep);
    /// assert_eq!(lock.next(None, None), Ok(Some(Change::Ended(End::Unlocked))));
    /// ```
    pub fn unlock(&mut self, value: LastValue) -> Option<Change> {
        self.lock.unlock(value)
    }

    /// Writes what is due, and waits for something to happen to the lock: until this time of
    /// [`monotonic_ns`], without end if there is none. `None`: the time is up, a signal was
    /// handled, or the other file can be read. A time that is over still gets the answers that are
    /// there already.
    ///
    /// The time says nothing about the writes, which wait for as long as the lockspace stands
    /// still.
    ///
    /// ```no_run
    /// use lock_core::dlm::name::{LockspaceName, ResourceName};
    /// use lock_core::dlm::{flags::LockFlags, lock::Change, mode::Mode};
    /// use lock_rustix::clock::monotonic_ns;
    /// use lock_rustix::dlm::{exchange::Exchange, lockspace::Lockspace};
    ///
    /// // Needs the kernel's DLM.
    /// let lockspace = Lockspace::open(&LockspaceName::new(b"cluster1").unwrap()).unwrap();
    /// let disk = ResourceName::new(b"disk1").unwrap();
    /// let mut lock = Exchange::request(&lockspace, disk, Mode::EX, LockFlags::empty());
    /// match lock.next(Some(monotonic_ns() + 5_000_000_000), None).unwrap() {
    ///     Some(Change::Granted { mode, .. }) => println!("held in {mode}"),
    ///     Some(other) => println!("not granted: {other:?}"),
    ///     None => println!("five seconds are over, and it is still asked for"),
    /// }
    /// ```
    pub fn next(
        &mut self,
        until_ns: Option<u64>,
        other: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Change>, DlmFault> {
        loop {
            if let Some(change) = self.transmit() {
                return Ok(Some(change));
            }
            if let Some(answer) = self.lockspace.read()? {
                let change = match answer.event {
                    Event::Completion(completion) => {
                        self.lock.handle_completion(answer.id, completion)
                    }
                    Event::Blocking(wanted) => self.lock.handle_blocking(wanted),
                };
                if change.is_some() {
                    return Ok(change);
                }
                continue;
            }
            let left_ns = until_ns.map(|until_ns| until_ns.saturating_sub(monotonic_ns()));
            match self.lockspace.wait(left_ns, other) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(fault) if fault.reason == Reason::Interrupted => return Ok(None),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Writes whatever the machine has to say.
    fn transmit(&mut self) -> Option<Change> {
        while let Some(transmit) = self.lock.poll_transmit() {
            let request = transmit.request(TOKEN, self.name, self.blocking);
            let change = self.lock.handle_written(self.lockspace.write(&request));
            if change.is_some() {
                return change;
            }
        }
        None
    }
}
