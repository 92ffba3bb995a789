//! `lockbox wait`: returns as soon as the lock is free, without taking it.
//!
//! Locks that are names are watched, as takers watch them. Of kernel locks the kernel tells nobody
//! but takers when they become free, so this looks again and again, with pauses that double up to a
//! limit.

use core::ffi::CStr;

use lock_core::fault::Fault;
use lock_core::kind::Kind;
use lock_core::staleness::Verdict;
use lock_rustix::alone::look;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::look::Standing;
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;
use lock_rustix::wake::Watch;

use super::report::failed;
use super::settings::{AGE, LEASE, Settings};
#[cfg(feature = "dlm")]
use crate::cluster;
use crate::existence::{PAUSE_NS, is_existence};
use crate::stack::Stack;
use crate::sys;

pub(super) const ALLOWED: &[u8] = &[b'k', b'w', b'E', AGE, LEASE];

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    wait(stack, at).err().unwrap_or(0)
}

fn wait(stack: &Stack, at: usize) -> Result<(), u8> {
    let (settings, path, _) = Settings::read(stack, at, ALLOWED, false)?;
    let deadline_ns = settings.patience.deadline_ns();
    #[cfg(feature = "dlm")]
    if settings.cluster {
        // The DLM tells nobody but takers when a lock is free.
        let mode = lock_core::dlm::mode::Mode::EX;
        cluster::take(path, mode, settings.patience, settings.conflict)?.release();
        return Ok(());
    }
    let free = if is_existence(settings.kind) {
        watch(&settings, path, deadline_ns)
    } else {
        poll(settings.kind, path, deadline_ns)
    };
    if free.map_err(|fault| failed(path, fault))? { Ok(()) } else { Err(settings.conflict) }
}

/// Whether the lock became free in time.
fn poll(kind: Kind, path: &CStr, deadline_ns: u64) -> Result<bool, Fault> {
    let (mut pause_ns, longest_ns) = PAUSE_NS;
    while let Standing::Held(_) = look(&Sys::new(Place::path(path)), kind)? {
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return Ok(false);
        }
        sys::sleep(pause_ns.min(left_ns));
        pause_ns = pause_ns.saturating_mul(2).min(longest_ns);
    }
    Ok(true)
}

/// Whether the lock became free in time; a stale lock is free for the taking.
fn watch(settings: &Settings, path: &CStr, deadline_ns: u64) -> Result<bool, Fault> {
    let contender = settings.contender(path)?;
    let mut watch = Watch::new();
    let (mut pause_ns, longest_ns) = PAUSE_NS;
    let mut armed = false;
    loop {
        let Some(found) = contender.look()? else { return Ok(true) };
        if let Verdict::Stale(_) = found.verdict {
            return Ok(true);
        }
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return Ok(false);
        }
        if armed {
            watch.wait(left_ns, pause_ns, None);
            pause_ns = pause_ns.saturating_mul(2).min(longest_ns);
        } else {
            watch.arm(&contender, &found);
        }
        // What happened before the watch began is not seen: look once more before each wait.
        armed = !armed;
    }
}
