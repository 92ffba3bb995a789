//! A random walk through a world too large to explore: dozens of processes, crashes at any step,
//! restarts with pids that others had, pauses of any length. A printed seed brings a walk back.

use core::cell::RefCell;
use core::mem;

use lock_core::scheme::{hardlink, mkdir};

use super::disk::{Disk, Name, Who};
use super::explore::{State, World, who_of};
use super::sim::{Mutant, Sim};
use crate::random::Random;

/// How long a walk is, and how rough.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Its seed.
    pub seed: u64,
    /// How many steps.
    pub steps: u64,
    /// One step in so many is a crash.
    pub crash_every: u64,
    /// How many processes are awake at a time; the others pause where they are.
    pub awake: usize,
}

/// What was seen on the way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// How often the lock was taken and given back.
    pub rounds: u64,
    /// How many processes were killed.
    pub crashes: u64,
}

/// After so many lives a process's private names come back; they were swept long before.
const LIVES: u8 = 200;

impl World {
    /// Walks, and stops at the first thing that is wrong.
    ///
    /// # Panics
    ///
    /// If two hold the lock, or nobody can get it in the end: with the seed.
    pub fn walk(&self, walk: Walk) -> Seen {
        let mut random = Random::new(walk.seed);
        let mut state = self.first();
        let processes = state.processes.len();
        let mut seen = Seen::default();
        let mut awake: Vec<usize> = (0..walk.awake.min(processes)).collect();
        for at in 0..walk.steps {
            // Now and then another is woken, and one falls asleep wherever it is.
            if random.below(50) == 0 {
                let place = index(random.below(awake.len() as u64));
                let other = index(random.below(processes as u64));
                if !awake.contains(&other) {
                    awake[place] = other;
                }
            }
            let who = awake[index(random.below(awake.len() as u64))];
            if random.below(walk.crash_every) == 0 {
                crash(&mut state, who, &mut random);
                seen.crashes += 1;
            } else {
                let before = state.processes[who].rounds;
                self.step(&mut state, who);
                let process = &mut state.processes[who];
                seen.rounds += u64::from(before - process.rounds);
                // Nobody is ever done.
                process.rounds = self.rounds;
            }
            let holders = state.processes.iter().filter(|it| it.holding).count();
            assert!(holders <= 1, "{}: two hold it at step {at} of {walk:?}", self.name);
        }
        // All but one are killed: he must get it.
        for who in 1..processes {
            state.disk.kill(who_of(who), state.processes[who].me.pid);
            state.processes[who].holding = false;
        }
        let free = state.processes[0].holding || self.gets_it_alone(&state, 0);
        assert!(free, "{}: stuck after {walk:?}", self.name);
        let left = state.disk.names().filter(|name| matches!(name, Name::Private(..))).count();
        // Of those that were killed just now.
        let allowed = self.leftovers * processes;
        assert!(left <= allowed, "{}: {left} leftovers after {walk:?}", self.name);
        seen
    }
}

/// Kills a process and starts it again, with a pid that nobody has now. The new one sweeps away
/// what the old one may have left.
fn crash(state: &mut State, who: usize, random: &mut Random) {
    let process = &mut state.processes[who];
    state.disk.kill(who_of(who), process.me.pid);
    sweep(&mut state.disk, who_of(who), process.life);
    let process = &mut state.processes[who];
    process.past.clear();
    process.holding = false;
    process.life = (process.life + 1) % LIVES;
    loop {
        let pid = u8::try_from(1 + random.below(250)).unwrap_or(1);
        if !state.processes.iter().any(|other| other.me.pid == pid) {
            let process = &mut state.processes[who];
            process.me.pid = pid;
            process.me.start = process.me.start.wrapping_add(1);
            state.disk.start(pid, process.me.start);
            return;
        }
    }
}

/// What the schemes' own sweeps do for one leftover.
fn sweep(disk: &mut Disk, who: Who, life: u8) {
    let cell = RefCell::new(mem::take(disk));
    let sim = Sim::new(&cell, who, life, Vec::new(), 100, Mutant::default());
    let swept = hardlink::sweep(&&sim).or_else(|_| mkdir::sweep(&&sim));
    assert!(swept.is_ok(), "{swept:?}");
    drop(sim);
    *disk = cell.into_inner();
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
