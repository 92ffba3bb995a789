//! Ending waits, watching them, and what is left of them: nothing.

mod common;

use core::time::Duration;
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use common::{
    Actor, KINDS, Scratch, alone, await_order, hold, kind_of, role as part, say, until_queued,
    with_failing,
};
use lock_std::{Cancel, ExistenceLock, Kind, Lock, LockError, WaitEvent, WakeSignal};
use nix::errno::Errno;
use nix::libc;

const LONG: Duration = Duration::from_secs(600);
const NAMES: [Kind; 4] = [Kind::Nfs, Kind::Symlink, Kind::Mkdir, Kind::Pidfile];

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    let kind = kind_of(&role);
    match (role.split(' ').next(), kind.is_existence()) {
        (Some("hold"), false) => hold(&Lock::at(path).kind(kind)),
        (Some("hold"), true) => {
            let guard = ExistenceLock::at(path, kind).try_lock().unwrap();
            say("held");
            await_order();
            guard.unlock().unwrap();
        }
        (Some("wait"), false) => drop(Lock::at(path).kind(kind).lock()),
        (Some("wait"), true) => drop(ExistenceLock::at(path, kind).lock()),
        (Some("wait-long"), false) => drop(Lock::at(path).kind(kind).lock_timeout(LONG)),
        (Some("wait-long"), true) => drop(ExistenceLock::at(path, kind).lock_timeout(LONG)),
        (_, true) => {
            give_up(|| {
                ExistenceLock::at(&path, kind).lock_timeout(Duration::from_nanos(1)).is_err()
            });
        }
        _ => give_up(|| Lock::at(&path).kind(kind).lock_timeout(Duration::from_micros(1)).is_err()),
    }
}

/// Everything that a wait could leave behind: threads, descriptors, children.
fn belongings() -> [usize; 3] {
    let count = |dir| fs::read_dir(dir).unwrap().count();
    let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap();
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let children = tasks.map(|task| children(task.unwrap()).split_whitespace().count()).sum();
    [count("/proc/self/task"), count("/proc/self/fd"), children]
}

fn give_up(wait: impl Fn() -> bool) {
    assert!(wait());
    let before = belongings();
    for _ in 0..1000 {
        assert!(wait());
    }
    assert_eq!(belongings(), before);
    say("left nothing");
    await_order();
}

fn holder(kind: Kind, scratch: &Scratch) -> Actor {
    let mut holder = Actor::start(&format!("hold {}", kind.name()), &scratch.path());
    holder.expect("held");
    holder
}

fn name(kind: Kind, scratch: &Scratch) -> ExistenceLock {
    ExistenceLock::at(scratch.path(), kind)
}

/// Waits as long as is allowed; what became of it.
type Wait = Box<dyn Fn() -> Result<(), LockError> + Send>;

/// Every kind of lock, waited for with and without a limit, and ended by the same.
fn waits(scratch: &Scratch, cancel: &Cancel, kind: Kind) -> [Wait; 2] {
    if kind.is_existence() {
        let lock = name(kind, scratch).cancelled_by(cancel);
        let same = lock.clone();
        return [
            Box::new(move || lock.lock().map(|guard| guard.unlock().unwrap())),
            Box::new(move || same.lock_timeout(LONG).map(|guard| guard.unlock().unwrap())),
        ];
    }
    let lock = scratch.lock(kind).cancelled_by(cancel);
    let same = lock.clone();
    [
        Box::new(move || lock.lock().map(|guard| guard.unlock().unwrap())),
        Box::new(move || same.lock_timeout(LONG).map(|guard| guard.unlock().unwrap())),
    ]
}

#[test]
fn another_thread_ends_a_wait() {
    let _alone = alone();
    for kind in KINDS.into_iter().chain(NAMES) {
        let scratch = Scratch::new("cancel");
        let holder = holder(kind, &scratch);
        let cancel = Cancel::new().unwrap();
        let waiters = waits(&scratch, &cancel, kind).map(thread::spawn);
        if !kind.is_existence() {
            until_queued(&scratch.path());
        }
        cancel.cancel();
        for waiter in waiters {
            let error = waiter.join().unwrap().unwrap_err();
            assert!(matches!(error, LockError::Interrupted { .. }), "{kind:?}: {error:?}");
        }
        // It stays ended, and a lock that is free needs no wait.
        let [wait, _] = waits(&scratch, &cancel, kind);
        assert!(matches!(wait(), Err(LockError::Interrupted { .. })), "{kind:?}");
        holder.end_well();
        wait().unwrap();
    }
}

#[test]
fn a_thread_that_waits_for_another_of_its_process_is_ended_too() {
    let _alone = alone();
    let scratch = Scratch::new("cancel-thread");
    let guard = scratch.lock(Kind::Lockf).try_lock().unwrap();
    let cancel = Cancel::new().unwrap();
    let [wait, _] = waits(&scratch, &cancel, Kind::Lockf);
    let waiter = thread::spawn(wait);
    cancel.cancel();
    assert!(matches!(waiter.join().unwrap(), Err(LockError::Interrupted { .. })));
    guard.unlock().unwrap();
}

#[test]
fn a_thousand_timed_out_waits_leave_nothing() {
    let _alone = alone();
    for kind in KINDS.into_iter().chain(NAMES) {
        let scratch = Scratch::new("thousand");
        let holder = holder(kind, &scratch);
        let mut waiter = Actor::start(&format!("give-up {}", kind.name()), &scratch.path());
        waiter.expect("left nothing");
        let waits = fs::read_to_string("/proc/locks").unwrap();
        let theirs = format!(" {} ", waiter.id());
        assert!(!waits.lines().any(|line| line.contains("->") && line.contains(&theirs)));
        let there: Vec<_> = fs::read_dir(scratch.dir()).unwrap().flatten().collect();
        let most = 1 + usize::from(kind == Kind::Nfs);
        assert!(there.len() <= most, "{kind:?}: {there:?}");
        waiter.end_well();
        holder.end_well();
    }
}

/// How often a process and its children have been on a processor.
fn turns(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let turns_of = |task: fs::DirEntry| {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let count = |line: &str| line.split_once("ctxt_switches:")?.1.trim().parse::<u64>().ok();
        let children: u64 =
            read("children").split_whitespace().map(|child| turns(child.parse().unwrap())).sum();
        children + read("status").lines().filter_map(count).sum::<u64>()
    };
    tasks.into_iter().flatten().flatten().map(turns_of).sum()
}

#[test]
fn a_waiter_does_nothing_while_it_waits() {
    const LOOK: Duration = Duration::from_millis(60);
    let _alone = alone();
    for kind in KINDS.into_iter().chain(NAMES) {
        let scratch = Scratch::new("idle");
        let holder = holder(kind, &scratch);
        // For a name: the first in line, and who stands behind it.
        let waiters = ["wait", "wait-long", "wait"]
            .map(|how| Actor::start(&format!("{how} {}", kind.name()), &scratch.path()));
        let all = || waiters.iter().map(|waiter| turns(waiter.id())).sum::<u64>();
        // Those who start are on their way until they sleep; those who poll never rest.
        let mut before = all();
        let rests = (0..200).any(|_| {
            thread::sleep(LOOK);
            let after = all();
            core::mem::replace(&mut before, after) == after
        });
        assert!(rests, "{kind:?}");
        thread::sleep(4 * LOOK);
        assert_eq!(all(), before, "{kind:?}");
        holder.end_well();
        waiters.into_iter().for_each(Actor::end_well);
    }
}

#[test]
fn a_killed_holders_lock_comes_to_who_waits_with_a_limit() {
    let _alone = alone();
    for kind in KINDS.into_iter().chain(NAMES) {
        let scratch = Scratch::new("killed");
        let holder = holder(kind, &scratch);
        let cancel = Cancel::new().unwrap();
        let waiters = waits(&scratch, &cancel, kind).map(thread::spawn);
        if !kind.is_existence() {
            until_queued(&scratch.path());
        }
        holder.kill();
        for waiter in waiters {
            waiter.join().unwrap().unwrap();
        }
    }
}

/// The kernel names the taker, who stood in for us and is gone.
#[test]
fn who_waited_with_a_limit_is_named_as_the_holder() {
    let _alone = alone();
    for kind in [Kind::File, Kind::Flock] {
        let scratch = Scratch::new("named");
        let holder = holder(kind, &scratch);
        let lock = scratch.lock(kind);
        let waiter = thread::spawn(move || lock.lock_timeout(LONG).unwrap());
        until_queued(&scratch.path());
        holder.end_well();
        let guard = waiter.join().unwrap();
        let owner = scratch.lock(kind).owner().unwrap().unwrap();
        assert_eq!(owner.pid.unwrap().get(), u64::from(std::process::id()), "{kind:?}");
        guard.unlock().unwrap();
    }
}

#[test]
fn where_nothing_can_stand_in_the_queue_it_is_tried_again_and_again() {
    let _alone = alone();
    for kind in KINDS {
        let scratch = Scratch::new("no-clone");
        let holder = holder(kind, &scratch);
        let (polls, last) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(None::<Actor>)));
        let (count, release) = (Arc::clone(&polls), Arc::clone(&last));
        let lock = scratch.lock(kind).observe(move |event| {
            if matches!(event, WaitEvent::Polling { .. }) {
                *count.lock().unwrap() += 1;
                if let Some(holder) = release.lock().unwrap().take() {
                    holder.end_well();
                }
            }
        });
        with_failing(libc::SYS_clone, Errno::EPERM, || {
            let error = lock.lock_timeout(Duration::from_millis(200)).unwrap_err();
            assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
            // Let go of as soon as the next wait is told that it polls.
            *last.lock().unwrap() = Some(holder);
            lock.lock_timeout(LONG).unwrap().unlock().unwrap();
        });
        assert_eq!(*polls.lock().unwrap(), 2, "{kind:?}");
    }
}

#[test]
fn who_waits_is_told_who_holds_the_lock_and_when_that_changes() {
    let _alone = alone();
    for kind in [Kind::Flock, Kind::File, Kind::Pidfile, Kind::Symlink] {
        let scratch = Scratch::new("observe");
        let first = holder(kind, &scratch);
        let pid = first.id();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let note = move |event: &WaitEvent<'_>| {
            let what = match event {
                WaitEvent::Waiting { owner, changed: true, left, .. } => {
                    assert!(left.is_some_and(|left| left <= LONG));
                    format!("held by {}", owner.pid.unwrap())
                }
                WaitEvent::Waiting { .. } => return,
                WaitEvent::Acquired { .. } => "ours".to_owned(),
                other => other.to_string(),
            };
            assert!(event.to_string().starts_with(scratch_name(event)), "{event}");
            log.lock().unwrap().push(what);
        };
        let (lock, names) = (scratch.lock(Kind::Flock), name(Kind::Pidfile, &scratch));
        let wait: Wait = if kind.is_existence() {
            let lock = ExistenceLock::at(names.path(), kind).observe(note);
            Box::new(move || lock.lock_timeout(LONG).map(|guard| guard.unlock().unwrap()))
        } else {
            let lock = lock.kind(kind).observe(note);
            Box::new(move || lock.lock_timeout(LONG).map(|guard| guard.unlock().unwrap()))
        };
        let waiter = thread::spawn(wait);
        while told.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        first.end_well();
        waiter.join().unwrap().unwrap();
        assert_eq!(
            *told.lock().unwrap(),
            [format!("held by {pid}"), "ours".to_owned()],
            "{kind:?}"
        );
    }
}

fn scratch_name<'a>(event: &'a WaitEvent<'_>) -> &'a str {
    event.lock().0.to_str().unwrap()
}

#[test]
fn a_dead_holders_lock_is_told_of_before_it_is_taken_over() {
    let _alone = alone();
    let scratch = Scratch::new("observe-stale");
    holder(Kind::Nfs, &scratch).kill();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let lock = name(Kind::Nfs, &scratch).observe(move |event| {
        log.lock().unwrap().push(event.to_string());
    });
    lock.lock_timeout(LONG).unwrap().unlock().unwrap();
    let told = told.lock().unwrap();
    assert!(
        told[0].contains("left behind by pid ") && told[0].ends_with("taking it over"),
        "{told:?}"
    );
}

/// Once a second, by a waiter that stays where it is.
#[test]
fn who_waits_is_told_again_every_second() {
    let _alone = alone();
    let scratch = Scratch::new("observe-change");
    let shared = scratch.lock(Kind::Flock).shared();
    let guard = shared.try_lock().unwrap();
    let told = Arc::new(Mutex::new(0));
    let log = Arc::clone(&told);
    let lock = scratch.lock(Kind::Flock).observe(move |event| {
        if matches!(event, WaitEvent::Waiting { .. }) {
            *log.lock().unwrap() += 1;
        }
    });
    let start = Instant::now();
    let waiter = thread::spawn(move || lock.lock().unwrap());
    while *told.lock().unwrap() < 3 {
        thread::yield_now();
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "the first at once, then one a second");
    drop(guard);
    waiter.join().unwrap().unlock().unwrap();
}

/// A holder, a waiter, and a holder whose parent's name is in the file.
#[test]
fn a_report_names_holders_and_waiters_and_flags_what_does_not_agree() {
    let _alone = alone();
    let scratch = Scratch::new("report");
    let lock = scratch.lock(Kind::Flock);
    assert_eq!(lock.report().unwrap(), lock_std::Report::default());
    let holder = holder(Kind::Flock, &scratch);
    let waiter = Actor::start("wait flock", &scratch.path());
    until_queued(&scratch.path());
    let report = lock.report().unwrap();
    assert_eq!(report.holders[0].pid.unwrap().get(), u64::from(holder.id()), "{report}");
    assert_eq!(report.waiters[0].pid.unwrap().get(), u64::from(waiter.id()), "{report}");
    assert!(!report.disagrees() && report.to_string().contains("\nwaited for by pid "));
    holder.end_well();
    waiter.kill();
    let file = scratch.lock(Kind::File);
    let guard = file.message("1").try_lock().unwrap();
    let report = scratch.lock(Kind::File).report().unwrap();
    assert!(report.disagrees(), "{report}");
    assert!(report.to_string().ends_with("does not hold it itself"));
    guard.unlock().unwrap();
}

/// Repeated, with a limit so short that the signal often comes before the call blocks.
#[test]
fn a_signal_of_the_programs_own_times_a_wait() {
    let _alone = alone();
    let signal = WakeSignal::install(40).unwrap();
    assert_eq!(WakeSignal::install(40).unwrap(), signal);
    assert!(WakeSignal::install(9).is_err());
    for kind in KINDS {
        let scratch = Scratch::new("wake-signal");
        let holder = holder(kind, &scratch);
        let lock = scratch.lock(kind).timed_by(signal);
        assert!(lock.lock_timeout(Duration::from_nanos(1)).is_err());
        let before = belongings();
        for us in 0..300 {
            let (start, limit) = (Instant::now(), Duration::from_micros(us));
            let error = lock.lock_timeout(limit).unwrap_err();
            assert!(start.elapsed() >= limit && matches!(error, LockError::TimedOut { .. }));
        }
        assert_eq!(belongings(), before);
        let waiter = thread::spawn({
            let lock = lock.clone();
            move || lock.lock_timeout(LONG).map(|guard| guard.unlock().unwrap())
        });
        until_queued(&scratch.path());
        holder.end_well();
        waiter.join().unwrap().unwrap();
    }
}
