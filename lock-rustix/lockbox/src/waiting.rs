//! Waiting for a kernel lock with a deadline, and telling the user for whom.
//!
//! The wait stays in the kernel's queue. A timer interrupts it at the deadline, and while the user
//! wants to be told who holds the lock, every second before.

use core::ffi::CStr;

use lock_core::owner::Owner;
use lock_rustix::alone::{self, Held, look};
use lock_rustix::clock::monotonic_ns;
use lock_rustix::local::{LockError, Request};
use lock_rustix::look::Standing;
use lock_rustix::sys::Sys;

use crate::holder::describe;
use crate::out::Out;
use crate::sys;

/// A lost signal is made up for after this time, in nanoseconds.
const REPEAT_NS: u64 = 10_000_000;

/// How often a wait that is told about looks at the holder again, in nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;

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
    tell: Option<&CStr>,
) -> Result<Held, Refused> {
    match alone::take(sys_, request, None) {
        Err(LockError::Held) if patience != Patience::None => {}
        Err(LockError::Held) => return Err(Refused::Held),
        outcome => return outcome.map_err(Refused::Failed),
    }
    let deadline_ns = match patience {
        Patience::For(ns) => monotonic_ns().saturating_add(ns),
        _ => u64::MAX,
    };
    let mut told = None;
    let mut rearm = || {
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return false;
        }
        if let Some(path) = tell {
            tell_holder(sys_, request, path, left_ns, deadline_ns, &mut told);
        }
        if tell.is_some() || deadline_ns != u64::MAX {
            let next_ns = if tell.is_some() { left_ns.min(LOOK_NS) } else { left_ns };
            sys::interrupt_after(next_ns, REPEAT_NS);
        }
        true
    };
    if !rearm() {
        return Err(Refused::Held);
    }
    let outcome = alone::take(sys_, request, Some(&mut rearm));
    if tell.is_some() || deadline_ns != u64::MAX {
        sys::stop_interrupting();
    }
    outcome.map_err(|error| match error {
        LockError::Interrupted => Refused::Held,
        error => Refused::Failed(error),
    })
}

/// One line on who holds the lock, unless it was told already.
fn tell_holder(
    sys_: &Sys<'_>,
    request: &Request<'_>,
    path: &CStr,
    left_ns: u64,
    deadline_ns: u64,
    told: &mut Option<Owner>,
) {
    let Ok(Standing::Held(owner)) = look(sys_, request.kind) else { return };
    if told.as_ref() == Some(&owner) {
        return;
    }
    let mut out = Out::stderr();
    out.text("lockbox: waiting for ").foreign(path.to_bytes()).text(", held by ");
    describe(&mut out, &owner);
    if deadline_ns == u64::MAX {
        out.text(", for as long as it takes\n");
    } else {
        out.text(", for at most ").number(left_ns / 1_000_000_000).text(".");
        out.padded(left_ns % 1_000_000_000 / 100_000_000, 1).text(" s\n");
    }
    *told = Some(owner);
}
