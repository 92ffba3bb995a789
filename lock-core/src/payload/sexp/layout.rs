//! S-expressions as sexplib prints them: in one piece for machines, in lines for people.
//!
//! The second layout is what OCaml's `Format` makes of a box around each list: lines of at most 77
//! columns, filled, and a value that contains line breaks spread over as many lines. `Format`
//! decides from what it has been given so far, before it knows how long a box is; that is followed
//! here to the letter, since some programs compare lock files byte by byte.
//! Source: sexplib0 v0.15 `sexp.ml`, OCaml 4.13 `format.ml`, both run.

use super::atom::comment_mark;
use crate::payload::write::Out;

/// Columns that `Format` fills.
const MARGIN: i32 = 78;

/// No box starts beyond this column.
const MAX_INDENT: i32 = 68;

/// Boxes inside each other: the one around everything, a record, a field, a value.
const BOXES: usize = 5;

/// A part of a printed expression.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part<'a> {
    /// Starts a list.
    Open,
    /// A word, any bytes.
    Atom(&'a [u8]),
    /// Ends a list.
    Close,
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
pub(crate) fn machine(parts: &[Part<'_>], out: &mut Out<'_>) {
    let mut after_bare = false;
    for &part in parts {
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
pub(crate) fn human(parts: &[Part<'_>], out: &mut Out<'_>) {
    let frame = Frame { fits: false, width: MARGIN };
    let mut line = Line { out, space_left: MARGIN, indent: 0, frames: [frame; BOXES], open: 1 };
    // The number of the step at which what precedes was printed. `Format` holds everything back
    // until it has been given a line's worth of it.
    let mut now = look_ahead(parts, 0, 0, MARGIN, Until::Never).seen;
    for (number, step) in steps(parts).enumerate() {
        match step {
            Step::Open { indent } => {
                line.break_before_deep_box();
                let ahead = look_ahead(parts, number, now, line.space_left, Until::Close);
                now = ahead.seen;
                line.push(Frame {
                    fits: ahead.len.is_some_and(|len| len <= line.space_left),
                    width: line.space_left.saturating_sub(indent),
                });
            }
            Step::Break => {
                let ahead = look_ahead(parts, number, now, line.space_left, Until::Break);
                now = ahead.seen;
                line.space_or_break(ahead.len);
            }
            Step::Close => line.open = line.open.saturating_sub(1),
            Step::Newline => line.start(line.top()),
            Step::Plain(_) | Step::Escaped(_) | Step::Quoted(_) => line.text(step),
        }
        now = now.max(number);
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

/// How far it is from step `from`, as known when step `now` has been given: if that is not enough
/// to tell, steps are given until it is, or until `space_left` columns are exceeded.
fn look_ahead(parts: &[Part<'_>], from: usize, now: usize, space_left: i32, until: Until) -> Ahead {
    let mut steps = steps(parts).enumerate().skip(from);
    let mut len = 0i32;
    let mut depth = 0i32;
    while let Some((number, step)) = steps.next() {
        len = len.saturating_add(step.len());
        match step {
            Step::Open { .. } => depth = depth.saturating_add(1),
            Step::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        let there = match until {
            Until::Close => depth == 0,
            Until::Break => depth < 0 || depth == 0 && number > from && matches!(step, Step::Break),
            Until::Never => false,
        };
        if there {
            // The length is looked at when text is given next.
            let next = steps.find(|(_, step)| step.is_printed()).map(|(number, _)| number);
            let seen = if number < now { now } else { next.unwrap_or(usize::MAX) };
            return Ahead { len: Some(len), seen };
        }
        if step.is_printed() && number >= now && len >= space_left {
            return Ahead { len: None, seen: number };
        }
    }
    Ahead { len: None, seen: usize::MAX }
}

/// What sexplib tells `Format` about an expression.
fn steps<'a>(parts: &'a [Part<'a>]) -> impl Iterator<Item = Step<'a>> {
    let before = core::iter::once(None).chain(parts.iter().map(Some));
    parts.iter().zip(before).flat_map(|(part, before)| {
        let first = matches!(before, None | Some(Part::Open));
        let spaced = !first && !matches!(part, Part::Close);
        spaced.then_some(Step::Break).into_iter().chain(part_steps(*part))
    })
}

fn part_steps(part: Part<'_>) -> impl Iterator<Item = Step<'_>> {
    let (fixed, lines) = match part {
        Part::Open => ([Some(Step::Open { indent: 1 }), Some(Step::Plain(b"("))], None),
        Part::Close => ([Some(Step::Plain(b")")), Some(Step::Close)], None),
        Part::Atom(atom) if !needs_quotes(atom) => ([Some(Step::Plain(atom)), None], None),
        Part::Atom(atom) if !has_inner_newline(atom) => ([Some(Step::Quoted(atom)), None], None),
        Part::Atom(atom) => ([None, None], Some(atom)),
    };
    fixed.into_iter().flatten().chain(lines.into_iter().flat_map(line_steps))
}

/// An atom with line breaks in it: each line on its own, the break spelt out before the next.
fn line_steps(atom: &[u8]) -> impl Iterator<Item = Step<'_>> {
    let lines = atom.split(|&byte| byte == b'\n').enumerate().flat_map(|(number, line)| {
        let ends = [Step::Plain(b"\\"), Step::Newline, Step::Plain(b"\\n")];
        let ends = (number > 0).then_some(ends).into_iter().flatten();
        ends.chain(core::iter::once(Step::Escaped(line)))
    });
    [Step::Open { indent: 0 }, Step::Plain(b" \"")]
        .into_iter()
        .chain(lines)
        .chain([Step::Plain(b"\""), Step::Close])
}

impl Step<'_> {
    /// Its width in columns.
    fn len(self) -> i32 {
        let len = match self {
            Step::Open { .. } | Step::Close | Step::Newline => 0,
            Step::Break => 1,
            Step::Plain(bytes) => bytes.len(),
            Step::Escaped(bytes) => escaped_len(bytes),
            Step::Quoted(bytes) => escaped_len(bytes).saturating_add(2),
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
            self.open = self.open.saturating_add(1);
        }
    }

    fn text(&mut self, step: Step<'_>) {
        self.space_left = self.space_left.saturating_sub(step.len());
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
        if top.fits || fits && self.indent <= MARGIN.saturating_sub(top.width) {
            self.space_left = self.space_left.saturating_sub(1);
            self.out.bytes(b" ");
        } else {
            self.start(top);
        }
    }

    fn break_before_deep_box(&mut self) {
        let top = self.top();
        let column = MARGIN.saturating_sub(self.space_left);
        if column > MAX_INDENT && !top.fits && top.width > self.space_left {
            self.start(top);
        }
    }

    /// Starts a line at the left edge of a box.
    fn start(&mut self, frame: Frame) {
        self.indent = MARGIN.saturating_sub(frame.width).min(MAX_INDENT);
        self.space_left = MARGIN.saturating_sub(self.indent);
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
    newline.is_some_and(|at| at.saturating_add(1) != atom.len())
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
    bytes.iter().map(len).fold(0, usize::saturating_add)
}
