//! The self-test of kernel locks: by two opens where the lock belongs to the open file, and by two
//! processes always.

use core::ffi::CStr;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_core::scheme::kernel::{
    ByBoth, ByFlock, ByOfd, ByPosix, Convention, Locked, Probe, TryLockError, probe, try_lock,
};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Flaw;
use super::child::elsewhere;
use super::scratch::create;
use super::sheet::Outcome;
use crate::descriptor::lend;
use crate::fcntl::{RecordOwner, setlk};
use crate::place::{FileName, Place};
use crate::sys::Sys;

/// What another process found.
const FREE: u8 = 1;
const HELD: u8 = 2;
const HELD_UNSEEN: u8 = 3;
const FAILED: u8 = 4;

/// A kind's own calls: one try, and one look, which answers whether the lock is seen to be held.
struct Calls {
    try_lock: fn(&Sys<'_>, Mode) -> Result<OwnedFd, TryLockError<OwnedFd>>,
    look: fn(&Sys<'_>) -> bool,
}

/// Tests a kernel kind on a file of its own; answers whether looking shows that it is held.
pub(super) fn test(dir: &OwnedFd, kind: Kind) -> Outcome {
    let name = FileName::new(&[kind.name().as_bytes()]).map_err(Flaw::Refused)?;
    let sys = Sys::new(Place::in_directory(lend(dir), name.as_c_str()));
    let calls = match kind {
        Kind::File => Calls::of::<ByBoth>(),
        Kind::Flock => Calls::of::<ByFlock>(),
        Kind::Lockf => Calls::of::<ByPosix>(),
        _ => Calls::of::<ByOfd>(),
    };
    let mine = calls.take(&sys, Mode::Exclusive)?.ok_or(Flaw::NotReleased)?;
    // A process's own POSIX locks never stand in its way.
    if kind != Kind::Lockf && calls.take(&sys, Mode::Exclusive)?.is_some() {
        return Err(Flaw::TwoOpens);
    }
    let seen = match calls.try_elsewhere(&sys, Mode::Exclusive) {
        Some(HELD) => true,
        Some(HELD_UNSEEN) => false,
        _ => return Err(Flaw::TwoProcesses),
    };
    drop(mine);
    // It takes the lock, and dies with it.
    if calls.try_elsewhere(&sys, Mode::Exclusive) != Some(FREE) {
        return Err(Flaw::NotReleased);
    }
    drop(calls.take(&sys, Mode::Exclusive)?.ok_or(Flaw::OutlivesHolder)?);
    if kind.can_be_shared() {
        let shared = calls.take(&sys, Mode::Shared)?.ok_or(Flaw::OutlivesHolder)?;
        if calls.try_elsewhere(&sys, Mode::Shared) != Some(FREE) {
            return Err(Flaw::NotShared);
        }
        if calls.try_elsewhere(&sys, Mode::Exclusive) == Some(FREE) {
            return Err(Flaw::TwoProcesses);
        }
        drop(shared);
    }
    Ok(seen)
}

impl Calls {
    fn of<C: for<'s> Convention<Sys<'s>>>() -> Calls {
        Calls {
            try_lock: |sys, mode| try_lock::<C, _>(sys, mode).map(Locked::into_file),
            look: |sys| matches!(probe::<C, _>(sys), Ok(Probe::Held(_))),
        }
    }

    /// `None` if it is held.
    fn take(&self, sys: &Sys<'_>, mode: Mode) -> Result<Option<OwnedFd>, Flaw> {
        const TRIES_MAX: u32 = 100;
        for _ in 0..TRIES_MAX {
            match (self.try_lock)(sys, mode) {
                Ok(locked) => return Ok(Some(locked)),
                Err(TryLockError::Held(_)) => return Ok(None),
                Err(TryLockError::Again) => {}
                Err(TryLockError::Fault(fault)) => return Err(Flaw::Refused(fault)),
            }
        }
        Err(Flaw::NotReleased)
    }

    /// Another process's part: looks, and tries. The lock it got goes only with the process.
    fn try_elsewhere(&self, sys: &Sys<'_>, mode: Mode) -> Option<u8> {
        elsewhere(&mut || {
            let seen = (self.look)(sys);
            match self.take(sys, mode) {
                Ok(Some(locked)) => {
                    core::mem::forget(locked);
                    FREE
                }
                Ok(None) if seen => HELD,
                Ok(None) => HELD_UNSEEN,
                Err(_) => FAILED,
            }
        })
    }
}

/// Whether a process that takes both an flock and a POSIX lock on one open file is in its own way.
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
