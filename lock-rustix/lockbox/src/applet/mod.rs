//! The applets: other people's programs, under their own names. Each is a feature.

#[cfg(feature = "applet-dotlockfile")]
mod dotlockfile;
#[cfg(feature = "applet-flock")]
mod flock;
#[cfg(feature = "applet-lockf")]
mod lockf;
#[cfg(feature = "applet-lockfile")]
mod lockfile;
#[cfg(any(feature = "applet-dotlockfile", feature = "applet-lockfile"))]
mod mail;
#[cfg(feature = "applet-setlock")]
mod setlock;

use crate::stack::Stack;

/// The applets by name, built in or not.
const NAMES: &str = "dotlockfile\0flock\0lockf\0lockfile\0setlock\0";

/// Whether there is such an applet, built in or not.
pub(crate) fn is_known(name: &[u8]) -> bool {
    is_one_of(name, NAMES)
}

/// Whether a word without a NUL is one of these, each of which has one behind it.
#[inline(never)]
fn is_one_of(word: &[u8], words: &str) -> bool {
    let (mut rest, mut before) = (words.as_bytes(), 0);
    while let [first, behind @ ..] = rest {
        if before == 0 && rest.strip_prefix(word).is_some_and(|rest| rest.first() == Some(&0)) {
            return true;
        }
        (rest, before) = (behind, *first);
    }
    false
}

/// Runs the applet of this name, whose arguments start at `at`; `None`: there is no such applet.
pub(crate) fn main(name: &[u8], stack: &Stack, at: usize) -> Option<u8> {
    #[cfg(feature = "applet-dotlockfile")]
    if name == b"dotlockfile" {
        return Some(dotlockfile::main(stack, at));
    }
    #[cfg(feature = "applet-flock")]
    if name == b"flock" {
        return Some(flock::main(stack, at));
    }
    #[cfg(feature = "applet-lockf")]
    if name == b"lockf" {
        return Some(lockf::main(stack, at));
    }
    #[cfg(feature = "applet-lockfile")]
    if name == b"lockfile" {
        return Some(lockfile::main(stack, at));
    }
    #[cfg(feature = "applet-setlock")]
    if name == b"setlock" {
        return Some(setlock::main(stack, at));
    }
    is_known(name).then(|| not_built_in(name))
}

/// What every applet takes, for [`tables`](crate::tables).
#[cfg(feature = "tables")]
pub(crate) fn tables() -> [crate::tables::Entry; 5] {
    let entry = |name, help, known| crate::tables::Entry { name, help, known, keys: None };
    [
        entry("dotlockfile", dotlockfile::USAGE, &dotlockfile::KNOWN[..]),
        entry("flock", flock::HELP, &flock::KNOWN[..]),
        entry("lockf", lockf::USAGE, &lockf::KNOWN[..]),
        entry("lockfile", lockfile::USAGE, &[]),
        entry("setlock", setlock::USAGE, &setlock::KNOWN[..]),
    ]
}

/// Says that a part of the tool is left out of this build.
pub(crate) fn not_built_in(name: &[u8]) -> u8 {
    crate::out::complain("lockbox: '%' is left out of this build\n", name);
    crate::status::USAGE
}
