//! Pidfile.jl's own test suite, as far as it is about the lock, and what ours does better.

mod common;

use core::time::Duration;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use common::{Actor, Scratch, alone, role as part, say};
use lock_std::pidfile::{
    Options, PidInfo, isvalidpid, mkpidlock, mkpidlock_pid, mkpidlock_proc, open_exclusive,
    parse_pidfile, stale_pidfile, trymkpidlock, tryopen_exclusive, with_pidlock, write_pidfile,
};
use lock_std::{FaultKind, LockError, Pid};

const QUICK: Options = Options {
    mode: 0o444,
    stale_age: Duration::ZERO,
    refresh: None,
    poll_interval: Duration::from_secs(10),
    wait: false,
};

/// Children play their parts here.
#[test]
#[ignore = "a part of the other tests"]
fn role() {
    let (part, path) = part();
    match part.as_str() {
        "hold" => {
            let lock = mkpidlock(&path, Options::default()).unwrap();
            say("held");
            common::await_order();
            assert!(lock.close());
        }
        "umask" => {
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o002));
            for mode in [0o444, 0o000, 0o777] {
                let file = open_exclusive(&path, Options { mode, ..QUICK }).unwrap();
                say(&format!("{:o}", file.metadata().unwrap().permissions().mode() & 0o777));
                fs::remove_file(&path).unwrap();
                let lock = mkpidlock(&path, Options { mode, ..QUICK }).unwrap();
                say(&format!("{:o}", fs::metadata(&path).unwrap().permissions().mode() & 0o777));
                assert!(lock.close());
            }
        }
        other => panic!("{other}"),
    }
}

/// A child that ends when its standard input does.
fn child() -> Child {
    Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
}

fn end(mut child: Child) -> u32 {
    drop(child.stdin.take());
    child.wait().unwrap();
    child.id()
}

fn age(path: &std::path::Path, age: Duration) {
    File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_pid_is_valid_as_julia_says() {
    let mut other = child();
    assert!(isvalidpid(b"", other.id()) && isvalidpid(&lock_rustix::process::host(), other.id()));
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(!isvalidpid(b"", other.id()));
    assert!(isvalidpid(b"another host", other.id()), "may be alive there");
    assert!(!isvalidpid(b"", 0) && !isvalidpid(b"", u32::MAX));
    assert!(isvalidpid(b"", 1), "another user's, to most");
}

#[test]
fn what_is_written_is_read_and_so_is_what_others_write() {
    let scratch = Scratch::new("pidfile-parse");
    let host = lock_rustix::process::host().to_vec();
    let mut text = Vec::new();
    write_pidfile(&mut text, 4711).unwrap();
    for (text, pid, host) in [
        (&text[..], 4711, &host[..]),
        (b"-1  host\r\n", 0, b" host\r\n"),
        (b"1234 vm", 1234, b"vm"),
        (b"1234\n", 1234, b""),
        (b"", 0, b""),
        (b"4294967296 vm", 0, b"vm"),
        (b"4294967295 vm", u32::MAX, b"vm"),
    ] {
        fs::write(scratch.path(), text).unwrap();
        let info = parse_pidfile(scratch.path());
        assert_eq!((info.pid, &info.host[..]), (pid, host), "{text:?}");
        assert!(info.age < 60.0);
    }
    age(&scratch.path(), seconds(100));
    assert!(parse_pidfile(scratch.path()).age >= 100.0);
    fs::remove_file(scratch.path()).unwrap();
    assert_eq!(parse_pidfile(scratch.path()), PidInfo::default());
}

#[test]
fn a_file_is_stale_as_julia_says() {
    let scratch = Scratch::new("pidfile-stale");
    let ended = end(child());
    let mine = std::process::id();
    let stale = |text: String, age_s, refresh_s| {
        fs::write(scratch.path(), text).unwrap();
        age(&scratch.path(), seconds(age_s));
        stale_pidfile(scratch.path(), seconds(10), seconds(refresh_s))
    };
    assert!(!stale(format!("{ended} "), 5, 0) && stale(format!("{ended} "), 11, 0));
    assert!(stale(String::new(), 11, 0), "names nobody");
    assert!(!stale(format!("{mine} "), 240, 0) && stale(format!("{mine} "), 260, 0));
    assert!(!stale(format!("{ended} elsewhere"), 240, 0), "may be alive there");
    assert!(!stale(format!("{mine} "), 49, 5) && stale(format!("{mine} "), 51, 5));
    assert!(!stale_pidfile(scratch.path(), Duration::ZERO, Duration::ZERO), "never");
    assert!(!stale_pidfile("/no such file", seconds(1), Duration::ZERO));
}

#[test]
fn modes_are_those_asked_for_less_the_umask() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-mode");
    let mut actor = Actor::start("umask", &scratch.path());
    for mode in ["444", "444", "0", "0", "775", "775"] {
        actor.expect(mode);
    }
    actor.end_well();
}

#[test]
fn open_exclusive_gives_an_empty_file_to_one() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-open");
    let file = open_exclusive(scratch.path(), QUICK).unwrap();
    assert_eq!(fs::read(scratch.path()).unwrap(), b"");
    assert!(open_exclusive(scratch.path(), QUICK).unwrap_err().is_held());
    assert!(tryopen_exclusive(scratch.path(), 0o444).unwrap().is_none());
    write_pidfile(&file, 4711).unwrap();
    assert_eq!(parse_pidfile(scratch.path()).pid, 4711);
    // While it is open it is nobody's, however old.
    age(&scratch.path(), seconds(10_000));
    let rule = Options { stale_age: seconds(1), ..QUICK };
    assert!(open_exclusive(scratch.path(), rule).unwrap_err().is_held());
    drop(file);
    drop(open_exclusive(scratch.path(), rule).unwrap());
    fs::remove_file(scratch.path()).unwrap();
    drop(tryopen_exclusive(scratch.path(), 0o444).unwrap().unwrap());
    for error in [
        open_exclusive("/no such directory/lock", QUICK).unwrap_err(),
        tryopen_exclusive("/no such directory/lock", 0o444).unwrap_err(),
    ] {
        let LockError::Fault { fault, .. } = error else { panic!("{error:?}") };
        assert_eq!(fault.kind, FaultKind::Missing);
    }
}

#[test]
fn held_locks_are_waited_for_or_refused_at_once() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-wait");
    let mut holder = Actor::start("hold", &scratch.path());
    holder.expect("held");
    assert_eq!(parse_pidfile(scratch.path()).pid, holder.id());
    let error = mkpidlock(scratch.path(), QUICK).unwrap_err();
    assert_eq!(error.owner().unwrap().pid, Pid::new(u64::from(holder.id())));
    assert!(trymkpidlock(scratch.path(), Options::default()).unwrap().is_none());
    let path = scratch.path();
    let waiter = std::thread::spawn(move || mkpidlock(path, Options::default()).unwrap().close());
    holder.order();
    holder.end_well();
    assert!(waiter.join().unwrap());
    assert!(!scratch.path().exists());
}

/// Without an age, proof is enough; with one, it is what Julia says, but a living holder of ours is
/// safe however old his lock looks.
#[test]
fn stale_locks_are_taken_over_and_living_holders_are_not() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-break");
    let aged = Options { stale_age: seconds(10), refresh: Some(Duration::ZERO), ..QUICK };
    let ended = end(child());
    let write = |text: &str, age_s| {
        let _ = fs::remove_file(scratch.path());
        fs::write(scratch.path(), text).unwrap();
        age(&scratch.path(), seconds(age_s));
    };
    let takes =
        |options| mkpidlock(scratch.path(), options).map(lock_std::pidfile::PidLock::close).is_ok();
    write(&format!("{ended} {}", String::from_utf8_lossy(&lock_rustix::process::host())), 0);
    assert!(takes(QUICK), "its holder is provably gone");
    write("", 5);
    assert!(!takes(aged));
    write("", 11);
    assert!(!takes(QUICK) && takes(aged), "names nobody, and is old enough");
    write("1 elsewhere", 240);
    assert!(!takes(aged));
    write("1 elsewhere", 260);
    assert!(takes(aged), "25 times as old");
    let mut holder = Actor::start("hold", &scratch.path());
    holder.expect("held");
    age(&scratch.path(), seconds(100_000));
    assert!(!takes(aged));
    holder.order();
    holder.end_well();
}

#[test]
fn a_lock_for_another_pid_names_it() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-pid");
    let other = child();
    let pid = Pid::new(u64::from(other.id())).unwrap();
    let lock = mkpidlock_pid(scratch.path(), pid, QUICK).unwrap();
    assert_eq!(u64::from(parse_pidfile(scratch.path()).pid), pid.get());
    assert!(lock.close());
    end(other);
    let error = mkpidlock_pid(scratch.path(), pid, QUICK).unwrap_err();
    assert!(matches!(error, LockError::Invalid { .. }), "{error:?}");
}

#[test]
fn a_childs_lock_goes_with_the_child() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-proc");
    let (one, other) = (child(), child());
    let lock = mkpidlock_proc(scratch.path(), &one, QUICK).unwrap();
    assert_eq!(parse_pidfile(scratch.path()).pid, one.id());
    lock.touch().unwrap();
    assert!(trymkpidlock(scratch.path(), QUICK).unwrap().is_none());
    let path = scratch.path();
    let next = std::thread::spawn(move || mkpidlock(path, Options::default()).unwrap());
    end(one);
    let next = next.join().unwrap();
    assert!(!lock.close(), "it was given back before");
    assert!(next.close());
    // Closed before the child ends, and dropped.
    assert!(mkpidlock_proc(scratch.path(), &other, QUICK).unwrap().close());
    drop(mkpidlock_proc(scratch.path(), &other, QUICK).unwrap());
    assert!(!scratch.path().exists());
    end(other);
}

#[test]
fn close_tells_whether_the_lock_was_ours() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-close");
    let lock = mkpidlock(scratch.path(), QUICK).unwrap();
    fs::remove_file(scratch.path()).unwrap();
    fs::write(scratch.path(), "1234 another").unwrap();
    assert!(!lock.close());
    assert_eq!(fs::read(scratch.path()).unwrap(), b"1234 another", "another's stays");
    fs::remove_file(scratch.path()).unwrap();
    let lock = mkpidlock(scratch.path(), QUICK).unwrap();
    fs::remove_file(scratch.path()).unwrap();
    assert!(!lock.close());
}

#[test]
fn a_function_runs_under_the_lock() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-with");
    for _ in 0..100 {
        let path = scratch.path();
        let held = with_pidlock(|| path.exists(), scratch.path(), Options::default()).unwrap();
        assert!(held && !scratch.path().exists());
    }
}

#[test]
fn a_refreshed_lock_is_touched_and_never_stale() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-refresh");
    let every = Some(Duration::from_millis(2));
    let options = Options { stale_age: seconds(1000), refresh: every, ..QUICK };
    let lock = mkpidlock(scratch.path(), options).unwrap();
    age(&scratch.path(), seconds(5000));
    while parse_pidfile(scratch.path()).age > 1000.0 {
        std::thread::yield_now();
    }
    assert!(lock.close());
    let never = Options { stale_age: seconds(1000), refresh: Some(Duration::ZERO), ..QUICK };
    let lock = mkpidlock(scratch.path(), never).unwrap();
    age(&scratch.path(), seconds(500));
    assert!(parse_pidfile(scratch.path()).age >= 500.0);
    lock.touch().unwrap();
    assert!(parse_pidfile(scratch.path()).age < 100.0);
    assert!(lock.close());
}

/// Somebody removes the file by hand, and no event is seen: the poll interval ends the wait.
#[test]
fn the_poll_interval_bounds_the_pause() {
    let _alone = alone();
    let scratch = Scratch::new("pidfile-poll");
    let mut holder = Actor::start("hold", &scratch.path());
    holder.expect("held");
    let path = scratch.path();
    let options = Options { poll_interval: Duration::from_millis(1), ..Options::default() };
    let waiter = std::thread::spawn(move || mkpidlock(path, options).unwrap());
    fs::remove_file(scratch.path()).unwrap();
    let lock = waiter.join().unwrap();
    let mut text = String::new();
    File::open(scratch.path()).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.starts_with(&format!("{} ", std::process::id())));
    assert!(lock.close());
    holder.kill();
}
