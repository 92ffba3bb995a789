//! `setlock`, as in daemontools 0.76: runs a program that has the locked file open.

use core::ffi::CStr;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_rustix::local::{LockError, Request};
use lock_rustix::place::Place;
use lock_rustix::rustix::io::{Errno, FdFlags, fcntl_setfd};
use lock_rustix::sys::Sys;

use crate::options::{Known, Options, pack, packed_len};
use crate::out::{Out, complain};
use crate::spawn;
use crate::stack::Stack;
use crate::waiting::{Patience, Refused, take};

pub(super) const USAGE: &str = "setlock: usage: setlock [ -nNxX ] file program [ arg ... ]\n";

/// djb's statuses.
const WRONG: u8 = 100;
const FAILED: u8 = 111;

const fn known(short: u8) -> Known {
    Known { key: short, short, long: "", takes_argument: false }
}

pub(super) const KNOWN: [Known; 4] = [known(b'n'), known(b'N'), known(b'x'), known(b'X')];
static OPTIONS: [u8; packed_len(&KNOWN)] = pack(&KNOWN);

#[inline(never)]
pub(crate) fn main(stack: &Stack, at: usize) -> u8 {
    let args = stack.args();
    let mut options = Options::new(args, at, &OPTIONS);
    let (mut patience, mut held_status) = (Patience::Forever, FAILED);
    for key in options.by_ref() {
        match key {
            b'n' => patience = Patience::None,
            b'N' => patience = Patience::Forever,
            b'x' => held_status = 0,
            _ => held_status = FAILED,
        }
    }
    // An option that cannot be read leaves nothing to lock.
    let at = options.operands().unwrap_or(args.count());
    let (Some(path), Some(program)) = (args.get(at), args.get(at + 1)) else {
        complain(USAGE, b"");
        return WRONG;
    };
    let sys = Sys::new(Place::path(path).follow_symlinks()).with_mode(0o600);
    let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    let held = match take(&sys, &request, patience, None) {
        Ok(held) => held,
        Err(refused) => {
            if held_status != 0 {
                match refused {
                    Refused::Failed(LockError::Fault(fault)) => {
                        fatal("open", path, fault.kind.reason());
                    }
                    _ => fatal("lock", path, "temporary failure"),
                }
            }
            return held_status;
        }
    };
    // The program is to have it, and the lock with it.
    let _ = fcntl_setfd(&held, FdFlags::empty());
    let why = match spawn::exec(args.from(at + 1), program, stack.environment()) {
        Errno::NOENT => "file does not exist",
        Errno::ACCESS => "access denied",
        _ => "it cannot be executed",
    };
    fatal("run", program, why);
    FAILED
}

fn fatal(what: &str, path: &CStr, why: &str) {
    let mut out = Out::stderr();
    out.fill("setlock: fatal: unable to % ", what.as_bytes());
    out.fill("%: ", path.to_bytes()).fill("%\n", why.as_bytes());
}
