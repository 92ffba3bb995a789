//! The conventions as the executable has them: what is no text in a few bytes for each, and all
//! text in one piece, without an address for every part.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "in what only the compiler calls, which would refuse"
)]

use super::Convention;
use super::read::{Format, Telling};
use super::table::{Names, ROWS, Row};
use crate::os::FileType;

/// What is no text in a [`Row`], and how long its texts are: name, patterns and rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) carriers: [FileType; 2],
    pub(super) names: Names,
    pub(super) telling: Telling,
    pub(super) format: Format,
    lens: [u8; 3],
}

static HEADS: [Head; ROWS.len()] = heads();
static BYTES: [u8; len()] = bytes();
static TEXTS: &str = match core::str::from_utf8(&BYTES) {
    Ok(texts) => texts,
    Err(_) => "",
};

/// The conventions on their way.
#[derive(Clone, Debug)]
pub(super) struct Conventions {
    heads: &'static [Head],
    texts: &'static str,
}

impl Conventions {
    pub(super) fn all() -> Conventions {
        Conventions { heads: &HEADS, texts: TEXTS }
    }
}

impl Iterator for Conventions {
    type Item = Convention;

    #[inline(never)]
    fn next(&mut self) -> Option<Convention> {
        let (head, heads) = self.heads.split_first()?;
        self.heads = heads;
        let mut texts = [""; 3];
        for (text, len) in texts.iter_mut().zip(head.lens) {
            (*text, self.texts) = self.texts.split_at_checked(usize::from(len))?;
        }
        let [name, patterns, rule] = texts;
        Some(Convention { name, rule, patterns, head })
    }
}

const fn texts(row: &Row) -> [&'static str; 3] {
    [row.name, row.patterns, row.rule]
}

#[allow(clippy::cast_possible_truncation, reason = "a test compares the texts")]
const fn head(row: &Row) -> Head {
    let [name, patterns, rule] = texts(row);
    let lens = [name.len() as u8, patterns.len() as u8, rule.len() as u8];
    let &Row { carriers, names, telling, format, .. } = row;
    Head { carriers, names, telling, format, lens }
}

const fn heads() -> [Head; ROWS.len()] {
    let mut heads = [head(&ROWS[0]); ROWS.len()];
    let mut row = 1;
    while row < ROWS.len() {
        heads[row] = head(&ROWS[row]);
        row += 1;
    }
    heads
}

const fn len() -> usize {
    let (mut row, mut len) = (0, 0);
    while row < ROWS.len() {
        let [name, patterns, rule] = texts(&ROWS[row]);
        len += name.len() + patterns.len() + rule.len();
        row += 1;
    }
    len
}

const fn bytes() -> [u8; len()] {
    let (mut bytes, mut at, mut text) = ([0; len()], 0, 0);
    while text < 3 * ROWS.len() {
        let from = texts(&ROWS[text / 3])[text % 3].as_bytes();
        let mut byte = 0;
        while byte < from.len() {
            bytes[at] = from[byte];
            (at, byte) = (at + 1, byte + 1);
        }
        text += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_what_was_written() {
        assert_eq!(Conventions::all().count(), ROWS.len());
        for (convention, row) in Conventions::all().zip(&ROWS) {
            let unpacked = [convention.name, convention.patterns, convention.rule];
            assert_eq!(unpacked, texts(row));
        }
    }
}
