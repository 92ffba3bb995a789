//! `lockbox release`, `touch` and `break`: what becomes of a lock that this process does not hold.

use core::ffi::CStr;

use lock_core::fault::FaultKind;
use lock_core::scheme::breaking::TryLockError;
use lock_core::staleness::{Stale, Verdict};
use lock_rustix::existence::{Contender, RESTARTS_MAX};
use lock_rustix::rustix::fd::OwnedFd;

use super::report::{about, failed, owner};
use super::settings::{AGE, FORCE, LEASE, PID, Settings};
use crate::holder::describe;
use crate::out::Out;
use crate::stack::Stack;
use crate::status as exit;

/// Nothing was there.
const NOTHING: u8 = 1;

/// What each command takes.
pub(super) const RELEASE_ALLOWED: &[u8] = &[b'k', LEASE, PID];
pub(super) const TOUCH_ALLOWED: &[u8] = &[b'k', LEASE, PID];
pub(super) const BREAK_ALLOWED: &[u8] = &[b'k', AGE, FORCE, LEASE];

#[inline(never)]
pub(super) fn release(stack: &Stack, at: usize) -> u8 {
    run(stack, at, RELEASE_ALLOWED, |settings, contender, path| {
        let holder = settings.released_holder(&contender.me)?;
        let removal = || contender.release_for(&holder).map(|()| Stale::GivenUp);
        settle(contender, path, &removal).map(|_| ())
    })
}

#[inline(never)]
pub(super) fn touch(stack: &Stack, at: usize) -> u8 {
    run(stack, at, TOUCH_ALLOWED, |settings, contender, path| {
        let holder = settings.holder(&contender.me)?;
        match contender.touch_for(&holder) {
            Ok(true) => Ok(()),
            Ok(false) => match contender.look() {
                Ok(None) => Err(nothing(path)),
                _ => Err(not_ours(contender, path, "not touched")),
            },
            Err(fault) => Err(failed(path, fault)),
        }
    })
}

#[inline(never)]
pub(super) fn break_(stack: &Stack, at: usize) -> u8 {
    run(stack, at, BREAK_ALLOWED, |settings, contender, path| {
        // Whether or not the lock itself is stale.
        if let Ok(swept @ 1..) = contender.sweep() {
            let mut out = Out::stdout();
            out.foreign(path.to_bytes()).text(": removed leftovers of killed processes: ");
            out.number(u64::from(swept)).text("\n");
        }
        let found = match contender.look() {
            Ok(Some(found)) => found,
            Ok(None) => return Err(nothing(path)),
            Err(fault) => return Err(failed(path, fault)),
        };
        let why = if settings.force {
            match contender.remove_by_force() {
                Ok(true) => Stale::GivenUp,
                Ok(false) => return Err(nothing(path)),
                Err(fault) => return Err(failed(path, fault)),
            }
        } else {
            settle(contender, path, &|| contender.remove())?
        };
        let mut out = Out::stdout();
        out.foreign(path.to_bytes()).text(": removed the lock of ");
        describe(&mut out, &owner(&found));
        out.text(", because ").text(why.reason()).text("\n");
        Ok(())
    })
}

/// Reads the options and does the work; answers the exit status.
fn run(
    stack: &Stack,
    at: usize,
    allowed: &[u8],
    work: fn(&Settings, &Contender, &CStr) -> Result<(), u8>,
) -> u8 {
    let read = || {
        let (settings, path, _) = Settings::read(stack, at, allowed, false)?;
        settings.demand_existence()?;
        match &settings.contender(path) {
            Ok(contender) => work(&settings, contender, path),
            Err(fault) => Err(failed(path, *fault)),
        }
    };
    read().err().unwrap_or(0)
}

/// Repeats a removal as long as the lock changes under it; says why it failed, or that there is
/// nothing to remove any more.
fn settle(
    contender: &Contender,
    path: &CStr,
    removal: &dyn Fn() -> Result<Stale, TryLockError<OwnedFd>>,
) -> Result<Stale, u8> {
    let mut restarts = 0;
    loop {
        match removal() {
            Ok(why) => return Ok(why),
            Err(TryLockError::Again) if restarts < RESTARTS_MAX => {
                if let Ok(None) = contender.look() {
                    return Err(nothing(path));
                }
                restarts += 1;
            }
            Err(error) => return Err(removal_failed(contender, path, &error)),
        }
    }
}

fn nothing(path: &CStr) -> u8 {
    about(Out::stderr(), path).text("there is no lock\n");
    NOTHING
}

fn not_ours(contender: &Contender, path: &CStr, what: &str) -> u8 {
    let mut out = about(Out::stderr(), path);
    out.text(what);
    if let Ok(Some(found)) = contender.look() {
        out.text(": the lock of ");
        describe(&mut out, &owner(&found));
    }
    out.text("\n");
    exit::HELD
}

fn removal_failed(contender: &Contender, path: &CStr, error: &TryLockError<OwnedFd>) -> u8 {
    match error {
        TryLockError::Held { verdict: Some(Verdict::Unknown(why)), .. } => {
            about(Out::stderr(), path).text("not removed, because ").text(why.reason()).text("\n");
            exit::HELD
        }
        TryLockError::Held { .. } => not_ours(contender, path, "not removed"),
        TryLockError::NotPermitted { fault, .. } | TryLockError::Fault(fault) => {
            failed(path, *fault)
        }
        TryLockError::Again => {
            let kind = FaultKind::Replaced;
            failed(path, crate::existence::own_fault(kind))
        }
    }
}
