//! Load and age: very many locks at once, very many in a row, very many names around them.
//! `cargo test -p lock-tests --test load -- --ignored --test-threads=1`

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use lock_std::{ExistenceLock, FaultKind, Kind, Lock, LockError};
use lock_tests::syscalls::{between_breakpoints, trace};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const AT_ONCE: u64 = 100_000;
/// For each kind: some 20 s at 10,000 a second.
const IN_A_ROW: u32 = 200_000;
const KERNEL: [Kind; 4] = [Kind::File, Kind::Flock, Kind::Lockf, Kind::Ofd];
const NAMES: [Kind; 4] = [Kind::Nfs, Kind::Symlink, Kind::Mkdir, Kind::Pidfile];

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = Path::new("/dev/shm").join(format!("lock-load-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn count(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory, in pages.
fn memory() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

/// How many locks, of the hundred thousand, the descriptors suffice for; each takes so many.
fn at_once(descriptors_each: u64) -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = AT_ONCE * descriptors_each + 1000;
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        return AT_ONCE;
    }
    // Not even root may, in some containers.
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let many = (hard - 1000) / descriptors_each;
    assert!(many > 1000, "no load can be made with {hard} descriptors");
    many.min(AT_ONCE)
}

#[test]
#[ignore = "takes much memory and root: .ci/run load"]
fn a_hundred_thousand_kernel_locks_at_once() {
    let many = at_once(1);
    for kind in [Kind::File, Kind::Flock, Kind::Ofd] {
        let (scratch, before) = (Scratch::new("many"), descriptors());
        let guards: Vec<_> = (0..many)
            .map(|at| Lock::at(scratch.0.join(at.to_string())).kind(kind).try_lock().unwrap())
            .collect();
        let first = Lock::at(scratch.0.join("0")).kind(kind);
        assert!(first.try_lock().unwrap_err().is_held(), "{kind:?}");
        drop(guards);
        assert!(first.try_lock().is_ok(), "{kind:?}");
        assert_eq!(descriptors(), before, "{kind:?}");
        println!("{}: {many} held at once", kind.name());
    }
}

#[test]
#[ignore = "takes much memory and root: .ci/run load"]
fn a_hundred_thousand_names_at_once() {
    // Each has its directory, and its own file to be flocked.
    let many = at_once(2);
    for kind in NAMES {
        let (scratch, before) = (Scratch::new("names"), descriptors());
        let lock = |at: u64| ExistenceLock::at(scratch.0.join(at.to_string()), kind);
        let guards: Vec<_> = (0..many).map(|at| lock(at).try_lock().unwrap()).collect();
        assert!(lock(0).try_lock().unwrap_err().is_held(), "{kind:?}");
        for guard in guards {
            guard.unlock().unwrap();
        }
        assert_eq!((scratch.count(), descriptors()), (0, before), "{kind:?}");
        println!("{}: {many} held at once", kind.name());
    }
}

#[test]
#[ignore = "changes the process's limits: .ci/run load"]
fn when_descriptors_run_out_it_is_said_and_nothing_is_left() {
    let scratch = Scratch::new("short");
    let few = descriptors() as u64 + 20;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, few, hard).unwrap();
    for kind in [Kind::Flock, Kind::File, Kind::Ofd] {
        let mut guards = Vec::new();
        let error = loop {
            let lock = Lock::at(scratch.0.join(guards.len().to_string())).kind(kind);
            match lock.try_lock() {
                Ok(guard) => guards.push(guard),
                Err(error) => break error,
            }
        };
        let LockError::Fault { fault, .. } = &error else { panic!("{error:?}") };
        assert_eq!(fault.kind, FaultKind::TooManyFiles, "{error}");
        assert!(guards.len() >= 18, "{kind:?}");
    }
    for kind in NAMES.into_iter().filter(|kind| *kind != Kind::Symlink) {
        let dir = scratch.0.join(kind.name());
        fs::create_dir(&dir).unwrap();
        let mut guards = Vec::new();
        let error = loop {
            match ExistenceLock::at(dir.join(guards.len().to_string()), kind).try_lock() {
                Ok(guard) => guards.push(guard),
                Err(error) => break error,
            }
        };
        assert!(!error.is_held(), "{error}");
        for guard in guards {
            guard.unlock().unwrap();
        }
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "{kind:?}");
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
}

#[test]
#[ignore = "takes a minute: .ci/run load"]
fn locks_in_a_row_grow_nothing() {
    let scratch = Scratch::new("row");
    for kind in KERNEL.into_iter().chain(NAMES) {
        let cycle: Box<dyn Fn()> = if kind.is_existence() {
            let lock = ExistenceLock::at(scratch.0.join(kind.name()), kind);
            Box::new(move || lock.try_lock().unwrap().unlock().unwrap())
        } else {
            let lock = Lock::at(scratch.0.join(kind.name())).kind(kind);
            Box::new(move || drop(lock.try_lock().unwrap()))
        };
        for _ in 0..1000 {
            cycle();
        }
        let (files, pages) = (descriptors(), memory());
        for _ in 0..IN_A_ROW {
            cycle();
        }
        let grown = memory().saturating_sub(pages);
        assert_eq!(descriptors(), files, "{kind:?}");
        assert!(grown < 64, "{kind:?}: {grown} pages more after {IN_A_ROW} locks");
        println!("{}: {IN_A_ROW} in a row, {grown} pages more", kind.name());
    }
}

#[test]
#[ignore = "makes a directory of 100,000 entries: .ci/run load"]
fn a_crowded_directory_costs_no_more_calls() {
    let (crowded, empty) = (Scratch::new("crowded"), Scratch::new("empty"));
    for at in 0..AT_ONCE {
        File::create(crowded.0.join(at.to_string())).unwrap();
    }
    let cycle = Path::new(env!("CARGO_BIN_EXE_cycle"));
    for kind in KERNEL.into_iter().chain(NAMES) {
        let calls = |dir: &Scratch| {
            let path = dir.0.join(kind.name());
            trace(cycle, &[kind.name(), path.to_str().unwrap(), "10"]).len()
        };
        let (few, many) = (calls(&empty), calls(&crowded));
        assert_eq!(few, many, "{kind:?}");
        println!("{}: {few} calls for 10 cycles, beside 0 entries or {AT_ONCE}", kind.name());
    }
}

#[test]
#[ignore = "holds thousands of locks: .ci/run load"]
fn thousands_held_cost_a_cycle_no_more_calls() {
    let (scratch, scale) = (Scratch::new("scale"), Path::new(env!("CARGO_BIN_EXE_scale")));
    let ways = Command::new(scale).output().unwrap().stdout;
    let ways = String::from_utf8(ways).unwrap();
    assert!(ways.lines().count() > KERNEL.len() + NAMES.len());
    for way in ways.lines() {
        let dir = scratch.0.join("held");
        // Two descriptors each: some containers allow no more than 20,000.
        let levels = ["1", "100", "9000"];
        let args = [&[way, dir.to_str().unwrap(), "0"], levels.as_slice()].concat();
        let counted = between_breakpoints(scale, &args);
        let [few, more @ ..] = counted.as_slice() else { panic!("{way}: nothing counted") };
        // A process holds no more POSIX locks than its table has room for.
        assert_eq!(more.len(), if way.contains("POSIX") { 1 } else { 2 }, "{way}");
        assert!(more.iter().all(|calls| calls == few), "{way}: {counted:?}");
        assert!(few.len() >= 20, "{way}: {few:?}");
        println!("{way}: {} calls for 10 cycles, with 1 held or {}", few.len(), levels[more.len()]);
    }
}
