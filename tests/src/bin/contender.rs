//! One of many processes that want the same lock: `contender KIND PATH WITNESS ROUNDS`. Kernel
//! locks it releases by removing the file, so that all must check which file they locked.
//!
//! Takes the lock, again and again, and each time takes a POSIX lock of WITNESS without waiting: if
//! that is refused, two processes hold the lock, and this one says so and exits with 99. It can be
//! killed at any moment.
//!
//! Not an flock: of a killed process the kernel drops POSIX locks when it closes the descriptors,
//! and flocks some time later, one after the other. So the witness is free before the lock is.

use core::ffi::CStr;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError};
use lock_core::staleness::Policy;
use lock_rustix::existence::{Spot, Taken, try_lock};
use lock_rustix::identity::{Identity, is_local, myself, nonce};
use lock_rustix::local::{self, Request};
use lock_rustix::place::Place;
use lock_rustix::signature::{Signer, decode};
use lock_rustix::sys::Sys;
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, fcntl_lock, flock};

/// What it exits with when two hold the lock.
const DOUBLE_HOLD: u8 = 99;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let mut next = || args.next().expect("KIND PATH WITNESS ROUNDS");
    let kind = kind(next().to_str().expect("a kind's name"));
    let path = CString::new(next().into_vec()).expect("a path");
    let witness = File::options().write(true).open(next()).expect("the witness can be opened");
    let rounds: u32 = next().to_str().and_then(|rounds| rounds.parse().ok()).expect("a number");
    if !kind.is_existence() {
        return kernel_rounds(kind, &path, &witness, rounds);
    }
    let spot = Spot::open(kind, &path).expect("the directory can be opened");
    let me = myself();
    for _ in 0..rounds {
        let taken = lock(&spot, &me);
        if fcntl_lock(&witness, FlockOperation::NonBlockingLockExclusive).is_err() {
            eprintln!("double hold of {} {}", kind.name(), path.to_string_lossy());
            return ExitCode::from(DOUBLE_HOLD);
        }
        assert!(taken.still_held(&spot).expect("the lock can be looked at"), "lost while held");
        fcntl_lock(&witness, FlockOperation::Unlock).expect("the witness can be unlocked");
        taken.unlock(&spot).expect("the lock can be released");
    }
    ExitCode::SUCCESS
}

fn kind(name: &str) -> Kind {
    Kind::from_name(name.as_bytes()).expect("a kind")
}

fn kernel_rounds(kind: Kind, path: &CStr, witness: &File, rounds: u32) -> ExitCode {
    let sys = Sys::new(Place::path(path));
    let request = Request { kind, mode: Mode::Exclusive, message: None };
    for _ in 0..rounds {
        let guard = local::lock(&sys, &request, || true).expect("the lock comes");
        if fcntl_lock(witness, FlockOperation::NonBlockingLockExclusive).is_err() {
            eprintln!("double hold of {} {}", kind.name(), path.to_string_lossy());
            return ExitCode::from(DOUBLE_HOLD);
        }
        assert!(guard.still_held(&sys).expect("the lock can be looked at"), "lost while held");
        fcntl_lock(witness, FlockOperation::Unlock).expect("the witness can be unlocked");
        guard.unlock_and_unlink(&sys).expect("the file can be removed");
    }
    ExitCode::SUCCESS
}

fn lock(spot: &Spot, me: &Identity) -> Taken {
    loop {
        match attempt(spot, me) {
            Ok(taken) => return taken,
            // The holder's flock, or a breaker's: the kernel wakes us when it goes.
            Err(TryLockError::Held { queue: Some(file), .. }) => {
                flock(&file, FlockOperation::LockExclusive).expect("the queue can be joined");
            }
            Err(TryLockError::Held { queue: None, .. } | TryLockError::Again) => {
                std::thread::yield_now();
            }
            Err(TryLockError::Fault(fault) | TryLockError::NotPermitted { fault, .. }) => {
                panic!("{} lock: {fault}", spot.kind().name())
            }
        }
    }
}

fn attempt(spot: &Spot, me: &Identity) -> Result<Taken, TryLockError<OwnedFd>> {
    let nonce = nonce().expect("the kernel has random numbers");
    let signer = Signer { holder: me, message: b"contender", nonce: &nonce, flocked: true };
    let payload = signer.payload(spot.kind()).expect("the message fits");
    let terms = Terms {
        payload: payload.as_bytes(),
        decode: decode(spot.kind()),
        observer: &me.observer,
        rule: Rule::Strict(Policy::default()),
        local: is_local(spot),
    };
    try_lock(spot, &terms, &nonce)
}
