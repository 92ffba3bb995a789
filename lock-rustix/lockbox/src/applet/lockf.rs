//! `lockf`, as in FreeBSD 14: runs a command while a file is locked, and removes the file then.
//!
//! Differs where the original is unsafe: the file is removed while the lock is held, and whoever
//! waited for it looks again which file the name means.

use core::ffi::CStr;

use lock_core::fault::FaultKind;
use lock_core::kind::Kind;
use lock_core::os::{Files, Mode, Names, Node};
use lock_rustix::local::{LockError, Request};
use lock_rustix::place::Place;
use lock_rustix::rustix::fs::{FlockOperation, flock};
use lock_rustix::rustix::io::Errno;
use lock_rustix::sys::Sys;

use crate::hold::{Guard, run_under};
use crate::number::nonempty_decimal;
use crate::options::{Known, Options, pack, packed_len};
use crate::out::Out;
use crate::stack::Stack;
use crate::status as exit;
use crate::sys::{self, Ended};
use crate::waiting::{Patience, Refused, take};

pub(super) const USAGE: &str = "\
usage: lockf [-knsw] [-t seconds] file command [arguments]
       lockf [-s] [-t seconds] fd
";

/// The command was killed.
const SOFTWARE: u8 = 70;
/// `-n`: there is no such file.
const UNAVAILABLE: u8 = 69;

#[derive(Clone, Copy)]
struct Settings {
    keep: bool,
    no_create: bool,
    silent: bool,
    patience: Patience,
}

const fn known(short: u8, takes_argument: bool) -> Known {
    Known { key: short, short, long: "", takes_argument }
}

pub(super) const KNOWN: [Known; 5] = [
    known(b'k', false),
    known(b'n', false),
    known(b's', false),
    known(b'w', false),
    known(b't', true),
];
static OPTIONS: [u8; packed_len(&KNOWN)] = pack(&KNOWN);

#[inline(never)]
pub(crate) fn main(stack: &Stack, at: usize) -> u8 {
    let mut settings =
        Settings { keep: false, no_create: false, silent: false, patience: Patience::Forever };
    let Some(at) = settings.read(stack, at) else { return usage() };
    let args = stack.args();
    match (args.get(at), args.get(at + 1)) {
        (Some(path), Some(command)) => run(stack, &settings, path, at + 1, command),
        (Some(number), None) => lock_descriptor(&settings, number),
        _ => usage(),
    }
}

impl Settings {
    /// Reads the options; answers where they end, unless one is wrong.
    #[inline(never)]
    fn read(&mut self, stack: &Stack, at: usize) -> Option<usize> {
        let mut options = Options::new(stack.args(), at, &OPTIONS);
        while let Some(key) = options.next() {
            match key {
                b'k' => self.keep = true,
                b'n' => self.no_create = true,
                b's' => self.silent = true,
                // How the file is opened; here always for reading and writing where it may be.
                b'w' => {}
                _ => {
                    self.patience = match nonempty_decimal(options.argument())? {
                        0 => Patience::None,
                        seconds => Patience::For(seconds.saturating_mul(1_000_000_000)),
                    }
                }
            }
        }
        options.operands().ok()
    }
}

fn usage() -> u8 {
    Out::stderr().text(USAGE);
    exit::USAGE
}

fn run(stack: &Stack, settings: &Settings, path: &CStr, at: usize, command: &CStr) -> u8 {
    let sys = Sys::new(Place::path(path).follow_symlinks()).with_mode(0o666);
    if settings.no_create
        && matches!(sys.stat(Node::Lock), Err(it) if it.kind == FaultKind::Missing)
    {
        say(settings, path, "cannot open: no such file");
        return UNAVAILABLE;
    }
    let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    let held = match take(&sys, &request, settings.patience, None) {
        Ok(held) => held,
        Err(Refused::Failed(LockError::Fault(fault))) => {
            say(settings, path, fault.kind.reason());
            return exit::CANNOT_CREATE;
        }
        Err(_) => {
            say(settings, path, "already locked");
            return exit::HELD;
        }
    };
    let mut guard = Guard::Kernel(held);
    let ended = run_under(stack, at, command, &mut guard);
    if !settings.keep {
        let _ = sys.unlink(Node::Lock);
    }
    guard.release();
    match ended {
        Ended::Exited(status) => status,
        Ended::Killed(_) => SOFTWARE,
    }
}

/// Locks a descriptor that the caller has, and keeps it locked when this has ended.
fn lock_descriptor(settings: &Settings, number: &CStr) -> u8 {
    let fd = nonempty_decimal(number.to_bytes());
    let fd = fd.and_then(|fd| i32::try_from(fd).ok()).and_then(sys::inherited);
    let Some(fd) = fd else { return usage() };
    if let Patience::For(ns) = settings.patience {
        sys::interrupt_after(ns);
    }
    let operation = match settings.patience {
        Patience::None => FlockOperation::NonBlockingLockExclusive,
        _ => FlockOperation::LockExclusive,
    };
    let locked = flock(fd, operation);
    sys::stop_interrupting();
    match locked {
        Ok(()) => 0,
        Err(Errno::WOULDBLOCK | Errno::INTR) => {
            say(settings, number, "already locked");
            exit::HELD
        }
        Err(_) => {
            say(settings, number, "bad file descriptor");
            exit::CANNOT_CREATE
        }
    }
}

fn say(settings: &Settings, path: &CStr, what: &str) {
    if !settings.silent {
        let mut out = Out::stderr();
        out.fill("lockf: %: ", path.to_bytes()).fill("%\n", what.as_bytes());
    }
}
