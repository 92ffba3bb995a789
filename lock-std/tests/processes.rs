//! Locks among processes: who is refused, who is told what, and what ends a lock.

mod common;

use core::time::Duration;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{
    Actor, KINDS, Scratch, alone, await_order, exit_at_once, fork, hold, kind_of, reap,
    role as part, say,
};
use lock_std::{FaultKind, Kind, Lock, LockError, Pid, Standing};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, getpid, getppid, setgid, setuid};

/// `nobody`, by convention.
const NOBODY: u32 = 65534;

const LONG: Duration = Duration::from_secs(600);

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    let lock = Lock::at(&path);
    match role.as_str() {
        "umask 0" => lock_under_umask(&lock, 0),
        "umask 0777" => lock_under_umask(&lock, 0o777),
        "idle" => {
            say("idle");
            await_order();
        }
        "outlive" => outlive(&lock.kind(Kind::File)),
        share if share.starts_with("share ") => hold(&lock.kind(kind_of(&role)).shared()),
        fork if fork.starts_with("fork ") => fork_and_drop(&lock.kind(kind_of(&role))),
        _ => hold(&lock.kind(kind_of(&role)).message("by a child")),
    }
}

fn holder(kind: Kind, path: &Path) -> Actor {
    let mut holder = Actor::start(&format!("hold {}", kind.name()), path);
    holder.expect("held");
    holder
}

#[test]
fn another_process_is_refused_and_told_by_whom() {
    let _alone = alone();
    let scratch = Scratch::new("refused");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        let holder = holder(kind, &scratch.path());
        let error = lock.try_lock().unwrap_err();
        let LockError::Held { owner, .. } = &error else { panic!("{kind:?}: {error:?}") };
        // The kernel names no holder of an OFD lock.
        let pid = (kind != Kind::Ofd).then_some(u64::from(holder.id()));
        assert_eq!(owner.pid.map(Pid::get), pid, "{kind:?}");
        if kind == Kind::File {
            assert_eq!(owner.message.as_deref(), Some(&b"by a child"[..]));
        }
        assert_eq!((error.path(), error.kind()), (scratch.path().as_path(), kind));
        assert!(lock.is_locked().unwrap());
        assert_eq!(lock.owner().unwrap(), Some(*owner.clone()));
        holder.end_well();
        assert_eq!(lock.look().unwrap(), Standing::Free, "{kind:?}");
        lock.try_lock().unwrap().unlock().unwrap();
    }
}

#[test]
fn readers_share_and_keep_a_writer_out() {
    let _alone = alone();
    let scratch = Scratch::new("share");
    for kind in [Kind::Flock, Kind::Lockf, Kind::Ofd] {
        let mut reader = Actor::start(&format!("share {}", kind.name()), &scratch.path());
        reader.expect("held");
        let lock = scratch.lock(kind);
        assert!(matches!(lock.try_lock(), Err(LockError::Held { .. })), "{kind:?}");
        lock.clone().shared().try_lock().unwrap().unlock().unwrap();
        reader.end_well();
        let writer = holder(kind, &scratch.path());
        assert!(matches!(lock.shared().try_lock(), Err(LockError::Held { .. })), "{kind:?}");
        writer.end_well();
    }
}

#[test]
fn a_killed_holder_holds_nothing() {
    let _alone = alone();
    let scratch = Scratch::new("killed");
    for kind in KINDS {
        holder(kind, &scratch.path()).kill();
        let lock = scratch.lock(kind);
        assert!(!lock.is_locked().unwrap(), "{kind:?}");
        lock.try_lock().unwrap().unlock().unwrap();
    }
}

#[test]
fn whoever_waits_gets_the_lock_of_a_killed_holder() {
    let _alone = alone();
    let scratch = Scratch::new("inherit");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        for wait in [Lock::lock, |lock: &Lock| lock.lock_timeout(LONG)] {
            let holder = holder(kind, &scratch.path());
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| wait(&lock));
                holder.kill();
                waiter.join().unwrap().unwrap().unlock().unwrap();
            });
        }
    }
}

fn lock_under_umask(lock: &Lock, mask: u32) {
    umask(Mode::from_bits(mask).unwrap());
    if Uid::effective().is_root() {
        setgid(Gid::from_raw(NOBODY)).unwrap();
        setuid(Uid::from_raw(NOBODY)).unwrap();
    }
    let guard = lock.try_lock().unwrap();
    let mode = fs::metadata(lock.path()).unwrap().permissions().mode() & 0o7777;
    say(&format!("{mode:o}"));
    let fault = match lock.try_lock() {
        Err(LockError::HeldByThisProcess { .. }) => "held",
        Err(LockError::Fault { fault, .. }) if fault.kind == FaultKind::Denied => "denied",
        _ => "wrong",
    };
    say(fault);
    assert!(guard.still_held().unwrap());
    guard.unlock().unwrap();
}

/// A directory where everybody may make files.
fn open_scratch(test: &str) -> Scratch {
    let scratch = Scratch::new(test);
    fs::set_permissions(scratch.dir(), PermissionsExt::from_mode(0o777)).unwrap();
    scratch
}

#[test]
fn umask_0_makes_no_file_that_the_world_can_write() {
    let _alone = alone();
    let scratch = open_scratch("umask-0");
    let mut actor = Actor::start("umask 0", &scratch.path());
    actor.expect("664");
    actor.expect("held");
    actor.end_well();
}

#[test]
fn umask_0777_leaves_a_lock_that_only_its_holder_has() {
    let _alone = alone();
    let scratch = open_scratch("umask-0777");
    let mut actor = Actor::start("umask 0777", &scratch.path());
    actor.expect("0");
    actor.expect("denied");
    actor.end_well();
}

#[test]
fn close_on_exec_keeps_the_lock_from_other_programs() {
    let _alone = alone();
    let scratch = Scratch::new("cloexec");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        let guard = lock.try_lock().unwrap();
        let mut program = Actor::start("idle", &scratch.path());
        program.expect("idle");
        drop(guard);
        lock.try_lock().unwrap().unlock().unwrap();
        program.end_well();
    }
}

#[test]
fn without_close_on_exec_programs_keep_the_lock() {
    let _alone = alone();
    let scratch = Scratch::new("inherited");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        let guard = lock.clone().close_on_exec(false).try_lock().unwrap();
        let mut program = Actor::start("idle", &scratch.path());
        program.expect("idle");
        guard.unlock().unwrap();
        // POSIX locks belong to the process that took them.
        let is_left = kind != Kind::Lockf;
        assert_eq!(lock.is_locked().unwrap(), is_left, "{kind:?}");
        assert_eq!(lock.try_lock().is_err_and(|error| error.is_held()), is_left, "{kind:?}");
        program.end_well();
        lock.try_lock().unwrap().unlock().unwrap();
    }
}

/// Holds the lock while one forked child drops its copy of the guard, and another unlocks it.
fn fork_and_drop(lock: &Lock) {
    let guard = lock.try_lock().unwrap();
    for drop_it in [true, false] {
        match fork() {
            Some(child) => reap(child),
            None if drop_it => {
                drop(guard);
                exit_at_once(true);
            }
            None => {
                exit_at_once(matches!(guard.unlock(), Err(LockError::HeldByParent { .. })));
            }
        }
        assert!(guard.still_held().unwrap());
        say("dropped in the child");
        await_order();
    }
    guard.unlock().unwrap();
    say("released");
    await_order();
}

#[test]
fn a_guard_that_a_forked_child_drops_releases_nothing() {
    let _alone = alone();
    let scratch = Scratch::new("fork");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        let mut actor = Actor::start(&format!("fork {}", kind.name()), &scratch.path());
        for _ in [true, false] {
            actor.expect("dropped in the child");
            let outcome = lock.try_lock();
            assert!(matches!(outcome, Err(LockError::Held { .. })), "{kind:?}: {outcome:?}");
            actor.order();
        }
        actor.expect("released");
        lock.try_lock().unwrap().unlock().unwrap();
        actor.end_well();
    }
}

/// A daemon: takes the lock, forks, and lives on as the child.
fn outlive(lock: &Lock) {
    let guard = lock.try_lock().unwrap();
    let parent = getpid();
    if fork().is_some() {
        exit_at_once(true);
    }
    // Its descriptors are closed when its children become another's.
    while getppid() == parent {
        std::thread::yield_now();
    }
    assert!(guard.still_held().unwrap());
    say("alone");
    await_order();
    drop(guard);
    say("released");
    await_order();
}

#[test]
fn a_lock_taken_before_a_daemon_forks_stays_with_it() {
    let _alone = alone();
    let scratch = Scratch::new("daemon");
    let lock = scratch.lock(Kind::File);
    let mut daemon = Actor::start("outlive", &scratch.path());
    daemon.expect("alone");
    assert!(matches!(lock.try_lock(), Err(LockError::Held { .. })));
    daemon.order();
    daemon.expect("released");
    lock.try_lock().unwrap().unlock().unwrap();
    daemon.end_well();
}

#[test]
fn unlock_releases_for_every_copy_of_the_descriptor() {
    let _alone = alone();
    let scratch = Scratch::new("copies");
    for kind in KINDS {
        let lock = scratch.lock(kind);
        let guard = lock.try_lock().unwrap();
        // As a child has that is between its fork and its exec.
        let copy = nix::unistd::dup(&guard).unwrap();
        guard.unlock().unwrap();
        lock.try_lock().unwrap().unlock().unwrap();
        drop(copy);
    }
}
