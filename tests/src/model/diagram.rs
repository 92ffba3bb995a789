//! Draws what a scheme does: the calls that its processes were seen to make, and what followed on
//! which answer. Taken from the exploration of the shipped code, so it cannot be out of date
//! without a test that says so.

use core::fmt::Write;
use std::collections::{BTreeMap, BTreeSet};

use super::explore::{Outcome, World};
use super::sim::Past;

/// A scheme's calls and what leads from one to the next, as a Mermaid diagram.
pub fn mermaid(world: &World) -> String {
    let mut edges = BTreeMap::<(String, String), BTreeSet<String>>::new();
    let mut add = |from: &str, to: &str, when: &str| {
        edges.entry((from.into(), to.into())).or_default().insert(when.into());
    };
    world.for_each_step(&mut |past, ended| {
        let names = names(past);
        match ended {
            None => match &names[..] {
                [only] => add("[*]", only, ""),
                [.., before, last] => add(before, last, &past[past.len() - 2].outcome()),
                [] => {}
            },
            Some(outcome) => {
                if let (Some(last), Some(past)) = (names.last(), past.last()) {
                    let end = if outcome == Outcome::Done { "given back" } else { "try again" };
                    add(last, end, &past.outcome());
                }
            }
        }
    });
    let mut ids = BTreeMap::new();
    for name in edges.keys().flat_map(|(from, to)| [from, to]).filter(|name| *name != "[*]") {
        let next = format!("s{}", ids.len());
        ids.entry(name.clone()).or_insert(next);
    }
    let mut text = String::from("stateDiagram-v2\n");
    for (name, id) in &ids {
        let _ = writeln!(text, "    {id} : {name}");
    }
    let id = |name: &String| ids.get(name).map_or("[*]", String::as_str).to_owned();
    for ((from, to), when) in &edges {
        let when: Vec<_> = when.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        let _ = write!(text, "    {} --> {}", id(from), id(to));
        let _ =
            if when.is_empty() { writeln!(text) } else { writeln!(text, " : {}", when.join(", ")) };
    }
    text
}

/// The steps so far; the second time that a call is made it is another step.
fn names(past: &[Past]) -> Vec<String> {
    let mut times = BTreeMap::<String, u32>::new();
    past.iter()
        .map(|past| {
            let step = past.step();
            let count = times.entry(step.clone()).or_default();
            *count += 1;
            if *count == 1 || step == "close" { step } else { format!("{step} again") }
        })
        .collect()
}
