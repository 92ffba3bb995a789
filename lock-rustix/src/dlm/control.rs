//! The control device, by which lockspaces come and go, and the monitor device, by which the kernel
//! knows that a daemon lives.

use lock_core::dlm::flags::{LockspaceFlags, ReleaseFlags};
use lock_core::dlm::name::LockspaceName;
use lock_core::dlm::request::Request;
use lock_core::dlm::version::Version;
use rustix::fd::OwnedFd;

use super::device::{Device, open};
use super::fault::{DlmFault, Step};

/// The open control device.
///
/// ```no_run
/// use lock_core::dlm::flags::{LockspaceFlags, ReleaseFlags};
/// use lock_core::dlm::name::LockspaceName;
/// use lock_rustix::dlm::control::Control;
///
/// let control = Control::open().unwrap();
/// let name = LockspaceName::new(b"cluster1").unwrap();
/// let minor = control.create(&name, LockspaceFlags::empty()).unwrap();
/// control.remove(minor, ReleaseFlags::empty()).unwrap();
/// ```
#[derive(Debug)]
pub struct Control(Device);

impl Control {
    /// Opens `dlm-control`.
    ///
    /// Fails with [`NoDlm`](super::fault::Reason::NoDlm),
    /// [`Denied`](super::fault::Reason::Denied), or [`Version`](super::fault::Reason::Version) if
    /// the kernel speaks another protocol.
    pub fn open() -> Result<Control, DlmFault> {
        Device::open(Step::OpenControl, b"dlm-", b"control").map(Control)
    }

    /// What the kernel speaks.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Makes a lockspace on this node, that is, joins the other nodes that have it, and answers the
    /// minor number of its device. If this node has it already, it counts one user more, or fails
    /// with [`Exists`](super::fault::Reason::Exists) if it was to be
    /// [new](LockspaceFlags::NEWEXCL).
    ///
    /// Waits, without an end, until the daemon has joined; only a signal that kills ends that.
    ///
    /// Fails with [`Denied`](super::fault::Reason::Denied) without `CAP_SYS_ADMIN`, whoever may
    /// open the device, and with [`NotReady`](super::fault::Reason::NotReady).
    pub fn create(&self, name: &LockspaceName, flags: LockspaceFlags) -> Result<u32, DlmFault> {
        self.write(Step::Create, &Request::Create { flags, name: *name })
    }

    /// Counts one user of the lockspace less, and leaves it with the last, or in any case if it is
    /// [forced](ReleaseFlags::FORCEFREE). To leave, it waits until every program on this node has
    /// closed the lockspace's device.
    ///
    /// Fails with [`Busy`](super::fault::Reason::Busy) while this node has locks in it, unless
    /// forced; with [`NoLockspace`](super::fault::Reason::NoLockspace); with
    /// [`Denied`](super::fault::Reason::Denied) without `CAP_SYS_ADMIN`.
    pub fn remove(&self, minor: u32, flags: ReleaseFlags) -> Result<(), DlmFault> {
        self.write(Step::Remove, &Request::Remove { flags, minor }).map(drop)
    }

    fn write(&self, step: Step, request: &Request) -> Result<u32, DlmFault> {
        self.0.write(request).map_err(|errno| self.0.fault(step, errno))
    }
}

/// The open monitor device. For daemons only: from the first opening on, the kernel makes
/// lockspaces only while somebody has it open, and stops all of them when the last one closes it.
///
/// ```no_run
/// let _alive = lock_rustix::dlm::control::Monitor::open().unwrap();
/// ```
#[derive(Debug)]
pub struct Monitor {
    _open: OwnedFd,
}

impl Monitor {
    /// Opens `dlm-monitor`.
    pub fn open() -> Result<Monitor, DlmFault> {
        let open = open(b"dlm-", b"monitor")
            .map_err(|errno| DlmFault::from_errno(Step::OpenMonitor, errno))?;
        Ok(Monitor { _open: open })
    }
}
