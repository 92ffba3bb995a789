//! Breadth-first through every interleaving of a few processes, a crash possible before each step,
//! restarts, with a new pid or an old one. A counterexample comes with its shortest trace.
//!
//! A step that nobody else can see or be seen by, of a file that has no public name yet, is taken
//! at once: its order among the steps of others changes nothing. [`World::every_order`] does
//! without that, to show it.
//!
//! Shown of each world: never two holders; whoever is left, or comes new, can get the lock without
//! help once the others have ended; what crashes leave behind is bounded.

use core::cell::RefCell;
use core::hash::{Hash, Hasher};
use core::mem;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::DefaultHasher;

use super::disk::{Disk, Name, Who};
use super::sim::{Mutant, Past, Sim};

/// What a process runs: one try at the lock, holding it, and giving it back.
pub type Program = fn(&Sim<'_>, Me) -> Outcome;

/// What a process knows of itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Me {
    /// Its pid.
    pub pid: u8,
    /// When it started.
    pub start: u8,
    /// Which of its acquisitions this is.
    pub round: u8,
}

/// How a run of a program ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// It had the lock, and gave it back.
    Done,
    /// Another has it. It will try again.
    Held,
    /// It did not get it, because the world changed under it or a call failed. It will try again.
    Retry,
}

/// A small world to explore.
#[derive(Clone, Debug)]
pub struct World {
    /// What it is called in the output.
    pub name: &'static str,
    /// What the processes run.
    pub programs: Vec<Program>,
    /// How often each takes the lock.
    pub rounds: u8,
    /// How many crashes there can be, in all.
    pub crashes: u8,
    /// How many answers of the file server can get lost, in all.
    pub lost_answers: u8,
    /// Whether a crashed process's successor gets the same pid.
    pub reuse_pids: bool,
    /// Whether each state is checked for somebody who can still get the lock, and not only the
    /// last ones: exact, and dear.
    pub solo: bool,
    /// What is left out.
    pub mutant: Mutant,
    /// The disk that they find.
    pub disk: Disk,
    /// How many private names may stay in the end.
    pub leftovers: usize,
    /// Whether steps that nobody else can see are ordered in every way too.
    pub every_order: bool,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// Nothing wrong in all these states.
    Holds(usize),
    /// This went wrong, after these steps.
    Wrong(&'static str, Vec<String>),
}

/// What leads from one state to another.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A process makes its next call.
    Step(Who),
    /// It is killed, and starts again.
    Crash(Who),
    /// It makes its next call, and the answer gets lost.
    Lost(Who),
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct State {
    pub(super) disk: Disk,
    pub(super) processes: Vec<Process>,
    pub(super) crashes: u8,
    lost_answers: u8,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Process {
    pub(super) me: Me,
    pub(super) life: u8,
    pub(super) past: Vec<Past>,
    pub(super) holding: bool,
    pub(super) rounds: u8,
    alive: bool,
}

/// What a process did in a step.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) words: String,
    /// Whether others can see it.
    pub(super) seen_by_others: bool,
    /// The answers of the run that ended with it, and how that ended.
    pub(super) ended: Option<(Vec<Past>, Outcome)>,
}

/// How many steps a process that is alone needs at most to get the lock.
const ALONE_STEPS: usize = 120;

impl World {
    /// A world in which all processes run the same program, without crashes.
    pub fn of(name: &'static str, program: Program, processes: usize) -> World {
        World {
            name,
            programs: vec![program; processes],
            rounds: 1,
            crashes: 0,
            lost_answers: 0,
            reuse_pids: false,
            solo: false,
            mutant: Mutant::default(),
            disk: Disk::default(),
            leftovers: 0,
            every_order: false,
        }
    }

    /// Explores it all, and prints how much that was.
    ///
    /// # Panics
    ///
    /// If something goes wrong: with the shortest way there.
    pub fn holds(&self) {
        match self.explore() {
            Found::Holds(states) => println!("{}: holds in {states} states", self.name),
            Found::Wrong(why, trace) => {
                panic!("{}: {why}, after\n  {}", self.name, trace.join("\n  "))
            }
        }
    }

    /// Explores until something goes wrong, which it must.
    ///
    /// # Panics
    ///
    /// If nothing does: then the checker has no teeth here.
    pub fn breaks(&self) -> Vec<String> {
        match self.explore() {
            Found::Wrong(why, trace) => {
                println!("{}: {why}, after {} steps", self.name, trace.len());
                trace
            }
            Found::Holds(states) => panic!("{}: nothing found in {states} states", self.name),
        }
    }

    /// Explores it all.
    pub fn explore(&self) -> Found {
        let first = self.first();
        let mut from = HashMap::new();
        let mut seen = HashSet::from([id(&first)]);
        let mut queue = VecDeque::from([first]);
        while let Some(state) = queue.pop_front() {
            let here = id(&state);
            let successors = self.successors(&state);
            if successors.is_empty() {
                if let Some(why) = self.wrong_at_the_end(&state) {
                    return Found::Wrong(why, self.trace(&from, here));
                }
            }
            for (event, next) in successors {
                let there = id(&next);
                if !seen.insert(there) {
                    continue;
                }
                from.insert(there, (here, event));
                let holders = next.processes.iter().filter(|it| it.holding).count();
                if holders > 1 {
                    return Found::Wrong("two hold the lock", self.trace(&from, there));
                }
                if self.solo && !self.somebody_can_go_on(&next) {
                    return Found::Wrong("nobody can ever get the lock", self.trace(&from, there));
                }
                queue.push_back(next);
            }
        }
        Found::Holds(seen.len())
    }

    pub(super) fn first(&self) -> State {
        let mut disk = self.disk.clone();
        let processes = (0..self.programs.len())
            .map(|who| {
                let me = Me { pid: pid(who, 0, self.reuse_pids), start: 1, round: 0 };
                disk.start(me.pid, me.start);
                let (past, holding) = (Vec::new(), false);
                Process { me, life: 0, past, holding, rounds: self.rounds, alive: true }
            })
            .collect();
        State { disk, processes, crashes: self.crashes, lost_answers: self.lost_answers }
    }

    fn successors(&self, state: &State) -> Vec<(Event, State)> {
        let mut successors = Vec::new();
        for who in 0..state.processes.len() {
            let process = &state.processes[who];
            if process.alive && process.rounds > 0 {
                let first = successors.len();
                let mut next = state.clone();
                let seen_by_others = self.step(&mut next, who).seen_by_others;
                successors.push((Event::Step(who_of(who)), next));
                if state.crashes > 0 {
                    let mut next = state.clone();
                    self.crash(&mut next, who);
                    successors.push((Event::Crash(who_of(who)), next));
                }
                if state.lost_answers > 0 {
                    let mut next = state.clone();
                    next.lost_answers -= 1;
                    self.make(&mut next, who, true);
                    successors.push((Event::Lost(who_of(who)), next));
                }
                if !seen_by_others && !self.every_order {
                    return successors.split_off(first);
                }
            }
        }
        successors
    }

    /// The steps from the start to a state, made again to be described.
    fn trace(&self, from: &HashMap<u64, (u64, Event)>, mut at: u64) -> Vec<String> {
        let mut events = Vec::new();
        while let Some((before, event)) = from.get(&at) {
            events.push(*event);
            at = *before;
        }
        let mut state = self.first();
        let describe = |event: &Event| match *event {
            Event::Step(who) => self.step(&mut state, usize::from(who)).words,
            Event::Lost(who) => {
                state.lost_answers -= 1;
                self.make(&mut state, usize::from(who), true).words + ", an answer that got lost"
            }
            Event::Crash(who) => {
                self.crash(&mut state, usize::from(who));
                format!("p{who} is killed, and starts again")
            }
        };
        events.iter().rev().map(describe).collect()
    }

    /// Explores it all, and shows `see` which process ended a run, with which answers, and how.
    pub fn for_each_run(&self, see: &mut dyn FnMut(usize, &[Past], Outcome)) {
        let first = self.first();
        let mut seen = HashSet::from([id(&first)]);
        let mut queue = VecDeque::from([first]);
        while let Some(state) = queue.pop_front() {
            for who in 0..state.processes.len() {
                let process = &state.processes[who];
                if process.rounds == 0 {
                    continue;
                }
                let mut next = state.clone();
                let made = self.make(&mut next, who, false);
                if let Some((answers, outcome)) = made.ended {
                    see(who, &answers, outcome);
                }
                if seen.insert(id(&next)) {
                    queue.push_back(next);
                }
            }
        }
    }

    /// One call of one process, or the end of its run.
    pub(super) fn step(&self, state: &mut State, who: usize) -> Made {
        self.make(state, who, false)
    }

    fn make(&self, state: &mut State, who: usize, lost: bool) -> Made {
        let process = &mut state.processes[who];
        let disk = RefCell::new(mem::take(&mut state.disk));
        let (past, number) = (mem::take(&mut process.past), who_of(who));
        let sim = Sim::new(&disk, number, process.life, past, 1, self.mutant);
        let sim = if lost { sim.losing_the_answer() } else { sim };
        let outcome = self.programs[who](&sim, process.me);
        let step = sim.finish();
        state.disk = disk.into_inner();
        let label = step.past.last().map_or_else(String::new, ToString::to_string);
        process.holding = step.holding;
        process.past = step.past;
        let mut ended = None;
        if step.ended {
            ended = Some((mem::take(&mut process.past), outcome));
            if outcome == Outcome::Done {
                process.rounds -= 1;
                process.me.round += 1;
            }
        }
        let holds = if process.holding { ", holds" } else { "" };
        let words = format!("p{who} {label}{holds}");
        Made { words, seen_by_others: step.seen_by_others || step.ended, ended }
    }

    fn crash(&self, state: &mut State, who: usize) {
        state.crashes -= 1;
        let process = &mut state.processes[who];
        state.disk.kill(who_of(who), process.me.pid);
        process.past.clear();
        process.holding = false;
        process.life += 1;
        process.me = Me {
            pid: pid(who, process.life, self.reuse_pids),
            start: process.me.start + 1,
            round: 0,
        };
        state.disk.start(process.me.pid, process.me.start);
    }

    /// Whether some process gets the lock, or has it, when all others pause where they are.
    fn somebody_can_go_on(&self, state: &State) -> bool {
        let wants = |process: &Process| process.rounds > 0;
        !state.processes.iter().any(wants)
            || state.processes.iter().any(|process| process.holding)
            || (0..state.processes.len())
                .any(|who| wants(&state.processes[who]) && self.gets_it_alone(state, who))
    }

    pub(super) fn gets_it_alone(&self, state: &State, who: usize) -> bool {
        let mut state = state.clone();
        let rounds = state.processes[who].rounds;
        (0..ALONE_STEPS).any(|_| {
            self.step(&mut state, who);
            state.processes[who].holding || state.processes[who].rounds < rounds
        })
    }

    /// What is wrong with a world in which all have ended.
    fn wrong_at_the_end(&self, state: &State) -> Option<&'static str> {
        if state.processes.iter().enumerate().any(|(who, _)| state.disk.has_open(who_of(who))) {
            return Some("a process that is done has files open");
        }
        let is_left = |name: &Name| matches!(name, Name::Private(..) | Name::Queue);
        let left = state.disk.names().filter(is_left).count();
        if left > self.leftovers {
            return Some("more is left behind than was allowed");
        }
        let mut later = state.clone();
        let newcomer = later.processes.len() - 1;
        // The last one comes back as somebody new.
        later.crashes = 1;
        self.crash(&mut later, newcomer);
        later.processes[newcomer].rounds = 1;
        if self.gets_it_alone(&later, newcomer) { None } else { Some("the lock stays stuck") }
    }
}

pub(super) fn who_of(who: usize) -> Who {
    Who::try_from(who).expect("a few processes")
}

/// Pids of different processes differ, and those of one process's lives unless they are reused.
fn pid(who: usize, life: u8, reuse: bool) -> u8 {
    let who = who_of(who);
    if reuse { 10 + who } else { 10 + who + 10 * life }
}

fn id(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
