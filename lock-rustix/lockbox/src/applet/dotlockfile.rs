//! `dotlockfile`, as in liblockfile 1.17: mail's lock files, for scripts.
//!
//! Differs where the original is unsafe: of two who find a lock stale, one takes it; its age is
//! counted by the clock of its file system, not by a mix of clocks; and what is no regular file
//! stays. A mailbox's name comes from the environment only.

use core::ffi::CStr;

use lock_core::fault::{Fault, FaultKind};
use lock_core::owner::{Owner, Pid};
use lock_core::refresh::Refresh;
use lock_core::scheme::breaking::{Rule, TryLockError};
use lock_core::staleness::{Claim, Verdict};
use lock_rustix::clock::monotonic_ns;
use lock_rustix::process;
use lock_rustix::rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, unlinkat, utimensat};
use lock_rustix::rustix::io::Errno;

use super::mail::{DotLock, mailbox_lock};
use crate::hold::{Guard, run_under};
use crate::number::{Decimal, decimal, nonempty_decimal};
use crate::options::{Known, Options, pack, packed_len};
use crate::out::Out;
use crate::stack::Stack;
use crate::status;
use crate::sys::{self, Ended};

/// A lock without a pid is stale after this age, in milliseconds.
const STALE_AGE_MS: u64 = 300_000;

/// How often a lock is touched while the command runs, in milliseconds.
const TOUCH_MS: u64 = 30_000;

/// liblockfile's own statuses.
const CANNOT_MAKE: u8 = 2;
const CANNOT_WRITE: u8 = 3;
const HELD: u8 = 4;
const ERROR: u8 = 5;

pub(super) const USAGE: &str = "\
Usage:  dotlockfile -l [-r retries] [-i interval] [-p] [-q] <-m|lockfile>
        dotlockfile -l [-r retries] [-i interval] [-p] [-q] <-m|lockfile> [-P] command args...
        dotlockfile -u|-t|-c
";

#[derive(Clone, Copy, Eq, PartialEq)]
enum Action {
    Lock,
    Unlock,
    Touch,
    Check,
}

#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Settings {
    action: Action,
    /// `None`: for ever.
    retries: Option<u64>,
    interval_s: Option<u64>,
    with_pid: bool,
    quiet: bool,
    pass_status: bool,
    mailbox: bool,
}

const fn known(short: u8, takes_argument: bool) -> Known {
    Known { key: short, short, long: "", takes_argument }
}

pub(super) const KNOWN: [Known; 10] = [
    known(b'l', false),
    known(b'u', false),
    known(b't', false),
    known(b'c', false),
    known(b'm', false),
    known(b'p', false),
    known(b'q', false),
    known(b'P', false),
    known(b'r', true),
    known(b'i', true),
];
static OPTIONS: [u8; packed_len(&KNOWN)] = pack(&KNOWN);

#[inline(never)]
pub(crate) fn main(stack: &Stack, at: usize) -> u8 {
    let mut settings = Settings {
        action: Action::Lock,
        retries: Some(5),
        interval_s: None,
        with_pid: false,
        quiet: false,
        pass_status: false,
        mailbox: false,
    };
    let at = match settings.read(stack, at) {
        Ok(at) => at,
        Err(status) => return status,
    };
    let mailbox = mailbox_lock(stack.environment());
    let args = stack.args();
    let (path, command_at) = if settings.mailbox {
        (CStr::from_bytes_until_nul(&mailbox).unwrap_or_default(), at)
    } else {
        match args.get(at) {
            Some(path) => (path, at + 1),
            None => return usage(),
        }
    };
    match settings.action {
        Action::Lock => lock(stack, &settings, path, command_at),
        Action::Unlock => match unlinkat(CWD, path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => 0,
            Err(_) => 1,
        },
        Action::Touch => {
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let times = Timestamps { last_access: now, last_modification: now };
            u8::from(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).is_err())
        }
        Action::Check => match dot_lock(&settings, path, b"").and_then(|lock| lock.look()) {
            Ok(Some(found)) => u8::from(matches!(found.verdict, Verdict::Stale(_))),
            _ => 1,
        },
    }
}

impl Settings {
    /// Reads the options; answers where they end.
    #[inline(never)]
    fn read(&mut self, stack: &Stack, at: usize) -> Result<usize, u8> {
        let mut options = Options::new(stack.args(), at, &OPTIONS);
        while let Some(key) = options.next() {
            let argument = options.argument();
            match key {
                b'l' => self.action = Action::Lock,
                b'u' => self.action = Action::Unlock,
                b't' => self.action = Action::Touch,
                b'c' => self.action = Action::Check,
                b'm' => self.mailbox = true,
                b'p' => self.with_pid = true,
                b'q' => self.quiet = true,
                b'P' => self.pass_status = true,
                b'r' if argument == b"-1" => self.retries = None,
                _ => {
                    let number = nonempty_decimal(argument);
                    if number.is_none() {
                        let mut out = Out::stderr();
                        out.fill("dotlockfile: -% ", &[key]);
                        out.fill("%: invalid argument\n", argument);
                        return Err(ERROR);
                    }
                    if key == b'r' {
                        self.retries = number;
                    } else {
                        self.interval_s = number;
                    }
                }
            }
        }
        options.operands().map_err(|_| usage())
    }
}

fn usage() -> u8 {
    Out::stderr().text(USAGE);
    1
}

fn dot_lock<'a>(settings: &Settings, path: &CStr, payload: &'a [u8]) -> Result<DotLock<'a>, Fault> {
    // A process that is looked up and found gone is proof; one that lives is never too old.
    let rule = Rule::Pidfile { stale_age_ms: STALE_AGE_MS, live_factor: u64::MAX };
    let decode = if settings.with_pid { pid_claim } else { |_: &[u8]| Some(Claim::default()) };
    DotLock::new(path, 0o644, payload, decode, rule)
}

/// What `atoi` reads.
fn pid_claim(text: &[u8]) -> Option<Claim> {
    let digits = text.trim_ascii_start();
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let pid = decimal(digits.get(..end)?).and_then(Pid::new);
    Some(Claim { owner: Owner { pid, ..Owner::default() }, ..Claim::default() })
}

fn lock(stack: &Stack, settings: &Settings, path: &CStr, command_at: usize) -> u8 {
    let command = stack.args().get(command_at);
    // For a command this process holds the lock, else the one that asks for it.
    let holder = match command {
        Some(_) => Pid::new(u64::from(process::id())),
        None => process::parent(),
    };
    let mut payload = arrayvec::ArrayVec::<u8, 21>::new();
    let number = Decimal::new(holder.filter(|_| settings.with_pid).map_or(0, Pid::get));
    // A number and a newline fit.
    let _ = payload.try_extend_from_slice(number.as_bytes());
    let _ = payload.try_push(b'\n');
    let lock = match dot_lock(settings, path, &payload) {
        Ok(lock) => lock,
        Err(fault) => return failed(settings, path, fault),
    };
    let mut tries = 0;
    let taken = loop {
        match lock.try_lock() {
            Ok(taken) => break taken,
            Err(TryLockError::Fault(fault) | TryLockError::NotPermitted { fault, .. }) => {
                return failed(settings, path, fault);
            }
            Err(_) => {}
        }
        if settings.retries.is_some_and(|retries| tries >= retries) {
            return HELD;
        }
        tries += 1;
        let pause_s = settings.interval_s.unwrap_or((tries * 5).min(60));
        sys::sleep(pause_s.saturating_mul(1_000_000_000));
    };
    let Some(command) = command else {
        taken.leave(&lock.spot);
        return 0;
    };
    let every_ms = if settings.with_pid { 0 } else { TOUCH_MS };
    let refresh = Refresh::new(monotonic_ns() / 1_000_000, every_ms, STALE_AGE_MS);
    let mut guard = Guard::Existence(lock.spot, taken, refresh);
    let ended = run_under(stack, command_at, command, &mut guard);
    guard.release();
    match ended {
        _ if !settings.pass_status => 0,
        Ended::Exited(status) => status,
        Ended::Killed(signal) => 128 + signal,
    }
}

fn failed(settings: &Settings, path: &CStr, fault: Fault) -> u8 {
    if !settings.quiet {
        let mut out = Out::stderr();
        out.fill("dotlockfile: %: ", path.to_bytes());
        out.fill("%\n", fault.kind.reason().as_bytes());
    }
    match fault.kind {
        FaultKind::Denied | FaultKind::ReadOnly => CANNOT_MAKE,
        FaultKind::NoSpace | FaultKind::Quota | FaultKind::Io => CANNOT_WRITE,
        FaultKind::IsDirectory | FaultKind::NotRegular | FaultKind::Symlink => HELD,
        _ => ERROR,
    }
    .max(u8::from(status::of(fault) == 0))
}
