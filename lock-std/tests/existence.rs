//! Existence locks in this process and others: held once, waited for, taken over, taken for others.

mod common;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use common::{Actor, Scratch, alone, exit_at_once, fork, reap, role as part, say};
use lock_std::{Alive, ExistenceLock, FaultKind, Kind, LockError, Pid, Stale, Unknown, Verdict};

/// Children play their parts here.
#[test]
#[ignore = "a part of the other tests"]
fn role() {
    let (part, path) = part();
    let (action, kind) = part.split_once(' ').unwrap();
    let lock = ExistenceLock::at(&path, Kind::from_name(kind.as_bytes()).unwrap());
    match action {
        "hold" => {
            let guard = lock.try_lock().unwrap();
            say("held");
            common::await_order();
            guard.unlock().unwrap();
        }
        "wait" => {
            say("waits");
            let guard = lock.lock().unwrap();
            say("held");
            guard.unlock().unwrap();
        }
        "exit" => {
            lock.try_lock().unwrap().keep();
            say("held");
            std::process::exit(0);
        }
        "fork" => {
            let guard = lock.try_lock().unwrap();
            let Some(child) = fork() else {
                let refused = matches!(guard.unlock(), Err(LockError::HeldByParent { .. }));
                exit_at_once(refused);
            };
            reap(child);
            assert!(guard.still_held().unwrap());
            // It signs with its own name, not with the one its parent has used.
            let Some(child) = fork() else {
                let other = ExistenceLock::at(path.with_extension("other"), lock.kind());
                let taken = other.try_lock().unwrap();
                let found = other.look().unwrap().unwrap();
                let pid = found.claim.unwrap().owner.pid.unwrap().get();
                taken.unlock().unwrap();
                exit_at_once(pid == u64::from(std::process::id()));
            };
            reap(child);
            let Some(child) = fork() else {
                drop(guard);
                exit_at_once(true);
            };
            reap(child);
            assert!(guard.still_held().unwrap());
            guard.unlock().unwrap();
        }
        "nobody" => {
            nix::unistd::setgid(65534.into()).unwrap();
            nix::unistd::setuid(65534.into()).unwrap();
            match lock.try_lock() {
                Err(LockError::StaleButNotPermitted { fault, .. }) => {
                    assert_eq!(fault.kind, FaultKind::Denied);
                }
                outcome => panic!("{outcome:?}"),
            }
        }
        other => panic!("{other}"),
    }
}

fn actor(action: &str, kind: Kind, scratch: &Scratch) -> Actor {
    Actor::start(&format!("{action} {}", kind.name()), &scratch.path())
}

fn lock(kind: Kind, scratch: &Scratch) -> ExistenceLock {
    ExistenceLock::at(scratch.path(), kind)
}

/// A process to take locks for; it ends when its standard input does.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Sleeper {
        Sleeper(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::new(u64::from(self.0.id())).unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn is_empty(scratch: &Scratch) -> bool {
    fs::read_dir(scratch.dir()).unwrap().next().is_none()
}

#[test]
fn held_by_one_process_and_told_to_others() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-held");
        let lock = lock(kind, &scratch);
        let mut holder = actor("hold", kind, &scratch);
        holder.expect("held");
        let error = lock.try_lock().unwrap_err();
        assert!(matches!(error, LockError::Held { doubt: None, .. }), "{error:?}");
        assert_eq!(error.owner().unwrap().pid, Pid::new(u64::from(holder.id())), "{kind:?}");
        assert_eq!(lock.look().unwrap().unwrap().verdict, Verdict::Live(Alive::Runs));
        assert!(lock.remove_stale().unwrap_err().is_held());
        assert!(lock.release().unwrap_err().is_held());
        holder.order();
        holder.end_well();
        assert!(is_empty(&scratch), "{kind:?}");
        assert_eq!(lock.look().unwrap(), None);
        assert_eq!(lock.remove_stale().unwrap(), None);
        assert!(!lock.release().unwrap());
    }
}

#[test]
fn one_process_is_one_holder() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-own");
        let lock = lock(kind, &scratch);
        let guard = lock.try_lock().unwrap();
        let error = lock.try_lock().unwrap_err();
        assert!(matches!(error, LockError::HeldByThisProcess { .. }), "{error:?}");
        assert_eq!((guard.kind(), guard.path()), (kind, &*scratch.path()));
        drop(guard);
        assert!(is_empty(&scratch), "{kind:?}");
    }
}

#[test]
fn the_lock_of_a_killed_holder_is_taken_over() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-killed");
        let lock = lock(kind, &scratch);
        let mut holder = actor("hold", kind, &scratch);
        holder.expect("held");
        holder.kill();
        assert!(matches!(lock.look().unwrap().unwrap().verdict, Verdict::Stale(_)), "{kind:?}");
        let guard = lock.try_lock().unwrap();
        assert!(guard.still_held().unwrap());
        guard.unlock().unwrap();
        assert!(is_empty(&scratch), "{kind:?}");
    }
}

#[test]
fn whoever_waits_gets_it_when_it_is_given_back_or_its_holder_is_killed() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        for kill in [false, true] {
            let scratch = Scratch::new("existence-wait");
            let mut holder = actor("hold", kind, &scratch);
            holder.expect("held");
            let mut queued = actor("wait", kind, &scratch);
            queued.expect("waits");
            // With a limit, in this process.
            let lock = lock(kind, &scratch);
            let timed = std::thread::spawn(move || {
                lock.lock_timeout(Duration::from_secs(100)).unwrap().unlock().unwrap();
            });
            if kill {
                holder.kill();
            } else {
                holder.order();
                holder.end_well();
            }
            queued.expect("held");
            queued.end_well();
            timed.join().unwrap();
            assert!(is_empty(&scratch), "{kind:?}");
        }
    }
}

#[test]
fn a_wait_is_never_over_early_and_takes_nothing_later() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-timeout");
        let lock = lock(kind, &scratch);
        let mut holder = actor("hold", kind, &scratch);
        holder.expect("held");
        for timeout in [Duration::ZERO, Duration::from_millis(7)] {
            let start = Instant::now();
            let error = lock.lock_timeout(timeout).unwrap_err();
            assert!(start.elapsed() >= timeout);
            assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
            assert_eq!(error.owner().unwrap().pid, Pid::new(u64::from(holder.id())));
        }
        assert!(lock.lock_deadline(Instant::now()).is_err());
        holder.order();
        holder.end_well();
        assert_eq!(lock.look().unwrap(), None, "{kind:?}");
    }
}

/// 1 000 waits that timed out leave nothing behind.
#[test]
fn timed_out_waits_leave_no_thread_descriptor_or_request() {
    let _alone = alone();
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-thousand");
        let lock = lock(kind, &scratch);
        let mut holder = actor("hold", kind, &scratch);
        holder.expect("held");
        let before = (count("fd"), count("task"));
        for _ in 0..250 {
            lock.lock_timeout(Duration::from_micros(200)).unwrap_err();
        }
        assert_eq!((count("fd"), count("task")), before, "{kind:?}");
        let waiting = fs::read_to_string("/proc/locks").unwrap();
        let me = format!(" {} ", std::process::id());
        assert!(!waiting.lines().any(|line| line.contains("->") && line.contains(&me)));
        holder.order();
        holder.end_well();
    }
}

#[test]
fn a_lock_that_was_replaced_is_lost() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-lost");
        let lock = lock(kind, &scratch);
        let guard = lock.try_lock().unwrap();
        assert!(lock.remove_by_force().unwrap());
        assert!(!lock.remove_by_force().unwrap());
        let next = lock.try_lock().unwrap();
        assert!(!guard.still_held().unwrap());
        assert!(matches!(guard.unlock(), Err(LockError::Lost { .. })), "{kind:?}");
        assert!(next.still_held().unwrap(), "{kind:?}");
    }
}

#[test]
fn a_lock_for_another_process_stays_with_it() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-other");
        let sleeper = Sleeper::new();
        let lock = lock(kind, &scratch);
        let his = lock.clone().holder(sleeper.pid());
        his.try_lock().unwrap().leave();
        let error = lock.try_lock().unwrap_err();
        assert_eq!(error.owner().unwrap().pid, Some(sleeper.pid()), "{kind:?}");
        assert!(lock.release().unwrap_err().is_held(), "{kind:?}: not ours");
        assert!(his.release().unwrap(), "{kind:?}");
        assert!(is_empty(&scratch));
        his.try_lock().unwrap().leave();
        drop(sleeper);
        assert_eq!(lock.remove_stale().unwrap(), Some(Stale::NoProcess), "{kind:?}");
        let error = his.try_lock().unwrap_err();
        assert!(matches!(error, LockError::Invalid { .. }), "no such process: {error:?}");
    }
}

#[test]
fn the_lock_goes_when_the_process_exits() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-exit");
        let mut holder = actor("exit", kind, &scratch);
        holder.expect("held");
        holder.end_well();
        assert!(is_empty(&scratch), "{kind:?}");
    }
}

#[test]
fn a_forked_child_gives_nothing_back() {
    let _alone = alone();
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-fork");
        actor("fork", kind, &scratch).end_well();
        assert!(is_empty(&scratch), "{kind:?}");
    }
}

#[test]
fn another_hosts_lock_is_never_judged_by_its_pid() {
    let _alone = alone();
    let scratch = Scratch::new("existence-host");
    fs::write(scratch.dir().join("lock.nfs_lock"), "((host elsewhere)(pid 1)(message m))").unwrap();
    let error = lock(Kind::Nfs, &scratch).try_lock().unwrap_err();
    let LockError::Held { owner, doubt, .. } = &error else { panic!("{error:?}") };
    assert_eq!(owner.host.as_deref(), Some(&b"elsewhere"[..]));
    assert_eq!(*doubt, Some(Unknown::OtherHost));
    assert!(error.to_string().contains("whether he lives cannot be told"), "{error}");
}

#[test]
fn a_stale_lock_that_may_not_be_removed_says_so() {
    let _alone = alone();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not run: only root can make another user's file");
        return;
    }
    for kind in Kind::EXISTENCE {
        let scratch = Scratch::new("existence-sticky");
        let sleeper = Sleeper::new();
        lock(kind, &scratch).holder(sleeper.pid()).try_lock().unwrap().leave();
        drop(sleeper);
        fs::set_permissions(scratch.dir(), fs::Permissions::from_mode(0o1777)).unwrap();
        actor("nobody", kind, &scratch).end_well();
    }
}

#[test]
fn a_refreshed_lock_stays_young_and_its_loss_is_noticed() {
    let _alone = alone();
    let scratch = Scratch::new("existence-refresh");
    let lost = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&lost);
    let lock = lock(Kind::Pidfile, &scratch)
        .stale_age(Duration::from_secs(1000))
        .refresh(Duration::from_millis(2))
        .on_lost(move || flag.store(true, Ordering::SeqCst));
    let guard = lock.try_lock().unwrap();
    let past = SystemTime::now() - Duration::from_secs(900);
    fs::File::open(scratch.path()).unwrap().set_modified(past).unwrap();
    while fs::metadata(scratch.path()).unwrap().modified().unwrap() == past {
        std::thread::yield_now();
    }
    lock.remove_by_force().unwrap();
    while !lost.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    assert!(matches!(guard.unlock(), Err(LockError::Lost { .. })));
}

#[test]
fn a_lease_falls_to_the_next_when_it_is_not_refreshed() {
    let _alone = alone();
    let scratch = Scratch::new("existence-lease");
    let lock =
        lock(Kind::Pidfile, &scratch).lease(Duration::from_secs(1000)).refresh(Duration::ZERO);
    let late = lock.try_lock().unwrap();
    let first = late.token().unwrap();
    assert!(lock.try_lock().is_err());
    let past = SystemTime::now() - Duration::from_secs(2000);
    fs::File::open(scratch.path()).unwrap().set_modified(past).unwrap();
    let next = lock.try_lock().unwrap();
    assert!(next.token().unwrap() > first);
    assert!(!late.still_held().unwrap());
    assert!(matches!(late.unlock(), Err(LockError::Lost { .. })));
    next.unlock().unwrap();
}

#[test]
fn terms_that_mean_nothing_are_refused_before_anything_is_touched() {
    let _alone = alone();
    let scratch = Scratch::new("existence-terms");
    let wrong = [
        lock(Kind::Flock, &scratch),
        lock(Kind::Nfs, &scratch).stale_age(Duration::from_secs(1)),
        lock(Kind::Mkdir, &scratch).lease(Duration::from_secs(1)),
        lock(Kind::Mkdir, &scratch).holder(Pid::new(1 << 40).unwrap()),
        ExistenceLock::at("a\0b", Kind::Nfs),
    ];
    for lock in wrong {
        let error = lock.try_lock().unwrap_err();
        assert!(matches!(error, LockError::Invalid { .. }), "{error:?}");
    }
    let error = lock_std::Lock::at(scratch.path()).kind(Kind::Nfs).try_lock().unwrap_err();
    assert!(matches!(error, LockError::Invalid { .. }), "{error:?}");
    let long = lock(Kind::Nfs, &scratch).message([b'x'; 1024]).try_lock().unwrap_err();
    assert!(matches!(long, LockError::Fault { fault, .. } if fault.kind == FaultKind::TooLong));
    let missing = ExistenceLock::at("/no such directory/lock", Kind::Mkdir).try_lock().unwrap_err();
    assert_eq!(missing.io_kind(), std::io::ErrorKind::NotFound);
    assert!(is_empty(&scratch));
}
