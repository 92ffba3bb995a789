//! Texts in half the space: what often stands together has one byte, found while the tool is
//! compiled, by counting. An executable of a few kilobytes is for a third what it says to people.

use crate::out::Out;

/// Texts, known by their numbers.
#[derive(Debug)]
pub(crate) struct Texts {
    /// What each byte from [`FIRST`] on stands for.
    pub(crate) pairs: &'static [[u8; 2]],
    /// The texts, each with a NUL behind it.
    pub(crate) bytes: &'static [u8],
}

/// The first byte that stands for two. The texts have none of these of their own.
const FIRST: u8 = 128;
const PAIRS_MAX: usize = 128;
/// How many bytes wait at most while one is spelled out: as many as a number has.
const DEPTH_MAX: usize = 8;

impl Texts {
    /// Adds a text, in which `%` stands for a name of anybody's making.
    #[inline(never)]
    pub(crate) fn say(&self, out: &mut Out, number: u8, name: &[u8]) {
        let mut before = number;
        for &byte in self.bytes {
            if byte == 0 {
                if before == 0 {
                    break;
                }
                before -= 1;
                continue;
            }
            if before > 0 {
                continue;
            }
            // Those that wait to be spelled out, the next one lowest.
            let mut waiting = u64::from(byte);
            while waiting != 0 {
                let [byte, ..] = waiting.to_le_bytes();
                waiting >>= 8;
                let pair = byte.checked_sub(FIRST).and_then(|at| self.pairs.get(usize::from(at)));
                if let Some(&pair) = pair {
                    waiting = waiting << 16 | u64::from(u16::from_le_bytes(pair));
                } else {
                    out.fill_byte(byte, name);
                }
            }
        }
    }
}

/// Texts while they are packed, `MAX` bytes with their ends.
#[derive(Debug)]
pub(crate) struct Packing<const MAX: usize> {
    bytes: [u8; MAX],
    len: usize,
    pairs: [[u8; 2]; PAIRS_MAX],
    /// How many bytes wait while a pair is spelled out.
    depths: [usize; PAIRS_MAX],
    count: usize,
}

/// How long texts are, with their ends.
pub(crate) const fn plain_len(texts: &[&str]) -> usize {
    let (mut rest, mut len) = (texts, 0);
    while let [text, others @ ..] = rest {
        len += text.len() + 1;
        rest = others;
    }
    len
}

/// The number of a text.
///
/// # Panics
///
/// While it is compiled, if there is no such text.
#[allow(clippy::indexing_slicing, reason = "only the compiler calls it, and would refuse")]
#[allow(clippy::cast_possible_truncation, reason = "of few texts")]
pub(crate) const fn number(texts: &[&str], text: &str) -> u8 {
    let mut at = 0;
    while !is_same(texts[at].as_bytes(), text.as_bytes()) {
        at += 1;
    }
    at as u8
}

const fn is_same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([first, rest @ ..], [second, others @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}

#[allow(clippy::indexing_slicing, reason = "only the compiler calls it, and would refuse")]
#[allow(clippy::cast_possible_truncation, reason = "there are 128 at most")]
impl<const MAX: usize> Packing<MAX> {
    /// Packs the texts.
    pub(crate) const fn new(texts: &[&str]) -> Packing<MAX> {
        let mut packing = Packing {
            bytes: [0; MAX],
            len: MAX,
            pairs: [[0; 2]; PAIRS_MAX],
            depths: [0; PAIRS_MAX],
            count: 0,
        };
        let (mut rest, mut at) = (texts, 0);
        while let [text, others @ ..] = rest {
            let text = text.as_bytes();
            let mut letter = 0;
            while letter < text.len() {
                assert!(text[letter] < FIRST && text[letter] != 0, "plain letters only");
                packing.bytes[at] = text[letter];
                (at, letter) = (at + 1, letter + 1);
            }
            at += 1;
            rest = others;
        }
        // A pair has two bytes of its own.
        while packing.count < PAIRS_MAX && packing.replace_most_frequent() > 2 {}
        packing
    }

    /// Gives the most frequent pair a byte; answers how frequent it is.
    #[allow(clippy::large_stack_arrays, reason = "the compiler's")]
    const fn replace_most_frequent(&mut self) -> u16 {
        let mut counts = [[0u16; 256]; 256];
        let (mut most, mut pair, mut at) = (0, [0; 2], 1);
        while at < self.len {
            let [first, second] = [self.bytes[at - 1], self.bytes[at]];
            let count = &mut counts[first as usize][second as usize];
            *count += 1;
            if *count > most && first != 0 && second != 0 && self.depth(first, second) <= DEPTH_MAX
            {
                (most, pair) = (*count, [first, second]);
            }
            // Of three of a kind, one pair.
            at += 1 + (first == second) as usize;
        }
        if most > 2 {
            let byte = FIRST + self.count as u8;
            (self.pairs[self.count], self.depths[self.count]) =
                (pair, self.depth(pair[0], pair[1]));
            self.count += 1;
            let (mut from, mut to) = (0, 0);
            while from < self.len {
                let fits = from + 1 < self.len
                    && self.bytes[from] == pair[0]
                    && self.bytes[from + 1] == pair[1];
                self.bytes[to] = if fits { byte } else { self.bytes[from] };
                (from, to) = (from + 1 + fits as usize, to + 1);
            }
            self.len = to;
        }
        most
    }

    const fn depth(&self, first: u8, second: u8) -> usize {
        let one = self.depth_of(first) + 1;
        let other = self.depth_of(second);
        if one > other { one } else { other }
    }

    const fn depth_of(&self, byte: u8) -> usize {
        if byte < FIRST { 1 } else { self.depths[(byte - FIRST) as usize] }
    }

    /// How many pairs there are.
    pub(crate) const fn pairs_len(&self) -> usize {
        self.count
    }

    /// How many bytes.
    pub(crate) const fn bytes_len(&self) -> usize {
        self.len
    }

    /// The pairs.
    pub(crate) const fn pairs<const COUNT: usize>(&self) -> [[u8; 2]; COUNT] {
        let (mut pairs, mut at) = ([[0; 2]; COUNT], 0);
        while at < COUNT {
            pairs[at] = self.pairs[at];
            at += 1;
        }
        pairs
    }

    /// The bytes.
    pub(crate) const fn bytes<const LEN: usize>(&self) -> [u8; LEN] {
        let (mut bytes, mut at) = ([0; LEN], 0);
        while at < LEN {
            bytes[at] = self.bytes[at];
            at += 1;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] = ["", "a lock, a lock, a lock", "the lock of %", "ooooooooooooooooo\n"];
    const PACKING: Packing<{ plain_len(&TEXTS) }> = Packing::new(&TEXTS);
    static PAIRS: [[u8; 2]; PACKING.pairs_len()] = PACKING.pairs();
    static BYTES: [u8; PACKING.bytes_len()] = PACKING.bytes();

    #[test]
    fn what_is_packed_is_said() {
        let packed = Texts { pairs: &PAIRS, bytes: &BYTES };
        for text in TEXTS {
            let mut out = Out::stderr();
            packed.say(&mut out, number(&TEXTS, text), b"x\n");
            let mut plain = Out::stderr();
            plain.fill(text, b"x\n");
            assert_eq!(out.take(), plain.take(), "{text}");
        }
        assert!(BYTES.len() + 2 * PAIRS.len() < plain_len(&TEXTS));
    }
}
