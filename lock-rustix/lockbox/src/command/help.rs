//! `lockbox help`: what there is, and what each command takes.

use core::ffi::CStr;

use arrayvec::ArrayVec;

use super::wrong_usage;
use crate::applet::is_known;
use crate::out::Out;
use crate::stack::Stack;

include!(concat!(env!("OUT_DIR"), "/help.rs"));

/// The section about commands that no other is about, that about kinds, and that about applets.
const ALL: &[u8] = b"COMMAND";
const KIND: &[u8] = b"KIND";
const APPLET: &[u8] = b"APPLET";

/// How deep pairs can be in pairs.
const DEPTH: usize = 128;

/// A text as it was before it was packed, and perhaps a 1 at its end.
struct Unpacked {
    rest: &'static [u8],
    /// What follows the byte that is on its way, the last first.
    then: ArrayVec<u8, DEPTH>,
}

impl Iterator for Unpacked {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let mut byte = self.then.pop().or_else(|| {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            Some(*first)
        })?;
        while let Some([first, second]) = PAIRS.get(usize::from(byte).wrapping_sub(128)) {
            let _ = self.then.try_push(*second);
            byte = *first;
        }
        Some(byte)
    }
}

/// The text about this; `None` if there is none.
fn section(name: &[u8]) -> Option<Unpacked> {
    let at = NAMES.split(|&byte| byte == b'\n').position(|it| it == name)?;
    let rest = PACKED.split(|&byte| byte == 0).nth(at).filter(|rest| !rest.is_empty())?;
    Some(Unpacked { rest, then: ArrayVec::new() })
}

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    let name = stack.args().get(at).map_or(ALL, CStr::to_bytes);
    let known = if is_known(name) { APPLET } else { name };
    if tell(&mut Out::stdout(), known) { 0 } else { wrong_usage("help: unknown command '%'", name) }
}

/// Tells what there is.
pub(super) fn usage(out: &mut Out) {
    tell(out, ALL);
}

/// Tells about a command, and about kinds if it has some; answers whether there is one.
fn tell(out: &mut Out, name: &[u8]) -> bool {
    let mut name = name;
    while let Some(text) = section(name) {
        let mut more = false;
        for byte in text {
            more = byte == 1;
            if !more {
                out.bytes(&[byte]);
            }
        }
        if !more {
            return true;
        }
        name = KIND;
    }
    false
}

/// What a command takes; what there is, without one.
#[cfg(any(feature = "tables", test))]
pub(super) fn text(command: Option<&str>) -> Option<&'static str> {
    let mut sections = include_str!("help.txt").split("== ").filter_map(|it| it.split_once('\n'));
    sections.find(|(name, _)| *name == command.unwrap_or("COMMAND")).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::String;

    #[test]
    fn what_is_unpacked_is_what_was_written() {
        for name in ["COMMAND", "run", "status", "list", "doctor", "APPLET", "KIND"] {
            let unpacked = section(name.as_bytes()).unwrap().map(char::from).collect::<String>();
            let written = text(Some(name)).unwrap();
            assert_eq!(unpacked.trim_end_matches('\u{1}'), written);
            assert_eq!(unpacked.len() > written.len(), written.contains(" KIND"));
        }
        assert!(section(b"").is_none() && section(b"nothing").is_none());
    }
}
