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
        match settle(contender, |contender| contender.release_for(&holder)) {
            Some(outcome) => outcome.map_err(|error| removal_failed(contender, path, &error)),
            None => Err(nothing(path)),
        }
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
        let Ok(Some(found)) = contender.look() else {
            return Err(contender
                .look()
                .map_or_else(|fault| failed(path, fault), |_| nothing(path)));
        };
        let why = if settings.force {
            match contender.remove_by_force() {
                Ok(true) => Stale::GivenUp,
                Ok(false) => return Err(nothing(path)),
                Err(fault) => return Err(failed(path, fault)),
            }
        } else {
            match settle(contender, Contender::remove) {
                Some(outcome) => {
                    outcome.map_err(|error| removal_failed(contender, path, &error))?
                }
                None => return Err(nothing(path)),
            }
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
    work: impl FnOnce(&Settings, &Contender, &CStr) -> Result<(), u8>,
) -> u8 {
    let work = || {
        let (settings, path, _) = Settings::read(stack, at, allowed, false)?;
        settings.demand_existence()?;
        match &settings.contender(path) {
            Ok(contender) => work(&settings, contender, path),
            Err(fault) => Err(failed(path, *fault)),
        }
    };
    work().err().unwrap_or(0)
}

/// Repeats a removal as long as the lock changes under it; `None` if there is none any more.
fn settle<T>(
    contender: &Contender,
    removal: impl Fn(&Contender) -> Result<T, TryLockError<OwnedFd>>,
) -> Option<Result<T, TryLockError<OwnedFd>>> {
    let mut restarts = 0;
    loop {
        match removal(contender) {
            Err(TryLockError::Again) if restarts < RESTARTS_MAX => {
                if let Ok(None) = contender.look() {
                    return None;
                }
                restarts += 1;
            }
            outcome => return Some(outcome),
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
