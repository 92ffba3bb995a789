//! Cycles, for counting their system calls: `cycle WHAT PATH TIMES`.
//!
//! WHAT is a kernel kind (by path), `message` (kind file with a message of its own), `open-KIND`
//! (lock and unlock on one open file), an existence kind, `std-KIND` (the same through lock-std),
//! `wait-KIND`: in vain, with a limit, or `come-KIND`: until the lock comes, and then asks who its
//! parent is, as a sign.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use lock_core::kind::Kind;
use lock_core::os::{Access, Files, Flock, Mode, Node, OfdLocks, PosixLocks};
use lock_core::payload::message::Message;
use lock_core::scheme::breaking::{Rule, Terms};
use lock_core::staleness::Policy;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::existence::{self, Contender, Refused, Spot};
use lock_rustix::identity::{is_local, myself};
use lock_rustix::limit::{Limit, Tick};
use lock_rustix::local::{Request, lock_within, try_lock};
use lock_rustix::place::Place;
use lock_rustix::signature::{Signer, decode};
use lock_rustix::sys::Sys;
use lock_std::{ExistenceGuard, ExistenceLock};

fn main() {
    let mut args = std::env::args_os().skip(1);
    let mut next = || args.next().expect("WHAT PATH TIMES");
    let what = next().into_string().expect("a word");
    let path = CString::new(next().into_vec()).expect("a path");
    let times: u32 = next().to_str().and_then(|times| times.parse().ok()).expect("a number");
    let sys = Sys::new(Place::path(&path));
    if let Some(kind) = what.strip_prefix("open-") {
        return on_open_file(&sys, kind, times);
    }
    if what == "wait-foreign" {
        // What a program writes that flocks nothing.
        let path = OsStr::from_bytes(path.as_bytes());
        std::fs::write(path, std::process::id().to_string()).expect("room");
        wait_behind(
            &Contender::new(Kind::Pidfile, &CString::new(path.as_bytes()).expect("a path"))
                .expect("the directory"),
            times,
        );
        return std::fs::remove_file(path).expect("it is ours");
    }
    if let Some(kind) = what.strip_prefix("wait-") {
        return wait_in_vain(Kind::from_name(kind.as_bytes()).expect("a kind"), &path, times);
    }
    if let Some(kind) = what.strip_prefix("come-") {
        return wait_for(Kind::from_name(kind.as_bytes()).expect("a kind"), &path);
    }
    if let Some(kind) = what.strip_prefix("std-") {
        let lock = ExistenceLock::at(
            OsStr::from_bytes(path.as_bytes()),
            Kind::from_name(kind.as_bytes()).expect("a kind"),
        );
        for _ in 0..times {
            lock.try_lock().and_then(ExistenceGuard::unlock).expect("nobody else holds it");
        }
        return;
    }
    let existing = [Kind::Nfs, Kind::Pidfile, Kind::Symlink, Kind::Mkdir];
    if let Some(kind) = existing.into_iter().find(|kind| kind.name() == what) {
        return existence_lock(kind, &path, times);
    }
    let message = (what == "message").then(|| Message::new(b"nightly backup").expect("it fits"));
    let kind = Kind::from_name(what.as_bytes()).unwrap_or(Kind::File);
    let request = Request { kind, mode: Mode::Exclusive, message: message.as_ref() };
    for _ in 0..times {
        drop(try_lock(&sys, &request).expect("nobody else holds it"));
    }
}

/// The end of a wait that begins now.
fn soon() -> u64 {
    monotonic_ns() + 100_000_000
}

/// Waits so often for a lock that another has.
fn wait_behind(contender: &Contender, times: u32) {
    for _ in 0..times {
        let once = existence::Request::once(&contender.me);
        let request = existence::Request { deadline_ns: soon(), ..once };
        let refused = contender.lock(&request, &mut |_| {});
        assert!(matches!(refused, Err(Refused::Held(_))));
    }
}

fn wait_in_vain(kind: Kind, path: &CString, times: u32) {
    if kind.is_existence() {
        let contender = Contender::new(kind, path).expect("the directory");
        let request = existence::Request::once(&contender.me);
        let taken = contender.lock(&request, &mut |_| {}).expect("nobody else holds it");
        wait_behind(&contender, times);
        taken.unlock(&contender.spot).expect("it is ours");
        return;
    }
    let sys = Sys::new(Place::path(path));
    let request = Request { kind, mode: Mode::Exclusive, message: None };
    let guard = try_lock(&sys, &request).expect("nobody else holds it");
    for _ in 0..times {
        let limit = Limit::until(soon());
        let refused = lock_within(&sys, &request, &limit, &mut Tick::never(&mut || {}));
        assert!(refused.is_err());
    }
    drop(guard);
}

fn wait_for(kind: Kind, path: &CString) {
    let contender = Contender::new(kind, path).expect("the directory");
    let request =
        existence::Request { deadline_ns: u64::MAX, ..existence::Request::once(&contender.me) };
    let taken = contender.lock(&request, &mut |_| {}).expect("it comes");
    let _ = std::os::unix::process::parent_id();
    taken.unlock(&contender.spot).expect("it is ours");
}

fn on_open_file(sys: &Sys<'_>, kind: &str, times: u32) {
    let file = sys.open_or_create(Node::Lock, Access::ReadWrite).expect("it can be opened");
    for _ in 0..times {
        let done = match kind {
            "flock" => sys.flock(&file, Mode::Exclusive).and_then(|()| sys.flock_un(&file)),
            "lockf" => sys.setlk(&file, Mode::Exclusive).and_then(|()| sys.setlk_un(&file)),
            "ofd" => sys.ofd_setlk(&file, Mode::Exclusive).and_then(|()| sys.ofd_setlk_un(&file)),
            _ => sys
                .flock(&file, Mode::Exclusive)
                .and_then(|()| sys.ofd_setlk(&file, Mode::Exclusive))
                .and_then(|()| sys.ofd_setlk_un(&file))
                .and_then(|()| sys.flock_un(&file)),
        };
        done.expect("nobody else holds it");
    }
}

fn existence_lock(kind: Kind, path: &CString, times: u32) {
    let spot = Spot::open(kind, path).expect("the directory");
    let me = myself();
    let local = is_local(&spot);
    for number in 0..times {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_le_bytes());
        let signer = Signer { holder: &me, message: b"", nonce: &nonce, flocked: true };
        let payload = signer.payload(kind).expect("it fits");
        let terms = Terms {
            payload: payload.as_bytes(),
            decode: decode(kind),
            observer: &me.observer,
            rule: Rule::Strict(Policy::default()),
            local,
        };
        let taken = existence::try_lock(&spot, &terms, &nonce).expect("nobody else holds it");
        taken.unlock(&spot).expect("it is ours");
    }
}
