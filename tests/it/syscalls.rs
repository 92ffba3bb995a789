//! How many system calls an uncontended cycle makes, and which: counted, not measured. The table
//! in docs/syscalls.md says what each call beyond the plain minimum is for.
#![cfg(target_arch = "x86_64")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use lock_core::kind::Kind;
use lock_rustix::existence::{Contender, Request};
use lock_tests::syscalls::{name, trace, trace_each};

/// What `cycle` is asked for, and the calls of one cycle.
const CYCLES: &[(&str, &str)] = &[
    ("open-flock", "2 flock"),
    ("open-lockf", "2 fcntl"),
    ("open-ofd", "2 fcntl"),
    ("open-both", "2 fcntl, 2 flock"),
    ("flock", "1 close, 1 flock, 1 fstat, 1 open, 1 stat"),
    ("ofd", "1 close, 1 fcntl, 1 fstat, 1 open, 1 stat"),
    ("lockf", "1 close, 1 fcntl, 1 fstat, 1 getpid, 1 open, 2 stat"),
    ("message", "1 close, 1 fcntl, 1 flock, 1 fstat, 1 open, 1 pwrite, 1 stat"),
    ("file", "1 close, 1 fcntl, 1 flock, 1 fstat, 1 getpid, 1 open, 1 pwrite, 1 stat"),
    ("nfs", "1 close, 1 flock, 1 fstat, 1 getpid, 2 link, 1 open, 1 pwrite, 2 unlink"),
    ("pidfile", "1 close, 1 flock, 1 fstat, 1 getpid, 1 link, 1 open, 1 pwrite, 1 unlink"),
    ("symlink", "1 getpid, 1 readlink, 1 symlink, 1 unlink"),
    (
        "mkdir",
        "1 close, 1 flock, 1 fstat, 1 getpid, 1 mkdir, 1 open, 2 renameat2, 1 stat, 1 symlink, \
         2 unlink",
    ),
    (
        "std-nfs",
        "2 close, 1 flock, 1 fstat, 3 getpid, 1 getrandom, 2 link, 2 open, 1 pwrite, 1 statmount, \
         1 statx, 1 uname, 2 unlink",
    ),
    (
        "std-pidfile",
        "2 close, 1 flock, 1 fstat, 3 getpid, 1 getrandom, 1 link, 2 open, 1 pwrite, 1 statmount, \
         1 statx, 1 uname, 1 unlink",
    ),
    (
        "std-symlink",
        "1 close, 3 getpid, 1 getrandom, 1 open, 1 readlink, 1 statmount, 1 statx, 1 symlink, 1 \
         uname, 1 unlink",
    ),
    (
        "std-mkdir",
        "2 close, 1 flock, 1 fstat, 3 getpid, 1 getrandom, 1 mkdir, 2 open, 2 renameat2, 1 stat, \
         1 statmount, 1 statx, 1 symlink, 1 uname, 2 unlink",
    ),
];

/// The calls of one wait that ends in vain, at its limit: the try, the wait itself, and the end.
const WAITS: &[(&str, &str)] = &[
    (
        "wait-flock",
        "1 clone, 1 close, 1 flock, 1 fstat, 1 getpid, 1 open, 2 rt_sigprocmask, 1 wait4",
    ),
    ("wait-ofd", "1 clone, 1 close, 1 fcntl, 1 fstat, 1 getpid, 1 open, 2 rt_sigprocmask, 1 wait4"),
    (
        "wait-nfs",
        "1 clone, 4 close, 3 flock, 4 fstat, 2 getpid, 1 getrandom, 2 link, 4 open, 1 pread, 1 \
         pwrite, 2 rt_sigprocmask, 2 stat, 1 utimensat, 1 wait4",
    ),
    (
        "wait-pidfile",
        "1 clone, 4 close, 3 flock, 4 fstat, 2 getpid, 1 getrandom, 2 link, 4 open, 1 pread, 1 \
         pwrite, 2 rt_sigprocmask, 2 stat, 1 utimensat, 1 wait4",
    ),
    (
        "wait-mkdir",
        "1 clone, 6 close, 4 flock, 5 fstat, 2 getdents, 2 getpid, 1 getrandom, 1 mkdir, 6 open, \
         1 readlink, 2 renameat2, 2 rt_sigprocmask, 1 symlink, 2 unlink, 1 utimensat, 1 wait4",
    ),
    // Never the kernel's list of locks: to read it can take 10 ms.
    (
        "wait-foreign",
        "12 close, 3 fcntl, 6 flock, 10 fstat, 3 getpid, 1 getrandom, 1 inotify_add_watch, 1 \
         inotify_rm_watch, 5 kill, 3 link, 12 open, 1 pidfd_open, 1 poll, 4 pread, 1 pwrite, 6 \
         read, 3 stat, 1 unlink, 2 utimensat",
    ),
    (
        "wait-symlink",
        "7 close, 3 fcntl, 2 flock, 2 fstat, 3 getpid, 1 getrandom, 1 inotify_add_watch, 1 \
         inotify_rm_watch, 5 kill, 7 open, 1 pidfd_open, 1 poll, 6 read, 4 readlink, 3 symlink, 1 \
         unlink",
    ),
];

/// The calls of a waiter between waking up, because the holder gives the lock back, and having it.
const HAND_OVERS: &[(Kind, &str)] = &[
    (Kind::Nfs, "utimensat, link, link"),
    (Kind::Pidfile, "utimensat, link"),
    (Kind::Mkdir, "utimensat, renameat2"),
    (Kind::Symlink, "symlink, inotify_rm_watch, getpid, close"),
];

/// The calls of one cycle: the difference between 10 and 20 of them.
fn per_cycle(what: &str) -> String {
    let dir = Path::new("/dev/shm").join(format!("lock-syscalls-{what}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let lock = dir.join("lock");
    let count = |times: &str| {
        let program = Path::new(env!("CARGO_BIN_EXE_cycle"));
        let mut counts = BTreeMap::<String, i64>::new();
        for call in trace(program, &[what, lock.to_str().unwrap(), times]) {
            // Asking for the time waits for nothing and changes nothing.
            if name(call) != "clock_gettime" {
                *counts.entry(name(call)).or_default() += 1;
            }
        }
        counts
    };
    // The first run makes the file.
    count("1");
    let (few, mut many) = (count("10"), count("20"));
    std::fs::remove_dir_all(&dir).unwrap();
    for (call, times) in few {
        *many.entry(call).or_default() -= times;
    }
    many.retain(|_, times| *times != 0);
    let calls: Vec<_> = many
        .into_iter()
        .map(|(call, times)| {
            assert_eq!(times % 10, 0, "{what}: {call} is not made in every cycle alike");
            format!("{} {call}", times / 10)
        })
        .collect();
    calls.join(", ")
}

#[test]
fn every_cycle_makes_just_these_calls() {
    for &(what, calls) in CYCLES {
        assert_eq!(per_cycle(what), calls, "{what}");
    }
}

#[test]
fn a_wait_in_vain_makes_just_these_calls() {
    thread::scope(|scope| {
        for &(what, calls) in WAITS {
            scope.spawn(move || assert_eq!(per_cycle(what), calls, "{what}"));
        }
    });
}

#[test]
fn a_waiter_has_little_to_do_when_its_turn_comes() {
    for &(kind, calls) in HAND_OVERS {
        let dir = Path::new("/dev/shm").join(format!(
            "lock-hand-over-{}-{}",
            kind.name(),
            std::process::id()
        ));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("lock");
        let lock = CString::new(path.as_os_str().as_bytes()).unwrap();
        let holder = Contender::new(kind, &lock).unwrap();
        let mut taken = Some(holder.lock(&Request::once(&holder.me), &mut |_| {}).unwrap());
        let (mut made, mut done) = (Vec::new(), false);
        let what = format!("come-{}", kind.name());
        let args = [what.as_str(), path.to_str().unwrap()].map(String::from);
        let program = Path::new(env!("CARGO_BIN_EXE_cycle"));
        trace_each(program, &[&args[0], &args[1], "1"], &mut |call, second| {
            const PPOLL: u64 = 271;
            const LOCK_EX: u64 = 2;
            let name = name(call);
            let waits = call == PPOLL || (name == "flock" && second == LOCK_EX);
            match (taken.take_if(|_| waits), &taken) {
                (Some(taken), _) => drop(taken.unlock(&holder.spot).unwrap()),
                (None, None) if name == "getppid" => done = true,
                (None, None) if !done && name != "clock_gettime" => made.push(name),
                _ => {}
            }
        });
        assert!(done && taken.is_none(), "{kind:?}");
        assert_eq!(made.join(", "), calls, "{kind:?}");
        std::fs::remove_dir(&dir).expect("nothing is left");
    }
}
