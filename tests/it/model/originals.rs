//! The originals: their known bugs are found, and ours live beside them.

use lock_tests::model::disk::Name;
use lock_tests::model::explore::{Program, World};

use crate::existence::stale;
use crate::programs::{
    jane_street_v1, jane_street_v1_guarded, jane_street_v2, linked, pidfile_jl, unnamed,
};

#[test]
fn jane_streets_clean_up_lets_two_in() {
    let world = World::of("Nfs.create up to v0.17 on a stale lock", jane_street_v1, 2);
    let trace = World { disk: stale("foreign"), ..world }.breaks();
    assert!(trace.last().unwrap().ends_with("holds"), "{trace:#?}");
}

#[test]
fn jane_streets_create_writes_into_the_void() {
    // No crash and no stale lock: only two processes that come and go.
    let world = World::of("Nfs.create, void write", jane_street_v1_guarded, 2);
    let trace = World { rounds: 2, solo: true, ..world }.breaks();
    assert!(trace.iter().any(|step| step.contains("link the lock file")), "{trace:#?}");
}

#[test]
fn jane_streets_second_version_is_sound() {
    let world = World::of("Nfs.create_v2 on a stale lock", jane_street_v2, 2);
    World { disk: stale("foreign"), leftovers: 2, ..world }.holds();
}

#[test]
fn pidfile_jl_removes_a_fresh_lock() {
    let world = World::of("Pidfile.jl on a stale lock", pidfile_jl, 2);
    World { disk: stale("foreign"), ..world }.breaks();
}

#[test]
fn ours_beside_jane_streets_guarded_versions() {
    for (name, theirs) in [
        ("ours beside Nfs.create of 2024", jane_street_v1_guarded as Program),
        ("ours beside Nfs.create_v2", jane_street_v2),
    ] {
        let programs = vec![linked as Program, theirs];
        let world = World::of(name, linked, 2);
        let mut disk = stale("foreign");
        World { programs: programs.clone(), disk: disk.clone(), leftovers: 1, ..world.clone() }
            .holds();
        // One of ours that died.
        disk = stale("hard link with companion");
        assert!(disk.has(Name::Companion));
        World { programs, disk, leftovers: 1, ..world }.holds();
    }
}

/// A living holder of ours is safe from Pidfile.jl, and it from us: both respect what is there.
/// Only a dead one's lock lets the original race, with itself or with us.
#[test]
fn ours_beside_pidfile_jl_on_a_free_lock() {
    let programs = vec![unnamed as Program, pidfile_jl];
    let world = World::of("ours beside Pidfile.jl", unnamed, 2);
    World { programs, rounds: 2, ..world }.holds();
}

/// And from a holder of a stale lock of ours it is not safe: its clean-up checks, then deletes.
#[test]
fn pidfile_jl_can_remove_our_fresh_lock_in_a_stale_ones_place() {
    let programs = vec![unnamed as Program, pidfile_jl];
    let world = World::of("ours beside Pidfile.jl on a stale lock", unnamed, 2);
    World { programs, rounds: 2, disk: stale("unnamed file"), ..world }.breaks();
}
