//! Locks among the threads of one process, POSIX locks above all: the kernel gives a process's
//! threads the same lock again, and drops it when any of them closes the file.

mod common;

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Barrier, Mutex};
use std::thread;

use common::{Actor, KINDS, Scratch, alone, kind_of, role as part, try_again_and_again};
use lock_std::{Kind, Lock, LockError, Standing};

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    try_again_and_again(&Lock::at(&path).kind(kind_of(&role)));
}

/// Another process that tries the lock when it is told to.
struct Witness(Mutex<Actor>);

impl Witness {
    fn new(scratch: &Scratch, kind: Kind) -> Witness {
        Witness(Mutex::new(Actor::start(kind.name(), &scratch.path())))
    }

    #[track_caller]
    fn expect(&self, state: &str) {
        let mut actor = self.0.lock().unwrap();
        actor.order();
        actor.expect(state);
    }

    fn end(self) {
        self.0.into_inner().unwrap().end_well();
    }
}

fn is_held_here(error: &LockError) -> bool {
    matches!(error, LockError::HeldByThisProcess { .. })
}

#[test]
fn a_second_thread_is_told_and_the_first_keeps_its_lock() {
    let _alone = alone();
    let scratch = Scratch::new("second");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        let witness = Witness::new(&scratch, kind);
        let guard = lock.try_lock().unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| lock.try_lock().unwrap_err());
            let error = second.join().unwrap();
            assert!(is_held_here(&error), "{kind:?}: {error:?}");
        });
        witness.expect("held");
        drop(lock);
        witness.expect("held");
        guard.unlock().unwrap();
        witness.expect("free");
        witness.end();
    }
}

#[test]
fn only_locks_of_open_files_are_shared_within_a_process() {
    let _alone = alone();
    let scratch = Scratch::new("shared");
    for kind in [Kind::Flock, Kind::Lockf, Kind::Ofd] {
        let lock = scratch.lock(kind).shared();
        let first = lock.try_lock().unwrap();
        let second = lock.try_lock();
        let is_refused = second.as_ref().is_err_and(is_held_here);
        assert_eq!(is_refused, kind == Kind::Lockf, "{kind:?}: {second:?}");
        drop(second);
        let witness = Witness::new(&scratch, kind);
        witness.expect("held");
        first.unlock().unwrap();
        witness.expect("free");
        witness.end();
    }
}

#[test]
fn looking_at_a_posix_lock_does_not_drop_it() {
    let _alone = alone();
    let scratch = Scratch::new("look");
    let lock = scratch.lock(Kind::Lockf);
    let witness = Witness::new(&scratch, Kind::Lockf);
    let guard = lock.try_lock().unwrap();
    for kind in KINDS {
        let lock = scratch.lock(kind);
        assert!(lock.is_locked().unwrap(), "{kind:?}");
        let Standing::Held(owner) = lock.look().unwrap() else { panic!("{kind:?}") };
        assert_eq!(owner.pid.unwrap().get(), u64::from(std::process::id()));
        assert_eq!(lock.pid(), None);
        witness.expect("held");
    }
    guard.unlock().unwrap();
    witness.end();
}

#[test]
fn locks_of_other_kinds_do_not_drop_a_posix_lock() {
    let _alone = alone();
    let scratch = Scratch::new("kinds");
    for kind in [Kind::File, Kind::Flock, Kind::Ofd] {
        let (lockf, other) = (scratch.lock(Kind::Lockf), scratch.lock(kind));
        let witness = Witness::new(&scratch, Kind::Lockf);
        let guard = lockf.try_lock().unwrap();
        let error = other.try_lock().unwrap_err();
        assert!(is_held_here(&error), "{kind:?}: {error:?}");
        witness.expect("held");
        guard.unlock().unwrap();
        // Nor the other way round: its end would be the POSIX lock's.
        let guard = other.try_lock().unwrap();
        let error = lockf.try_lock().unwrap_err();
        assert!(is_held_here(&error), "{kind:?}: {error:?}");
        guard.unlock().unwrap();
        witness.end();
    }
}

const THREADS: usize = 8;
const ROUNDS: u32 = 50;

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(600);

/// Many threads take the lock by `take`, look at it and lose it, while a witness sees that who has
/// it has it alone in the system and in the process.
fn race(kind: Kind, take: fn(&Lock) -> Option<lock_std::Guard>) {
    let scratch = Scratch::new("race");
    let witness = Witness::new(&scratch, kind);
    let lock = scratch.lock(kind);
    let start = Barrier::new(THREADS);
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                let mut rounds = 0;
                while rounds < ROUNDS {
                    let Some(guard) = take(&lock) else {
                        lock.is_locked().unwrap();
                        continue;
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two threads hold it");
                    witness.expect("held");
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    drop(guard);
                    let _ = lock.look().unwrap();
                    rounds += 1;
                }
            });
        }
    });
    witness.expect("free");
    witness.end();
}

fn try_it(lock: &Lock) -> Option<lock_std::Guard> {
    match lock.try_lock() {
        Ok(guard) => Some(guard),
        Err(error) if error.is_held() => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn racing_threads_never_share_nor_lose_a_posix_lock() {
    let _alone = alone();
    race(Kind::Lockf, try_it);
}

#[test]
fn racing_threads_never_share_nor_lose_other_locks() {
    let _alone = alone();
    for kind in [Kind::File, Kind::Flock, Kind::Ofd] {
        race(kind, try_it);
    }
}

#[test]
fn threads_wait_for_each_other() {
    let _alone = alone();
    for kind in KINDS {
        race(kind, |lock| Some(lock.lock().unwrap()));
        race(kind, |lock| Some(lock.lock_timeout(LONG).unwrap()));
    }
}

#[test]
fn who_waits_for_himself_runs_out_of_time() {
    let _alone = alone();
    let scratch = Scratch::new("self");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        let guard = lock.try_lock().unwrap();
        let error = lock.lock_timeout(Duration::ZERO).unwrap_err();
        let LockError::TimedOut { owner, .. } = error else { panic!("{kind:?}: {error:?}") };
        let pid = (kind != Kind::Ofd).then_some(u64::from(std::process::id()));
        assert_eq!(owner.pid.map(lock_std::Pid::get), pid, "{kind:?}");
        guard.unlock().unwrap();
    }
}
