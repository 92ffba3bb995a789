//! Which layer a state is drawn in, and in which order the things of a layer stand.
//!
//! States have the even layers. A step's words stand in an odd layer of their own, and a step that
//! passes through a layer has a slot there: so nothing is drawn over anything else.

use std::collections::VecDeque;

use super::graph::Graph;

/// What stands in a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Thing {
    /// The state of this number.
    Node(usize),
    /// The words of the step of this number.
    Label(usize),
    /// The step of this number passes.
    Bend(usize),
}

/// The slots of a graph.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) things: Vec<Thing>,
    /// Each layer's slots from the left.
    pub(super) order: Vec<Vec<usize>>,
    /// Each step's slots from the top; of a step to itself none.
    pub(super) chains: Vec<Vec<usize>>,
    /// Whether a step leads upwards.
    pub(super) upward: Vec<bool>,
}

const PASSES: usize = 24;

impl Layers {
    pub(super) fn of(graph: &Graph) -> Layers {
        let upward = upward(graph);
        let ranks = ranks(graph, &upward);
        let mut things: Vec<Thing> = (0..graph.nodes.len()).map(Thing::Node).collect();
        let mut layer_of: Vec<usize> = ranks.iter().map(|rank| 2 * rank).collect();
        let mut chains = Vec::new();
        for (number, edge) in graph.edges.iter().enumerate() {
            let (top, bottom) =
                if upward[number] { (edge.to, edge.from) } else { (edge.from, edge.to) };
            if top == bottom {
                chains.push(Vec::new());
                continue;
            }
            // Words stand where the step begins.
            let labelled = if upward[number] { 2 * ranks[bottom] - 1 } else { 2 * ranks[top] + 1 };
            let mut chain = vec![top];
            for layer in 2 * ranks[top] + 1..2 * ranks[bottom] {
                let has_words = layer == labelled && !edge.lines.is_empty();
                things.push(if has_words { Thing::Label(number) } else { Thing::Bend(number) });
                layer_of.push(layer);
                chain.push(things.len() - 1);
            }
            chain.push(bottom);
            chains.push(chain);
        }
        let mut layers = Layers { things, order: Vec::new(), chains, upward };
        layers.order = layers.ordered(&layer_of);
        layers
    }

    /// Every pair of slots that a line connects, the upper one first.
    pub(super) fn segments(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.chains.iter().flat_map(|chain| chain.windows(2).map(|pair| (pair[0], pair[1])))
    }

    /// The order with the fewest crossings that some passes by the neighbours' mean come to.
    fn ordered(&self, layer_of: &[usize]) -> Vec<Vec<usize>> {
        let mut above = vec![Vec::new(); self.things.len()];
        let mut below = above.clone();
        for (upper, lower) in self.segments() {
            above[lower].push(upper);
            below[upper].push(lower);
        }
        let mut order = first_order(&below, layer_of);
        let mut best = (crossings(&order, &below), order.clone());
        for pass in 0..PASSES {
            let neighbours = if pass % 2 == 0 { &above } else { &below };
            let mut at = places(&order, self.things.len());
            let count = order.len();
            for step in 0..count {
                let layer = if pass % 2 == 0 { step } else { count - 1 - step };
                sort_by_mean(&mut order[layer], neighbours, &at);
                for (place, slot) in order[layer].iter().enumerate() {
                    at[*slot] = place;
                }
            }
            exchange_neighbours(&mut order, &below);
            let found = crossings(&order, &below);
            if found < best.0 {
                best = (found, order.clone());
            }
        }
        best.1
    }
}

/// Which steps lead back to a state that they come from, found depth first.
fn upward(graph: &Graph) -> Vec<bool> {
    fn visit(graph: &Graph, node: usize, state: &mut [u8], upward: &mut [bool]) {
        state[node] = 1;
        for (number, edge) in graph.edges.iter().enumerate().filter(|(_, it)| it.from == node) {
            match state[edge.to] {
                0 => visit(graph, edge.to, state, upward),
                1 => upward[number] = true,
                _ => {}
            }
        }
        state[node] = 2;
    }
    let mut upward = vec![false; graph.edges.len()];
    let mut state = vec![0; graph.nodes.len()];
    for node in 0..graph.nodes.len() {
        if state[node] == 0 {
            visit(graph, node, &mut state, &mut upward);
        }
    }
    upward
}

/// The longest way from the top, so that every step but those upward leads down.
fn ranks(graph: &Graph, upward: &[bool]) -> Vec<usize> {
    let mut ranks = vec![0; graph.nodes.len()];
    for _ in 0..graph.nodes.len() {
        for (number, edge) in graph.edges.iter().enumerate().filter(|(_, it)| it.from != it.to) {
            let (top, bottom) =
                if upward[number] { (edge.to, edge.from) } else { (edge.from, edge.to) };
            ranks[bottom] = ranks[bottom].max(ranks[top] + 1);
        }
    }
    ranks
}

/// Slots as a breadth-first walk meets them.
fn first_order(below: &[Vec<usize>], layer_of: &[usize]) -> Vec<Vec<usize>> {
    let mut order = vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)];
    let mut seen = vec![false; layer_of.len()];
    for start in 0..layer_of.len() {
        let mut queue = VecDeque::from([start]);
        while let Some(slot) = queue.pop_front() {
            if !seen[slot] {
                seen[slot] = true;
                order[layer_of[slot]].push(slot);
                queue.extend(&below[slot]);
            }
        }
    }
    order
}

fn places(order: &[Vec<usize>], slots: usize) -> Vec<usize> {
    let mut at = vec![0; slots];
    for layer in order {
        for (place, slot) in layer.iter().enumerate() {
            at[*slot] = place;
        }
    }
    at
}

#[allow(clippy::cast_precision_loss)]
fn sort_by_mean(layer: &mut [usize], neighbours: &[Vec<usize>], at: &[usize]) {
    let mean = |slot: usize| {
        let known = &neighbours[slot];
        let sum: usize = known.iter().map(|slot| at[*slot]).sum();
        if known.is_empty() { at[slot] as f64 } else { sum as f64 / known.len() as f64 }
    };
    layer.sort_by(|one, other| mean(*one).total_cmp(&mean(*other)));
}

/// Exchanges slots that stand beside each other, as long as that removes crossings.
fn exchange_neighbours(order: &mut [Vec<usize>], below: &[Vec<usize>]) {
    for layer in 0..order.len() {
        for place in 1..order[layer].len() {
            let before = around(order, below, layer);
            order[layer].swap(place - 1, place);
            if around(order, below, layer) >= before {
                order[layer].swap(place - 1, place);
            }
        }
    }
}

/// The crossings above and below a layer.
fn around(order: &[Vec<usize>], below: &[Vec<usize>], layer: usize) -> usize {
    crossings(&order[layer.saturating_sub(1)..order.len().min(layer + 2)], below)
}

fn crossings(order: &[Vec<usize>], below: &[Vec<usize>]) -> usize {
    let at = places(order, below.len());
    let between = |pair: &[Vec<usize>]| {
        let mut lines: Vec<(usize, usize)> = Vec::new();
        for slot in &pair[0] {
            lines.extend(below[*slot].iter().map(|lower| (at[*slot], at[*lower])));
        }
        let crosses = |one: &(usize, usize), other: &(usize, usize)| {
            (one.0 < other.0 && one.1 > other.1) || (one.0 > other.0 && one.1 < other.1)
        };
        let count = |(number, one): (usize, &(usize, usize))| {
            lines[..number].iter().filter(|other| crosses(one, other)).count()
        };
        lines.iter().enumerate().map(count).sum::<usize>()
    };
    order.windows(2).map(between).sum()
}
