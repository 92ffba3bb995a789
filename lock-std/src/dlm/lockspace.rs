//! An open lockspace: how it is reached, who it is to the kernel, and how it is closed.

use std::fmt;
use std::sync::{Arc, Once};

use lock_core::dlm::name::LockspaceName;
use lock_core::dlm::request::Request;
use lock_rustix::dlm::fault::{DlmFault, Reason, Step};

use super::engine::Engine;
use super::error::{DlmError, DlmErrorKind};
use super::resource::Resource;
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
/// ```
/// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
/// use std::time::Duration;
/// use lock_std::dlm::Mode;
///
/// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
/// let disk = lockspace.resource("disk1").mode(Mode::PR);
/// let guard = disk.lock_timeout(Duration::from_secs(5)).unwrap();
/// assert!(lockspace.resource("disk1").try_lock().is_err());
/// guard.unlock().unwrap();
/// lockspace.close();
/// ```
pub struct Lockspace {
    pub(super) context: Arc<Context>,
}

/// What a lockspace and its guards share.
pub(super) struct Context {
    pub(super) name: String,
    pub(super) engine: Engine,
    pub(super) calls: Once,
}

impl Lockspace {
    /// Opens a lockspace that this node has joined.
    ///
    /// Fails with [`NoLockspace`](Reason::NoLockspace), [`Denied`](Reason::Denied),
    /// [`Version`](Reason::Version) or [`Name`](Reason::Name).
    ///
    /// ```
    /// use lock_std::dlm::Lockspace;
    ///
    /// let error = Lockspace::open("never joined").unwrap_err();
    /// assert!(error.to_string().contains("this node has not joined the lockspace"));
    /// ```
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
    ///
    /// ```
    /// use lock_core::dlm::{answer::Answer, name::LockId, request::Request};
    /// use lock_std::dlm::{DlmErrorKind, DlmFault, Lockspace, Reason, Transport};
    ///
    /// /// A device that one may open, but not write to.
    /// struct Forbidden;
    ///
    /// impl Transport for Forbidden {
    ///     fn write(&self, _: &Request) -> Result<Option<LockId>, u16> {
    ///         Err(13) // EACCES
    ///     }
    ///     fn read(&self) -> Result<Option<Answer>, DlmFault> {
    ///         Ok(None) // stopped
    ///     }
    ///     fn stop(&self) {}
    /// }
    ///
    /// let lockspace = Lockspace::over("forbidden", Box::new(Forbidden)).unwrap();
    /// let error = lockspace.resource("disk1").lock().unwrap_err();
    /// assert!(matches!(error.kind, DlmErrorKind::Fault(fault) if fault.reason == Reason::Denied));
    /// ```
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
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// assert!(lockspace.resource(b"any \xFF bytes").try_lock().is_ok());
    /// assert!(lockspace.resource([b'x'; 65]).try_lock().is_err(), "too long");
    /// ```
    pub fn resource(&self, name: impl AsRef<[u8]>) -> Resource<'_> {
        Resource::new(self, name.as_ref())
    }

    /// Who asks for the locks of this open lockspace, as far as the kernel knows: the number of one
    /// of its threads, which is what [`purge`](Lockspace::purge) and the kernel's lists name.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// // The locks of 0 are not ours: nobody has that number.
    /// assert_ne!(lockspace.owner(), 0);
    /// ```
    pub fn owner(&self) -> u32 {
        self.context.engine.owner()
    }

    /// Ends orphans that `owner` (0: anybody) left on node `node` (0: this one): what
    /// [`owner`](Lockspace::owner) was for him, or the number of the thread that asked by libdlm.
    ///
    /// Fails with [`Invalid`](Reason::Invalid) for the owner of this lockspace, for whom the kernel
    /// would end all that is held in it.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// ours.resource("disk1").persistent().lock().unwrap().keep();
    /// ours.close(); // or its program dies
    /// assert!(theirs.resource("disk1").try_lock().is_err());
    /// theirs.purge(0, 0).unwrap();
    /// assert!(theirs.resource("disk1").try_lock().is_ok());
    /// ```
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
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
    /// drop(ours.resource("disk1").lock().unwrap());
    /// ours.close();
    /// assert!(theirs.resource("disk1").try_lock().is_ok());
    /// ```
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
