//! What a scheme does, as a graph: taken from the runs that the exploration of the shipped code
//! found, so a picture of it cannot be out of date without a test that says so.
//!
//! Runs with the same calls and answers so far are one; so are those that go on in the same ways
//! from a call on. Calls that always follow each other stand in one state.

use std::collections::{BTreeMap, BTreeSet};

use lock_core::os::ProcessState;

use super::explore::{Outcome, World};
use super::sim::{Answered, Past};
use crate::picture::graph::{Graph, Look};

/// A run: each call with its answer, and how it ended.
type Run = (Vec<(String, &'static str)>, &'static str);

/// A call that can come next, and for each answer the calls that can come after it.
type Then = BTreeSet<(&'static str, usize)>;

const HELD: &str = "HELD";
const RELEASED: &str = "released";
const BUSY: &str = "held by another";
const AGAIN: &str = "start over";

/// What the first process of these worlds does.
pub fn graph(worlds: &[World]) -> Graph {
    let mut runs = BTreeSet::new();
    for world in worlds {
        world.for_each_run(&mut |who, past, outcome| {
            if who == 0 {
                runs.insert((answers(past), end(outcome)));
            }
        });
    }
    let runs: Vec<&Run> = runs.iter().collect();
    let mut calls = Calls::default();
    let first = calls.after(&runs, 0);
    calls.merge();
    calls.graph(&first)
}

fn end(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => RELEASED,
        Outcome::Held => BUSY,
        Outcome::Retry => AGAIN,
    }
}

/// The calls of a run, and what of the answers decides how it goes on.
fn answers(past: &[Past]) -> Vec<(String, &'static str)> {
    let mut opened = None;
    let mut read = None;
    let answers = past.iter().map(|past| {
        let answer = match past.outcome() {
            Answered::Ok => "",
            Answered::Refused(why) => why,
            Answered::File(file) if past.is_stat() => {
                if opened == Some(file) {
                    "the same file"
                } else {
                    "another file"
                }
            }
            Answered::File(file) => {
                opened = Some(file);
                ""
            }
            Answered::Bytes(bytes) => match read.replace(bytes.to_vec()) {
                Some(before) if before == bytes => "as before",
                Some(_) => "changed",
                None => "",
            },
            Answered::Process(ProcessState::Running { .. }) => "runs",
            Answered::Process(_) => "gone",
        };
        (past.step(), answer)
    });
    answers.collect()
}

/// Calls by number, with what follows; ends have no followers.
#[derive(Debug, Default)]
struct Calls {
    known: BTreeMap<(String, Then), usize>,
    calls: Vec<(String, Then)>,
}

impl Calls {
    /// The calls that come after as many calls in these runs, which were the same until then.
    fn after(&mut self, runs: &[&Run], calls: usize) -> BTreeSet<usize> {
        let mut ways = BTreeMap::<&str, Vec<&Run>>::new();
        for run in runs {
            let step = run.0.get(calls).map_or(run.1, |(step, _)| step.as_str());
            ways.entry(step).or_default().push(run);
        }
        let mut numbers = BTreeSet::new();
        for (step, runs) in ways {
            let mut answers = BTreeMap::<&'static str, Vec<&Run>>::new();
            for run in runs {
                if let Some((_, answer)) = run.0.get(calls) {
                    answers.entry(answer).or_default().push(run);
                }
            }
            let mut then = Then::new();
            for (answer, runs) in answers {
                then.extend(self.after(&runs, calls + 1).into_iter().map(|next| (answer, next)));
            }
            numbers.insert(self.number(step, then));
        }
        numbers
    }

    fn number(&mut self, step: &str, then: Then) -> usize {
        let call = (step.to_owned(), then);
        *self.known.entry(call.clone()).or_insert_with(|| {
            self.calls.push(call);
            self.calls.len() - 1
        })
    }

    /// A call that was answered in fewer ways than an equal one, which goes on in the same ways, is
    /// that one: what was not seen there is not known to differ.
    fn merge(&mut self) {
        while let Some((fewer, more)) = self.mergeable() {
            for (_, then) in &mut self.calls {
                let moved: Then = then
                    .iter()
                    .map(|(answer, next)| (*answer, if *next == fewer { more } else { *next }))
                    .collect();
                *then = moved;
            }
            self.calls[fewer] = (String::new(), Then::new());
        }
    }

    fn mergeable(&self) -> Option<(usize, usize)> {
        let count = self.calls.len();
        let pairs = (0..count).flat_map(|one| (0..count).map(move |other| (one, other)));
        pairs.filter(|(one, other)| one != other).find(|(one, other)| {
            let (one, other) = (&self.calls[*one], &self.calls[*other]);
            !one.0.is_empty() && one.0 == other.0 && one.1.is_subset(&other.1)
        })
    }

    fn graph(&self, first: &BTreeSet<usize>) -> Graph {
        let mut arrivals = vec![0; self.calls.len()];
        for next in self.calls.iter().flat_map(|(_, then)| then).map(|(_, next)| *next) {
            arrivals[next] += 1;
        }
        let mut drawn =
            Drawn { calls: self, arrivals, graph: Graph::default(), states: BTreeMap::new() };
        let start = drawn.graph.node(Look::Start, &[]);
        for call in first {
            let to = drawn.state(*call);
            drawn.graph.edge(start, to, &[]);
        }
        drawn.graph
    }
}

/// A graph in the making.
struct Drawn<'c> {
    calls: &'c Calls,
    arrivals: Vec<usize>,
    graph: Graph,
    states: BTreeMap<usize, usize>,
}

impl Drawn<'_> {
    /// The state that begins with this call; ends are drawn wherever they come.
    fn state(&mut self, call: usize) -> usize {
        if let Some(state) = self.states.get(&call) {
            return *state;
        }
        let (step, then) = &self.calls.calls[call];
        if then.is_empty() {
            let look = match step.as_str() {
                RELEASED => Look::Well,
                BUSY => Look::Refused,
                _ => Look::Open,
            };
            return self.graph.node(look, &[step]);
        }
        let mut lines = vec![step.as_str()];
        let mut last = call;
        let look = if step == HELD { Look::Held } else { Look::Calls };
        while let Some(next) = self.only_follower(last).filter(|_| look == Look::Calls) {
            lines.push(&self.calls.calls[next].0);
            last = next;
        }
        let state = self.graph.node(look, &lines);
        self.states.insert(call, state);
        let mut ways = BTreeMap::<usize, Vec<&str>>::new();
        for (answer, next) in &self.calls.calls[last].1 {
            ways.entry(*next).or_default().push(answer);
        }
        for (next, mut answers) in ways {
            if answers.contains(&"") {
                answers.clear();
            }
            let to = self.state(next);
            self.graph.edge(state, to, &answers);
        }
        state
    }

    /// The call that always comes next, if it comes after no other.
    fn only_follower(&self, call: usize) -> Option<usize> {
        let mut then = self.calls.calls[call].1.iter();
        let ((_, next), None) = (then.next()?, then.next()) else { return None };
        let (step, after) = &self.calls.calls[*next];
        (self.arrivals[*next] == 1 && !after.is_empty() && step != HELD).then_some(*next)
    }
}
