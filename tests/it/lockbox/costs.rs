//! What a command under a lock costs, the whole tree of processes: in counts, which docs/costs.md
//! compares with those of other programs.
#![cfg(target_arch = "x86_64")]

use std::path::{Path, PathBuf};
use std::process::Command;

use lock_tests::bench::counts::Run;
use lock_tests::bench::steps::instructions_and_calls;
use lock_tests::lockbox::lockbox;

/// What is run, and the most instructions, system calls and page faults. Of the faults three or
/// four are the child's. The kernel lets a stack begin anywhere in a page: of many runs the one
/// with the fewest faults counts.
const LIMITS: &[(&[&str], [u64; 3])] = &[
    (&["flock", "LOCK", "CHILD"], [3000, 12, 9]),
    (&["flock", "-n", "-o", "LOCK", "CHILD"], [4000, 13, 9]),
    (&["setlock", "LOCK", "CHILD"], [3200, 10, 11]),
    (&["run", "LOCK", "--", "CHILD"], [11_000, 19, 14]),
];

/// A static program that only ends.
fn child() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/least.c");
    let child = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nothing");
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-O2",
        "-static",
        "-nostdlib",
        "-ffreestanding",
        "-fno-stack-protector",
        "-DNOTHING",
    ]);
    let built = gcc.arg(source).arg("-o").arg(&child).status();
    assert!(built.is_ok_and(|status| status.success()), "{gcc:?}");
    child
}

#[test]
fn a_command_under_a_lock_costs_little_beside_itself() {
    let child = child();
    let lock = Path::new("/dev/shm").join(format!("lock-costs-{}", std::process::id()));
    for &(line, limits) in LIMITS {
        let args: Vec<String> = line
            .iter()
            .map(|&word| match word {
                "LOCK" => lock.to_str().unwrap().to_owned(),
                "CHILD" => child.to_str().unwrap().to_owned(),
                word => word.to_owned(),
            })
            .collect();
        let run = Run::new(lockbox(), &args);
        // The first makes the file.
        run.run();
        let (instructions, calls) = instructions_and_calls(&run);
        // Children of other tests may end meanwhile, but not always.
        let faults = (0..30).map(|_| run.faults()).min().unwrap();
        let costs = [instructions, calls, faults.try_into().unwrap()];
        println!("{line:?}: {costs:?}");
        assert!(
            costs.iter().zip(limits).all(|(cost, limit)| *cost <= limit),
            "{line:?}: {costs:?}"
        );
    }
    std::fs::remove_file(lock).unwrap();
}
