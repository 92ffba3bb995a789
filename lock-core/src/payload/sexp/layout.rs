//! S-expressions as sexplib prints them: in one piece for machines, in lines for people.
//!
//! The second layout is what OCaml's `Format` makes of a box around each list: lines of at most 77
//! columns, filled, and a value that contains line breaks spread over as many lines. `Format`
//! decides from what it has been given so far, before it knows how long a box is; that is followed
//! here to the letter, since some programs compare lock files byte by byte. Lengths wrap, which the
//! few thousand bytes of a lock file are far from.
//! Source: sexplib0 v0.15 `sexp.ml`, OCaml 4.13 `format.ml`, both run.

use super::atom::comment_mark;
use crate::payload::parse::split_first;
use crate::payload::write::Out;

/// Columns that `Format` fills.
const MARGIN: i32 = 78;

/// No box starts beyond this column.
const MAX_INDENT: i32 = 68;

/// Boxes inside each other: the one around everything, a record, a field, a value.
const BOXES: usize = 5;

/// An expression to be printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// Its parentheses, and for each word the digit that counts it among the `atoms`.
    pub(crate) shape: &'a [u8],
    /// The words, any bytes.
    pub(crate) atoms: &'a [&'a [u8]],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part<'a> {
    /// Starts a list.
    Open,
    Atom(&'a [u8]),
    /// Ends a list.
    Close,
}

impl<'a> Parts<'a> {
    fn split_first(self) -> Option<(Part<'a>, Parts<'a>)> {
        let (&mark, shape) = self.shape.split_first()?;
        let part = match mark {
            b'(' => Part::Open,
            b')' => Part::Close,
            digit => {
                let atom = self.atoms.get(usize::from(digit.wrapping_sub(b'0')));
                Part::Atom(atom.copied().unwrap_or_default())
            }
        };
        Some((part, Parts { shape, ..self }))
    }
}

/// What `Format` is told.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Open {
        indent: i32,
    },
    Close,
    /// A place for a space or a line break.
    Break,
    Newline,
    /// These bytes as they are.
    Plain(&'a [u8]),
    /// These bytes with escapes.
    Escaped(&'a [u8]),
    /// The same between quotes.
    Quoted(&'a [u8]),
}

/// A box that is open.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Whether its breaks are spaces all.
    fits: bool,
    /// Columns from its left edge to the margin.
    width: i32,
}

/// The state of the line being printed.
struct Line<'o, 'b> {
    out: &'o mut Out<'b>,
    space_left: i32,
    indent: i32,
    frames: [Frame; BOXES],
    open: usize,
}

/// One piece, no spaces but between two bare words.
pub(crate) fn machine(mut parts: Parts<'_>, out: &mut Out<'_>) {
    let mut after_bare = false;
    while let Some((part, later)) = parts.split_first() {
        parts = later;
        match part {
            Part::Open => out.bytes(b"("),
            Part::Close => out.bytes(b")"),
            Part::Atom(atom) if needs_quotes(atom) => quote(atom, out),
            Part::Atom(atom) => {
                if after_bare {
                    out.bytes(b" ");
                }
                out.bytes(atom);
            }
        }
        after_bare = matches!(part, Part::Atom(atom) if !needs_quotes(atom));
    }
}

/// Lines of at most 77 columns where that is possible.
pub(crate) fn human(parts: Parts<'_>, out: &mut Out<'_>) {
    let frame = Frame { fits: false, width: MARGIN };
    let mut line = Line { out, space_left: MARGIN, indent: 0, frames: [frame; BOXES], open: 1 };
    let mut steps = Steps::new(parts);
    // The number of the step at which what precedes was printed. `Format` holds everything back
    // until it has been given a line's worth of it.
    let mut now = look_ahead(steps, 0, MARGIN, Until::Never).seen;
    loop {
        let from = steps;
        let Some(step) = steps.next() else { return };
        match step {
            Step::Open { indent } => {
                line.break_before_deep_box();
                let ahead = look_ahead(from, now, line.space_left, Until::Close);
                now = ahead.seen;
                line.push(Frame {
                    fits: ahead.len.is_some_and(|len| len <= line.space_left),
                    width: line.space_left.wrapping_sub(indent),
                });
            }
            Step::Break => {
                let ahead = look_ahead(from, now, line.space_left, Until::Break);
                now = ahead.seen;
                line.space_or_break(ahead.len);
            }
            Step::Close => line.open = line.open.saturating_sub(1),
            Step::Newline => line.start(line.top()),
            Step::Plain(_) | Step::Escaped(_) | Step::Quoted(_) => line.text(step),
        }
        now = now.max(from.number);
    }
}

/// Where a look ahead ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Until {
    /// At the end of the box that starts here.
    Close,
    /// At the next break of the same box, or its end.
    Break,
    /// Only at the end of everything.
    Never,
}

/// What [`look_ahead`] found.
struct Ahead {
    /// The columns from here to there, unless the decision fell before they were known.
    len: Option<i32>,
    /// The number of the step that `Format` had been given when it decided.
    seen: usize,
}

/// How far it is from the next of these steps, as known when step `now` has been given: if that is
/// not enough to tell, steps are given until it is, or until `space_left` columns are exceeded.
fn look_ahead(mut steps: Steps<'_>, now: usize, space_left: i32, until: Until) -> Ahead {
    let from = steps.number;
    let mut len = 0i32;
    let mut depth = 0i32;
    loop {
        let number = steps.number;
        let Some(step) = steps.next() else { return Ahead { len: None, seen: usize::MAX } };
        len = len.wrapping_add(step.len());
        match step {
            Step::Open { .. } => depth = depth.wrapping_add(1),
            Step::Close => depth = depth.wrapping_sub(1),
            _ => {}
        }
        let there = match until {
            Until::Close => depth == 0,
            Until::Break => depth < 0 || depth == 0 && number > from && matches!(step, Step::Break),
            Until::Never => false,
        };
        if there {
            // The length is looked at when text is given next.
            let seen = if number < now { now } else { steps.next_printed() };
            return Ahead { len: Some(len), seen };
        }
        if step.is_printed() && number >= now && len >= space_left {
            return Ahead { len: None, seen: number };
        }
    }
}

/// What sexplib tells `Format` about an expression, step by step.
#[derive(Clone, Copy)]
struct Steps<'a> {
    parts: Parts<'a>,
    /// Whether nothing precedes in this list.
    first: bool,
    /// How much of the next part was told.
    told: u8,
    /// Of an atom, the lines not told.
    lines: &'a [u8],
    /// How many steps were told.
    number: usize,
}

impl<'a> Steps<'a> {
    fn new(parts: Parts<'a>) -> Self {
        Steps { parts, first: true, told: 0, lines: &[], number: 0 }
    }

    fn next(&mut self) -> Option<Step<'a>> {
        let (part, later) = self.parts.split_first()?;
        self.number = self.number.wrapping_add(1);
        if self.told == 0 {
            self.told = 1;
            if !self.first && part != Part::Close {
                return Some(Step::Break);
            }
        }
        let told = self.told;
        self.told = told.wrapping_add(1);
        let (step, is_last) = match (part, told) {
            (Part::Open, 1) => (Step::Open { indent: 1 }, false),
            (Part::Open, _) => (Step::Plain(b"("), true),
            (Part::Close, 1) => (Step::Plain(b")"), false),
            (Part::Close, _) => (Step::Close, true),
            (Part::Atom(atom), 1) if !needs_quotes(atom) => (Step::Plain(atom), true),
            (Part::Atom(atom), 1) if !has_inner_newline(atom) => (Step::Quoted(atom), true),
            (Part::Atom(atom), _) => self.next_of_lines(atom, told),
        };
        if is_last {
            (self.parts, self.first, self.told) = (later, part == Part::Open, 0);
        }
        Some(step)
    }

    /// An atom with line breaks in it: each line on its own, the break spelt out before the next.
    fn next_of_lines(&mut self, atom: &'a [u8], told: u8) -> (Step<'a>, bool) {
        let step = match told {
            1 => {
                self.lines = atom;
                Step::Open { indent: 0 }
            }
            2 => Step::Plain(b" \""),
            3 => {
                if let Some((line, after)) = split_first(self.lines, b'\n') {
                    self.lines = after;
                    Step::Escaped(line)
                } else {
                    self.told = 7;
                    Step::Escaped(self.lines)
                }
            }
            4 => Step::Plain(b"\\"),
            5 => Step::Newline,
            6 => {
                self.told = 3;
                Step::Plain(b"\\n")
            }
            7 => Step::Plain(b"\""),
            _ => Step::Close,
        };
        (step, told > 7)
    }

    /// The number of the next step that is printed when told.
    fn next_printed(&mut self) -> usize {
        loop {
            let number = self.number;
            match self.next() {
                Some(step) if step.is_printed() => return number,
                Some(_) => {}
                None => return usize::MAX,
            }
        }
    }
}

impl Step<'_> {
    /// Its width in columns.
    fn len(self) -> i32 {
        let len = match self {
            Step::Open { .. } | Step::Close | Step::Newline => 0,
            Step::Break => 1,
            Step::Plain(bytes) => bytes.len(),
            Step::Escaped(bytes) => escaped_len(bytes),
            Step::Quoted(bytes) => escaped_len(bytes).wrapping_add(2),
        };
        i32::try_from(len).unwrap_or(i32::MAX)
    }

    /// Whether `Format` looks at what it can print when given this.
    fn is_printed(&self) -> bool {
        !matches!(self, Step::Open { .. } | Step::Close | Step::Break)
    }
}

impl Line<'_, '_> {
    fn top(&self) -> Frame {
        let top = self.open.checked_sub(1).and_then(|top| self.frames.get(top));
        top.copied().unwrap_or(Frame { fits: false, width: MARGIN })
    }

    fn push(&mut self, frame: Frame) {
        if let Some(room) = self.frames.get_mut(self.open) {
            *room = frame;
            self.open = self.open.wrapping_add(1);
        }
    }

    fn text(&mut self, step: Step<'_>) {
        self.space_left = self.space_left.wrapping_sub(step.len());
        match step {
            Step::Plain(bytes) => self.out.bytes(bytes),
            Step::Escaped(bytes) => escape(bytes, self.out),
            Step::Quoted(bytes) => quote(bytes, self.out),
            Step::Open { .. } | Step::Close | Step::Break | Step::Newline => {}
        }
    }

    /// A break before something `len` wide.
    fn space_or_break(&mut self, len: Option<i32>) {
        let top = self.top();
        let fits = len.is_some_and(|len| len <= self.space_left);
        // A line break that would move the rest to the left is always taken.
        if top.fits || fits && self.indent <= MARGIN.wrapping_sub(top.width) {
            self.space_left = self.space_left.wrapping_sub(1);
            self.out.bytes(b" ");
        } else {
            self.start(top);
        }
    }

    fn break_before_deep_box(&mut self) {
        let top = self.top();
        let column = MARGIN.wrapping_sub(self.space_left);
        if column > MAX_INDENT && !top.fits && top.width > self.space_left {
            self.start(top);
        }
    }

    /// Starts a line at the left edge of a box.
    fn start(&mut self, frame: Frame) {
        self.indent = MARGIN.wrapping_sub(frame.width).min(MAX_INDENT);
        self.space_left = MARGIN.wrapping_sub(self.indent);
        self.out.bytes(b"\n");
        for _ in 0..self.indent {
            self.out.bytes(b" ");
        }
    }
}

fn needs_quotes(atom: &[u8]) -> bool {
    let special = |byte: &u8| matches!(byte, b'"' | b'(' | b')' | b';' | b'\\' | 0..=b' ' | 0x7f..);
    atom.is_empty() || atom.iter().any(special) || comment_mark(atom).is_some()
}

fn has_inner_newline(atom: &[u8]) -> bool {
    let newline = atom.iter().position(|&byte| byte == b'\n');
    newline.is_some_and(|at| at.wrapping_add(1) != atom.len())
}

fn quote(atom: &[u8], out: &mut Out<'_>) {
    out.bytes(b"\"");
    escape(atom, out);
    out.bytes(b"\"");
}

fn escape(bytes: &[u8], out: &mut Out<'_>) {
    for &byte in bytes {
        match byte {
            b'"' => out.bytes(b"\\\""),
            b'\\' => out.bytes(b"\\\\"),
            b'\n' => out.bytes(b"\\n"),
            b'\t' => out.bytes(b"\\t"),
            b'\r' => out.bytes(b"\\r"),
            0x08 => out.bytes(b"\\b"),
            b' '..=b'~' => out.bytes(&[byte]),
            _ => {
                out.bytes(b"\\");
                out.digits(u64::from(byte), 10, 3);
            }
        }
    }
}

fn escaped_len(bytes: &[u8]) -> usize {
    let len = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\t' | b'\r' | 0x08 => 2,
        b' '..=b'~' => 1,
        _ => 4usize,
    };
    bytes.iter().map(len).fold(0, usize::wrapping_add)
}
