//! A graph of states, and its picture.

use super::layers::Layers;
use super::places::Places;
use super::{svg, text};

/// How a state looks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Look {
    /// The black disc where it all starts.
    Start,
    /// System calls, one a line.
    Calls,
    /// A state with a name, or a question.
    State,
    /// The lock is held.
    Held,
    /// An end that is well.
    Well,
    /// An end with the lock in other hands.
    Refused,
    /// An end from which to start over, or that says nothing.
    Open,
    /// An end that is a loss.
    Lost,
}

/// A state.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is called.
    pub lines: Vec<String>,
    /// How it looks.
    pub look: Look,
}

/// What leads from one state to another.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The number of the state it leaves.
    pub from: usize,
    /// The number of the state it leads to.
    pub to: usize,
    /// When; nothing if it goes without saying.
    pub lines: Vec<String>,
}

/// States and what leads from one to another. The first state is where it starts.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The states.
    pub nodes: Vec<Node>,
    /// The steps between them.
    pub edges: Vec<Edge>,
}

pub(super) const LINE: f64 = 17.0;
pub(super) const LABEL_SIZE: f64 = 12.0;
pub(super) const LABEL_LINE: f64 = 15.0;

impl Node {
    pub(super) fn is_code(&self) -> bool {
        self.look == Look::Calls
    }

    pub(super) fn size(&self) -> (f64, f64) {
        if self.look == Look::Start {
            return (14.0, 14.0);
        }
        let width = |line: &String| {
            if self.is_code() { text::mono_width(line) } else { text::prose_width(line, 13.0) }
        };
        let widest = self.lines.iter().map(width).fold(0.0, f64::max);
        #[allow(clippy::cast_precision_loss)]
        let height = LINE * self.lines.len() as f64;
        ((widest + 22.0).ceil(), height + 11.0)
    }
}

impl Edge {
    pub(super) fn size(&self) -> (f64, f64) {
        let width = |line: &String| text::prose_width(line, LABEL_SIZE);
        let widest = self.lines.iter().map(width).fold(0.0, f64::max);
        #[allow(clippy::cast_precision_loss)]
        let height = LABEL_LINE * self.lines.len() as f64;
        (widest.ceil(), height)
    }
}

impl Graph {
    /// A new state; answers its number.
    pub fn node(&mut self, look: Look, lines: &[&str]) -> usize {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.nodes.push(Node { lines, look });
        self.nodes.len() - 1
    }

    /// A step between two states.
    pub fn edge(&mut self, from: usize, to: usize, lines: &[&str]) {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.edges.push(Edge { from, to, lines });
    }

    /// The picture: states in layers from the top, words beside the lines that they are about.
    #[must_use]
    pub fn svg(&self, words: &str) -> String {
        let layers = Layers::of(self);
        let places = Places::of(self, &layers);
        svg::draw(self, &layers, &places, words)
    }
}
