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
pub(crate) fn string(out: &mut Out, text: &[u8]) {
    out.text("\"");
    for chunk in text.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' => out.text("\\\""),
                b'\\' => out.text("\\\\"),
                0..b' ' => out.text("\\u00").bytes(&[hex(byte >> 4), hex(byte & 15)]),
                _ => out.bytes(&[byte]),
            };
        }
        if !chunk.invalid().is_empty() {
            out.text("\u{fffd}");
        }
    }
    out.text("\"");
}
