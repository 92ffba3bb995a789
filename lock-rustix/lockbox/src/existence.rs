//! Existence locks for the commands: how others are judged, and taking a lock with patience.

use core::ffi::CStr;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::scheme::breaking::Rule;
use lock_rustix::existence::{Contender, Event, LIVE_FACTOR, Refused, Request, Taken};
use lock_rustix::identity::Identity;

use crate::holder::Waiting;
use crate::waiting::Patience;

const NFS: bool = cfg!(feature = "nfs");
const SYMLINK: bool = cfg!(feature = "symlink");
const MKDIR: bool = cfg!(feature = "mkdir");
const PIDFILE: bool = cfg!(feature = "pidfile");

/// Whether any kind of lock that survives its process is built in for the commands.
pub(crate) const EXISTENCE: bool = NFS || SYMLINK || MKDIR || PIDFILE;

/// Whether the commands have this kind. What an applet is built with is not thereby theirs.
pub(crate) fn is_built(kind: Kind) -> bool {
    match kind {
        Kind::Nfs => NFS,
        Kind::Symlink => SYMLINK,
        Kind::Mkdir => MKDIR,
        Kind::Pidfile => PIDFILE,
        _ => true,
    }
}

/// Whether locks of this kind survive their process, and are built in.
pub(crate) fn is_existence(kind: Kind) -> bool {
    EXISTENCE && kind.is_existence()
}

/// The first pause of a wait that nothing can wake, and the longest, in nanoseconds.
pub(crate) const PAUSE_NS: (u64, u64) = (1_000_000, 50_000_000);

/// Opens the lock's directory. Only pid files are judged by age, `stale_age_ms`, or are leases for
/// `lease_ms`; 0 for neither.
pub(crate) fn contender(
    kind: Kind,
    path: &CStr,
    file_mode: u32,
    stale_age_ms: u64,
    lease_ms: u64,
) -> Result<Contender, Fault> {
    let mut contender = Contender::new(kind, path)?;
    contender.set_mode(file_mode);
    if kind == Kind::Pidfile {
        contender.set_rule(match lease_ms {
            0 => Rule::Pidfile { stale_age_ms, live_factor: LIVE_FACTOR },
            ttl_ms => Rule::Lease { ttl_ms },
        });
    }
    Ok(contender)
}

/// Takes the lock for `holder`; `flocked`: for as long as this process lives.
pub(crate) fn take(
    contender: &Contender,
    holder: &Identity,
    message: &[u8],
    flocked: bool,
    patience: Patience,
    mut waiting: Option<Waiting>,
) -> Result<Taken, Refused> {
    let deadline_ns = patience.deadline_ns();
    let request = Request { holder, message, flocked, deadline_ns, ..Request::once(holder) };
    contender.lock(&request, &mut |event| {
        if let (Event::Waiting { found, left_ns }, Some(waiting)) = (event, &mut waiting) {
            let owner = found.claim.as_ref().map(|claim| claim.owner.clone());
            waiting.tell(owner.unwrap_or_default(), left_ns);
        }
    })
}

/// A fault of no system call.
pub(crate) fn own_fault(kind: FaultKind) -> Fault {
    Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 }
}
