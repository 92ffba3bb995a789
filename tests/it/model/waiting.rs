//! Processes that wait: with a lock made ready but for its name, in the queue of the holder's
//! flock.

use lock_core::fault::Fault;
use lock_core::os::{Files, Links, Mode, Names, Node, OfdLocks};
use lock_core::scheme::breaking::TryLockError;
use lock_core::scheme::hardlink::Unlocked;
use lock_core::scheme::turnstile::Entered::{Behind, First};
use lock_core::scheme::{hardlink, mkdir, symlink, turnstile};
use lock_tests::model::disk::{Disk, Who};
use lock_tests::model::explore::{Me, Outcome, Program, World};
use lock_tests::model::sim::{File, Mutant, Sim};

use crate::existence::stale;
use crate::programs::{crashed, hold, with_terms};

/// How often a waiter of ours tries here before it goes away: at first, when it comes out of the
/// queue, and when the dead holder's flock is free again.
const TRIES: usize = 3;

/// Every scheme that keeps what it made ready, and how many private names a crash leaves behind.
const WAITERS: [(&str, Program, usize); 5] = [
    ("waiting with a named file", waiting_named, 1),
    ("waiting with an unnamed file", waiting_unnamed, 0),
    ("waiting with an unnamed file with companion", waiting_unnamed_linked, 0),
    ("waiting with a directory", waiting_directory, 1),
    ("waiting for a symlink", waiting_symlink, 1),
];

/// The lock that a dead process left, for these.
fn stale_for(waiters: &str) -> Disk {
    let scheme = match waiters {
        "waiting with an unnamed file with companion" => "hard link with companion",
        "waiting with a directory" => "directory",
        "waiting for a symlink" => "symlink",
        _ => "named file",
    };
    stale(scheme)
}

/// What the schemes differ in.
struct Scheme<T, D, U> {
    attempt: T,
    discard: D,
    unlock: U,
}

/// Waits as `lock_rustix::existence` does: whoever comes out of the queue tries before he looks at
/// anything, with the flock that he got; then without it, if a dead holder left it.
fn wait<'s, 'd, P, L>(
    sim: &'s Sim<'d>,
    prepared: Result<P, TryLockError<File<'s, 'd>>>,
    scheme: &Scheme<
        impl Fn(&mut P) -> Result<L, TryLockError<File<'s, 'd>>>,
        impl Fn(P),
        impl FnOnce(L) -> Result<Unlocked, Fault> + Copy,
    >,
) -> Outcome {
    let refused = |why| hold(sim, Err::<L, _>(why), scheme.unlock);
    let mut prepared = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return refused(why),
    };
    let (mut passed, mut turnstile) = (None::<File<'_, '_>>, None);
    for _ in 0..TRIES {
        let queue = match (scheme.attempt)(&mut prepared) {
            Ok(locked) => return hold(sim, Ok::<_, TryLockError<()>>(locked), scheme.unlock),
            Err(TryLockError::Held { queue, .. }) => queue,
            Err(why) => {
                (scheme.discard)(prepared);
                return refused(why);
            }
        };
        if let Some(file) = passed.take() {
            if (&sim).fstat(&file).is_ok_and(|stat| stat.links > 0) {
                continue;
            }
            turnstile = Some(file);
        }
        let Some(file) = queue else { break };
        sim.wait_for(&file);
        passed = Some(file);
    }
    (scheme.discard)(prepared);
    drop(turnstile);
    Outcome::Retry
}

macro_rules! waiting_with_a_file {
    ($name:ident, $prepare:ident, $attempt:ident) => {
        fn $name(sim: &Sim<'_>, me: Me) -> Outcome {
            with_terms(me, true, |terms| {
                let scheme = Scheme {
                    attempt: |prepared: &mut _| hardlink::$attempt(&sim, terms, prepared),
                    discard: |prepared| hardlink::discard(&sim, prepared),
                    unlock: |locked| hardlink::unlock(&sim, locked),
                };
                wait(sim, hardlink::$prepare(&sim, terms), &scheme)
            })
        }
    };
}

waiting_with_a_file!(waiting_named, prepare_named, try_prepared_named);
waiting_with_a_file!(waiting_unnamed, prepare_unnamed, try_prepared_unnamed);
waiting_with_a_file!(waiting_unnamed_linked, prepare_unnamed, try_prepared_unnamed_linked);

fn waiting_directory(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, true, |terms| {
        let scheme = Scheme {
            attempt: |prepared: &mut _| mkdir::try_prepared(&sim, terms, prepared),
            discard: |prepared| mkdir::discard(&sim, prepared),
            unlock: |locked| mkdir::unlock(&sim, locked),
        };
        wait(sim, mkdir::prepare(&sim, terms), &scheme)
    })
}

/// Nothing to make ready; but each try has the same payload. Waits in a line beside the lock, whose
/// first tries again and again, and keeps the others waiting until he has had it.
fn waiting_symlink(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, false, |terms| {
        let mut first = None::<File<'_, '_>>;
        for _ in 0..TRIES {
            let locked = symlink::try_lock(&sim, terms);
            if !matches!(locked, Err(TryLockError::Held { .. })) {
                let outcome =
                    hold(sim, locked, |locked| symlink::unlock(&sim, locked, terms.payload));
                first.map(|file| turnstile::leave(&sim, file));
                return outcome;
            }
            if first.is_none() {
                first = turnstile::enter(&sim).ok().map(|entered| match entered {
                    First(file) => file,
                    Behind(file) => {
                        sim.wait_for(&file);
                        file
                    }
                });
            }
        }
        first.map(|file| turnstile::leave(&sim, file));
        Outcome::Retry
    })
}

/// Stands in line, for as long as it takes or until it finds others before it; no more than that.
fn stand_in_line<'s, 'd>(
    sim: &'s Sim<'d>,
    patient: bool,
    leave: impl Fn(&&'s Sim<'d>, File<'s, 'd>) -> bool,
) -> Outcome {
    match turnstile::enter(&sim) {
        Ok(First(file)) => leave(&sim, file),
        Ok(Behind(file)) => {
            if patient {
                sim.wait_for(&file);
            }
            leave(&sim, file)
        }
        Err(_) => false,
    };
    Outcome::Done
}

fn in_line(sim: &Sim<'_>, _: Me) -> Outcome {
    stand_in_line(sim, true, turnstile::leave)
}

fn in_line_impatient(sim: &Sim<'_>, _: Me) -> Outcome {
    stand_in_line(sim, false, turnstile::leave)
}

/// Wrong: looks whether others are in line before it takes its own sign away.
fn looks_too_early(sim: &Sim<'_>, _: Me) -> Outcome {
    stand_in_line(sim, false, |sim, file| {
        let alone = sim.ofd_getlk(&file, Mode::Exclusive);
        let _ = sim.ofd_setlk_un(&file);
        matches!(alone, Ok(None)) && sim.unlink(Node::Queue).is_ok()
    })
}

/// Wrong: takes the flock of the lock in the way for the lock, and gives its file the name without
/// looking whether that is free.
fn believes_the_flock(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, true, |terms| {
        let mut prepared = match hardlink::prepare_named(&sim, terms) {
            Ok(prepared) => prepared,
            Err(why) => return hold(sim, Err::<(), _>(why), |()| Ok(Unlocked::Released)),
        };
        match hardlink::try_prepared_named(&sim, terms, &mut prepared) {
            Ok(locked) => {
                hold(sim, Ok::<_, TryLockError<()>>(locked), |it| hardlink::unlock(&sim, it))
            }
            Err(TryLockError::Held { queue: Some(queue), .. }) => {
                sim.wait_for(&queue);
                if let Err(fault) = (&sim).rename(Node::Private, Node::Lock) {
                    return crashed(sim, fault);
                }
                let outcome = hold(sim, Ok::<_, TryLockError<()>>(()), |()| {
                    let _ = (&sim).unlink(Node::Lock);
                    Ok(Unlocked::Released)
                });
                drop(prepared);
                outcome
            }
            Err(_) => {
                hardlink::discard(&sim, prepared);
                Outcome::Retry
            }
        }
    })
}

/// Sweeps what the next process may have left in its first lives, or has in use.
fn sweeps(sim: &Sim<'_>, _: Me) -> Outcome {
    const NEXT: Who = 1;
    for life in 0..2 {
        sim.sweep_after(NEXT, life);
        let _ = hardlink::sweep(&sim);
    }
    Outcome::Done
}

fn sweeps_directories(sim: &Sim<'_>, _: Me) -> Outcome {
    const NEXT: Who = 1;
    for life in 0..2 {
        sim.sweep_after(NEXT, life);
        let _ = mkdir::sweep(&sim);
    }
    Outcome::Done
}

/// Whether the worlds of these are small enough for every test run.
fn is_small(waiters: &str) -> bool {
    matches!(waiters, "waiting with an unnamed file" | "waiting for a symlink")
}

fn killed(small: bool) {
    for (name, program, leftovers) in WAITERS.into_iter().filter(|it| is_small(it.0) == small) {
        let world = World::of(name, program, 2);
        World { crashes: 1, leftovers, ..world.clone() }.holds();
        World { crashes: 1, solo: true, disk: stale_for(name), leftovers, ..world }.holds();
    }
}

#[test]
fn two_waiters() {
    for (name, program, leftovers) in WAITERS {
        let world = World::of(name, program, 2);
        World { solo: true, ..world.clone() }.holds();
        World { solo: true, disk: stale_for(name), leftovers, ..world }.holds();
    }
}

#[test]
fn a_waiter_is_killed() {
    killed(true);
}

/// The larger worlds: for a machine that has the time.
#[test]
#[ignore = "takes many minutes and gigabytes: cargo test --release -- --ignored"]
fn a_waiter_is_killed_in_large_worlds() {
    killed(false);
    for (name, program, leftovers) in WAITERS {
        World { leftovers, ..World::of(name, program, 3) }.holds();
    }
}

/// What a waiter keeps ready is no leftover, and what a killed one left is swept.
#[test]
fn waiters_beside_a_sweeper() {
    let sweepers: [(&str, Program, Program); 2] = [
        ("sweeping beside named files", sweeps, waiting_named),
        ("sweeping beside directories", sweeps_directories, waiting_directory),
    ];
    for (name, sweeper, waiter) in sweepers {
        let programs = vec![sweeper, waiter];
        World { programs, crashes: 1, leftovers: 1, ..World::of(name, waiter, 2) }.holds();
    }
}

/// Whoever is the last to leave the line removes its file, also where some go away in the middle.
#[test]
fn the_last_one_out_removes_the_file() {
    let line = |name, programs: &[Program]| World {
        programs: programs.to_vec(),
        ..World::of(name, in_line, programs.len())
    };
    line("a line", &[in_line, in_line, in_line]).holds();
    line("a line that some leave", &[in_line, in_line_impatient, in_line_impatient]).holds();
    let killed = line("a line where one is killed", &[in_line, in_line_impatient]);
    World { crashes: 1, leftovers: 1, ..killed }.holds();
    line("looking too early", &[looks_too_early, looks_too_early]).breaks();
}

/// Without this step the checker finds two holders, or a lock that is stuck.
#[test]
fn every_step_of_a_wait_is_needed() {
    let world = World::of("the flock taken for the lock", believes_the_flock, 3);
    World { rounds: 2, leftovers: 9, ..world }.breaks();
    let none = Mutant::default();
    let world = World::of("no flock of one's own while waiting", waiting_named, 2);
    World { rounds: 2, mutant: Mutant { flock: Some(0), ..none }, ..world }.breaks();
    for (name, program, leftovers) in WAITERS.into_iter().take(4) {
        // The first look at the name tells whether it is our own file; the second verifies.
        let stat = Some(u8::from(name != "waiting with a directory"));
        let (disk, mutant) = (stale_for(name), Mutant { stat, ..none });
        let world = World::of(name, program, 2);
        World { rounds: 2, crashes: 1, disk, leftovers: 2 + leftovers, mutant, ..world }.breaks();
    }
}
