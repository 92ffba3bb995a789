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
    ///
    /// ```
    /// use lock_rustix::dlm::control::Control;
    /// use lock_rustix::dlm::fault::{Reason, Step};
    ///
    /// // Where the module is not loaded, or the caller is not root, this is how one is told.
    /// if let Err(fault) = Control::open() {
    ///     assert_eq!(fault.step, Step::OpenControl);
    ///     assert!(matches!(fault.reason, Reason::NoDlm | Reason::Denied));
    /// }
    /// ```
    pub fn open() -> Result<Control, DlmFault> {
        Device::open(Step::OpenControl, b"dlm-", b"control").map(Control)
    }

    /// What the kernel speaks.
    ///
    /// ```no_run
    /// use lock_core::dlm::version::Version;
    /// use lock_rustix::dlm::control::Control;
    ///
    /// // Needs the kernel's DLM.
    /// let version = Control::open().unwrap().version();
    /// assert!(version.understands(Version::OURS));
    /// ```
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
    ///
    /// ```no_run
    /// use lock_core::dlm::{flags::LockspaceFlags, name::LockspaceName};
    /// use lock_rustix::dlm::{control::Control, fault::Reason};
    ///
    /// // Needs the kernel's DLM, and root.
    /// let (control, name) = (Control::open().unwrap(), LockspaceName::new(b"cluster1").unwrap());
    /// control.create(&name, LockspaceFlags::empty()).unwrap();
    /// let again = control.create(&name, LockspaceFlags::NEWEXCL).unwrap_err();
    /// assert_eq!(again.reason, Reason::Exists);
    /// ```
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
    ///
    /// ```no_run
    /// use lock_core::dlm::{flags::ReleaseFlags, name::LockspaceName};
    /// use lock_rustix::dlm::{control::Control, fault::Reason, lockspace::minor_of};
    ///
    /// // Needs the kernel's DLM, and root.
    /// let name = LockspaceName::new(b"cluster1").unwrap();
    /// let minor = minor_of(&name).unwrap();
    /// let outcome = Control::open().unwrap().remove(minor, ReleaseFlags::empty());
    /// if outcome.is_err_and(|fault| fault.reason == Reason::Busy) {
    ///     eprintln!("somebody on this node still has locks there");
    /// }
    /// ```
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
    ///
    /// Fails with [`NoDlm`](super::fault::Reason::NoDlm) or
    /// [`Denied`](super::fault::Reason::Denied).
    ///
    /// ```
    /// use lock_rustix::dlm::control::Monitor;
    /// use lock_rustix::dlm::fault::{Reason, Step};
    ///
    /// if let Err(fault) = Monitor::open() {
    ///     assert_eq!(fault.step, Step::OpenMonitor);
    ///     assert!(matches!(fault.reason, Reason::NoDlm | Reason::Denied));
    /// }
    /// ```
    pub fn open() -> Result<Monitor, DlmFault> {
        let open = open(b"dlm-", b"monitor")
            .map_err(|errno| DlmFault::from_errno(Step::OpenMonitor, errno))?;
        Ok(Monitor { _open: open })
    }
}
