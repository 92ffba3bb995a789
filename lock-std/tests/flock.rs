//! The OCaml library `flock`: what its documentation and flock(2) say.

mod common;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use common::{Actor, Scratch, alone, await_order, role as part, say, until_queued};
use common::{with_failing, with_signals};
use lock_std::Kind;
use lock_std::flock::{FlockError, Operation, flock};
use nix::errno::Errno;
use nix::libc::{O_PATH, SYS_flock};

use Operation::{Exclusive, Shared, Unlock};

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (_, path) = part();
    let file = File::open(path).unwrap();
    flock(&file, Exclusive, false).unwrap();
    say("held");
    await_order();
}

fn open(scratch: &Scratch) -> File {
    OpenOptions::new().create(true).append(true).open(scratch.path()).unwrap()
}

#[test]
fn two_open_files_share_or_exclude_each_other() {
    let _alone = alone();
    let scratch = Scratch::new("matrix");
    for (first, second, outcome) in [
        (Exclusive, Exclusive, Err(FlockError::WouldBlock)),
        (Exclusive, Shared, Err(FlockError::WouldBlock)),
        (Shared, Exclusive, Err(FlockError::WouldBlock)),
        (Shared, Shared, Ok(())),
        (Unlock, Exclusive, Ok(())),
        (Exclusive, Unlock, Ok(())),
    ] {
        let (one, other) = (open(&scratch), open(&scratch));
        assert_eq!(flock(&one, first, false), Ok(()));
        assert_eq!(flock(&other, second, true), outcome, "{first:?}, {second:?}");
    }
}

#[test]
fn an_operation_can_be_repeated() {
    let _alone = alone();
    let scratch = Scratch::new("again");
    let file = open(&scratch);
    for operation in [Exclusive, Shared, Unlock] {
        for nonblocking in [true, false] {
            assert_eq!(flock(&file, operation, nonblocking), Ok(()), "{operation:?}");
        }
    }
}

#[test]
fn unlock_lets_the_next_one_in() {
    let _alone = alone();
    let scratch = Scratch::new("unlock");
    let (one, other) = (open(&scratch), open(&scratch));
    flock(&one, Exclusive, false).unwrap();
    flock(&one, Unlock, false).unwrap();
    assert_eq!(flock(&other, Exclusive, true), Ok(()));
    flock(&other, Unlock, true).unwrap();
    // Nor only those who ask again: a waiter in the kernel's queue is woken.
    flock(&one, Exclusive, false).unwrap();
    let mut waiter = Actor::start("wait", &scratch.path());
    until_queued(&scratch.path());
    flock(&one, Unlock, false).unwrap();
    waiter.expect("held");
    waiter.end_well();
}

#[test]
fn duplicates_share_the_lock_and_the_last_close_ends_it() {
    let _alone = alone();
    let scratch = Scratch::new("dup");
    let (one, other) = (open(&scratch), open(&scratch));
    let duplicate = one.try_clone().unwrap();
    flock(&one, Exclusive, false).unwrap();
    assert_eq!(flock(&duplicate, Exclusive, true), Ok(()));
    drop(one);
    assert_eq!(flock(&other, Shared, true), Err(FlockError::WouldBlock));
    drop(duplicate);
    assert_eq!(flock(&other, Shared, true), Ok(()));
}

#[test]
fn a_conversion_that_fails_without_waiting_loses_the_lock() {
    let _alone = alone();
    let scratch = Scratch::new("conversion");
    let (one, other, third) = (open(&scratch), open(&scratch), open(&scratch));
    flock(&one, Shared, false).unwrap();
    flock(&other, Shared, false).unwrap();
    assert_eq!(flock(&one, Exclusive, true), Err(FlockError::WouldBlock));
    flock(&other, Unlock, false).unwrap();
    assert_eq!(flock(&third, Exclusive, true), Ok(()), "the shared lock is gone");
    flock(&third, Unlock, false).unwrap();
    // One that succeeds is what it says.
    flock(&one, Shared, false).unwrap();
    assert_eq!(flock(&one, Exclusive, true), Ok(()));
    assert_eq!(flock(&third, Shared, true), Err(FlockError::WouldBlock));
    assert_eq!(flock(&one, Shared, true), Ok(()));
    assert_eq!(flock(&third, Shared, true), Ok(()));
}

#[test]
fn a_descriptor_of_no_open_file_is_bad() {
    let _alone = alone();
    let scratch = Scratch::new("bad");
    drop(open(&scratch));
    let mere_path = OpenOptions::new().read(true).custom_flags(O_PATH).open(scratch.path());
    assert_eq!(flock(mere_path.unwrap(), Exclusive, true), Err(FlockError::BadDescriptor));
}

#[test]
fn a_signal_that_ends_a_wait_is_shown() {
    let _alone = alone();
    let scratch = Scratch::new("signal");
    let (one, other) = (open(&scratch), open(&scratch));
    flock(&one, Exclusive, false).unwrap();
    for operation in [Exclusive, Shared] {
        let outcome = with_signals(u32::MAX, || flock(&other, operation, false), || ());
        assert_eq!(outcome, Err(FlockError::Interrupted), "{operation:?}");
    }
    assert!(scratch.lock(Kind::Flock).is_locked().unwrap(), "by the first");
    flock(&one, Unlock, false).unwrap();
    assert!(!scratch.lock(Kind::Flock).is_locked().unwrap(), "and by nobody else");
}

#[test]
fn every_error_of_the_manual_page_is_told_apart() {
    let _alone = alone();
    let scratch = Scratch::new("errors");
    let file = open(&scratch);
    for (errno, error) in [
        (Errno::EBADF, FlockError::BadDescriptor),
        (Errno::EINTR, FlockError::Interrupted),
        (Errno::ENOLCK, FlockError::NoLocks),
        (Errno::EWOULDBLOCK, FlockError::WouldBlock),
        (Errno::EINVAL, FlockError::Other(Errno::EINVAL as i32)),
        (Errno::EIO, FlockError::Other(Errno::EIO as i32)),
    ] {
        for operation in [Exclusive, Shared, Unlock] {
            let outcome = with_failing(SYS_flock, errno, || flock(&file, operation, false));
            assert_eq!(outcome, Err(error));
        }
        assert_eq!(error.raw_os_error(), errno as i32);
        let as_io = io::Error::from(error);
        assert_eq!(as_io.raw_os_error(), Some(errno as i32));
        assert_eq!(as_io.kind(), io::Error::from(errno).kind());
        assert!(error.to_string().starts_with("flock: "), "{error}");
    }
}
