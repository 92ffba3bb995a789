//! Joining and leaving a lockspace: what a node does, not a program.

use core::time::Duration;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Instant;

use lock_core::dlm::flags::{LockspaceFlags, ReleaseFlags};
use lock_core::dlm::name::LockspaceName;
use lock_rustix::dlm::control::Control;
use lock_rustix::dlm::fault::{DlmFault, Reason, Step};
use lock_rustix::dlm::lockspace::{Lockspace, minor_of};
use rustix::fs::Mode as Permissions;

use super::error::{DlmError, DlmErrorKind};

/// One join or leave of this process at a time: the kernel counts them.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How long udev may take to make the device, as long as libdlm gives it.
const UDEV_MAX: Duration = Duration::from_secs(10);

/// Has this node join a lockspace, unless it has already, and lets these users open its device: a
/// file mode, such as `0o600`. The node is in it until it [leaves](leave), whoever ends.
///
/// Waits, without a limit, for the cluster's daemon.
///
/// Fails with [`NoDlm`](Reason::NoDlm), [`NotReady`](Reason::NotReady) or
/// [`Denied`](Reason::Denied): it needs `CAP_SYS_ADMIN`.
///
/// ```
/// use lock_std::dlm::{DlmErrorKind, Reason, join};
///
/// let error = join(&"x".repeat(65), 0o600).unwrap_err();
/// let DlmErrorKind::Fault(fault) = error.kind else { panic!("{error}") };
/// assert!(matches!(fault.reason, Reason::Name(_)));
/// ```
pub fn join(name: &str, mode: u32) -> Result<(), DlmError> {
    let device = device(name, Step::Create)?;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = match Lockspace::open(&device) {
        Err(fault) if fault.reason == Reason::NoLockspace => create(&device, mode),
        outcome => outcome.map(drop),
    };
    outcome.map_err(|fault| error(name, fault))
}

/// Has this node leave a lockspace: as often as it was joined by programs that count, each, such as
/// libdlm's, or at once and whatever locks there are with `force`.
///
/// The last one waits, without a limit, until every program of this node has closed it.
///
/// Fails with [`NoLockspace`](Reason::NoLockspace), with [`Busy`](Reason::Busy) while this node has
/// locks in it, and with [`Denied`](Reason::Denied): it needs `CAP_SYS_ADMIN`.
///
/// ```
/// use lock_std::dlm::{DlmErrorKind, Reason, leave};
///
/// let error = leave("never joined", false).unwrap_err();
/// let DlmErrorKind::Fault(fault) = error.kind else { panic!("{error}") };
/// assert_eq!(fault.reason, Reason::NoLockspace);
/// ```
pub fn leave(name: &str, force: bool) -> Result<(), DlmError> {
    let device = device(name, Step::Remove)?;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let flags = if force { ReleaseFlags::FORCEFREE } else { ReleaseFlags::empty() };
    minor_of(&device)
        .and_then(|minor| Control::open()?.remove(minor, flags))
        .map_err(|fault| error(name, fault))
}

fn create(device: &LockspaceName, mode: u32) -> Result<(), DlmFault> {
    Control::open()?.create(device, LockspaceFlags::empty())?;
    let until = Instant::now() + UDEV_MAX;
    // udev sets permissions of its own when it makes its link, so ours are set after that.
    if Path::new("/run/udev/control").exists() {
        let name = String::from_utf8_lossy(device.as_bytes()).into_owned();
        let link = Path::new("/dev/misc").join(format!("dlm_{name}"));
        while !link.exists() && Instant::now() < until {
            sleep(Duration::from_millis(5));
        }
    }
    loop {
        match Lockspace::open(device) {
            Ok(open) => return open.set_permissions(Permissions::from_raw_mode(mode)),
            Err(fault) if fault.reason != Reason::NoLockspace => return Err(fault),
            Err(fault) if until <= Instant::now() => return Err(fault),
            Err(_) => sleep(Duration::from_millis(5)),
        }
    }
}

fn device(name: &str, step: Step) -> Result<LockspaceName, DlmError> {
    LockspaceName::new(name.as_bytes()).map_err(|bad| DlmError {
        lockspace: name.to_owned(),
        resource: None,
        kind: DlmErrorKind::from_name(step, bad),
    })
}

fn error(name: &str, fault: DlmFault) -> DlmError {
    let kind = DlmErrorKind::Fault(fault);
    DlmError { lockspace: name.to_owned(), resource: None, kind }
}
