//! Locks on the real file system, with contenders killed at random moments: never two holders, by
//! an independent witness, and never a lock that stays stuck.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lock_core::kind::Kind;
use lock_rustix::existence::{Spot, sweep};
use lock_tests::random::Random;

const CONTENDERS: usize = 16;

/// In the crowded runs.
const CROWD: usize = 256;

/// Rounds that each contender which lives to its end makes.
const ROUNDS: u32 = 200;

/// How many contenders are killed in the course of a run.
const KILLS: usize = 150;

/// One run at a time: they would only slow each other down.
static ALONE: Mutex<()> = Mutex::new(());

fn run(kind: Kind, base: &str) {
    run_crowd(kind, base, CONTENDERS, ROUNDS);
}

fn run_crowd(kind: Kind, base: &str, contenders: usize, rounds: u32) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = Random::seed_from_environment();
    println!("{} in {base}: SEED={seed}", kind.name());
    let dir = Path::new(base).join(format!("lock-kills-{}-{}", kind.name(), std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    // The witness must not be seen among the leftovers.
    let witness = dir.with_extension("witness");
    fs::write(&witness, "").unwrap();

    let mut random = Random::new(seed);
    let spawn = || spawn_with(kind, &dir, &witness, rounds);
    let mut crowd: Vec<Child> = (0..contenders).map(|_| spawn()).collect();
    for _ in 0..KILLS {
        pause(random.below(3000));
        let victim = usize::try_from(random.below(contenders as u64)).unwrap();
        let _ = crowd[victim].kill();
        check(&mut crowd[victim], true);
        crowd[victim] = spawn();
    }
    for contender in &mut crowd {
        check(contender, false);
    }

    assert!(
        spawn_with(kind, &dir, &witness, 1).wait().unwrap().success(),
        "the lock is free for whoever comes"
    );
    if kind.is_existence() {
        sweep_up(kind, &dir);
    }
    fs::remove_dir_all(&dir).unwrap();
    fs::remove_file(&witness).unwrap();
}

/// What killed contenders left is bounded, and a sweep removes it.
fn sweep_up(kind: Kind, dir: &Path) {
    let lock = std::ffi::CString::new(dir.join("lock").to_str().unwrap()).unwrap();
    let swept = sweep(&Spot::open(kind, &lock).unwrap()).unwrap();
    let left: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    println!("{}: {KILLS} kills, {swept} leftovers swept", kind.name());
    assert!(usize::try_from(swept).unwrap() <= KILLS, "at most one leftover a kill");
    assert_eq!(left, Vec::<PathBuf>::new(), "nothing stays after a sweep");
}

fn spawn_with(kind: Kind, dir: &Path, witness: &Path, rounds: u32) -> Child {
    Command::new(env!("CARGO_BIN_EXE_contender"))
        .arg(kind.name())
        .arg(dir.join("lock"))
        .arg(witness)
        .arg(rounds.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for the contender to end; well, unless it was killed.
fn check(contender: &mut Child, killed: bool) {
    use std::os::unix::process::ExitStatusExt;

    let status = contender.wait().unwrap();
    let by_us = killed && status.signal() == Some(9);
    assert!(status.success() || by_us, "a contender ended with {status}");
}

/// Lets the contenders run: the moment of the kill is what is random here, so spinning by the
/// clock is no synchronisation.
fn pause(us: u64) {
    let end = Instant::now() + Duration::from_micros(us);
    while Instant::now() < end {
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "256 processes: .ci/run load"]
fn a_crowd_with_a_killer() {
    for kind in [Kind::Nfs, Kind::Pidfile, Kind::Symlink, Kind::Mkdir, Kind::File] {
        run_crowd(kind, "/dev/shm", CROWD, 40);
    }
}

macro_rules! runs {
    ($($name:ident: $kind:expr, $base:expr;)*) => {
        $(#[test] fn $name() { run($kind, $base); })*
    };
}

runs! {
    file_in_memory: Kind::File, "/dev/shm";
    file_on_disk: Kind::File, env!("CARGO_TARGET_TMPDIR");
    flock_in_memory: Kind::Flock, "/dev/shm";
    flock_on_disk: Kind::Flock, env!("CARGO_TARGET_TMPDIR");
    lockf_in_memory: Kind::Lockf, "/dev/shm";
    lockf_on_disk: Kind::Lockf, env!("CARGO_TARGET_TMPDIR");
    ofd_in_memory: Kind::Ofd, "/dev/shm";
    ofd_on_disk: Kind::Ofd, env!("CARGO_TARGET_TMPDIR");
    nfs_in_memory: Kind::Nfs, "/dev/shm";
    nfs_on_disk: Kind::Nfs, env!("CARGO_TARGET_TMPDIR");
    pidfile_in_memory: Kind::Pidfile, "/dev/shm";
    pidfile_on_disk: Kind::Pidfile, env!("CARGO_TARGET_TMPDIR");
    symlink_in_memory: Kind::Symlink, "/dev/shm";
    symlink_on_disk: Kind::Symlink, env!("CARGO_TARGET_TMPDIR");
    mkdir_in_memory: Kind::Mkdir, "/dev/shm";
    mkdir_on_disk: Kind::Mkdir, env!("CARGO_TARGET_TMPDIR");
}
