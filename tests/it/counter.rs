//! Eight processes, ten thousand acquisitions each, on one lock of every kernel kind: a counter
//! file that only the lock protects never loses an increment.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use lock_core::kind::Kind;

const PROCESSES: u64 = 8;
const TIMES: u64 = 10_000;

fn count(kind: Kind, base: &str) {
    let dir = Path::new(base).join(format!("lock-counter-{}-{}", kind.name(), std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let counter = dir.join("counter");
    fs::write(&counter, 0u64.to_le_bytes()).unwrap();
    let adders: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_adder"))
                .arg(kind.name())
                .arg(dir.join("lock"))
                .arg(&counter)
                .arg(TIMES.to_string())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut adder in adders {
        assert!(adder.wait().unwrap().success());
    }
    let total = u64::from_le_bytes(fs::read(&counter).unwrap().try_into().unwrap());
    assert_eq!(total, PROCESSES * TIMES, "increments were lost under {}", kind.name());
    fs::remove_dir_all(&dir).unwrap();
}

macro_rules! counts {
    ($($name:ident: $kind:expr, $base:expr;)*) => {
        $(#[test] fn $name() { count($kind, $base); })*
    };
}

counts! {
    file_in_memory: Kind::File, "/dev/shm";
    file_on_disk: Kind::File, env!("CARGO_TARGET_TMPDIR");
    flock_in_memory: Kind::Flock, "/dev/shm";
    flock_on_disk: Kind::Flock, env!("CARGO_TARGET_TMPDIR");
    lockf_in_memory: Kind::Lockf, "/dev/shm";
    lockf_on_disk: Kind::Lockf, env!("CARGO_TARGET_TMPDIR");
    ofd_in_memory: Kind::Ofd, "/dev/shm";
    ofd_on_disk: Kind::Ofd, env!("CARGO_TARGET_TMPDIR");
}
