//! `lockbox release`, `touch` and `break`: what becomes of a lock that this process does not hold.

use core::ffi::CStr;

use lock_core::fault::FaultKind;
use lock_core::scheme::breaking::TryLockError;
use lock_core::staleness::{Stale, Verdict};
use lock_rustix::existence::touch_for;
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::signature::decode;

use super::report::{about, failed, owner};
use super::settings::{AGE, FORCE, LEASE, PID, Settings};
use crate::existence::{Asking, RESTARTS_MAX};
use crate::holder::describe;
use crate::out::Out;
use crate::stack::Stack;
use crate::status as exit;

/// Nothing was there.
const NOTHING: u8 = 1;

pub(super) fn release(stack: &Stack, at: usize) -> u8 {
    run(stack, at, &[b'k', LEASE, PID], |settings, asking, path| {
        let holder = settings.released_holder(&asking.me)?;
        match settle(asking, |asking| asking.release_for(&holder)) {
            Some(outcome) => outcome.map_err(|error| removal_failed(asking, path, &error)),
            None => Err(nothing(path)),
        }
    })
}

pub(super) fn touch(stack: &Stack, at: usize) -> u8 {
    run(stack, at, &[b'k', LEASE, PID], |settings, asking, path| {
        let holder = settings.holder(&asking.me)?;
        match touch_for(&asking.spot, decode(settings.kind), &holder) {
            Ok(true) => Ok(()),
            Ok(false) => match asking.look() {
                Ok(None) => Err(nothing(path)),
                _ => Err(not_ours(asking, path, "not touched")),
            },
            Err(fault) => Err(failed(path, fault)),
        }
    })
}

pub(super) fn break_(stack: &Stack, at: usize) -> u8 {
    run(stack, at, &[b'k', AGE, FORCE, LEASE], |settings, asking, path| {
        // Whether or not the lock itself is stale.
        if let Ok(swept @ 1..) = asking.sweep() {
            let mut out = Out::stdout();
            out.foreign(path.to_bytes()).text(": removed leftovers of killed processes: ");
            out.number(u64::from(swept)).text("\n");
        }
        let Ok(Some(found)) = asking.look() else {
            return Err(asking.look().map_or_else(|fault| failed(path, fault), |_| nothing(path)));
        };
        let why = if settings.force {
            match asking.remove_by_force() {
                Ok(true) => Stale::GivenUp,
                Ok(false) => return Err(nothing(path)),
                Err(fault) => return Err(failed(path, fault)),
            }
        } else {
            match settle(asking, Asking::remove) {
                Some(outcome) => outcome.map_err(|error| removal_failed(asking, path, &error))?,
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
    work: impl FnOnce(&Settings, &Asking, &CStr) -> Result<(), u8>,
) -> u8 {
    let work = || {
        let (settings, path, _) = Settings::read(stack, at, allowed, false)?;
        settings.demand_existence()?;
        let asking = settings.asking(path).map_err(|fault| failed(path, fault))?;
        work(&settings, &asking, path)
    };
    work().err().unwrap_or(0)
}

/// Repeats a removal as long as the lock changes under it; `None` if there is none any more.
fn settle<T>(
    asking: &Asking,
    removal: impl Fn(&Asking) -> Result<T, TryLockError<OwnedFd>>,
) -> Option<Result<T, TryLockError<OwnedFd>>> {
    let mut restarts = 0;
    loop {
        match removal(asking) {
            Err(TryLockError::Again) if restarts < RESTARTS_MAX => {
                if let Ok(None) = asking.look() {
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

fn not_ours(asking: &Asking, path: &CStr, what: &str) -> u8 {
    let mut out = about(Out::stderr(), path);
    out.text(what);
    if let Ok(Some(found)) = asking.look() {
        out.text(": the lock of ");
        describe(&mut out, &owner(&found));
    }
    out.text("\n");
    exit::HELD
}

fn removal_failed(asking: &Asking, path: &CStr, error: &TryLockError<OwnedFd>) -> u8 {
    match error {
        TryLockError::Held { verdict: Some(Verdict::Unknown(why)), .. } => {
            about(Out::stderr(), path).text("not removed, because ").text(why.reason()).text("\n");
            exit::HELD
        }
        TryLockError::Held { .. } => not_ours(asking, path, "not removed"),
        TryLockError::NotPermitted { fault, .. } | TryLockError::Fault(fault) => {
            failed(path, *fault)
        }
        TryLockError::Again => {
            let kind = FaultKind::Replaced;
            failed(path, crate::existence::own_fault(kind))
        }
    }
}
