//! `lockfile`, as in procmail 3.23: semaphore files, one or several, for scripts.
//!
//! Differs where the original is unsafe: of two who force the same lock, one gets it, so no
//! suspension is needed after that. `-ml` and `-mu` take the mailbox's name from the environment.

use core::ffi::CStr;

use lock_core::fault::FaultKind;
use lock_core::scheme::breaking::{Rule, TryLockError};
use lock_core::staleness::{Claim, Verdict};
use lock_rustix::rustix::fs::{AtFlags, CWD, unlinkat};

use super::mail::{DotLock, mailbox_lock};
use crate::number::{decimal, nonempty_decimal};
use crate::out::Out;
use crate::stack::{Args, Stack};
use crate::status as exit;
use crate::sys::{self, HUP, INT, QUIT, SignalSet, TERM};

pub(super) const USAGE: &str = "\
Usage: lockfile -v | -nnn | -r nnn | -l nnn | -s nnn | -! | -ml | -mu | file ...
";

/// Some other error than that the lock is held.
const UNAVAILABLE: u8 = 69;
/// A signal came.
const SIGNALLED: u8 = 75;

struct Settings {
    sleep_s: u64,
    /// `None`: for ever.
    retries: Option<u64>,
    /// 0: never force.
    force_age_s: u64,
    invert: bool,
}

#[inline(never)]
pub(crate) fn main(stack: &Stack, at: usize) -> u8 {
    let args = stack.args();
    let mut settings = Settings { sleep_s: 8, retries: None, force_age_s: 0, invert: false };
    // A signal must not leave made files behind.
    sys::block(SignalSet::of(&[HUP, INT, QUIT, TERM]));
    let path = mailbox_lock(stack.environment());
    let mailbox = CStr::from_bytes_until_nul(&path).unwrap_or_default();
    let mut next = at;
    let mut any = false;
    while let Some(arg) = args.get(next) {
        next += 1;
        let mut is_lock = true;
        let outcome = match arg.to_bytes() {
            b"-ml" => take(&settings, mailbox),
            b"-mu" => unlinkat(CWD, mailbox, AtFlags::empty()).map_err(|_| UNAVAILABLE),
            [b'-', option @ ..] if !option.is_empty() => {
                is_lock = false;
                if settings.read(option, args, &mut next) { Ok(()) } else { Err(usage()) }
            }
            _ => take(&settings, arg),
        };
        any |= is_lock;
        if let Err(status) = outcome {
            if status != exit::USAGE {
                undo(args, at, next - 1);
            }
            return settings.status(status);
        }
    }
    if any { settings.status(0) } else { usage() }
}

impl Settings {
    /// Reads one option; `false` if it is wrong.
    #[inline(never)]
    fn read(&mut self, option: &'static [u8], args: Args, next: &mut usize) -> bool {
        let (letter, rest) = option.split_at_checked(1).unwrap_or_default();
        match letter {
            b"!" if rest.is_empty() => {
                self.invert = !self.invert;
                return true;
            }
            b"r" | b"l" | b"s" => {}
            _ => return decimal(option).inspect(|&sleep_s| self.sleep_s = sleep_s).is_some(),
        }
        let mut text = rest;
        if text.is_empty() {
            text = args.bytes(*next);
            *next += 1;
        }
        let number = nonempty_decimal(text);
        match letter {
            b"r" => {
                self.retries = number;
                return number.is_some() || text == b"-1";
            }
            b"l" => self.force_age_s = number.unwrap_or(0),
            // Forcing needs no pause here.
            _ => {}
        }
        number.is_some()
    }

    fn status(&self, status: u8) -> u8 {
        match status {
            0 if self.invert => exit::CANNOT_CREATE,
            exit::CANNOT_CREATE if self.invert => 0,
            status => status,
        }
    }
}

fn usage() -> u8 {
    Out::stderr().text(USAGE);
    exit::USAGE
}

fn take(settings: &Settings, path: &CStr) -> Result<(), u8> {
    let rule = Rule::Age { stale_age_ms: settings.force_age_s.saturating_mul(1000) };
    let decode = |_: &[u8]| Some(Claim::default());
    let lock = DotLock::new(path, 0o444, b"0", decode, rule).map_err(|_| pray(path))?;
    let mut tries = 0;
    loop {
        if settings.force_age_s != 0 {
            if let Ok(Some(found)) = lock.look() {
                if matches!(found.verdict, Verdict::Stale(_)) {
                    say("Forcing lock on", path);
                }
            }
        }
        match lock.try_lock() {
            Ok(taken) => {
                taken.leave(&lock.spot);
                return Ok(());
            }
            Err(TryLockError::Fault(fault)) if is_there(fault.kind) => {}
            Err(TryLockError::Fault(_)) => return Err(pray(path)),
            Err(TryLockError::NotPermitted { .. }) => {
                say("Forced unlock denied on", path);
            }
            Err(_) => {}
        }
        if settings.retries.is_some_and(|retries| tries >= retries) {
            say("Sorry, giving up on", path);
            return Err(exit::CANNOT_CREATE);
        }
        tries += 1;
        let signals = SignalSet::of(&[HUP, INT, QUIT, TERM]);
        let sleep_ns = settings.sleep_s.saturating_mul(1_000_000_000);
        if sys::wait_for_signal(signals, Some(sleep_ns)).is_some() {
            say("Signal received, giving up on", path);
            return Err(SIGNALLED);
        }
    }
}

/// Whether the name is taken by something, be it no lock at all.
fn is_there(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::IsDirectory | FaultKind::NotRegular | FaultKind::Symlink | FaultKind::Exists
    )
}

fn pray(path: &CStr) -> u8 {
    say("Try praying, giving up on", path);
    UNAVAILABLE
}

fn say(what: &str, path: &CStr) {
    let mut out = Out::stderr();
    out.fill("lockfile: % ", what.as_bytes()).fill("\"%\"\n", path.to_bytes());
}

/// Removes the files that were made so far: the operands before `end`.
fn undo(args: Args, at: usize, end: usize) {
    let mut skip = false;
    for at in at..end {
        let Some(arg) = args.get(at) else { return };
        match arg.to_bytes() {
            _ if skip => skip = false,
            [b'-', b'r' | b'l' | b's'] => skip = true,
            [b'-', _, ..] => {}
            _ => {
                let _ = unlinkat(CWD, arg, AtFlags::empty());
            }
        }
    }
}
