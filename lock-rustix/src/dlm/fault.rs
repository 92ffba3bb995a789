//! What an error number means to a user of the DLM: the one table from errno to [`Reason`].

use core::fmt;

use lock_core::dlm::LayoutError;
use lock_core::dlm::name::NameError;
use lock_core::dlm::version::Version;
use rustix::io::Errno;

use crate::descriptor::errno;

/// Why something about the DLM failed: what was tried, why it failed, and the system's number.
///
/// ```
/// use lock_rustix::dlm::fault::{DlmFault, Reason, Step};
/// use lock_rustix::rustix::io::Errno;
///
/// let fault = DlmFault::from_errno(Step::OpenControl, Errno::NOENT);
/// assert_eq!(fault.reason, Reason::NoDlm);
/// assert_eq!(
///     fault.to_string(),
///     "open the DLM's control device: this kernel has no DLM (is the module loaded?) (errno 2)"
/// );
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DlmFault {
    /// What was tried.
    pub step: Step,
    /// Why it failed.
    pub reason: Reason,
    /// The system's error number; 0 if no call failed.
    pub errno: u16,
}

/// See [`DlmFault::step`].
///
/// ```
/// use lock_rustix::dlm::fault::{DlmFault, Reason, Step};
///
/// // ENOENT means another thing at each step.
/// let reason = |step| DlmFault::from_number(step, 2).reason;
/// assert_eq!(reason(Step::OpenControl), Reason::NoDlm);
/// assert_eq!(reason(Step::OpenLockspace), Reason::NoLockspace);
/// assert_eq!(reason(Step::Adopt), Reason::NoLock);
/// assert_eq!(reason(Step::List), Reason::NoList);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Opening `dlm-control`.
    OpenControl,
    /// Opening `dlm-monitor`.
    OpenMonitor,
    /// Opening a lockspace's device.
    OpenLockspace,
    /// Asking a device for its version.
    Version,
    /// Making a lockspace.
    Create,
    /// Leaving a lockspace.
    Remove,
    /// Changing who may open a lockspace.
    Permissions,
    /// Asking for, converting, cancelling or ending a lock.
    Write,
    /// Adopting an orphan.
    Adopt,
    /// Ending orphans.
    Purge,
    /// Reading an answer.
    Read,
    /// Waiting for an answer.
    Wait,
    /// Reading the kernel's list of a lockspace's locks.
    List,
}

/// See [`DlmFault::reason`].
///
/// ```
/// use lock_rustix::dlm::fault::Reason;
///
/// assert_eq!(Reason::NoLockspace.to_string(), "this node has not joined the lockspace");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// There is no control device: the kernel's DLM is absent, or not loaded.
    NoDlm,
    /// There is no device of this lockspace: this node has not joined it.
    NoLockspace,
    /// `ENOTCONN`, `EUNATCH`: the DLM has no addresses of nodes, or its daemon does not run (yet).
    NotReady,
    /// `EPERM`, `EACCES`: to make or leave a lockspace needs `CAP_SYS_ADMIN`, and everything else
    /// that the device may be opened.
    Denied,
    /// `EBUSY`: a lockspace has locks in it, or a lock has an operation under way.
    Busy,
    /// `EEXIST`: the lockspace exists, and was to be new.
    Exists,
    /// `EBADE`, or known before: the kernel speaks this version, and not ours.
    Version(Version),
    /// The name of a lockspace or resource is none.
    Name(NameError),
    /// `ENOENT`: no such lock, or no such orphan on this node.
    NoLock,
    /// `EAGAIN` to an adoption: the orphan has another mode.
    OtherMode,
    /// There is no list of locks: debugfs is not mounted, or this node has not joined the
    /// lockspace.
    NoList,
    /// `EINVAL`: a combination of flags and modes that the kernel refuses.
    Invalid,
    /// `EINTR`: a signal came first.
    Interrupted,
    /// `ENOMEM`, `ENOSPC`, `EMFILE`, `ENFILE`: no memory or descriptors, or no minor number left
    /// for another device.
    NoResources,
    /// The kernel answered what this library does not understand.
    Answer(LayoutError),
    /// Anything else.
    Other,
}

impl DlmFault {
    /// What an error number means at this step.
    ///
    /// ```
    /// use lock_rustix::dlm::fault::{DlmFault, Reason, Step};
    /// use lock_rustix::rustix::io::Errno;
    ///
    /// let fault = DlmFault::from_errno(Step::Remove, Errno::BUSY);
    /// assert_eq!((fault.reason, fault.errno), (Reason::Busy, 16));
    /// ```
    pub fn from_errno(step: Step, errno: Errno) -> DlmFault {
        let number = u16::try_from(errno.raw_os_error()).unwrap_or_default();
        DlmFault { step, reason: reason(step, errno), errno: number }
    }

    /// The same, from a bare number.
    ///
    /// ```
    /// use lock_rustix::dlm::fault::{DlmFault, Reason, Step};
    ///
    /// // What `Lockspace::write` answers: ENOTCONN, the daemon does not run.
    /// assert_eq!(DlmFault::from_number(Step::Write, 107).reason, Reason::NotReady);
    /// ```
    pub fn from_number(step: Step, number: u16) -> DlmFault {
        DlmFault::from_errno(step, errno(isize::try_from(number).unwrap_or(0).wrapping_neg()))
    }

    /// A failure that no system call told.
    pub(super) const fn without_errno(step: Step, reason: Reason) -> DlmFault {
        DlmFault { step, reason, errno: 0 }
    }
}

fn reason(step: Step, errno: Errno) -> Reason {
    match (step, errno) {
        (Step::OpenControl | Step::OpenMonitor, Errno::NOENT | Errno::NXIO | Errno::NODEV) => {
            Reason::NoDlm
        }
        (
            Step::OpenLockspace | Step::Remove | Step::Permissions,
            Errno::NOENT | Errno::NXIO | Errno::NODEV,
        ) => Reason::NoLockspace,
        (Step::Adopt, Errno::AGAIN) => Reason::OtherMode,
        (Step::List, Errno::NOENT) => Reason::NoList,
        (_, Errno::NOENT) => Reason::NoLock,
        (_, Errno::NOTCONN | Errno::UNATCH) => Reason::NotReady,
        (_, Errno::PERM | Errno::ACCESS) => Reason::Denied,
        (_, Errno::BUSY) => Reason::Busy,
        (_, Errno::EXIST) => Reason::Exists,
        (_, Errno::INVAL) => Reason::Invalid,
        (_, Errno::INTR) => Reason::Interrupted,
        (_, Errno::NOMEM | Errno::NOSPC | Errno::MFILE | Errno::NFILE) => Reason::NoResources,
        _ => Reason::Other,
    }
}

impl Step {
    const fn words(self) -> &'static str {
        match self {
            Step::OpenControl => "open the DLM's control device",
            Step::OpenMonitor => "open the DLM's monitor device",
            Step::OpenLockspace => "open the lockspace",
            Step::Version => "ask for the DLM's version",
            Step::Create => "make the lockspace",
            Step::Remove => "leave the lockspace",
            Step::Permissions => "change who may open the lockspace",
            Step::Write => "ask the DLM",
            Step::Adopt => "adopt an orphan",
            Step::Purge => "end orphans",
            Step::Read => "read the DLM's answer",
            Step::Wait => "wait for the DLM's answer",
            Step::List => "read the list of the lockspace's locks",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Reason::NoDlm => "this kernel has no DLM (is the module loaded?)",
            Reason::NoLockspace => "this node has not joined the lockspace",
            Reason::NotReady => "the cluster is not ready (does dlm_controld run, and know all?)",
            Reason::Denied => "permission denied",
            Reason::Busy => "busy: locks or operations are left",
            Reason::Exists => "it exists already",
            Reason::Version(kernel) => {
                return write!(out, "the kernel speaks version {kernel}, not {}", Version::OURS);
            }
            Reason::Name(error) => return error.fmt(out),
            Reason::NoLock => "no such lock",
            Reason::NoList => "no such list (is debugfs mounted, and the lockspace joined?)",
            Reason::OtherMode => "it has another mode",
            Reason::Invalid => "the kernel refuses this combination of flags and modes",
            Reason::Interrupted => "interrupted by a signal",
            Reason::NoResources => "no memory, descriptors or device numbers left",
            Reason::Answer(error) => return error.fmt(out),
            Reason::Other => "failed",
        })
    }
}

impl fmt::Display for DlmFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.step.words(), self.reason)?;
        if self.errno == 0 { Ok(()) } else { write!(out, " (errno {})", self.errno) }
    }
}

impl core::error::Error for DlmFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_means_different_things_at_different_steps() {
        for (step, number, reason) in [
            (Step::OpenControl, 2, Reason::NoDlm),
            (Step::OpenLockspace, 2, Reason::NoLockspace),
            (Step::Remove, 2, Reason::NoLockspace),
            (Step::Write, 2, Reason::NoLock),
            (Step::Adopt, 2, Reason::NoLock),
            (Step::Adopt, 11, Reason::OtherMode),
            (Step::Write, 11, Reason::Other),
            (Step::Create, 107, Reason::NotReady),
            (Step::Create, 49, Reason::NotReady),
            (Step::Create, 1, Reason::Denied),
            (Step::OpenControl, 13, Reason::Denied),
            (Step::Create, 17, Reason::Exists),
            (Step::Remove, 16, Reason::Busy),
            (Step::Write, 22, Reason::Invalid),
        ] {
            let fault = DlmFault::from_number(step, number);
            assert_eq!((fault.reason, fault.errno), (reason, number), "{step:?} {number}");
        }
    }
}
