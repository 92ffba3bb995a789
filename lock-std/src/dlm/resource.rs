//! The builder of a lock in a lockspace: on which resource, in which mode, and how long to wait.

use core::time::Duration;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{ResourceName, VALUE_LEN};
use lock_core::dlm::request::{LockRequest, Request};
use lock_rustix::dlm::fault::{DlmFault, Reason, Step};

use super::engine::Wanted;
use super::error::{DlmError, DlmErrorKind};
use super::guard::Guard;
use super::lockspace::Lockspace;
use super::table::Callback;

/// A lock to be taken: on which resource, and how. Exclusive, unless said otherwise.
///
/// ```
/// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
/// use lock_std::dlm::{DlmErrorKind, Mode};
///
/// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
/// let journal = lockspace.resource("journal").mode(Mode::PW).value();
/// let guard = journal.try_lock().unwrap();
/// assert!(guard.value().is_some());
/// assert_eq!(journal.try_lock().unwrap_err().kind, DlmErrorKind::Held);
/// ```
#[derive(Clone)]
#[must_use = "nothing is asked for yet"]
pub struct Resource<'a> {
    lockspace: &'a Lockspace,
    name: Vec<u8>,
    mode: Mode,
    flags: LockFlags,
    blocking: bool,
    on_blocking: Option<Callback>,
}

impl<'a> Resource<'a> {
    pub(super) fn new(lockspace: &'a Lockspace, name: &[u8]) -> Resource<'a> {
        Resource {
            lockspace,
            name: name.to_owned(),
            mode: Mode::EX,
            flags: LockFlags::empty(),
            blocking: false,
            on_blocking: None,
        }
    }
}

impl Resource<'_> {
    /// In this mode.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::Mode;
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let reader = lockspace.resource("disk1").mode(Mode::CR).lock().unwrap();
    /// assert!(lockspace.resource("disk1").mode(Mode::PW).try_lock().is_ok(), "one may write");
    /// assert!(lockspace.resource("disk1").mode(Mode::EX).try_lock().is_err());
    /// # drop(reader);
    /// ```
    pub fn mode(self, mode: Mode) -> Self {
        Resource { mode, ..self }
    }

    /// With the resource's value: [`Guard::value`] has it, and what is
    /// [set](Guard::set_value) is written when the lock is given back.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("epoch").value().lock().unwrap();
    /// assert_eq!(guard.value().unwrap().bytes.len(), 32);
    /// ```
    pub fn value(self) -> Self {
        self.flags(LockFlags::VALBLK)
    }

    /// As a lock that outlives this program, if it dies: an orphan, which keeps others out until
    /// somebody on this node [adopts](Resource::adopt) or [purges](Lockspace::purge) it, or the
    /// node dies.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// ours.resource("disk1").persistent().lock().unwrap().keep();
    /// ours.close(); // or its program dies
    /// assert!(theirs.resource("disk1").adopt().is_ok());
    /// ```
    pub fn persistent(self) -> Self {
        self.flags(LockFlags::PERSISTENT)
    }

    /// With these flags of the kernel besides.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::LockFlags;
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("disk1").lock().unwrap();
    /// // What `try_lock` asks for, by its flag:
    /// let refused = lockspace.resource("disk1").flags(LockFlags::NOQUEUE).lock();
    /// assert!(refused.is_err());
    /// # drop(guard);
    /// ```
    pub fn flags(self, flags: LockFlags) -> Self {
        Resource { flags: self.flags | flags, ..self }
    }

    /// So that [`Guard::wanted`] tells who waits for this lock.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("cache").blocking_asts().lock().unwrap();
    /// assert_eq!(guard.wanted(), None, "nobody waits: no need to write the cache out");
    /// ```
    pub fn blocking_asts(self) -> Self {
        Resource { blocking: true, ..self }
    }

    /// Calls this, on a thread of the lockspace's own, whenever somebody begins to wait because of
    /// this lock: with the mode that he wants. It may wait, and convert or give back the lock; but
    /// a guard that it owns itself is never dropped, so give it a [`Weak`](std::sync::Weak) one.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::sync::mpsc::channel;
    /// use lock_std::dlm::Mode;
    ///
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// let (asked, wanted) = channel();
    /// let cache = ours.resource("cache").on_blocking(move |mode| asked.send(mode).unwrap());
    /// let guard = cache.lock().unwrap();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| theirs.resource("cache").lock().unwrap().unlock());
    ///     assert_eq!(wanted.recv(), Ok(Mode::EX));
    ///     guard.unlock().unwrap();
    /// });
    /// ```
    pub fn on_blocking(self, call: impl Fn(Mode) + Send + Sync + 'static) -> Self {
        Resource { blocking: true, on_blocking: Some(Arc::new(call)), ..self }
    }

    /// Waits for the lock, without a limit.
    ///
    /// Fails with [`Fault`](DlmErrorKind::Fault) if the kernel does not take the request, or the
    /// name is [too long](Reason::Name).
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("disk1").lock().unwrap();
    /// assert!(lockspace.resource("disk1").try_lock().is_err());
    /// drop(guard);
    /// lockspace.resource("disk1").lock().unwrap();
    /// ```
    pub fn lock(&self) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::empty(), None)
    }

    /// Waits for the lock for so long.
    ///
    /// The limit holds whatever the kernel does: while the lockspace stands still, because a node
    /// died or the quorum is lost, too. Then the request is still to be written, or to be taken
    /// back, which happens in the background as soon as the lockspace goes on; until then other
    /// requests of this lockspace wait behind it.
    ///
    /// Fails with [`TimedOut`](DlmErrorKind::TimedOut), or as [`lock`](Resource::lock) does.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::time::Duration;
    /// use lock_std::dlm::DlmErrorKind;
    ///
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// let guard = ours.resource("disk1").lock_timeout(Duration::from_secs(60)).unwrap();
    /// let error = theirs.resource("disk1").lock_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.kind, DlmErrorKind::TimedOut);
    /// # drop(guard);
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::empty(), Instant::now().checked_add(timeout))
    }

    /// Waits for the lock until then; see [`lock_timeout`](Resource::lock_timeout).
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::time::{Duration, Instant};
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let both = ["disk1", "disk2"].map(|name| lockspace.resource(name).lock_deadline(deadline));
    /// assert!(both.iter().all(Result::is_ok));
    /// ```
    pub fn lock_deadline(&self, deadline: Instant) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::empty(), Some(deadline))
    }

    /// Takes the lock if nobody is in the way. Waits for the answer, which another node may have
    /// to give, without a limit.
    ///
    /// Fails with [`Held`](DlmErrorKind::Held), or as [`lock`](Resource::lock) does.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::DlmErrorKind;
    ///
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// let guard = ours.resource("disk1").try_lock().unwrap();
    /// assert_eq!(theirs.resource("disk1").try_lock().unwrap_err().kind, DlmErrorKind::Held);
    /// # drop(guard);
    /// ```
    pub fn try_lock(&self) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::NOQUEUE, None)
    }

    /// The same, but waits for the answer no longer than that. Fails with
    /// [`TimedOut`](DlmErrorKind::TimedOut) too: then the answer is still to come, and what it
    /// grants is given back.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use std::time::Duration;
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let guard = lockspace.resource("disk1").try_lock_timeout(Duration::from_secs(60));
    /// assert!(guard.is_ok());
    /// ```
    pub fn try_lock_timeout(&self, timeout: Duration) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::NOQUEUE, Instant::now().checked_add(timeout))
    }

    /// Takes over an orphan in this mode: a persistent lock whose program died on this node.
    ///
    /// Fails with [`NoLock`](Reason::NoLock) if there is none, and with
    /// [`OtherMode`](Reason::OtherMode).
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::{DlmErrorKind, Reason};
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let error = lockspace.resource("disk1").adopt().unwrap_err();
    /// assert!(matches!(error.kind, DlmErrorKind::Fault(fault) if fault.reason == Reason::NoLock));
    /// ```
    pub fn adopt(&self) -> Result<Guard, DlmError> {
        self.try_adopt().map_err(|kind| self.error(kind))
    }

    pub(super) fn lock_until(
        &self,
        flags: LockFlags,
        until: Option<Instant>,
    ) -> Result<Guard, DlmError> {
        let context = &self.lockspace.context;
        let outcome = self.wanted(flags).and_then(|wanted| {
            let name = wanted.name;
            let (token, change) = context.engine.request(wanted, until)?;
            let valued = self.flags.contains(LockFlags::VALBLK);
            Ok(Guard::new(Arc::clone(context), token, name, valued, change))
        });
        outcome.map_err(|kind| self.error(kind))
    }

    fn try_adopt(&self) -> Result<Guard, DlmErrorKind> {
        let context = &self.lockspace.context;
        let engine = &context.engine;
        let wanted = self.wanted(LockFlags::empty())?;
        let token = engine.free_token();
        let request = Request::Lock(LockRequest {
            mode: self.mode,
            flags: LockFlags::ORPHAN | LockFlags::PERSISTENT,
            id: None,
            token,
            blocking: wanted.blocking,
            transaction: 0,
            value: [0; VALUE_LEN],
            name: wanted.name,
        });
        let id = engine.write(Step::Adopt, request, None)?;
        let fault = DlmFault { step: Step::Adopt, reason: Reason::NoLock, errno: 0 };
        let id = id.ok_or(DlmErrorKind::Fault(fault))?;
        let (name, valued) = (wanted.name, self.flags.contains(LockFlags::VALBLK));
        engine.insert(token, wanted, id);
        Ok(Guard::adopted(Arc::clone(context), token, name, valued))
    }

    fn wanted(&self, flags: LockFlags) -> Result<Wanted, DlmErrorKind> {
        let name = ResourceName::new(&self.name)
            .map_err(|error| DlmErrorKind::from_name(Step::Write, error))?;
        if self.on_blocking.is_some() {
            let context = &self.lockspace.context;
            let mut started = Ok(());
            context.calls.call_once(|| started = context.engine.spawn_caller());
            started.map_err(DlmErrorKind::Fault)?;
        }
        let (blocking, on_blocking) = (self.blocking, self.on_blocking.clone());
        Ok(Wanted { name, mode: self.mode, flags: self.flags | flags, blocking, on_blocking })
    }

    fn error(&self, kind: DlmErrorKind) -> DlmError {
        self.lockspace.context.error(Some(&self.name), kind)
    }
}

impl fmt::Debug for Resource<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Resource")
            .field("lockspace", &self.lockspace.context.name)
            .field("name", &String::from_utf8_lossy(&self.name))
            .field("mode", &self.mode)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}
