//! Draws a graph whose places are known.

use core::fmt::Write;

use super::graph::{Graph, LABEL_LINE, LABEL_SIZE, LINE, Look, Node};
use super::layers::{Layers, Thing};
use super::places::{LABEL_INDENT, LOOP, Places};
use super::{open, text};

/// The whole picture.
pub(super) fn draw(graph: &Graph, layers: &Layers, places: &Places, words: &str) -> String {
    let mut svg = open(places.width, places.height, words);
    svg += "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" \
            markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
            <path class=\"tip\" d=\"M0 .5L8 4L0 7.5z\"/></marker></defs>\n";
    let mut layer_of = vec![0; layers.things.len()];
    for (layer, slots) in layers.order.iter().enumerate() {
        for slot in slots {
            layer_of[*slot] = layer;
        }
    }
    for edge in 0..graph.edges.len() {
        svg += &line(graph, layers, places, &layer_of, edge);
    }
    for (slot, thing) in layers.things.iter().enumerate() {
        let (top, height) = places.bands[layer_of[slot]];
        let middle = top + height / 2.0;
        match thing {
            Thing::Node(node) => {
                svg += &state(&graph.nodes[*node], places.x[slot], middle);
                svg += &itself(graph, *node, places.x[slot], middle);
            }
            Thing::Label(edge) => {
                let left = places.x[slot] + LABEL_INDENT;
                svg += &label(&graph.edges[*edge].lines, left, middle);
            }
            Thing::Bend(_) => {}
        }
    }
    svg + "</svg>\n"
}

fn class(look: Look) -> &'static str {
    match look {
        Look::Start => "tip",
        Look::Calls | Look::State => "blue",
        Look::Held | Look::Well => "green",
        Look::Refused => "amber",
        Look::Open => "grey",
        Look::Lost => "red",
    }
}

/// A state around its middle.
fn state(node: &Node, x: f64, y: f64) -> String {
    let (width, height) = node.size();
    if node.look == Look::Start {
        return format!("<circle class=\"tip\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/>\n");
    }
    let round = match node.look {
        Look::Calls => 4.0,
        Look::State => 9.0,
        _ => height.min(30.0) / 2.0,
    };
    let mut svg = format!(
        "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         rx=\"{round:.1}\"/>",
        class(node.look),
        x - width / 2.0,
        y - height / 2.0
    );
    let mut base = y - height / 2.0 + 5.5 + 13.0;
    for words in &node.lines {
        let (class, at, anchor) = match node.look {
            Look::Calls => (" class=\"mono\"", x - width / 2.0 + 11.0, "start"),
            Look::Held => (" class=\"strong\"", x, "middle"),
            _ => ("", x, "middle"),
        };
        let words = text::escaped(words);
        let _ = write!(
            svg,
            "<text{class} x=\"{at:.1}\" y=\"{base:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        );
        base += LINE;
    }
    svg + "\n"
}

/// Words to the right of a place, around a middle.
#[allow(clippy::cast_precision_loss)]
fn label(lines: &[String], left: f64, middle: f64) -> String {
    let mut base = middle - LABEL_LINE * lines.len() as f64 / 2.0 + 11.5;
    let mut svg = String::new();
    for words in lines {
        let words = text::escaped(words);
        let _ = writeln!(
            svg,
            "<text class=\"quiet\" x=\"{left:.1}\" y=\"{base:.1}\" font-size=\"{LABEL_SIZE}\">\
             {words}</text>"
        );
        base += LABEL_LINE;
    }
    svg
}

/// The steps that lead from a state to itself: a loop on its right.
fn itself(graph: &Graph, node: usize, x: f64, y: f64) -> String {
    let (width, height) = graph.nodes[node].size();
    let right = x + width / 2.0;
    let (rise, reach) = (height * 0.28, right + LOOP);
    let mut svg = String::new();
    for edge in graph.edges.iter().filter(|edge| edge.from == node && edge.to == node) {
        let _ = writeln!(
            svg,
            "<path class=\"line\" marker-end=\"url(#tip)\" d=\"M{right:.1} {:.1}C{reach:.1} {:.1} \
             {reach:.1} {:.1} {right:.1} {:.1}\"/>",
            y - rise,
            y - rise - 6.0,
            y + rise + 6.0,
            y + rise
        );
        svg += &label(&edge.lines, right + LOOP - 4.0, y);
    }
    svg
}

/// A step's line: straight through layers, curved between them.
fn line(
    graph: &Graph,
    layers: &Layers,
    places: &Places,
    layer_of: &[usize],
    edge: usize,
) -> String {
    let chain = &layers.chains[edge];
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else { return String::new() };
    // Where the line comes into each layer and leaves it, from the top.
    let mut points = Vec::new();
    for slot in chain {
        let (top, height) = places.bands[layer_of[*slot]];
        let x = places.x[*slot];
        let reach = match layers.things[*slot] {
            Thing::Node(node) => graph.nodes[node].size().1 / 2.0,
            Thing::Label(_) | Thing::Bend(_) => height / 2.0,
        };
        let middle = top + height / 2.0;
        if slot == first {
            let x = x + places.ports[edge].0;
            points.extend([(x, middle + reach), (x, top + height)]);
        } else if slot == last {
            let x = x + places.ports[edge].1;
            points.extend([(x, top), (x, middle - reach)]);
        } else {
            points.extend([(x, middle - reach), (x, middle + reach)]);
        }
    }
    if layers.upward[edge] {
        points.reverse();
    }
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for (number, pair) in points.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        let middle = f64::midpoint(from.1, to.1);
        // Every other piece is inside a layer.
        let _ = if number % 2 == 1 && (from.0 - to.0).abs() > 0.05 {
            write!(
                path,
                "C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}",
                from.0, to.0, to.0, to.1
            )
        } else {
            write!(path, "V{:.1}", to.1)
        };
    }
    format!("<path class=\"line\" marker-end=\"url(#tip)\" d=\"{path}\"/>\n")
}
