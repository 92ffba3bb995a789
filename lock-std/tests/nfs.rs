//! `Lock_file_blocking.Nfs`, `.Mkdir` and `.Symlink` by their own names.

mod common;

use core::time::Duration;
use std::fs;
use std::process::{Command, Stdio};

use common::{Actor, Scratch, alone, role as part, say};
use lock_std::lock_file_blocking::{mkdir, nfs, symlink};
use lock_std::{FaultKind, LockError, Pid};

/// Children play their parts here.
#[test]
#[ignore = "a part of the other tests"]
fn role() {
    let (part, path) = part();
    match part.as_str() {
        "hold" => {
            let guard = nfs::create_exn(&path, Some(b"two words")).unwrap();
            say("held");
            common::await_order();
            guard.unlock().unwrap();
        }
        "keep" => {
            nfs::keep(nfs::create(&path, None).unwrap());
            say("held");
            common::await_order();
            std::process::exit(0);
        }
        other => panic!("{other}"),
    }
}

fn is_empty(scratch: &Scratch) -> bool {
    fs::read_dir(scratch.dir()).unwrap().next().is_none()
}

#[test]
fn create_takes_the_lock_and_says_who_and_what() {
    let _alone = alone();
    let scratch = Scratch::new("nfs-create");
    assert_eq!(nfs::get_hostname_and_pid(scratch.path()), None);
    assert_eq!(nfs::get_message(scratch.path()), None);
    let mut holder = Actor::start("hold", &scratch.path());
    holder.expect("held");
    let (host, pid) = nfs::get_hostname_and_pid(scratch.path()).unwrap();
    assert_eq!((&host[..], pid.get()), (&lock_rustix::process::host()[..], holder.id().into()));
    assert_eq!(nfs::get_message(scratch.path()).unwrap(), b"two words");
    let lock = scratch.dir().join("lock.nfs_lock");
    assert_eq!(fs::read(scratch.path()).unwrap(), fs::read(&lock).unwrap(), "for readers");
    let error = nfs::create(scratch.path(), None).unwrap_err();
    assert_eq!(error.owner().unwrap().pid, Pid::new(holder.id().into()));
    assert!(nfs::create_exn(scratch.path(), None).unwrap_err().is_held());
    assert!(nfs::unlock(scratch.path()).unwrap_err().is_held(), "a living process's");
    holder.order();
    holder.end_well();
    assert!(is_empty(&scratch));
}

#[test]
fn blocking_create_waits_and_gives_up_in_time() {
    let _alone = alone();
    let scratch = Scratch::new("nfs-blocking");
    let mut holder = Actor::start("hold", &scratch.path());
    holder.expect("held");
    let soon = Some(Duration::from_millis(3));
    let error = nfs::blocking_create(scratch.path(), soon, None).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
    let path = scratch.path();
    let waiter = std::thread::spawn(move || nfs::blocking_create(path, None, None).unwrap());
    holder.order();
    holder.end_well();
    waiter.join().unwrap().unlock().unwrap();
    let error = nfs::blocking_create("/no such directory/lock", None, None).unwrap_err();
    assert!(matches!(error, LockError::Fault { .. }), "waiting does not mend it: {error:?}");
}

#[test]
fn a_critical_section_runs_alone_and_gives_back() {
    let _alone = alone();
    let scratch = Scratch::new("nfs-critical");
    let answer = nfs::critical_section(scratch.path(), None, Some(b"at work"), || {
        assert!(nfs::create(scratch.path(), None).is_err());
        nfs::get_message(scratch.path()).unwrap()
    });
    assert_eq!(answer.unwrap(), b"at work");
    assert!(is_empty(&scratch));
    let lost = nfs::critical_section(scratch.path(), None, None, || {
        fs::remove_file(scratch.dir().join("lock.nfs_lock")).unwrap();
    });
    assert!(matches!(lost, Err(LockError::Lost { .. })), "{lost:?}");
}

#[test]
fn a_kept_lock_is_unlocked_by_its_path_or_at_exit() {
    let _alone = alone();
    let scratch = Scratch::new("nfs-keep");
    nfs::keep(nfs::create(scratch.path(), None).unwrap());
    let error = nfs::create(scratch.path(), None).unwrap_err();
    assert!(matches!(error, LockError::HeldByThisProcess { .. }), "{error:?}");
    nfs::unlock_exn(scratch.path()).unwrap();
    assert!(is_empty(&scratch));
    nfs::unlock(scratch.path()).expect("nothing is no error");
    let mut keeper = Actor::start("keep", &scratch.path());
    keeper.expect("held");
    keeper.order();
    keeper.end_well();
    assert!(is_empty(&scratch));
}

#[test]
fn a_dead_processs_lock_is_unlocked_or_taken() {
    let _alone = alone();
    let scratch = Scratch::new("nfs-dead");
    for unlock in [true, false] {
        let mut holder = Actor::start("hold", &scratch.path());
        holder.expect("held");
        holder.kill();
        if unlock {
            nfs::unlock(scratch.path()).unwrap();
            assert!(is_empty(&scratch));
        } else {
            nfs::create(scratch.path(), None).unwrap().unlock().unwrap();
        }
    }
}

/// What OCaml programs leave behind when they die: no comment line, no flock.
#[test]
fn the_locks_of_dead_ocaml_programs_are_cleaned_up() {
    let _alone = alone();
    let scratch = Scratch::new("nfs-ocaml");
    let host = String::from_utf8(lock_rustix::process::host().to_vec()).unwrap();
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let write = |text: String| {
        fs::write(scratch.path(), text).unwrap();
        fs::hard_link(scratch.path(), scratch.dir().join("lock.nfs_lock")).unwrap();
    };
    write(format!("((host {host}) (pid {pid}) (message \"\"))\n"));
    assert!(nfs::create(scratch.path(), None).unwrap_err().is_held());
    drop(child.stdin.take());
    child.wait().unwrap();
    nfs::create(scratch.path(), None).unwrap().unlock().unwrap();
    assert!(is_empty(&scratch));
    // The pid is this process's by now, which started at another time.
    let mine = std::process::id();
    let then = "(start_time (2020-01-01 00:00:00.000000Z))";
    write(format!("((host {host})(pid {mine})(message\"\"){then})"));
    nfs::create(scratch.path(), None).unwrap().unlock().unwrap();
    // Another host's, and what is no lock, stay.
    for text in ["((host elsewhere) (pid 5) (message \"\"))\n", "", "no lock"] {
        write(text.into());
        let error = nfs::create(scratch.path(), None).unwrap_err();
        assert!(matches!(error, LockError::Held { doubt: Some(_), .. }), "{error:?}");
        fs::remove_file(scratch.path()).unwrap();
        fs::remove_file(scratch.dir().join("lock.nfs_lock")).unwrap();
    }
}

#[test]
fn mkdir_lock_exn_takes_the_lock_or_says_no() {
    let _alone = alone();
    let scratch = Scratch::new("mkdir");
    let mkdir::Outcome::WeTookIt(held) = mkdir::lock_exn(scratch.path()).unwrap() else {
        panic!("nobody has it");
    };
    assert!(scratch.path().is_dir());
    let again = mkdir::lock_exn(scratch.path()).unwrap();
    assert!(matches!(again, mkdir::Outcome::SomebodyElseTookIt));
    // The directory above may be renamed meanwhile.
    let moved = scratch.dir().with_extension("moved");
    fs::rename(scratch.dir(), &moved).unwrap();
    mkdir::unlock_exn(held).unwrap();
    fs::rename(&moved, scratch.dir()).unwrap();
    assert!(is_empty(&scratch));
    let error = mkdir::lock_exn("/no such directory/lock").unwrap_err();
    assert_eq!(error.io_kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn mkdir_unlock_exn_says_if_the_directory_is_gone() {
    let _alone = alone();
    let scratch = Scratch::new("mkdir-gone");
    let mkdir::Outcome::WeTookIt(held) = mkdir::lock_exn(scratch.path()).unwrap() else {
        panic!("nobody has it");
    };
    fs::remove_dir(scratch.path()).unwrap();
    let error = mkdir::unlock_exn(held).unwrap_err();
    assert!(matches!(error, LockError::Fault { fault, .. } if fault.kind == FaultKind::Missing));
}

#[test]
fn symlink_lock_exn_takes_the_lock_or_says_whose_it_is() {
    let _alone = alone();
    let scratch = Scratch::new("symlink");
    let symlink::Outcome::WeTookIt(held) =
        symlink::lock_exn(scratch.path(), b"hello world").unwrap()
    else {
        panic!("nobody has it");
    };
    assert_eq!(fs::read_link(scratch.path()).unwrap().to_str(), Some("hello world"));
    let symlink::Outcome::SomebodyElseTookIt(who) =
        symlink::lock_exn(scratch.path(), b"hi").unwrap()
    else {
        panic!("it is held");
    };
    assert_eq!(who.unwrap(), b"hello world");
    symlink::unlock_exn(held).unwrap();
    assert!(is_empty(&scratch));
    // A regular file is somebody's too, and says nothing.
    fs::write(scratch.path(), "").unwrap();
    let symlink::Outcome::SomebodyElseTookIt(Err(error)) =
        symlink::lock_exn(scratch.path(), b"hi").unwrap()
    else {
        panic!("it is held");
    };
    assert!(matches!(error, LockError::Fault { fault, .. } if fault.kind == FaultKind::NotSymlink));
}

#[test]
fn symlink_refuses_empty_metadata_and_leaves_anothers_link() {
    let _alone = alone();
    let scratch = Scratch::new("symlink-lost");
    let error = symlink::lock_exn(scratch.path(), b"").unwrap_err();
    assert!(matches!(error, LockError::Fault { fault, .. } if fault.kind == FaultKind::Missing));
    let symlink::Outcome::WeTookIt(held) = symlink::lock_exn(scratch.path(), b"one").unwrap()
    else {
        panic!("nobody has it");
    };
    fs::remove_file(scratch.path()).unwrap();
    std::os::unix::fs::symlink("another", scratch.path()).unwrap();
    assert!(matches!(symlink::unlock_exn(held), Err(LockError::Lost { .. })));
    assert_eq!(fs::read_link(scratch.path()).unwrap().to_str(), Some("another"));
}

#[test]
fn symlink_metadata_may_be_as_long_as_can_be_read_back() {
    let _alone = alone();
    let scratch = Scratch::new("symlink-long");
    let symlink::Outcome::WeTookIt(held) =
        symlink::lock_exn(scratch.path(), &[b'x'; 1023]).unwrap()
    else {
        panic!("nobody has it");
    };
    assert_eq!(fs::read_link(scratch.path()).unwrap().as_os_str().len(), 1023);
    symlink::unlock_exn(held).unwrap();
    let error = symlink::lock_exn(scratch.path(), &[b'x'; 1024]).unwrap_err();
    assert!(
        matches!(error, LockError::Fault { fault, .. } if fault.kind == FaultKind::NameTooLong)
    );
    assert!(is_empty(&scratch));
}
