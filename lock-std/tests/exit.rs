//! `unlink_on_exit`: whether the file goes, by every way a process and a guard can end.

mod common;

use std::fs;
use std::path::Path;

use common::{Actor, Scratch, alone, await_order, exit_at_once, fork, reap, role as part, say};
use lock_std::{Guard, Kind, Lock, LockError};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    let guard = Lock::at(&path).unlink_on_exit(true).try_lock().unwrap();
    say("held");
    await_order();
    match role.as_str() {
        "drop and return" => drop(guard),
        "keep and return" => guard.keep(),
        "panic" => panic_with(&guard),
        "keep and panic" => {
            guard.keep();
            panic!("the test program exits with a failure");
        }
        "exit" => std::process::exit(0),
        "exit in another thread" => exit_elsewhere(&guard),
        "abort" => std::process::abort(),
        "exit at once" => exit_at_once(true),
        "fork" => fork_and_end(guard),
        "not ours" => {
            replace(&path);
            guard.keep();
        }
        _ => panic!("{role}?"),
    }
}

fn panic_with(_guard: &Guard) {
    panic!("this unwinds");
}

/// Another thread exits while this one holds the lock.
fn exit_elsewhere(_guard: &Guard) {
    std::thread::spawn(|| std::process::exit(0)).join().unwrap();
}

/// A forked child ends in every way; then the parent goes on to its own end.
fn fork_and_end(guard: Guard) {
    for end in ["drop", "exit"] {
        match fork() {
            Some(child) => reap(child),
            None if end == "exit" => std::process::exit(0),
            None => {
                drop(guard);
                exit_at_once(true);
            }
        }
        assert!(guard.still_held().unwrap(), "the child removed the file: {end}");
    }
    say("still there");
    await_order();
    guard.keep();
}

/// Puts another file in the lock file's place.
fn replace(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::write(path, "somebody else's").unwrap();
}

/// Whether the file is left when a child has ended in this way.
fn is_left_after(end: &str) -> bool {
    let scratch = Scratch::new("exit");
    let mut actor = Actor::start(end, &scratch.path());
    actor.expect("held");
    assert!(scratch.path().exists());
    actor.order();
    if end == "fork" {
        actor.expect("still there");
        assert!(scratch.path().exists());
        actor.order();
    }
    actor.end();
    let is_left = scratch.path().exists();
    // Whatever stays does no harm.
    scratch.lock(Kind::File).try_lock().unwrap().unlock().unwrap();
    is_left
}

#[test]
fn the_file_goes_when_main_returns() {
    let _alone = alone();
    assert!(!is_left_after("drop and return"));
    assert!(!is_left_after("keep and return"));
}

#[test]
fn the_file_goes_when_a_panic_ends_the_process() {
    let _alone = alone();
    assert!(!is_left_after("panic"));
    assert!(!is_left_after("keep and panic"));
}

#[test]
fn the_file_goes_when_anybody_calls_exit() {
    let _alone = alone();
    assert!(!is_left_after("exit"));
    assert!(!is_left_after("exit in another thread"));
}

#[test]
fn the_file_stays_when_the_process_is_killed_or_aborts() {
    let _alone = alone();
    assert!(is_left_after("abort"));
    assert!(is_left_after("exit at once"));
}

#[test]
fn a_forked_child_removes_nothing() {
    let _alone = alone();
    assert!(!is_left_after("fork"), "the parent removes it at its own end");
}

#[test]
fn a_file_in_its_place_stays() {
    let _alone = alone();
    assert!(is_left_after("not ours"));
    let scratch = Scratch::new("replaced");
    let guard = scratch.lock(Kind::File).unlink_on_exit(true).try_lock().unwrap();
    replace(&scratch.path());
    assert!(matches!(guard.unlock(), Err(LockError::Lost { cause: None, .. })));
    assert_eq!(fs::read(scratch.path()).unwrap(), b"somebody else's");
}

#[test]
fn the_file_goes_with_the_guard() {
    let _alone = alone();
    let scratch = Scratch::new("guard");
    for kind in common::KINDS {
        let lock = scratch.lock(kind).unlink_on_exit(true);
        lock.try_lock().unwrap().unlock().unwrap();
        assert!(!scratch.path().exists(), "{kind:?}");
        drop(lock.try_lock().unwrap());
        assert!(!scratch.path().exists(), "{kind:?}");
    }
}

#[test]
fn the_name_goes_before_the_lock() {
    let _alone = alone();
    let scratch = Scratch::new("order");
    for kind in common::KINDS {
        for release in [drop::<Guard>, |guard: Guard| guard.unlock().unwrap()] {
            let guard = scratch.lock(kind).unlink_on_exit(true).try_lock().unwrap();
            let inotify = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
            // Its count of names changes when it is unlinked; closing it ends the lock.
            let watched = AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_CLOSE;
            inotify.add_watch(&scratch.path(), watched).unwrap();
            release(guard);
            let first = inotify.read_events().unwrap()[0].mask;
            assert_eq!(first, AddWatchFlags::IN_ATTRIB, "{kind:?}");
        }
    }
}

#[test]
fn a_relative_path_means_the_directory_of_its_time() {
    let _alone = alone();
    let scratch = Scratch::new("chdir");
    let before = std::env::current_dir().unwrap();
    std::env::set_current_dir(scratch.dir()).unwrap();
    let guard = Lock::at("lock").unlink_on_exit(true).try_lock().unwrap();
    std::env::set_current_dir(before).unwrap();
    assert!(guard.still_held().unwrap());
    guard.unlock().unwrap();
    assert!(!scratch.path().exists());
}

#[test]
fn a_shared_lock_keeps_its_file() {
    let _alone = alone();
    let scratch = Scratch::new("shared");
    let lock = scratch.lock(Kind::Ofd).unlink_on_exit(true);
    let error = lock.clone().shared().try_lock().unwrap_err();
    assert!(matches!(error, LockError::Invalid { .. }), "{error:?}");
    let error = lock.try_lock().unwrap().downgrade().unwrap_err().into_error();
    assert!(matches!(error, LockError::Invalid { .. }), "{error:?}");
}
