//! Why there is no lock, or no lockspace.

use core::fmt;

use lock_core::dlm::lock::{End, Refusal};
use lock_core::dlm::name::NameError;
use lock_core::dlm::status::Status;
use lock_rustix::dlm::fault::{DlmFault, Reason, Step};

/// What failed, about which lockspace and resource, and why.
///
/// ```
/// use lock_std::dlm::{DlmErrorKind, Lockspace, Reason};
///
/// let error = Lockspace::open("never joined").unwrap_err();
/// assert_eq!(error.lockspace, "never joined");
/// match error.kind {
///     DlmErrorKind::Fault(fault) => assert_eq!(fault.reason, Reason::NoLockspace),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DlmError {
    /// The lockspace.
    pub lockspace: String,
    /// The resource, if it was about one.
    pub resource: Option<String>,
    /// Why.
    pub kind: DlmErrorKind,
}

/// See [`DlmError::kind`].
///
/// ```
/// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
/// use lock_std::dlm::DlmErrorKind;
///
/// let (ours, theirs) = by_two(); // in a cluster: Lockspace::open("cluster1"), twice
/// let guard = ours.resource("disk1").lock().unwrap();
/// let error = theirs.resource("disk1").try_lock().unwrap_err();
/// assert_eq!(error.kind, DlmErrorKind::Held);
/// # drop(guard);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DlmErrorKind {
    /// A lock of somebody else excludes the mode, and the call was not to wait.
    Held,
    /// The time was over. What was asked for is being taken back.
    TimedOut,
    /// A conversion would have waited for ever for another that waits for it. The lock is held as
    /// before: give it up, or convert it down.
    Deadlock,
    /// The kernel said no in another way.
    Refused(Status),
    /// The lock is no more: somebody unlocked it by its id.
    Lost,
    /// A system call failed.
    Fault(DlmFault),
}

impl DlmErrorKind {
    pub(super) fn from_end(end: End) -> DlmErrorKind {
        match end {
            End::Refused(status) => DlmErrorKind::from_status(status),
            End::Failed(errno) => DlmErrorKind::from_errno(errno),
            _ => DlmErrorKind::Lost,
        }
    }

    pub(super) fn from_refusal(why: Refusal) -> DlmErrorKind {
        match why {
            Refusal::Status(status) => DlmErrorKind::from_status(status),
            Refusal::Errno(errno) => DlmErrorKind::from_errno(errno),
        }
    }

    pub(super) fn from_errno(errno: u16) -> DlmErrorKind {
        DlmErrorKind::Fault(DlmFault::from_number(Step::Write, errno))
    }

    pub(super) const fn from_name(step: Step, error: NameError) -> DlmErrorKind {
        DlmErrorKind::Fault(DlmFault { step, reason: Reason::Name(error), errno: 0 })
    }

    fn from_status(status: Status) -> DlmErrorKind {
        match status {
            Status::WouldBlock => DlmErrorKind::Held,
            Status::Deadlock => DlmErrorKind::Deadlock,
            Status::TimedOut | Status::Cancelled => DlmErrorKind::TimedOut,
            Status::Unlocked => DlmErrorKind::Lost,
            other => DlmErrorKind::Refused(other),
        }
    }
}

impl fmt::Display for DlmError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.lockspace)?;
        if let Some(resource) = &self.resource {
            write!(out, "/{resource}")?;
        }
        match self.kind {
            DlmErrorKind::Held => out.write_str(": held by another"),
            DlmErrorKind::TimedOut => out.write_str(": the time is over, and it is not granted"),
            DlmErrorKind::Deadlock => {
                out.write_str(": another who has it waits for the same conversion; one must yield")
            }
            DlmErrorKind::Refused(status) => write!(out, ": {status}"),
            DlmErrorKind::Lost => out.write_str(": somebody else ended this lock"),
            DlmErrorKind::Fault(fault) => write!(out, ": cannot {fault}"),
        }
    }
}

impl core::error::Error for DlmError {}
