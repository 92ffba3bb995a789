//! Who holds a lock, without touching it; and removing one that its holder left.

use core::ffi::c_char;

use lock_core::fault::FaultKind;
use lock_core::owner::{Owner, Pid};
use lock_core::scheme::breaking::TryLockError;
use lock_core::staleness::Verdict;
use lock_rustix::existence::RESTARTS_MAX;
use lock_rustix::look::{self, Standing};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

use crate::report::{Line, Report};
use crate::request::Request;
use crate::types::lockbox_code::{LOCKBOX_NO_LOCK, LOCKBOX_REPLACED, LOCKBOX_UNSUPPORTED};
use crate::types::lockbox_state::{
    self, LOCKBOX_STATE_FREE, LOCKBOX_STATE_HELD, LOCKBOX_STATE_STALE, LOCKBOX_STATE_UNKNOWN,
};
use crate::types::lockbox_status;

/// Looks at the lock.
pub fn look(request: &Request<'_>) -> Result<lockbox_status, Report> {
    let free = || status(LOCKBOX_STATE_FREE, &Owner::default(), 0, "");
    if !request.kind.is_existence() {
        let place = Place::path(request.path);
        let place = if request.follow { place.follow_symlinks() } else { place };
        return Ok(match look::look(&Sys::new(place), request.kind)? {
            Standing::Held(owner) => status(LOCKBOX_STATE_HELD, &owner, 0, ""),
            _ => free(),
        });
    }
    let contender = match request.contender() {
        // Where there is no directory, no lock is either.
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(free()),
        contender => contender?,
    };
    let Some(found) = contender.look()? else { return Ok(free()) };
    let (state, why) = match found.verdict {
        Verdict::Live(_) => (LOCKBOX_STATE_HELD, ""),
        Verdict::Stale(why) => (LOCKBOX_STATE_STALE, why.reason()),
        Verdict::Unknown(why) => (LOCKBOX_STATE_UNKNOWN, why.reason()),
    };
    let owner = found.claim.map(|claim| claim.owner).unwrap_or_default();
    Ok(status(state, &owner, found.modified_ms.unwrap_or(0), why))
}

/// Removes the lock if it is stale, or whatever it is if that is asked for.
pub fn remove(request: &Request<'_>) -> Result<(), Report> {
    if !request.kind.is_existence() {
        return Err(Report::new(LOCKBOX_UNSUPPORTED));
    }
    let contender = request.contender()?;
    // What killed processes left beside the lock is of no use to anybody.
    let _ = contender.sweep();
    if request.force {
        let was_there = contender.remove_by_force()?;
        return if was_there { Ok(()) } else { Err(Report::new(LOCKBOX_NO_LOCK)) };
    }
    for _ in 0..RESTARTS_MAX {
        let Err(refusal) = contender.remove() else { return Ok(()) };
        match refusal {
            TryLockError::Again => {
                if contender.look()?.is_none() {
                    return Err(Report::new(LOCKBOX_NO_LOCK));
                }
            }
            TryLockError::Held { verdict, .. } => return Err(Report::held(verdict)),
            TryLockError::NotPermitted { why, fault } => {
                return Err(Report::irremovable(why, fault));
            }
            TryLockError::Fault(fault) if fault.kind == FaultKind::Missing => {
                return Err(Report::new(LOCKBOX_NO_LOCK));
            }
            TryLockError::Fault(fault) => return Err(fault.into()),
        }
    }
    Err(Report::new(LOCKBOX_REPLACED))
}

fn status(state: lockbox_state, owner: &Owner, modified_ms: i64, why: &str) -> lockbox_status {
    lockbox_status {
        state,
        pid: owner.pid.map_or(0, Pid::get),
        start_ticks: owner.start.map_or(0, |start| start.0),
        modified_ms,
        host: text(owner.host.as_deref().unwrap_or_default()),
        message: text(owner.message.as_deref().unwrap_or_default()),
        why: text(why.as_bytes()),
    }
}

fn text<const SIZE: usize>(bytes: &[u8]) -> [c_char; SIZE] {
    let mut buffer = [0; SIZE];
    Line::new(&mut buffer).add(bytes);
    buffer
}
