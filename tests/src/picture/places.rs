//! Where each slot stands: as near to what it is connected with as its neighbours leave room.

use super::graph::Graph;
use super::layers::{Layers, Thing};

/// The places of a graph's slots, lines and layers.
#[derive(Debug)]
pub(super) struct Places {
    /// The middle of a state, or the line of a step.
    pub(super) x: Vec<f64>,
    /// Where each layer begins, and how high it is.
    pub(super) bands: Vec<(f64, f64)>,
    pub(super) width: f64,
    pub(super) height: f64,
    /// For each step where it leaves the upper and meets the lower state, from their middles.
    pub(super) ports: Vec<(f64, f64)>,
}

/// All pictures are at least so wide, and so of one scale.
const WIDTH_MIN: f64 = 720.0;
const MARGIN: f64 = 18.0;
const GAP: f64 = 14.0;
const PORT_GAP: f64 = 16.0;
const PASSES: usize = 60;
const STRAIGHTENINGS: usize = 4;
/// The room that a straightened line leaves to its neighbours.
const TIGHT: f64 = 8.0;

/// What words have on their left: the line they are about.
pub(super) const LABEL_INDENT: f64 = 6.0;

impl Places {
    pub(super) fn of(graph: &Graph, layers: &Layers) -> Places {
        let extents: Vec<(f64, f64)> =
            layers.things.iter().map(|thing| extent(graph, *thing)).collect();
        let ports = ports(graph, layers);
        let mut x = vec![0.0; layers.things.len()];
        for layer in &layers.order {
            spread(layer, &extents, &mut x, |_| (0.0, 1.0));
        }
        let pulls = pulls(layers, &ports);
        for pass in 0..PASSES {
            // Down, up, and at last with both neighbours.
            let both = pass >= PASSES / 2;
            let count = layers.order.len();
            for step in 0..count {
                let layer = if pass % 2 == 0 { step } else { count - 1 - step };
                let now = x.clone();
                spread(&layers.order[layer], &extents, &mut x, |slot| {
                    let wanted = pulls[slot]
                        .iter()
                        .filter(|pull| both || (pull.is_above == (pass % 2 == 0)));
                    let (mut sum, mut weight) = (0.0, 0.0);
                    for pull in wanted {
                        sum += (now[pull.other] + pull.offset) * pull.weight;
                        weight += pull.weight;
                    }
                    if weight > 0.0 { (sum / weight, weight) } else { (now[slot], 0.1) }
                });
            }
        }
        straighten(layers, &extents, &mut x);
        let left = (0..x.len()).map(|slot| x[slot] - extents[slot].0).fold(f64::MAX, f64::min);
        let right = (0..x.len()).map(|slot| x[slot] + extents[slot].1).fold(f64::MIN, f64::max);
        let width = (right - left + 2.0 * MARGIN).max(WIDTH_MIN).ceil();
        let indent = (width - (right - left)) / 2.0 - left;
        for place in &mut x {
            *place += indent;
        }
        let (bands, height) = bands(graph, layers, &x);
        Places { x, bands, width, height, ports }
    }
}

/// How far a thing reaches to the left and right of its place.
fn extent(graph: &Graph, thing: Thing) -> (f64, f64) {
    match thing {
        Thing::Node(node) => {
            let half = graph.nodes[node].size().0 / 2.0;
            let loops = graph.edges.iter().filter(|edge| edge.from == node && edge.to == node);
            let beside = loops.map(|edge| edge.size().0 + LOOP + 8.0).fold(0.0, f64::max);
            (half, half + beside)
        }
        Thing::Label(edge) => (4.0, LABEL_INDENT + graph.edges[edge].size().0),
        Thing::Bend(_) => (4.0, 4.0),
    }
}

/// How far a step from a state to itself reaches out of it.
pub(super) const LOOP: f64 = 30.0;

/// What draws a slot to a place.
struct Pull {
    other: usize,
    is_above: bool,
    offset: f64,
    weight: f64,
}

fn pulls(layers: &Layers, ports: &[(f64, f64)]) -> Vec<Vec<Pull>> {
    let is_node = |slot: usize| matches!(layers.things[slot], Thing::Node(_));
    let mut pulls: Vec<Vec<Pull>> = layers.things.iter().map(|_| Vec::new()).collect();
    for (chain, (top, bottom)) in layers.chains.iter().zip(ports) {
        for pair in chain.windows(2) {
            let (upper, lower) = (pair[0], pair[1]);
            let offset = if is_node(upper) { *top } else { 0.0 }
                - if is_node(lower) { *bottom } else { 0.0 };
            let weight = match (is_node(upper), is_node(lower)) {
                (false, false) => 8.0,
                (true, true) => 1.0,
                _ => 2.0,
            };
            pulls[lower].push(Pull { other: upper, is_above: true, offset, weight });
            pulls[upper].push(Pull { other: lower, is_above: false, offset: -offset, weight });
        }
    }
    pulls
}

/// Lines leave and meet a state side by side, in the order of where they go.
fn ports(graph: &Graph, layers: &Layers) -> Vec<(f64, f64)> {
    let mut at = vec![0; layers.things.len()];
    for layer in &layers.order {
        for (place, slot) in layer.iter().enumerate() {
            at[*slot] = place;
        }
    }
    let mut ports = vec![(0.0, 0.0); graph.edges.len()];
    for node in 0..graph.nodes.len() {
        let room = (graph.nodes[node].size().0 - 24.0).max(0.0);
        let mut leaving: Vec<(usize, usize)> = Vec::new();
        let mut meeting: Vec<(usize, usize)> = Vec::new();
        for (number, chain) in layers.chains.iter().enumerate() {
            if let ([first, second, ..], [.., before, last]) = (&chain[..], &chain[..]) {
                if *first == node {
                    leaving.push((at[*second], number));
                }
                if *last == node {
                    meeting.push((at[*before], number));
                }
            }
        }
        leaving.sort_unstable();
        meeting.sort_unstable();
        for (offset, (_, edge)) in offsets(leaving.len(), room).zip(leaving) {
            ports[edge].0 = offset;
        }
        for (offset, (_, edge)) in offsets(meeting.len(), room).zip(meeting) {
            ports[edge].1 = offset;
        }
    }
    ports
}

#[allow(clippy::cast_precision_loss)]
fn offsets(count: usize, room: f64) -> impl Iterator<Item = f64> {
    let gaps = count.saturating_sub(1) as f64;
    let gap = if gaps > 0.0 { PORT_GAP.min(room / gaps) } else { 0.0 };
    (0..count).map(move |number| (number as f64 - gaps / 2.0) * gap)
}

/// Moves a layer's slots to where they want to be, with least squares, in their order and without
/// touching: pools of neighbours in each other's way settle at their mean.
fn spread(
    layer: &[usize],
    extents: &[(f64, f64)],
    x: &mut [f64],
    wanted: impl Fn(usize) -> (f64, f64),
) {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    let mut shifts = Vec::new();
    let mut shift = 0.0;
    for (place, slot) in layer.iter().enumerate() {
        if place > 0 {
            shift += extents[layer[place - 1]].1 + GAP + extents[*slot].0;
        }
        shifts.push(shift);
        let (place, weight) = wanted(*slot);
        let mut pool = (place - shift, weight, 1);
        while let Some(last) = pools.last().filter(|last| last.0 > pool.0) {
            let weight = last.1 + pool.1;
            pool = ((last.0 * last.1 + pool.0 * pool.1) / weight, weight, last.2 + pool.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let settled = pools.iter().flat_map(|(place, _, count)| vec![*place; *count]);
    for ((slot, shift), place) in layer.iter().zip(shifts).zip(settled) {
        x[*slot] = place + shift;
    }
}

/// Has a line that passes through several layers go straight down, where there is room for it.
fn straighten(layers: &Layers, extents: &[(f64, f64)], x: &mut [f64]) {
    let mut beside = vec![(None, None); x.len()];
    for layer in &layers.order {
        for pair in layer.windows(2) {
            beside[pair[0]].1 = Some(pair[1]);
            beside[pair[1]].0 = Some(pair[0]);
        }
    }
    for _ in 0..STRAIGHTENINGS {
        for chain in layers.chains.iter().filter(|chain| chain.len() > 3) {
            let inner = &chain[1..chain.len() - 1];
            let fits = |place: f64| {
                inner.iter().all(|&slot| {
                    let (left, right): (Option<usize>, Option<usize>) = beside[slot];
                    let edge_left = left.map_or(f64::MIN, |at| x[at] + extents[at].1);
                    let edge_right = right.map_or(f64::MAX, |at| x[at] - extents[at].0);
                    edge_left + TIGHT <= place - extents[slot].0
                        && place + extents[slot].1 <= edge_right - TIGHT
                })
            };
            let mut places: Vec<f64> = inner.iter().map(|&slot| x[slot]).collect();
            places.sort_by(f64::total_cmp);
            let middle = places[places.len() / 2];
            places.sort_by(|one, other| (one - middle).abs().total_cmp(&(other - middle).abs()));
            if let Some(place) = places.into_iter().find(|&place| fits(place)) {
                for &slot in inner {
                    x[slot] = place;
                }
            }
        }
    }
}

/// Where the layers are. Lines that go far to the side get more height for it.
fn bands(graph: &Graph, layers: &Layers, x: &[f64]) -> (Vec<(f64, f64)>, f64) {
    let mut layer_of = vec![0; x.len()];
    let mut heights = vec![0.0_f64; layers.order.len()];
    for (layer, slots) in layers.order.iter().enumerate() {
        for slot in slots {
            layer_of[*slot] = layer;
            let height = match layers.things[*slot] {
                Thing::Node(node) => graph.nodes[node].size().1,
                Thing::Label(edge) => graph.edges[edge].size().1,
                Thing::Bend(_) => 0.0,
            };
            heights[layer] = heights[layer].max(height);
        }
    }
    let mut gaps = vec![10.0_f64; layers.order.len()];
    for (upper, lower) in layers.segments() {
        let aside = (x[upper] - x[lower]).abs();
        let gap = &mut gaps[layer_of[upper]];
        *gap = gap.max((aside * 0.14).clamp(10.0, 44.0));
    }
    let mut top = MARGIN;
    let mut bands = Vec::new();
    for (height, gap) in heights.iter().zip(&gaps) {
        bands.push((top, *height));
        top += height + gap;
    }
    let height = top - gaps.last().unwrap_or(&0.0) + MARGIN;
    (bands, height.ceil())
}
