//! Kernel locks: the check after the grant, and what it is for.

use lock_core::scheme::kernel::{ByBoth, ByFlock, ByOfd, ByPosix};
use lock_tests::model::explore::{Program, World};
use lock_tests::model::sim::Mutant;

use crate::programs::kernel_lock;

const KINDS: [(&str, Program); 4] = [
    ("flock", |sim, me| kernel_lock::<ByFlock>(sim, me, false)),
    ("posix", |sim, me| kernel_lock::<ByPosix>(sim, me, false)),
    ("ofd", |sim, me| kernel_lock::<ByOfd>(sim, me, false)),
    ("both", |sim, me| kernel_lock::<ByBoth>(sim, me, false)),
];

/// The same by holders that remove the file when they are done.
const UNLINKING: [(&str, Program); 4] = [
    ("flock, unlinking", |sim, me| kernel_lock::<ByFlock>(sim, me, true)),
    ("posix, unlinking", |sim, me| kernel_lock::<ByPosix>(sim, me, true)),
    ("ofd, unlinking", |sim, me| kernel_lock::<ByOfd>(sim, me, true)),
    ("both, unlinking", |sim, me| kernel_lock::<ByBoth>(sim, me, true)),
];

#[test]
fn kept_files_two_and_three_processes() {
    for (name, program) in KINDS {
        World { rounds: 2, crashes: 2, ..World::of(name, program, 2) }.holds();
        World { crashes: 1, ..World::of(name, program, 3) }.holds();
    }
}

#[test]
fn unlinked_files_two_and_three_processes() {
    for (name, program) in UNLINKING {
        World { rounds: 2, crashes: 2, ..World::of(name, program, 2) }.holds();
        World::of(name, program, 3).holds();
    }
}

#[test]
fn without_the_check_two_hold_it_when_files_are_unlinked() {
    for (name, program) in UNLINKING {
        let mutant = Mutant { stat: Some(0), ..Mutant::default() };
        World { rounds: 2, mutant, ..World::of(name, program, 2) }.breaks();
    }
}
