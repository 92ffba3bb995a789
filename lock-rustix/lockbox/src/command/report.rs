//! What every command says about a lock: who holds it, why it is stale, what failed.

use core::ffi::CStr;

use lock_core::fault::Fault;
use lock_core::owner::Owner;
use lock_core::scheme::look::Found;
use lock_core::staleness::Verdict;
use lock_rustix::existence::{Contender, Refused};

use crate::holder::describe;
use crate::out::Out;
use crate::status as exit;
use crate::waiting::Patience;

/// Says why a call about the lock failed; answers the exit status.
pub(super) fn failed(path: &CStr, fault: Fault) -> u8 {
    failed_by(path, "", "", fault)
}

/// [`failed`], after what was to be done: a text in which `%` stands for a reason.
fn failed_by(path: &CStr, text: &str, reason: &str, fault: Fault) -> u8 {
    let mut out = about(Out::stderr(), path);
    out.fill(text, reason.as_bytes());
    fault_text(&mut out, fault);
    out.text("\n");
    exit::of(fault)
}

/// Says why an existence lock was not taken; answers the exit status, `conflict` if it is held.
pub(super) fn refused(
    path: &CStr,
    contender: &Contender,
    refused: &Refused,
    patience: Patience,
    conflict: u8,
) -> u8 {
    let verdict = match *refused {
        Refused::Failed(fault) => return failed(path, fault),
        Refused::NotPermitted(why, fault) => {
            let text = "stale, because %, but it cannot be removed: ";
            return failed_by(path, text, why.reason(), fault);
        }
        Refused::Held(verdict) => verdict,
        _ => None,
    };
    let found = contender.look().ok().flatten();
    held(path, found.map(|found| owner(&found)).as_ref(), verdict, patience);
    conflict
}

/// Says that the lock is held, by whom, and what to do.
pub(super) fn held(
    path: &CStr,
    owner: Option<&Owner>,
    verdict: Option<Verdict>,
    patience: Patience,
) {
    let mut out = about(Out::stderr(), path);
    match owner {
        Some(owner) => {
            out.text("held by ");
            describe(&mut out, owner);
        }
        None => {
            out.text("was held by another until now");
        }
    }
    if let Some(Verdict::Unknown(why)) = verdict {
        out.fill("; whether he lives cannot be told, because %", why.reason().as_bytes());
    }
    out.text(match patience {
        Patience::None => "; try again later, or wait with -w SECS\n",
        _ => "; the wait ran out\n",
    });
}

/// Says that the acquisition could not be numbered.
pub(super) fn without_token(path: &CStr, fault: Fault) {
    failed_by(path, "no LOCKBOX_TOKEN: ", "", fault);
}

/// Starts a line about the lock.
pub(super) fn about(mut out: Out, path: &CStr) -> Out {
    out.fill("lockbox: %: ", path.to_bytes());
    out
}

/// Whom a lock names.
pub(super) fn owner(found: &Found) -> Owner {
    found.claim.as_ref().map(|claim| claim.owner.clone()).unwrap_or_default()
}

/// Adds which call failed, on what, and why.
pub(super) fn fault_text(out: &mut Out, fault: Fault) {
    out.text(fault.call.name()).fill(" of %: ", fault.node.name().as_bytes());
    out.text(fault.kind.reason());
    if fault.errno != 0 {
        out.fill_number(" (errno %)", u64::from(fault.errno));
    }
}
