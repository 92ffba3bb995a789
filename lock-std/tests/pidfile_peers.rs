//! Pid files among strangers: programs that act as Pidfile.jl does, other users, killed and forked
//! processes, files that are no locks.

mod common;

use core::time::Duration;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use common::{
    Actor, Scratch, alone, await_order, exit_at_once, fork, reap, role as part, say, with_failing,
};
use lock_std::pidfile::{
    Options, PidInfo, PidLock, mkpidlock, mkpidlock_proc, open_exclusive, parse_pidfile,
    stale_pidfile, trymkpidlock, write_pidfile,
};
use lock_std::{FaultKind, LockError, Pid, Unknown};
use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::Mode;

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
            let lock = mkpidlock(&path, QUICK).unwrap();
            say("held");
            await_order();
            assert!(lock.close());
        }
        "julia" => be_julia(&path),
        "julia tries" => {
            while await_order() {
                if julia_opens(&path).is_some() {
                    fs::remove_file(&path).unwrap();
                    say("free");
                } else {
                    say("held");
                }
            }
        }
        "for a child" => {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let _lock = mkpidlock_proc(&path, &child, QUICK).unwrap();
            say(&child.id().to_string());
            await_order();
            child.wait().unwrap();
        }
        "fork" => fork_and_drop(&path),
        "other directory" => {
            std::env::set_current_dir(path.parent().unwrap()).unwrap();
            let lock = mkpidlock(path.file_name().unwrap(), QUICK).unwrap();
            std::env::set_current_dir("/").unwrap();
            assert!(lock.still_held().unwrap() && path.exists());
            assert!(lock.close() && !path.exists());
        }
        "another user" => {
            if nix::unistd::geteuid().is_root() {
                nix::unistd::setgid(65534.into()).unwrap();
                nix::unistd::setuid(65534.into()).unwrap();
            }
            let error = mkpidlock(&path, QUICK).unwrap_err();
            let LockError::Held { doubt, .. } = error else { panic!("{error:?}") };
            assert_eq!(doubt, Some(Unknown::Unreadable));
            assert!(trymkpidlock(&path, QUICK).unwrap().is_none());
            assert_eq!(parse_pidfile(&path), PidInfo::default());
            say("waits");
            assert!(mkpidlock(&path, Options::default()).unwrap().close());
        }
        other => panic!("{other}"),
    }
}

/// Makes the file as the original does: exclusively, for reading, and empty at first.
fn julia_opens(path: &Path) -> Option<File> {
    File::options().read(true).write(true).create_new(true).mode(0o444).open(path).ok()
}

/// The kernel's own word.
fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim_end().to_owned()
}

/// Holds a lock as a Julia program does, whose descriptor has no flock.
fn be_julia(path: &Path) {
    let mut file = julia_opens(path).unwrap();
    let host = host();
    file.write_all(format!("{} {host}", std::process::id()).as_bytes()).unwrap();
    say("held");
    await_order();
    let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let mine = inode(file.metadata().unwrap());
    if fs::metadata(path).is_ok_and(|named| inode(named) == mine) {
        fs::remove_file(path).unwrap();
        say("removed");
    } else {
        say("lost");
    }
}

/// What a forked child does with its copies of a lock costs its parent nothing.
fn fork_and_drop(path: &Path) {
    let mut program = child();
    let locks: [(&str, Take<'_>); 2] = [
        ("own", &|path| mkpidlock(path, QUICK).unwrap()),
        ("child", &|path| mkpidlock_proc(path, &program, QUICK).unwrap()),
    ];
    for (name, take) in locks {
        let path = path.with_file_name(name);
        let lock = take(&path);
        let Some(child) = fork() else { exit_at_once(!lock.close()) };
        reap(child);
        let Some(child) = fork() else {
            drop(lock);
            exit_at_once(true);
        };
        reap(child);
        // A thread that took a copy's end for the lock's would need a moment to give it back.
        for _ in 0..1000 {
            assert!(lock.still_held().unwrap(), "{name}");
            std::thread::yield_now();
        }
        assert!(lock.close(), "{name}");
    }
    drop(program.stdin.take());
    program.wait().unwrap();
}

type Take<'a> = &'a dyn Fn(&Path) -> PidLock;

/// A child that ends when its standard input does.
fn child() -> Child {
    Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
}

fn set_age(path: &Path, age: Duration) {
    File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

/// How many threads of this process refresh locks.
fn refreshers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "lock refresh").count()
}

#[test]
fn julia_programs_and_ours_keep_each_other_out() {
    let _alone = alone();
    let scratch = Scratch::new("peers-julia");
    let mut holder = Actor::start("julia", &scratch.path());
    holder.expect("held");
    let error = mkpidlock(scratch.path(), QUICK).unwrap_err();
    assert_eq!(error.owner().unwrap().pid, Pid::new(u64::from(holder.id())));
    let path = scratch.path();
    let waiter = std::thread::spawn(move || mkpidlock(path, Options::default()).unwrap());
    holder.order();
    holder.expect("removed");
    holder.end_well();
    let lock = waiter.join().unwrap();
    let host = host();
    let text = fs::read_to_string(scratch.path()).unwrap();
    assert_eq!(text, format!("{} {host}", std::process::id()), "what Julia reads, no byte more");
    let mut contender = Actor::start("julia tries", &scratch.path());
    contender.order();
    contender.expect("held");
    assert!(lock.close());
    contender.order();
    contender.expect("free");
    contender.end_well();
}

/// The original's rule, and no other, for holders that the kernel says nothing of.
#[test]
fn a_living_julia_program_loses_its_lock_after_25_times_the_stale_age() {
    let _alone = alone();
    let scratch = Scratch::new("peers-live");
    let mut holder = Actor::start("julia", &scratch.path());
    holder.expect("held");
    let aged = Options { stale_age: Duration::from_secs(10), ..QUICK };
    set_age(&scratch.path(), Duration::from_secs(240));
    assert!(trymkpidlock(scratch.path(), Options { wait: true, ..aged }).unwrap().is_none());
    set_age(&scratch.path(), Duration::from_secs(260));
    assert!(trymkpidlock(scratch.path(), QUICK).unwrap().is_none(), "never without an age");
    let lock = mkpidlock(scratch.path(), aged).unwrap();
    holder.order();
    holder.expect("lost");
    holder.end_well();
    assert!(lock.close());
}

#[test]
fn a_killed_holder_gives_way_at_once() {
    let _alone = alone();
    for holder in ["hold", "julia"] {
        let scratch = Scratch::new("peers-killed");
        let mut first = Actor::start(holder, &scratch.path());
        first.expect("held");
        first.kill();
        assert!(scratch.path().exists(), "{holder}");
        assert!(mkpidlock(scratch.path(), QUICK).unwrap().close(), "{holder}");
        let mut second = Actor::start(holder, &scratch.path());
        second.expect("held");
        let path = scratch.path();
        let waiter = std::thread::spawn(move || mkpidlock(path, Options::default()).unwrap());
        second.kill();
        assert!(waiter.join().unwrap().close(), "{holder}");
        assert!(!scratch.path().exists(), "{holder}");
    }
}

#[test]
fn a_wait_ends_when_the_lock_turns_stale() {
    let _alone = alone();
    let scratch = Scratch::new("peers-turns");
    fs::write(scratch.path(), "").unwrap();
    let stale_age = Duration::from_secs(10);
    set_age(&scratch.path(), Duration::from_millis(9_970));
    let options = Options { stale_age, wait: true, ..QUICK };
    let mut file = open_exclusive(scratch.path(), options).unwrap();
    write_pidfile(&mut file, std::process::id()).unwrap();
    assert_eq!(parse_pidfile(scratch.path()).pid, std::process::id());
}

#[test]
fn a_childs_lock_outlives_the_process_that_took_it() {
    let _alone = alone();
    let scratch = Scratch::new("peers-orphan");
    let mut taker = Actor::start("for a child", &scratch.path());
    let pid = taker.hear().parse::<u64>().unwrap();
    let error = mkpidlock(scratch.path(), QUICK).unwrap_err();
    assert_eq!(error.owner().unwrap().pid, Pid::new(pid));
    let path = scratch.path();
    let waiter = std::thread::spawn(move || mkpidlock(path, Options::default()).unwrap());
    // The child ends with its input, and is nobody's to wait for.
    taker.kill();
    assert!(waiter.join().unwrap().close());
}

#[test]
fn a_child_that_cannot_be_watched_gets_no_lock() {
    let _alone = alone();
    let scratch = Scratch::new("peers-unwatched");
    let mut program = child();
    let refused = |program: &Child| {
        let error = mkpidlock_proc(scratch.path(), program, QUICK).unwrap_err();
        assert!(matches!(error, LockError::Invalid { .. }), "{error:?}");
        assert!(!scratch.path().exists());
        error.to_string()
    };
    for (call, errno) in [
        (libc::SYS_pidfd_open, Errno::ENOSYS),
        (libc::SYS_eventfd2, Errno::EMFILE),
        (libc::SYS_clone3, Errno::EPERM),
    ] {
        let sentence = with_failing(call, errno, || refused(&program));
        assert!(sentence.contains("use mkpidlock_pid"), "{sentence}");
    }
    drop(program.stdin.take());
    program.wait().unwrap();
    let sentence = refused(&program);
    assert!(sentence.contains("ended already"), "{sentence}");
}

#[test]
fn a_forked_child_gives_nothing_back() {
    let _alone = alone();
    let scratch = Scratch::new("peers-fork");
    Actor::start("fork", &scratch.path()).end_well();
    assert_eq!(fs::read_dir(scratch.dir()).unwrap().count(), 0);
}

#[test]
fn the_directory_is_looked_up_once() {
    let _alone = alone();
    let scratch = Scratch::new("peers-directory");
    Actor::start("other directory", &scratch.path()).end_well();
    let (real, moved) = (scratch.dir().join("real"), scratch.dir().join("moved"));
    let name = scratch.dir().join("name");
    fs::create_dir(&real).unwrap();
    symlink(&real, &name).unwrap();
    let lock = mkpidlock(name.join("lock"), QUICK).unwrap();
    fs::remove_file(&name).unwrap();
    fs::rename(&real, &moved).unwrap();
    assert!(lock.still_held().unwrap());
    assert!(moved.join("lock").exists() && lock.close() && !moved.join("lock").exists());
}

#[test]
fn a_lock_that_another_user_hides_is_held_and_waited_for() {
    let _alone = alone();
    let scratch = Scratch::new("peers-hidden");
    fs::set_permissions(scratch.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    let lock = mkpidlock(scratch.path(), Options { mode: 0, ..QUICK }).unwrap();
    let mut other = Actor::start("another user", &scratch.path());
    other.expect("waits");
    assert!(lock.close());
    other.end_well();
}

#[test]
fn a_clock_that_is_ahead_shows_in_the_age_and_makes_nothing_stale() {
    let scratch = Scratch::new("peers-skew");
    fs::write(scratch.path(), "").unwrap();
    let ahead = SystemTime::now() + Duration::from_secs(5000);
    File::open(scratch.path()).unwrap().set_modified(ahead).unwrap();
    assert!(parse_pidfile(scratch.path()).age < -4000.0);
    let stale_age = Duration::from_secs(10);
    assert!(!stale_pidfile(scratch.path(), stale_age, Duration::ZERO));
    let aged = Options { stale_age, ..QUICK };
    assert!(mkpidlock(scratch.path(), aged).unwrap_err().is_held());
}

/// Not even to look whether they are stale are such files waited for or read whole.
#[test]
fn what_is_no_pid_file_says_nothing_and_stays() {
    let scratch = Scratch::new("peers-odd");
    let refuses = || {
        let error = mkpidlock(scratch.path(), QUICK).unwrap_err();
        let LockError::Fault { fault, .. } = error else { panic!("{error:?}") };
        assert_eq!(parse_pidfile(scratch.path()), PidInfo::default());
        fault.kind
    };
    nix::unistd::mkfifo(&scratch.path(), Mode::S_IRWXU).unwrap();
    assert_eq!(refuses(), FaultKind::NotRegular);
    fs::remove_file(scratch.path()).unwrap();
    fs::create_dir(scratch.path()).unwrap();
    assert_eq!(refuses(), FaultKind::IsDirectory);
    fs::remove_dir(scratch.path()).unwrap();
    symlink("nowhere", scratch.path()).unwrap();
    assert_eq!(refuses(), FaultKind::Symlink);
    fs::remove_file(scratch.path()).unwrap();
    fs::write(scratch.path(), format!("1 {}", "h".repeat(9000))).unwrap();
    assert_eq!(parse_pidfile(scratch.path()), PidInfo::default());
    assert!(mkpidlock(scratch.path(), QUICK).unwrap_err().is_held());
    assert_eq!(fs::metadata(scratch.path()).unwrap().len(), 9002);
}

#[test]
fn the_refreshing_ends_with_the_lock_and_touches_no_other() {
    let _alone = alone();
    let scratch = Scratch::new("peers-refresh");
    let refresh = Some(Duration::from_millis(1));
    let options = Options { stale_age: Duration::from_secs(1000), refresh, ..QUICK };
    let lock = mkpidlock(scratch.path(), options).unwrap();
    let mut program = child();
    let other = scratch.dir().join("other");
    let childs = mkpidlock_proc(&other, &program, options).unwrap();
    // A thread has its name only when it runs.
    while refreshers() < 2 {
        std::thread::yield_now();
    }
    set_age(&other, Duration::from_secs(900));
    while parse_pidfile(&other).age > 800.0 {
        std::thread::yield_now();
    }
    drop(program.stdin.take());
    program.wait().unwrap();
    while refreshers() > 1 {
        std::thread::yield_now();
    }
    assert!(!childs.still_held().unwrap() && !childs.close());
    // Lost to another: noticed, reported, and left alone.
    fs::remove_file(scratch.path()).unwrap();
    fs::write(scratch.path(), "1 elsewhere").unwrap();
    set_age(&scratch.path(), Duration::from_secs(900));
    while refreshers() > 0 {
        std::thread::yield_now();
    }
    assert!(!lock.still_held().unwrap());
    assert!(parse_pidfile(scratch.path()).age > 800.0);
    assert!(!lock.close());
    fs::remove_file(scratch.path()).unwrap();
    let lock = mkpidlock(scratch.path(), options).unwrap();
    assert!(lock.close());
    assert_eq!(refreshers(), 0);
}
