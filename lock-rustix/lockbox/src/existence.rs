//! Existence locks for the commands: where the lock is, who asks, how others are judged; taking
//! it with patience.

use core::ffi::CStr;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::scheme::breaking::{Rule, TryLockError};
use lock_core::staleness::{Stale, Verdict};
use lock_rustix::clock::monotonic_ns;
use lock_rustix::existence::{Contender, LIVE_FACTOR, Taken};
use lock_rustix::identity::Identity;
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::rustix::fs::{FlockOperation, flock};
use lock_rustix::rustix::io::Errno;

use crate::holder::Waiting;
use crate::sys;
use crate::waiting::{Patience, REPEAT_NS};

/// How often an attempt starts over before something must be wrong.
pub(crate) const RESTARTS_MAX: u32 = 1000;

/// The first pause of a wait that nothing can wake, and the longest, in nanoseconds.
pub(crate) const PAUSE_NS: (u64, u64) = (1_000_000, 50_000_000);

/// Why the lock was not taken.
pub(crate) enum Refused {
    /// Another holds it, or cannot be shown not to.
    Held(Option<Verdict>),
    /// Stale, but not ours to remove.
    NotPermitted(Stale, Fault),
    /// An error.
    Failed(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused::Failed(fault)
    }
}

/// Opens the lock's directory. Only pid files are judged by age, `stale_age_ms`, or are leases for
/// `lease_ms`; 0 for neither.
pub(crate) fn contender(
    kind: Kind,
    path: &CStr,
    file_mode: u32,
    stale_age_ms: u64,
    lease_ms: u64,
) -> Result<Contender, Fault> {
    let contender = Contender::new(kind, path)?.with_mode(file_mode);
    Ok(match kind {
        Kind::Pidfile if lease_ms != 0 => contender.with_rule(Rule::Lease { ttl_ms: lease_ms }),
        Kind::Pidfile => {
            contender.with_rule(Rule::Pidfile { stale_age_ms, live_factor: LIVE_FACTOR })
        }
        _ => contender,
    })
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
    let (mut restarts, (mut pause_ns, longest_ns)) = (0, PAUSE_NS);
    loop {
        let refused = match contender.try_lock(holder, message, flocked) {
            Ok(taken) => {
                // Where others were in the way, some may have been killed there.
                if restarts > 0 {
                    let _ = contender.sweep();
                }
                return Ok(taken);
            }
            Err(refused) => refused,
        };
        let Some((queue, verdict)) = held(refused)? else {
            restarts += 1;
            if restarts > RESTARTS_MAX {
                return Err(Refused::Failed(own_fault(FaultKind::Replaced)));
            }
            continue;
        };
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return Err(Refused::Held(verdict));
        }
        if let Some(waiting) = &mut waiting {
            if let Ok(Some(found)) = contender.look() {
                let owner = found.claim.map(|claim| claim.owner);
                waiting.tell(owner.unwrap_or_default(), left_ns);
            }
        }
        if let Some(file) = queue {
            wait_for(&file, left_ns);
        } else {
            sys::sleep(pause_ns.min(left_ns));
            pause_ns = pause_ns.saturating_mul(2).min(longest_ns);
        }
    }
}

/// What is in the way: the file to queue at, and what is known of the holder.
type InTheWay = (Option<OwnedFd>, Option<Verdict>);

/// What is in the way; nothing, if the attempt must only be started over.
fn held(refused: TryLockError<OwnedFd>) -> Result<Option<InTheWay>, Refused> {
    match refused {
        TryLockError::Held { queue, verdict } => Ok(Some((queue, verdict))),
        TryLockError::Again => Ok(None),
        TryLockError::NotPermitted { why, fault } => Err(Refused::NotPermitted(why, fault)),
        TryLockError::Fault(fault) => Err(Refused::Failed(fault)),
    }
}

/// Waits in the kernel's queue until the holder has gone, or for so long. Whoever comes out of the
/// queue has the flock of a file that is no lock any more, and lets the next one out by closing it.
fn wait_for(file: &OwnedFd, left_ns: u64) {
    let timed = left_ns < u64::MAX / 2;
    if timed {
        sys::interrupt_after(left_ns, REPEAT_NS);
    }
    let interrupted = matches!(flock(file, FlockOperation::LockExclusive), Err(Errno::INTR));
    if timed || interrupted {
        sys::stop_interrupting();
    }
}

/// A fault of no system call.
pub(crate) fn own_fault(kind: FaultKind) -> Fault {
    Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 }
}
