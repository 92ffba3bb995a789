//! An open lockspace, and the builder of a lock in it.

use core::time::Duration;
use std::fmt;
use std::sync::{Arc, Once};
use std::time::Instant;

use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{LockspaceName, ResourceName, VALUE_LEN};
use lock_core::dlm::request::{LockRequest, Request};
use lock_rustix::dlm::fault::{DlmFault, Reason, Step};

use super::engine::{Engine, Wanted};
use super::error::{DlmError, DlmErrorKind};
use super::guard::Guard;
use super::table::Callback;
use super::transport::{Kernel, Transport};

/// A lockspace that this node has joined, opened. Any number of threads may ask it for locks at
/// once.
///
/// It has two threads of its own, one that writes and one that reads, and a third if there are
/// callbacks. Dropping it and all its guards gives everything back and closes it, in the
/// background; [`close`](Lockspace::close) waits for that.
///
/// A forked child must not use it. What it inherits keeps the locks until it calls `exec` or ends.
///
/// ```no_run
/// use std::time::Duration;
/// use lock_std::dlm::{Lockspace, Mode};
///
/// let lockspace = Lockspace::open("cluster1").unwrap();
/// let disk = lockspace.resource("disk1").mode(Mode::PR);
/// let guard = disk.lock_timeout(Duration::from_secs(5)).unwrap();
/// guard.unlock().unwrap();
/// lockspace.close();
/// ```
pub struct Lockspace {
    context: Arc<Context>,
}

/// What a lockspace and its guards share.
pub(super) struct Context {
    pub(super) name: String,
    pub(super) engine: Engine,
    calls: Once,
}

impl Lockspace {
    /// Opens a lockspace that this node has joined.
    ///
    /// Fails with [`NoLockspace`](Reason::NoLockspace), [`Denied`](Reason::Denied),
    /// [`Version`](Reason::Version) or [`Name`](Reason::Name).
    pub fn open(name: &str) -> Result<Lockspace, DlmError> {
        let error = |kind| DlmError { lockspace: name.to_owned(), resource: None, kind };
        let device = LockspaceName::new(name.as_bytes())
            .map_err(|bad| error(DlmErrorKind::from_name(Step::OpenLockspace, bad)))?;
        let kernel = Kernel::open(&device).map_err(|fault| error(DlmErrorKind::Fault(fault)))?;
        Lockspace::over(name, Box::new(kernel))
    }

    /// A lockspace that is reached in another way. For tests, and for what is no device.
    ///
    /// Fails with [`NoResources`](Reason::NoResources) if there can be no more threads.
    pub fn over(name: &str, transport: Box<dyn Transport>) -> Result<Lockspace, DlmError> {
        let name = name.to_owned();
        match Engine::new(transport) {
            Ok(engine) => {
                let context = Context { name, engine, calls: Once::new() };
                Ok(Lockspace { context: Arc::new(context) })
            }
            Err(fault) => {
                let kind = DlmErrorKind::Fault(fault);
                Err(DlmError { lockspace: name, resource: None, kind })
            }
        }
    }

    /// A lock on this resource, to be described further and taken. A name is any bytes, 64 at most;
    /// NULs at its end do not count.
    pub fn resource(&self, name: impl AsRef<[u8]>) -> Resource<'_> {
        Resource {
            lockspace: self,
            name: name.as_ref().to_owned(),
            mode: Mode::EX,
            flags: LockFlags::empty(),
            blocking: false,
            on_blocking: None,
        }
    }

    /// Who asks for the locks of this open lockspace, as far as the kernel knows: the number of one
    /// of its threads, which is what [`purge`](Lockspace::purge) and the kernel's lists name.
    pub fn owner(&self) -> u32 {
        self.context.engine.owner()
    }

    /// Ends orphans that `owner` (0: anybody) left on node `node` (0: this one): what
    /// [`owner`](Lockspace::owner) was for him, or the number of the thread that asked by libdlm.
    ///
    /// Fails with [`Invalid`](Reason::Invalid) for the owner of this lockspace, for whom the kernel
    /// would end all that is held in it.
    pub fn purge(&self, node: u32, owner: u32) -> Result<(), DlmError> {
        let outcome = if owner == self.owner() {
            let (step, reason) = (Step::Purge, Reason::Invalid);
            Err(DlmErrorKind::Fault(DlmFault { step, reason, errno: 0 }))
        } else {
            self.context.engine.write(Step::Purge, Request::Purge { node, pid: owner }, None)
        };
        outcome.map(drop).map_err(|kind| self.context.error(None, kind))
    }

    /// Waits until everything is given back and the lockspace closed, without a limit. If guards
    /// are left, it returns at once, and the last of them closes it.
    pub fn close(self) {
        if let Some(context) = Arc::into_inner(self.context) {
            context.engine.close();
        }
    }
}

impl Context {
    pub(super) fn error(&self, resource: Option<&[u8]>, kind: DlmErrorKind) -> DlmError {
        let resource = resource.map(|name| String::from_utf8_lossy(name).into_owned());
        DlmError { lockspace: self.name.clone(), resource, kind }
    }
}

impl fmt::Debug for Lockspace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Lockspace").field("name", &self.context.name).finish_non_exhaustive()
    }
}

/// A lock to be taken: on which resource, and how. Exclusive, unless said otherwise.
///
/// ```no_run
/// use lock_std::dlm::{DlmErrorKind, Lockspace, Mode};
///
/// let lockspace = Lockspace::open("cluster1").unwrap();
/// let journal = lockspace.resource("journal").mode(Mode::PW).value();
/// match journal.try_lock() {
///     Ok(guard) => println!("version {:?}", guard.value()),
///     Err(error) if error.kind == DlmErrorKind::Held => println!("somebody else writes"),
///     Err(error) => panic!("{error}"),
/// }
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

impl Resource<'_> {
    /// In this mode.
    pub fn mode(self, mode: Mode) -> Self {
        Resource { mode, ..self }
    }

    /// With the resource's value: [`Guard::value`] has it, and what is
    /// [set](Guard::set_value) is written when the lock is given back.
    pub fn value(self) -> Self {
        self.flags(LockFlags::VALBLK)
    }

    /// As a lock that outlives this program, if it dies: an orphan, which keeps others out until
    /// somebody on this node [adopts](Resource::adopt) or [purges](Lockspace::purge) it, or the
    /// node dies.
    pub fn persistent(self) -> Self {
        self.flags(LockFlags::PERSISTENT)
    }

    /// With these flags of the kernel besides.
    pub fn flags(self, flags: LockFlags) -> Self {
        Resource { flags: self.flags | flags, ..self }
    }

    /// So that [`Guard::wanted`] tells who waits for this lock.
    pub fn blocking_asts(self) -> Self {
        Resource { blocking: true, ..self }
    }

    /// Calls this, on a thread of the lockspace's own, whenever somebody begins to wait because of
    /// this lock: with the mode that he wants. It may wait, and convert or give back the lock; but
    /// a guard that it owns itself is never dropped, so give it a [`Weak`](std::sync::Weak) one.
    pub fn on_blocking(self, call: impl Fn(Mode) + Send + Sync + 'static) -> Self {
        Resource { blocking: true, on_blocking: Some(Arc::new(call)), ..self }
    }

    /// Waits for the lock, without a limit.
    ///
    /// Fails with [`Fault`](DlmErrorKind::Fault) if the kernel does not take the request, or the
    /// name is [too long](Reason::Name).
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
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::empty(), Instant::now().checked_add(timeout))
    }

    /// Waits for the lock until then; see [`lock_timeout`](Resource::lock_timeout).
    pub fn lock_deadline(&self, deadline: Instant) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::empty(), Some(deadline))
    }

    /// Takes the lock if nobody is in the way. Waits for the answer, which another node may have
    /// to give, without a limit.
    ///
    /// Fails with [`Held`](DlmErrorKind::Held), or as [`lock`](Resource::lock) does.
    pub fn try_lock(&self) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::NOQUEUE, None)
    }

    /// The same, but waits for the answer no longer than that.
    pub fn try_lock_timeout(&self, timeout: Duration) -> Result<Guard, DlmError> {
        self.lock_until(LockFlags::NOQUEUE, Instant::now().checked_add(timeout))
    }

    /// Takes over an orphan in this mode: a persistent lock whose program died on this node.
    ///
    /// Fails with [`NoLock`](Reason::NoLock) if there is none, and with
    /// [`OtherMode`](Reason::OtherMode).
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
