//! Waiting for a kernel lock with a deadline, and telling the user for whom.
//!
//! The wait stays in the kernel's queue. A timer interrupts it at the deadline, and while the user
//! wants to be told who holds the lock, every second before.

use lock_rustix::alone::{self, Held, look};
use lock_rustix::clock::monotonic_ns;
use lock_rustix::local::{LockError, Request};
use lock_rustix::look::Standing;
use lock_rustix::sys::Sys;

use crate::holder::Waiting;
use crate::sys;

/// How often a wait that is told about looks at the holder again, in nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;

/// Whether anybody is told for whom he waits: the commands tell, no applet does.
const TELLS: bool = cfg!(feature = "commands");

/// How long to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// So many nanoseconds.
    For(u64),
    /// Until the lock is free.
    Forever,
}

impl Patience {
    /// When it ends, by the monotonic clock; the largest number for never.
    pub(crate) fn deadline_ns(self) -> u64 {
        match self {
            Patience::None => 0,
            Patience::For(ns) => monotonic_ns().saturating_add(ns),
            Patience::Forever => u64::MAX,
        }
    }
}

/// Why a wait ended without the lock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// Held by another when the patience ended.
    Held,
    /// An error.
    Failed(LockError),
}

/// Takes the lock, waiting as long as `patience` says; with `tell`, tells on standard error who is
/// waited for.
pub(crate) fn take(
    sys_: &Sys<'_>,
    request: &Request<'_>,
    patience: Patience,
    tell: Option<Waiting>,
) -> Result<Held, Refused> {
    match alone::take(sys_, request, None) {
        Err(LockError::Held) if patience != Patience::None => {}
        Err(LockError::Held) => return Err(Refused::Held),
        outcome => return outcome.map_err(Refused::Failed),
    }
    let deadline_ns = patience.deadline_ns();
    let mut tell = tell.filter(|_| TELLS);
    let interrupts = tell.is_some() || deadline_ns != u64::MAX;
    let mut rearm = || {
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return false;
        }
        if let (true, Some(waiting)) = (TELLS, &mut tell) {
            if let Ok(Standing::Held(owner)) = look(sys_, request.kind) {
                waiting.tell(owner, left_ns);
            }
        }
        if interrupts {
            let next_ns = if tell.is_some() { left_ns.min(LOOK_NS) } else { left_ns };
            sys::interrupt_after(next_ns);
        }
        true
    };
    if !rearm() {
        return Err(Refused::Held);
    }
    let outcome = alone::take(sys_, request, Some(&mut rearm));
    if interrupts {
        sys::stop_interrupting();
    }
    outcome.map_err(|error| match error {
        LockError::Interrupted => Refused::Held,
        error => Refused::Failed(error),
    })
}
