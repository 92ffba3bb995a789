//! Waiting: how it ends, and what it leaves.

mod common;

use core::time::Duration;
use std::fs;
use std::thread;
use std::time::Instant;

use common::{
    Actor, KINDS, Scratch, alone, await_order, hold, kind_of, role as part, say,
    try_again_and_again, until_queued, with_signals,
};
use lock_std::{FaultKind, Kind, Lock, LockError};

const SHORT: Duration = Duration::from_millis(3);

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(600);

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    let lock = Lock::at(&path).kind(kind_of(&role));
    match role.split(' ').next() {
        Some("hold") => hold(&lock),
        Some("try") => try_again_and_again(&lock),
        _ => count_threads(&lock),
    }
}

fn holder(kind: Kind, scratch: &Scratch) -> Actor {
    let mut holder = Actor::start(&format!("hold {}", kind.name()), &scratch.path());
    holder.expect("held");
    holder
}

#[test]
fn a_timeout_is_never_early_and_says_who_held_the_lock() {
    let _alone = alone();
    let scratch = Scratch::new("early");
    for kind in KINDS {
        let holder = holder(kind, &scratch);
        let lock = scratch.lock(kind);
        for timeout in [Duration::ZERO, Duration::from_nanos(1), SHORT, Duration::from_millis(40)] {
            let start = Instant::now();
            let error = lock.lock_timeout(timeout).unwrap_err();
            assert!(start.elapsed() >= timeout);
            let LockError::TimedOut { owner, waited, .. } = error else { panic!("{error:?}") };
            assert!(waited >= timeout, "{kind:?}: {waited:?}");
            let pid = (kind != Kind::Ofd).then_some(u64::from(holder.id()));
            assert_eq!(owner.pid.map(lock_std::Pid::get), pid, "{kind:?}");
            let deadline = Instant::now() + timeout;
            let error = lock.lock_deadline(deadline).unwrap_err();
            assert!(Instant::now() >= deadline && matches!(error, LockError::TimedOut { .. }));
        }
        holder.end_well();
    }
}

#[test]
fn there_is_a_try_however_late_it_is() {
    let _alone = alone();
    let scratch = Scratch::new("late");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        lock.lock_timeout(Duration::ZERO).unwrap().unlock().unwrap();
        lock.lock_deadline(Instant::now()).unwrap().unlock().unwrap();
        lock.lock_timeout(Duration::MAX).unwrap().unlock().unwrap();
    }
}

#[test]
fn a_request_that_timed_out_does_not_take_the_lock_later() {
    let _alone = alone();
    let scratch = Scratch::new("later");
    for kind in KINDS {
        let holder = holder(kind, &scratch);
        let mut witness = Actor::start(&format!("try {}", kind.name()), &scratch.path());
        let lock = scratch.lock(kind);
        assert!(lock.lock_timeout(SHORT).is_err());
        holder.end_well();
        for _ in 0..3 {
            witness.order();
            witness.expect("free");
        }
        assert!(!lock.is_locked().unwrap());
        witness.end_well();
    }
}

fn count_threads(lock: &Lock) {
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    assert!(matches!(lock.lock_timeout(SHORT), Err(LockError::TimedOut { .. })));
    let left = threads() - before;
    say(&format!("{left} threads left"));
    await_order();
}

#[test]
fn a_request_that_timed_out_leaves_no_thread() {
    let _alone = alone();
    let scratch = Scratch::new("threads");
    for kind in KINDS {
        let holder = holder(kind, &scratch);
        let mut waiter = Actor::start(&format!("count {}", kind.name()), &scratch.path());
        waiter.expect("0 threads left");
        waiter.end_well();
        holder.end_well();
    }
}

#[test]
fn what_waiting_does_not_mend_is_answered_at_once() {
    let _alone = alone();
    let scratch = Scratch::new("permanent");
    for kind in KINDS {
        let lock = Lock::at(scratch.dir().join("missing/lock")).kind(kind);
        for outcome in [
            lock.lock(),
            lock.lock_timeout(LONG),
            lock.lock_deadline(Instant::now() + LONG),
            lock.lock_while(|| panic!("nobody is waited for")),
        ] {
            let error = outcome.unwrap_err();
            let LockError::Fault { fault, .. } = error else { panic!("{kind:?}: {error:?}") };
            assert_eq!(fault.kind, FaultKind::Missing);
        }
    }
}

#[test]
fn signals_do_not_end_a_wait() {
    let _alone = alone();
    let scratch = Scratch::new("signals");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        for wait in [Lock::lock, |lock: &Lock| lock.lock_timeout(LONG)] {
            let holder = holder(kind, &scratch);
            let guard = with_signals(5, || wait(&lock), || holder.end_well()).unwrap();
            guard.unlock().unwrap();
        }
    }
}

#[test]
fn a_signal_ends_a_wait_whose_caller_says_so() {
    let _alone = alone();
    let scratch = Scratch::new("interrupted");
    for kind in KINDS {
        let holder = holder(kind, &scratch);
        let lock = scratch.lock(kind);
        let error = with_signals(u32::MAX, || lock.lock_while(|| false), || ()).unwrap_err();
        assert!(matches!(error, LockError::Interrupted { .. }), "{kind:?}: {error:?}");
        holder.end_well();
        assert!(!lock.is_locked().unwrap(), "it left nothing: {kind:?}");
    }
}

#[test]
fn a_wait_for_another_thread_ends_when_its_caller_says_so() {
    let _alone = alone();
    let scratch = Scratch::new("thread");
    let lock = scratch.lock(Kind::Lockf);
    let guard = lock.try_lock().unwrap();
    let mut asked = 0;
    let outcome = lock.lock_while(|| {
        asked += 1;
        asked < 3
    });
    assert!(matches!(outcome, Err(LockError::Interrupted { .. })));
    assert_eq!(asked, 3);
    guard.unlock().unwrap();
}

#[test]
fn whoever_waited_for_a_removed_file_locks_its_successor() {
    let _alone = alone();
    let scratch = Scratch::new("successor");
    for kind in KINDS {
        for replace in [false, true] {
            // A thread of this process would not be queued for a POSIX lock.
            let holder = holder(kind, &scratch);
            let lock = scratch.lock(kind);
            thread::scope(|scope| {
                let waiter = scope.spawn(|| lock.lock().unwrap());
                until_queued(&scratch.path());
                fs::remove_file(scratch.path()).unwrap();
                if replace {
                    fs::write(scratch.path(), "").unwrap();
                }
                drop(holder);
                let guard = waiter.join().unwrap();
                assert!(guard.still_held().unwrap(), "{kind:?}");
                guard.unlock().unwrap();
            });
        }
    }
}
