//! Signals that end a process, and the locks it had.

mod common;

use std::io;
use std::os::unix::process::ExitStatusExt;

use common::{Actor, Scratch, alone, await_order, role as part, say};
use lock_std::{ExistenceLock, Kind, Lock, release_on_signals};
use nix::sys::signal::{self, SigHandler, Signal, kill};
use nix::unistd::Pid;

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    let file = Lock::at(path.with_file_name("file")).unlink_on_exit(true);
    match role.as_str() {
        "release" => {
            release_on_signals(&[1, 15]).unwrap();
            release_on_signals(&[2]).unwrap();
        }
        "leave" => {}
        other => panic!("{other}"),
    }
    let guards = [Kind::Nfs, Kind::Symlink, Kind::Mkdir, Kind::Pidfile]
        .map(|kind| ExistenceLock::at(path.with_file_name(kind.name()), kind).try_lock().unwrap());
    let file = file.try_lock().unwrap();
    say("held");
    await_order();
    drop((guards, file));
}

/// What is left of the locks of a process that this signal ended.
fn left_after(role: &str, signal: Signal) -> usize {
    let _alone = alone();
    let scratch = Scratch::new("signals");
    let mut actor = Actor::start(role, &scratch.path());
    actor.expect("held");
    let count = || std::fs::read_dir(scratch.dir()).unwrap().count();
    // The nfs lock has two names.
    assert_eq!(count(), 6);
    kill(Pid::from_raw(i32::try_from(actor.id()).unwrap()), signal).unwrap();
    let status = actor.wait();
    assert_eq!(status.signal(), Some(signal as i32), "it ends as it would have: {status}");
    count()
}

#[test]
fn locks_go_with_the_process_if_that_was_asked_for() {
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        assert_eq!(left_after("release", signal), 0, "{signal}");
    }
}

#[test]
fn no_signal_is_touched_if_not() {
    assert_eq!(left_after("leave", Signal::SIGTERM), 6);
    assert_eq!(left_after("release", Signal::SIGUSR1), 6, "nor one that was not named");
}

#[test]
fn a_program_that_handles_a_signal_keeps_it() {
    let number = Signal::SIGUSR2;
    // SAFETY: no other test of this program handles it.
    let before = unsafe { signal::signal(number, SigHandler::SigIgn) }.unwrap();
    let error = release_on_signals(&[number as i32]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    // SAFETY: as above.
    let kept = unsafe { signal::signal(number, before) }.unwrap();
    assert!(matches!(kept, SigHandler::SigIgn), "{kept:?}");
    assert_eq!(release_on_signals(&[9]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
