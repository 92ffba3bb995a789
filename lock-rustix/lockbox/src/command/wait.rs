//! `lockbox wait`: returns as soon as the lock is free, without taking it.
//!
//! The kernel tells nobody but takers when a lock becomes free, so this looks again and again, with
//! pauses that double up to a limit.

use core::ffi::CStr;

use lock_core::fault::Fault;
use lock_core::staleness::Verdict;
use lock_rustix::alone::look;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::look::Standing;
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

use super::report::failed;
use super::settings::{AGE, LEASE, Settings};
use crate::existence::PAUSE_NS;
use crate::stack::Stack;
use crate::sys;

pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    wait(stack, at).err().unwrap_or(0)
}

fn wait(stack: &Stack, at: usize) -> Result<(), u8> {
    let (settings, path, _) = Settings::read(stack, at, &[b'k', b'w', b'E', AGE, LEASE], false)?;
    let deadline_ns = settings.patience.deadline_ns();
    let (mut pause_ns, longest_ns) = PAUSE_NS;
    while is_held(&settings, path).map_err(|fault| failed(path, fault))? {
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return Err(settings.conflict);
        }
        sys::sleep(pause_ns.min(left_ns));
        pause_ns = pause_ns.saturating_mul(2).min(longest_ns);
    }
    Ok(())
}

/// A stale lock is free for the taking.
fn is_held(settings: &Settings, path: &CStr) -> Result<bool, Fault> {
    if !settings.kind.is_existence() {
        let standing = look(&Sys::new(Place::path(path)), settings.kind)?;
        return Ok(matches!(standing, Standing::Held(_)));
    }
    let contender = settings.contender(path)?;
    let found = contender.look()?;
    Ok(found.is_some_and(|found| !matches!(found.verdict, Verdict::Stale(_))))
}
