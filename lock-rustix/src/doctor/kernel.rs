//! The self-test of kernel locks: by two opens where the lock belongs to the open file, and by two
//! processes always.

use core::ffi::CStr;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Flaw;
use super::child::elsewhere;
use super::scratch::create;
use super::sheet::Outcome;
use crate::alone::{Held, look, take};
use crate::descriptor::lend;
use crate::fcntl::{RecordOwner, setlk};
use crate::local::{LockError, Request};
use crate::look::Standing;
use crate::place::{FileName, Place};
use crate::sys::Sys;

/// What another process found.
const FREE: u8 = 1;
const HELD: u8 = 2;
const HELD_UNSEEN: u8 = 3;
const FAILED: u8 = 4;

/// Tests a kernel kind on a file of its own; answers whether looking shows that it is held.
#[inline(never)]
pub(super) fn test(dir: &OwnedFd, kind: Kind) -> Outcome {
    let name = FileName::new(&[kind.name().as_bytes()]).map_err(Flaw::Refused)?;
    let sys = Sys::new(Place::in_directory(lend(dir), name.as_c_str()));
    let exclusive = Request { kind, mode: Mode::Exclusive, message: None };
    let shared = Request { mode: Mode::Shared, ..exclusive };
    let mine = try_lock(&sys, &exclusive)?.ok_or(Flaw::NotReleased)?;
    // A process's own POSIX locks never stand in its way.
    if kind != Kind::Lockf && try_lock(&sys, &exclusive)?.is_some() {
        return Err(Flaw::TwoOpens);
    }
    let seen = match try_elsewhere(&sys, &exclusive) {
        Some(HELD) => true,
        Some(HELD_UNSEEN) => false,
        _ => return Err(Flaw::TwoProcesses),
    };
    drop(mine);
    // It takes the lock, and dies with it.
    if try_elsewhere(&sys, &exclusive) != Some(FREE) {
        return Err(Flaw::NotReleased);
    }
    drop(try_lock(&sys, &exclusive)?.ok_or(Flaw::OutlivesHolder)?);
    if kind.can_be_shared() {
        let _mine = try_lock(&sys, &shared)?.ok_or(Flaw::OutlivesHolder)?;
        if try_elsewhere(&sys, &shared) != Some(FREE) {
            return Err(Flaw::NotShared);
        }
        if try_elsewhere(&sys, &exclusive) == Some(FREE) {
            return Err(Flaw::TwoProcesses);
        }
    }
    Ok(seen)
}

/// `None` if it is held.
fn try_lock(sys: &Sys<'_>, request: &Request<'_>) -> Result<Option<Held>, Flaw> {
    match take(sys, request, None) {
        Ok(held) => Ok(Some(held)),
        Err(LockError::Fault(fault)) => Err(Flaw::Refused(fault)),
        Err(_) => Ok(None),
    }
}

/// Another process's part: looks, and tries. The lock it got goes only with the process.
fn try_elsewhere(sys: &Sys<'_>, request: &Request<'_>) -> Option<u8> {
    elsewhere(&mut || {
        let seen = matches!(look(sys, request.kind), Ok(Standing::Held(_)));
        match try_lock(sys, request) {
            Ok(Some(held)) => {
                core::mem::forget(held);
                FREE
            }
            Ok(None) if seen => HELD,
            Ok(None) => HELD_UNSEEN,
            Err(_) => FAILED,
        }
    })
}

/// Whether a process that takes both an flock and a POSIX lock on one open file is in its own way.
#[inline(never)]
pub(super) fn refuses_both(dir: &OwnedFd) -> Option<bool> {
    const NAME: &CStr = c"both";
    let file = create(dir, NAME).ok()?;
    flock(lend(&file), FlockOperation::NonBlockingLockExclusive).ok()?;
    match setlk(lend(&file), RecordOwner::Process, Mode::Exclusive) {
        Ok(()) => Some(false),
        Err(Errno::WOULDBLOCK | Errno::ACCESS) => Some(true),
        Err(_) => None,
    }
}
