//! JSON, as much of it as the commands print.

use core::slice;

use crate::out::{Out, hex};

/// A text of JSON on its way to `out`: `%` in it stands for the values, in their order.
pub(crate) struct Filling<'o> {
    out: &'o mut Out,
    rest: &'static [u8],
}

impl Filling<'_> {
    pub(crate) fn new<'o>(out: &'o mut Out, text: &'static str) -> Filling<'o> {
        Filling { out, rest: text.as_bytes() }
    }

    /// A number, or null.
    pub(crate) fn number(&mut self, number: Option<u64>) -> &mut Self {
        self.go_on();
        match number {
            Some(number) => self.out.number(number),
            None => self.out.text("null"),
        };
        self
    }

    /// A string, or null.
    pub(crate) fn string(&mut self, text: Option<&[u8]>) -> &mut Self {
        self.go_on();
        match text {
            Some(text) => string(self.out, text),
            None => {
                self.out.text("null");
            }
        }
        self
    }

    /// Adds what stands before the next value, or behind the last.
    pub(crate) fn go_on(&mut self) {
        while let [byte, rest @ ..] = self.rest {
            self.rest = rest;
            if *byte == b'%' {
                break;
            }
            self.out.bytes(slice::from_ref(byte));
        }
    }
}

/// A string. Bytes that are no UTF-8 become U+FFFD.
fn string(out: &mut Out, text: &[u8]) {
    out.text("\"");
    let mut rest = text;
    while let [byte, ..] = rest {
        let (len, valid) = character(rest);
        let (character, behind) = rest.split_at_checked(len).unwrap_or_default();
        match byte {
            _ if !valid => out.text("\u{fffd}"),
            b'"' => out.text("\\\""),
            b'\\' => out.text("\\\\"),
            0..b' ' => out.text("\\u00").bytes(&[hex(byte >> 4), hex(byte & 15)]),
            _ => out.bytes(character),
        };
        rest = behind;
    }
    out.text("\"");
}

/// How many bytes the first character has, or what is left of one; and whether it is whole. As
/// the `utf8_chunks` of the standard library, which takes twice the room.
fn character(text: &[u8]) -> (usize, bool) {
    let (more, mut range) = match text.first() {
        Some(..=0x7f) => (0, 0x80..=0xbf),
        Some(0xc2..=0xdf) => (1, 0x80..=0xbf),
        // What a shorter form would do for, and surrogates, are none.
        Some(0xe0) => (2, 0xa0..=0xbf),
        Some(0xed) => (2, 0x80..=0x9f),
        Some(0xe1..=0xef) => (2, 0x80..=0xbf),
        Some(0xf0) => (3, 0x90..=0xbf),
        Some(0xf1..=0xf3) => (3, 0x80..=0xbf),
        Some(0xf4) => (3, 0x80..=0x8f),
        _ => return (1, false),
    };
    for at in 1..=more {
        if !text.get(at).is_some_and(|byte| range.contains(byte)) {
            return (at, false);
        }
        range = 0x80..=0xbf;
    }
    (more + 1, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    #[test]
    fn characters_end_where_they_do_in_the_standard_library() {
        let edges = [0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0];
        let edges = edges.into_iter().chain([0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3]);
        let edges: Vec<u8> = edges.chain([0xf4, 0xf5, 0xff]).collect();
        for number in 0..edges.len().pow(4) {
            let text = [0, 1, 2, 3].map(|at| edges[number / edges.len().pow(at) % edges.len()]);
            let chunk = text.utf8_chunks().next().unwrap();
            let expected = match chunk.valid().chars().next() {
                Some(first) => (first.len_utf8(), true),
                None => (chunk.invalid().len(), false),
            };
            assert_eq!(character(&text), expected, "{text:x?}");
        }
    }
}
