//! JSON, as much of it as the commands print.

use crate::out::{Out, hex};

/// A number, or null.
pub(crate) fn number(out: &mut Out, number: Option<u64>) {
    match number {
        Some(number) => out.number(number),
        None => out.text("null"),
    };
}

/// A string, or null.
pub(crate) fn maybe(out: &mut Out, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => {
            out.text("null");
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
