//! The way to a lockspace: one write, one read. The only one that ships is the kernel's device;
//! tests have others.

use core::sync::atomic::{AtomicBool, Ordering};

use lock_core::dlm::answer::Answer;
use lock_core::dlm::name::{LockId, LockspaceName};
use lock_core::dlm::request::Request;
use lock_rustix::dlm::fault::{DlmFault, Reason, Step};
use lock_rustix::dlm::lockspace::Lockspace as Device;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};

/// An open lockspace. Closing it, by dropping, ends all locks that are not persistent.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use lock_core::dlm::{answer::Answer, name::LockId, request::Request};
/// use lock_std::dlm::{DlmFault, Lockspace, Transport};
///
/// /// Counts what is written, and refuses it.
/// struct Counting(&'static AtomicU32);
///
/// static WRITTEN: AtomicU32 = AtomicU32::new(0);
///
/// impl Transport for Counting {
///     fn write(&self, _: &Request) -> Result<Option<LockId>, u16> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Err(12) // ENOMEM
///     }
///     fn read(&self) -> Result<Option<Answer>, DlmFault> {
///         Ok(None)
///     }
///     fn stop(&self) {}
/// }
///
/// let lockspace = Lockspace::over("counted", Box::new(Counting(&WRITTEN))).unwrap();
/// assert!(lockspace.resource("disk1").lock().is_err());
/// assert_eq!(WRITTEN.load(Ordering::Relaxed), 1);
/// ```
pub trait Transport: Send + Sync {
    /// Writes a request: the id of a new lock, or none, or the system's error number. May block.
    fn write(&self, request: &Request) -> Result<Option<LockId>, u16>;

    /// Waits for the next answer; `None` once it was stopped.
    fn read(&self) -> Result<Option<Answer>, DlmFault>;

    /// Ends what [`read`](Transport::read) waits for, now and from now on.
    fn stop(&self);
}

/// The kernel's device, and what ends a wait for it.
pub(super) struct Kernel {
    device: Device,
    stop: OwnedFd,
    stopped: AtomicBool,
}

impl Kernel {
    pub(super) fn open(name: &LockspaceName) -> Result<Kernel, DlmFault> {
        let device = Device::open(name)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)
            .map_err(|errno| DlmFault::from_errno(Step::OpenLockspace, errno))?;
        Ok(Kernel { device, stop, stopped: AtomicBool::new(false) })
    }
}

impl Transport for Kernel {
    fn write(&self, request: &Request) -> Result<Option<LockId>, u16> {
        self.device.write(request)
    }

    fn read(&self) -> Result<Option<Answer>, DlmFault> {
        while !self.stopped.load(Ordering::Acquire) {
            match self.device.read() {
                Ok(None) => {}
                // What is not understood is about no lock of ours.
                Err(DlmFault { reason: Reason::Answer(_), .. }) => continue,
                answer => return answer,
            }
            match self.device.wait(None, Some(self.stop.as_fd())) {
                Err(DlmFault { reason: Reason::Interrupted, .. }) | Ok(_) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // A counter that nobody reads cannot be full after one.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }
}
