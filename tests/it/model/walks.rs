//! Random walks through large worlds: what no exhaustive exploration reaches.
//!
//! `SEED` in the environment brings a walk back, `STEPS` makes it longer.

use lock_tests::model::explore::World;
use lock_tests::model::walk::Walk;
use lock_tests::random::Random;

use crate::existence::{SCHEMES, stale};

/// Steps of each scheme's walk, unless the environment says otherwise.
const STEPS: u64 = 1_000_000;

#[test]
fn sixty_four_processes_over_millions_of_steps() {
    let steps = std::env::var("STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(STEPS);
    let seed = Random::seed_from_environment();
    for (name, program, leftovers) in SCHEMES {
        let world = World { disk: stale(name), leftovers, ..World::of(name, program, 64) };
        for (crash_every, awake) in [(100, 64), (30, 5)] {
            let walk = Walk { seed, steps, crash_every, awake };
            let was = world.walk(walk);
            println!(
                "{name}: {steps} steps, {} acquisitions, {} crashes; SEED={seed}",
                was.rounds, was.crashes
            );
            assert!(was.rounds > 100 && was.crashes > 100, "a walk that shows little");
        }
    }
}

/// A walk finds what the explorer finds, given time.
#[test]
#[should_panic(expected = "two hold it")]
fn a_walk_has_teeth() {
    let world = World::of("closed before unlinked", crate::programs::closes_before_it_unlinks, 8);
    world.walk(Walk { seed: 1, steps: 1_000_000, crash_every: u64::MAX, awake: 8 });
}
