//! Waiting in the kernel's own queue for a kernel lock: no polling, woken by release or death.

use lock_core::fault::{Call, Fault};
use lock_core::os::{Files, Mode, Node};
use lock_core::scheme::kernel::{ByBoth, ByFlock, ByOfd, ByPosix, Convention};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, flock};

use crate::descriptor::lend;
use crate::fault::fault;
use crate::fcntl::{self, RecordOwner};
use crate::sys::Sys;

/// A [`Convention`] that can wait for its lock. What waits is the calling thread, uninterrupted but
/// by signals; the kernel wakes it when the lock is released, or when its holder ends.
///
/// ```
/// use lock_core::os::{Access, Files, Flock, Mode, Node};
/// use lock_core::scheme::kernel::ByFlock;
/// use lock_rustix::{place::Place, queue::Queued, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-queue"));
/// let file = sys.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
/// <ByFlock as Queued<Sys<'_>>>::wait(&file, Mode::Exclusive).unwrap();
/// let other = sys.open(Node::Lock, Access::Read).unwrap();
/// assert!(sys.flock(&other, Mode::Shared).is_err());
/// # std::fs::remove_file("/tmp/lock-rustix-doc-queue").unwrap();
/// ```
pub trait Queued<O: Files>: Convention<O> {
    /// Waits for the lock and takes it. Fails with
    /// [`Interrupted`](lock_core::fault::FaultKind::Interrupted) when a signal is handled
    /// meanwhile, holding nothing new.
    ///
    /// ```
    /// use lock_core::os::{Access, Files, Mode, Node, OfdLocks};
    /// use lock_core::scheme::kernel::ByOfd;
    /// use lock_rustix::{place::Place, queue::Queued, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-queue-wait"));
    /// let file = sys.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
    /// let other = sys.open(Node::Lock, Access::ReadWrite).unwrap();
    /// sys.ofd_setlk(&file, Mode::Exclusive).unwrap();
    /// std::thread::scope(|scope| {
    ///     let waiter = scope.spawn(|| <ByOfd as Queued<Sys<'_>>>::wait(&other, Mode::Exclusive));
    ///     sys.ofd_setlk_un(&file).unwrap();
    ///     assert_eq!(waiter.join().unwrap(), Ok(()));
    /// });
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-queue-wait").unwrap();
    /// ```
    fn wait(file: &O::File, mode: Mode) -> Result<(), Fault>;
}

impl Queued<Sys<'_>> for ByFlock {
    fn wait(file: &OwnedFd, mode: Mode) -> Result<(), Fault> {
        let operation = match mode {
            Mode::Shared => FlockOperation::LockShared,
            Mode::Exclusive => FlockOperation::LockExclusive,
        };
        flock(lend(file), operation).map_err(|errno| fault(Call::Flock, Node::Lock, errno))
    }
}

impl Queued<Sys<'_>> for ByPosix {
    fn wait(file: &OwnedFd, mode: Mode) -> Result<(), Fault> {
        fcntl::setlkw(lend(file), RecordOwner::Process, mode)
            .map_err(|errno| fault(Call::Fcntl, Node::Lock, errno))
    }
}

impl Queued<Sys<'_>> for ByOfd {
    fn wait(file: &OwnedFd, mode: Mode) -> Result<(), Fault> {
        fcntl::setlkw(lend(file), RecordOwner::OpenFile, mode)
            .map_err(|errno| fault(Call::Fcntl, Node::Lock, errno))
    }
}

impl Queued<Sys<'_>> for ByBoth {
    /// Holds the flock while it waits for the record lock: whoever takes them in the same order
    /// cannot wait for us in turn.
    fn wait(file: &OwnedFd, mode: Mode) -> Result<(), Fault> {
        <ByFlock as Queued<Sys<'_>>>::wait(file, mode)?;
        <ByOfd as Queued<Sys<'_>>>::wait(file, mode).inspect_err(|_| {
            let _ = flock(lend(file), FlockOperation::Unlock);
        })
    }
}
