//! Existence locks for the commands: where the lock is, who asks, how others are judged; taking
//! it with patience.

use core::ffi::CStr;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError};
use lock_core::scheme::look::Found;
use lock_core::staleness::{Policy, Stale, Verdict};
use lock_rustix::clock::{monotonic_ns, wall_us};
use lock_rustix::existence::{self, Spot, Taken};
use lock_rustix::identity::{Identity, is_local, myself, nonce, nonce_of_this_moment};
use lock_rustix::place::Nonce;
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::rustix::fs::{FlockOperation, flock};
use lock_rustix::rustix::io::Errno;
use lock_rustix::signature::{Signer, decode};

use crate::holder::Waiting;
use crate::sys;
use crate::waiting::{Patience, REPEAT_NS};

/// How many times as old as allowed a lock with a living holder must be: Pidfile.jl's.
const LIVE_FACTOR: u64 = 25;

/// How often an attempt starts over before something must be wrong.
pub(crate) const RESTARTS_MAX: u32 = 1000;

/// The first pause of a wait that nothing can wake, and the longest, in nanoseconds.
pub(crate) const PAUSE_NS: (u64, u64) = (1_000_000, 50_000_000);

/// A lock and the one who asks for it.
pub(crate) struct Asking {
    pub(crate) spot: Spot,
    pub(crate) me: Identity,
    rule: Rule,
    local: bool,
}

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

impl Asking {
    /// Opens the lock's directory. Only pid files are judged by age, `stale_age_ms`, or are
    /// leases for `lease_ms`; 0 for neither.
    pub(crate) fn new(
        kind: Kind,
        path: &CStr,
        file_mode: u32,
        stale_age_ms: u64,
        lease_ms: u64,
    ) -> Result<Asking, Fault> {
        let spot = Spot::open(kind, path)?.with_mode(file_mode);
        let local = is_local(&spot);
        if lease_ms != 0 {
            let (spot, rule) = (spot.with_lease(), Rule::Lease { ttl_ms: lease_ms });
            return Ok(Asking { spot, me: myself(), rule, local });
        }
        let rule = match kind {
            Kind::Pidfile => Rule::Pidfile { stale_age_ms, live_factor: LIVE_FACTOR },
            _ => Rule::Strict(Policy::default()),
        };
        Ok(Asking { spot, me: myself(), rule, local })
    }

    fn terms<'a>(&'a self, payload: &'a [u8]) -> Terms<'a> {
        let decode = decode(self.spot.kind());
        Terms { payload, decode, observer: &self.me.observer, rule: self.rule, local: self.local }
    }

    /// Looks at the lock without taking it.
    pub(crate) fn look(&self) -> Result<Option<Found>, Fault> {
        existence::look(&self.spot, &self.terms(&[]))
    }

    /// Takes the lock for `holder`; `flocked`: for as long as this process lives.
    pub(crate) fn take(
        &self,
        holder: &Identity,
        message: &[u8],
        flocked: bool,
        patience: Patience,
        mut waiting: Option<Waiting>,
    ) -> Result<Taken, Refused> {
        let deadline_ns = patience.deadline_ns();
        let (mut restarts, (mut pause_ns, longest_ns)) = (0, PAUSE_NS);
        loop {
            let nonce = fresh();
            let signer = Signer { holder, message, nonce: &nonce, flocked };
            let payload = signer.payload(self.spot.kind())?;
            let refused =
                match existence::try_lock(&self.spot, &self.terms(payload.as_bytes()), &nonce) {
                    Ok(taken) => {
                        // Where others were in the way, some may have been killed there.
                        if restarts > 0 {
                            let _ = existence::sweep(&self.spot);
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
                if let Ok(Some(found)) = self.look() {
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

    /// Gives back the lock that was taken for `holder`.
    pub(crate) fn release_for(&self, holder: &Identity) -> Result<(), TryLockError<OwnedFd>> {
        let nonce = fresh();
        existence::release_for(&self.spot, &self.terms(&[]), &nonce, now_ms(), holder)
    }

    /// Removes the lock if it is stale; tells why.
    pub(crate) fn remove(&self) -> Result<Stale, TryLockError<OwnedFd>> {
        let nonce = fresh();
        let if_stale = &lock_core::scheme::breaking::if_stale;
        existence::remove(&self.spot, &self.terms(&[]), &nonce, now_ms(), if_stale)
    }

    /// Removes what killed processes left beside the lock; tells how many.
    pub(crate) fn sweep(&self) -> Result<u32, Fault> {
        existence::sweep(&self.spot)
    }

    /// Removes the lock whoever holds it; tells whether there was one.
    pub(crate) fn remove_by_force(&self) -> Result<bool, Fault> {
        existence::remove_by_force(&self.spot, &fresh())
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

/// Early in an initramfs the kernel has no random numbers yet, and there are no other hosts.
fn fresh() -> Nonce {
    nonce().unwrap_or_else(nonce_of_this_moment)
}

fn now_ms() -> i64 {
    wall_us() / 1000
}

/// A fault of no system call.
pub(crate) fn own_fault(kind: FaultKind) -> Fault {
    Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 }
}
