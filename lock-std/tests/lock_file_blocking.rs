//! The functions of Jane Street's `Lock_file_blocking`, one by one.

mod common;

use core::time::Duration;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use common::{Actor, Scratch, alone, await_order, hold, role as part, say, with_failing};
use lock_std::lock_file_blocking::flock::{self, Outcome, lock_exn, unlock_exn};
use lock_std::lock_file_blocking::{
    Options, blocking_create, create, create_exn, get_pid, is_locked,
};
use lock_std::{Kind, Lock, LockError};
use nix::errno::Errno;
use nix::libc::{SYS_fcntl, SYS_flock};

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    match role.as_str() {
        "hold" => hold(&Lock::at(&path).message("by a child")),
        "hold flock" => hold(&Lock::at(&path).kind(Kind::Flock)),
        "hold shared flock" => hold(&Lock::at(&path).kind(Kind::Flock).shared()),
        "hold lockf" => hold(&Lock::at(&path).kind(Kind::Lockf)),
        "keep" => {
            create(&path, Options::default()).unwrap().unwrap().keep();
            say("held");
            await_order();
        }
        _ => panic!("{role}?"),
    }
}

fn holder(part: &str, scratch: &Scratch) -> Actor {
    let mut holder = Actor::start(part, &scratch.path());
    holder.expect("held");
    holder
}

#[test]
fn create_writes_the_pid_and_a_newline() {
    let _alone = alone();
    let scratch = Scratch::new("pid");
    let guard = create(scratch.path(), Options::default()).unwrap().unwrap();
    let text = format!("{}\n", std::process::id());
    assert_eq!(fs::read_to_string(scratch.path()).unwrap(), text);
    drop(guard);
    assert_eq!(fs::read_to_string(scratch.path()).unwrap(), text, "the file stays");
}

#[test]
fn create_writes_the_message_and_a_newline() {
    let _alone = alone();
    let scratch = Scratch::new("message");
    for (message, file) in [
        (&b"a message that is rather long"[..], &b"a message that is rather long\n"[..]),
        (b"short", b"short\n"),
        (b"", b"\n"),
        (b"\xff\0\n", b"\xff\0\n\n"),
    ] {
        let options = Options { message: Some(message), ..Options::default() };
        create(scratch.path(), options).unwrap().unwrap().unlock().unwrap();
        assert_eq!(fs::read(scratch.path()).unwrap(), file);
    }
}

#[test]
fn create_makes_a_file_of_mode_0664_less_the_umask() {
    let _alone = alone();
    let scratch = Scratch::new("mode");
    // The file says what the umask is.
    fs::write(scratch.dir().join("other"), "").unwrap();
    let mode = |name| fs::metadata(scratch.dir().join(name)).unwrap().permissions().mode() & 0o777;
    create(scratch.path(), Options::default()).unwrap().unwrap().unlock().unwrap();
    assert_eq!(mode("lock"), mode("other") & 0o664);
}

#[test]
fn create_says_no_when_it_is_held_and_leaves_the_file_alone() {
    let _alone = alone();
    let scratch = Scratch::new("no");
    let holder = holder("hold", &scratch);
    assert!(create(scratch.path(), Options::default()).unwrap().is_none());
    assert_eq!(fs::read(scratch.path()).unwrap(), b"by a child\n");
    holder.end_well();
    let guard = create(scratch.path(), Options::default()).unwrap().unwrap();
    assert!(create(scratch.path(), Options::default()).unwrap().is_none(), "held by itself");
    drop(guard);
}

#[test]
fn create_refuses_a_file_that_is_locked_in_part() {
    let _alone = alone();
    let scratch = Scratch::new("part");
    for part in ["hold flock", "hold shared flock", "hold lockf"] {
        let holder = holder(part, &scratch);
        assert!(create(scratch.path(), Options::default()).unwrap().is_none(), "{part}");
        assert!(is_locked(scratch.path()).unwrap(), "{part}");
        holder.end_well();
        assert!(!is_locked(scratch.path()).unwrap(), "{part}");
    }
}

#[test]
fn create_holds_the_lock_until_the_process_ends() {
    let _alone = alone();
    let scratch = Scratch::new("keep");
    let keeper = holder("keep", &scratch);
    assert!(create(scratch.path(), Options::default()).unwrap().is_none());
    keeper.end_well();
    create(scratch.path(), Options::default()).unwrap().unwrap().unlock().unwrap();
}

#[test]
fn create_exn_says_who_is_in_the_way() {
    let _alone = alone();
    let scratch = Scratch::new("exn");
    let holder = holder("hold", &scratch);
    let error = create_exn(scratch.path(), Options::default()).unwrap_err();
    let sentence = format!(
        "{} is locked by pid {} (\"by a child\"); wait for it, or stop it",
        scratch.path().display(),
        holder.id()
    );
    assert_eq!(error.to_string(), sentence);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::WouldBlock);
    holder.end_well();
    create_exn(scratch.path(), Options::default()).unwrap().unlock().unwrap();
}

#[test]
fn blocking_create_waits_for_the_lock() {
    let _alone = alone();
    let scratch = Scratch::new("blocking");
    for timeout in [None, Some(Duration::from_secs(600))] {
        let holder = holder("hold", &scratch);
        std::thread::scope(|scope| {
            let waiter =
                scope.spawn(|| blocking_create(scratch.path(), timeout, Options::default()));
            holder.end_well();
            waiter.join().unwrap().unwrap().unlock().unwrap();
        });
    }
}

#[test]
fn blocking_create_gives_up_when_its_time_is_over() {
    let _alone = alone();
    let scratch = Scratch::new("timeout");
    let holder = holder("hold", &scratch);
    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        let start = Instant::now();
        let error = blocking_create(scratch.path(), Some(timeout), Options::default()).unwrap_err();
        assert!(start.elapsed() >= timeout);
        let LockError::TimedOut { owner, .. } = &error else { panic!("{error:?}") };
        assert_eq!(owner.pid.unwrap().get(), u64::from(holder.id()));
    }
    holder.end_well();
    let guard = blocking_create(scratch.path(), Some(Duration::ZERO), Options::default());
    guard.unwrap().unlock().unwrap();
}

#[test]
fn blocking_create_does_not_wait_for_what_will_not_come() {
    let _alone = alone();
    let scratch = Scratch::new("permanent");
    for timeout in [None, Some(Duration::MAX)] {
        let path = scratch.dir().join("missing/lock");
        let error = blocking_create(path, timeout, Options::default()).unwrap_err();
        assert_eq!(error.io_kind(), io::ErrorKind::NotFound);
        let error = blocking_create(scratch.dir(), timeout, Options::default()).unwrap_err();
        assert_eq!(error.io_kind(), io::ErrorKind::IsADirectory);
    }
}

#[test]
fn is_locked_only_while_it_is_held() {
    let _alone = alone();
    let scratch = Scratch::new("is-locked");
    assert!(!is_locked(scratch.path()).unwrap(), "there is no file");
    assert!(!is_locked(scratch.dir().join("missing/lock")).unwrap(), "nor a directory");
    fs::write(scratch.path(), "12345\n").unwrap();
    assert!(!is_locked(scratch.path()).unwrap(), "the file alone is no lock");
    let holder = holder("hold", &scratch);
    assert!(is_locked(scratch.path()).unwrap());
    holder.kill();
    assert!(!is_locked(scratch.path()).unwrap());
    let guard = create(scratch.path(), Options::default()).unwrap().unwrap();
    assert!(is_locked(scratch.path()).unwrap(), "held by itself");
    drop(guard);
}

#[test]
fn is_locked_takes_no_lock_to_find_out() {
    let _alone = alone();
    let scratch = Scratch::new("passive");
    fs::write(scratch.path(), "").unwrap();
    assert!(!with_failing(SYS_flock, Errno::EIO, || is_locked(scratch.path())).unwrap());
    let holder = holder("hold", &scratch);
    assert!(with_failing(SYS_flock, Errno::EIO, || is_locked(scratch.path())).unwrap());
    holder.end_well();
    let error = with_failing(SYS_fcntl, Errno::EIO, || is_locked(scratch.path())).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::EIO as i32), "a failure is not a no");
}

#[test]
fn get_pid_reads_what_ocaml_reads() {
    let _alone = alone();
    let scratch = Scratch::new("get-pid");
    assert_eq!(get_pid(scratch.path()), None, "there is no file");
    assert_eq!(get_pid(scratch.dir()), None, "nor can a directory be read");
    for (text, pid) in [
        ("18229\n", 18229),
        (" \t18229 \r\n", 18229),
        ("+7", 7),
        ("007", 7),
        ("0x10", 16),
        ("0X1F", 31),
        ("0o17", 15),
        ("0b11", 3),
        ("0u12", 12),
        ("1_000", 1000),
        ("1_", 1),
        ("99999999999", 99_999_999_999),
        ("4611686018427387903", 4_611_686_018_427_387_903),
    ] {
        fs::write(scratch.path(), text).unwrap();
        assert_eq!(get_pid(scratch.path()).map(lock_std::Pid::get), Some(pid), "{text:?}");
    }
    for text in [
        "",
        "\n",
        "abc",
        "0",
        "-5",
        "_1",
        "0x",
        "1.0",
        "+ 7",
        "123 abc",
        "123\n456",
        "123\0",
        "4611686018427387904",
    ] {
        fs::write(scratch.path(), text).unwrap();
        assert_eq!(get_pid(scratch.path()), None, "{text:?}");
    }
}

fn took(outcome: Outcome) -> lock_std::Guard {
    match outcome {
        Outcome::WeTookIt(guard) => guard,
        Outcome::SomebodyElseTookIt(owner) => panic!("{owner} has it"),
    }
}

#[test]
fn flock_lock_exn_takes_the_lock_or_says_who_did() {
    let _alone = alone();
    let scratch = Scratch::new("flock");
    let holder = holder("hold flock", &scratch);
    let outcome = lock_exn(scratch.path(), flock::Options::default()).unwrap();
    let Outcome::SomebodyElseTookIt(owner) = outcome else { panic!("{outcome:?}") };
    assert_eq!(owner.pid.unwrap().get(), u64::from(holder.id()));
    holder.end_well();
    fs::write(scratch.path(), "data").unwrap();
    let guard = took(lock_exn(scratch.path(), flock::Options::default()).unwrap());
    let outcome = lock_exn(scratch.path(), flock::Options::default()).unwrap();
    let Outcome::SomebodyElseTookIt(owner) = outcome else { panic!("{outcome:?}") };
    assert_eq!(owner.pid.unwrap().get(), u64::from(std::process::id()), "not twice by itself");
    assert!(is_locked(scratch.path()).unwrap(), "the local lock sees it");
    unlock_exn(guard).unwrap();
    assert_eq!(fs::read(scratch.path()).unwrap(), b"data", "never written, never removed");
    unlock_exn(took(lock_exn(scratch.path(), flock::Options::default()).unwrap())).unwrap();
}

#[test]
fn flock_lock_exn_shares_on_request() {
    let _alone = alone();
    let scratch = Scratch::new("flock-shared");
    let holder = holder("hold shared flock", &scratch);
    let shared = flock::Options { exclusive: false, ..flock::Options::default() };
    let outcome = lock_exn(scratch.path(), flock::Options::default()).unwrap();
    assert!(matches!(outcome, Outcome::SomebodyElseTookIt(_)), "{outcome:?}");
    unlock_exn(took(lock_exn(scratch.path(), shared).unwrap())).unwrap();
    holder.end_well();
}

#[test]
fn flock_lock_exn_gives_the_file_to_its_owner() {
    use std::os::unix::fs::MetadataExt;

    let _alone = alone();
    let scratch = Scratch::new("flock-owner");
    let me = nix::unistd::Uid::effective();
    // Only root can give files away.
    let uid = if me.is_root() { 65534 } else { me.as_raw() };
    let options = flock::Options { lock_owner_uid: Some(uid), ..flock::Options::default() };
    let guard = took(lock_exn(scratch.path(), options).unwrap());
    assert_eq!(fs::metadata(scratch.path()).unwrap().uid(), uid);
    unlock_exn(guard).unwrap();
}

#[test]
fn close_on_exec_is_passed_on() {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    let _alone = alone();
    let scratch = Scratch::new("cloexec");
    for close_on_exec in [true, false] {
        let flags = if close_on_exec { FdFlag::FD_CLOEXEC } else { FdFlag::empty() };
        let options = Options { close_on_exec, ..Options::default() };
        let guard = create(scratch.path(), options).unwrap().unwrap();
        assert_eq!(fcntl(&guard, FcntlArg::F_GETFD).unwrap(), flags.bits());
        drop(guard);
        let options = flock::Options { close_on_exec, ..flock::Options::default() };
        let guard = took(lock_exn(scratch.path(), options).unwrap());
        assert_eq!(fcntl(&guard, FcntlArg::F_GETFD).unwrap(), flags.bits());
        drop(guard);
    }
}

#[test]
fn unlink_on_exit_is_passed_on() {
    let _alone = alone();
    let scratch = Scratch::new("unlink");
    for unlink_on_exit in [false, true] {
        let options = Options { unlink_on_exit, ..Options::default() };
        create(scratch.path(), options).unwrap().unwrap().unlock().unwrap();
        assert_eq!(scratch.path().exists(), !unlink_on_exit);
    }
}
