//! Ours: hard link, symlink and mkdir locks, and what each step of them is for.

use core::cell::RefCell;

use lock_core::os::Mode;
use lock_tests::model::disk::{Disk, Name};
use lock_tests::model::explore::{Program, World};
use lock_tests::model::sim::Mutant;

use crate::programs::{
    closes_before_it_unlinks, directory, leased, linked, named, plain_directory, symlinked,
    unnamed, unnamed_linked,
};

/// Every scheme, its name, and how many private names a crash can leave behind.
pub(crate) const SCHEMES: [(&str, Program, usize); 7] = [
    ("hard link with companion", linked, 1),
    ("named file", named, 1),
    ("unnamed file", unnamed, 0),
    ("unnamed file with companion", unnamed_linked, 0),
    ("lease", leased, 1),
    ("symlink", symlinked, 0),
    ("directory", directory, 1),
];

/// A disk on which a process that is gone left its lock.
pub(crate) fn stale(scheme: &str) -> Disk {
    let mut disk = Disk::default();
    // Nobody runs with pid 9.
    let dead = |flocked| [9, 1, 0, flocked];
    match scheme {
        "symlink" => disk.symlink(&dead(0), Name::Lock).unwrap(),
        "directory" => {
            disk.mkdir(Name::Lock).unwrap();
            let at = disk.open_directory(8, Some(Name::Lock)).unwrap();
            let owner = disk.owner_of(at).unwrap();
            disk.symlink(&dead(1), owner).unwrap();
            disk.close(at);
        }
        _ => {
            let at = disk.create(8, Name::Lock, true).unwrap();
            disk.write(at, &dead(u8::from(scheme != "foreign"))).unwrap();
            disk.close(at);
            if scheme == "foreign" || scheme.ends_with("with companion") {
                disk.link(Name::Lock, Name::Companion).unwrap();
            }
        }
    }
    disk
}

#[test]
fn two_processes_and_a_crash() {
    for (name, program, leftovers) in SCHEMES {
        for reuse_pids in [false, true] {
            let world = World::of(name, program, 2);
            World { crashes: 1, reuse_pids, leftovers, ..world }.holds();
        }
    }
}

#[test]
fn two_processes_on_a_stale_lock() {
    for (name, program, leftovers) in SCHEMES {
        let world = World::of(name, program, 2);
        World { rounds: 2, disk: stale(name), leftovers, ..world }.holds();
    }
}

#[test]
fn from_every_state_somebody_gets_the_lock() {
    // Who gives a lease back waits for the guard: a breaker that pauses there holds him up.
    for (name, program, leftovers) in SCHEMES.into_iter().filter(|it| it.0 != "lease") {
        let world = World::of(name, program, 2);
        World { solo: true, disk: stale(name), leftovers, ..world }.holds();
    }
}

/// Whether the world of this scheme is small enough for every test run.
fn is_small(scheme: &str) -> bool {
    matches!(scheme, "named file" | "unnamed file" | "symlink")
}

fn two_crashes(small: bool) {
    for (name, program, leftovers) in SCHEMES.into_iter().filter(|it| is_small(it.0) == small) {
        let world = World::of(name, program, 2);
        let solo = name != "lease";
        World { crashes: 1, solo, disk: stale(name), leftovers, ..world.clone() }.holds();
        World { crashes: 2, leftovers: 2 * leftovers, ..world }.holds();
    }
}

fn three_processes(small: bool) {
    // With three, only this one is small.
    let chosen = |it: &(&str, Program, usize)| (it.0 == "symlink") == small;
    for (name, program, leftovers) in SCHEMES.into_iter().filter(chosen) {
        let world = World::of(name, program, 3);
        World { disk: stale(name), leftovers, ..world }.holds();
    }
}

#[test]
fn two_processes_and_two_crashes() {
    two_crashes(true);
}

#[test]
fn three_processes_on_a_stale_lock() {
    three_processes(true);
}

/// Three who start together on a free lock. The other schemes take millions of states.
#[test]
fn three_processes_on_a_free_lock() {
    const LARGE: [&str; 3] = ["unnamed file with companion", "lease", "directory"];
    let is_large = |it: &(&str, Program, usize)| LARGE.contains(&it.0);
    for (name, program, leftovers) in SCHEMES.into_iter().filter(|it| !is_large(it)) {
        World { leftovers, ..World::of(name, program, 3) }.holds();
    }
}

/// The largest worlds: for a machine that has the time.
#[test]
#[ignore = "takes many minutes and gigabytes: cargo test --release -- --ignored"]
fn two_processes_and_two_crashes_in_large_worlds() {
    two_crashes(false);
}

/// The same with three processes.
#[test]
#[ignore = "takes many minutes and gigabytes: cargo test --release -- --ignored"]
fn three_processes_on_a_stale_lock_in_large_worlds() {
    three_processes(false);
    for (name, program, leftovers) in SCHEMES {
        World { leftovers, ..World::of(name, program, 3) }.holds();
    }
}

/// On NFS a server that is asked again denies what it has done. Whatever is lost, nobody holds the
/// lock beside another, and it does not stick.
#[test]
fn answers_that_get_lost() {
    for (name, program, _) in SCHEMES {
        // Directories and links are exchanged and renamed in ways that NFS does not have.
        if name.starts_with("unnamed file") || name == "directory" {
            continue;
        }
        for (lost_answers, disk) in [(2, Disk::default()), (1, stale(name))] {
            let world = World::of(name, program, 2);
            World { lost_answers, disk, leftovers: 4, ..world }.holds();
        }
    }
}

#[test]
fn beside_plain_directories() {
    let programs = vec![directory as Program, plain_directory];
    let world = World::of("directory beside a plain one", directory, 2);
    World { programs, rounds: 2, ..world }.holds();
}

/// NFS knows no rename that spares what is there. There, too, nobody holds the lock beside another.
#[test]
fn directories_where_a_rename_only_replaces() {
    for disk in [Disk::default(), stale("directory")] {
        let world = World::of("directory on NFS", directory, 2);
        World { disk: disk.that_only_replaces(), ..world }.holds();
    }
    let programs = vec![directory as Program, plain_directory];
    let world = World::of("directory beside a plain one on NFS", directory, 2);
    World { programs, disk: Disk::default().that_only_replaces(), ..world }.holds();
}

/// Without this step of a scheme, the checker finds two holders, or a lock that is stuck.
#[test]
fn every_step_is_needed() {
    let none = Mutant::default();
    let cases: [(&str, &str, Program, usize, Mutant); 8] = [
        // The first look at the name tells whether it is our own file; the second verifies.
        (
            "no verifying: hard link",
            "hard link with companion",
            linked,
            2,
            Mutant { stat: Some(1), ..none },
        ),
        ("no verifying: named", "named file", named, 2, Mutant { stat: Some(1), ..none }),
        ("no verifying: unnamed", "unnamed file", unnamed, 2, Mutant { stat: Some(1), ..none }),
        ("no verifying: directory", "directory", directory, 2, Mutant { stat: Some(0), ..none }),
        ("no verifying: symlink", "symlink", symlinked, 2, Mutant { readlink: Some(1), ..none }),
        // The first flock is the holder's own, the second the breaker's.
        ("no excluding: named", "named file", named, 2, Mutant { flock: Some(1), ..none }),
        ("no excluding: directory", "directory", directory, 2, Mutant { flock: Some(1), ..none }),
        // The guard is flocked when it is found, which may fail, and again to exclude.
        ("no excluding: symlink", "symlink", symlinked, 2, Mutant { flock: Some(1), ..none }),
    ];
    for (name, scheme, program, processes, mutant) in cases {
        let world = World::of(name, program, processes);
        World { rounds: 2, crashes: 1, disk: stale(scheme), leftovers: 9, mutant, ..world }
            .breaks();
    }
    // A holder that does not flock its own file is taken for dead.
    let world = World::of("no flock of one's own", named, 2);
    World { rounds: 2, mutant: Mutant { flock: Some(0), ..none }, ..world }.breaks();
    let world = World::of("closed before unlinked", closes_before_it_unlinks, 2);
    World { rounds: 2, ..world }.breaks();
}

#[test]
fn the_modelled_disk_knows_what_flock_does() {
    let disk = RefCell::new(Disk::default());
    let mut disk = disk.borrow_mut();
    let (one, other) =
        (disk.create(0, Name::Lock, true).unwrap(), disk.open(1, Name::Lock).unwrap());
    disk.flock(one, Some(Mode::Shared)).unwrap();
    disk.flock(other, Some(Mode::Shared)).unwrap();
    assert!(disk.flock(one, Some(Mode::Exclusive)).is_err());
    disk.flock(other, Some(Mode::Exclusive)).expect("a refused conversion loses the old lock");
}

/// Taking steps at once that nobody can see leaves out no verdict: the same worlds, in every order.
#[test]
fn the_reduction_changes_no_verdict() {
    let none = Mutant::default();
    for (name, program, leftovers) in SCHEMES {
        let world = World { disk: stale(name), leftovers, ..World::of(name, program, 2) };
        world.holds();
        World { every_order: true, ..world }.holds();
    }
    let world = World::of("no verifying: named, in every order", named, 2);
    let mutant = Mutant { stat: Some(1), ..none };
    let disk = stale("named file");
    World { rounds: 2, crashes: 1, disk, leftovers: 9, mutant, every_order: true, ..world }
        .breaks();
}
