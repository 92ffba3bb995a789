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

/// What an applet is run by: its arguments, and where its own start; `None` if it is left out.
type Main = Option<fn(&mut Stack, usize) -> u8>;

#[cfg(feature = "applet-dotlockfile")]
const DOTLOCKFILE: Main = Some(dotlockfile::main);
#[cfg(not(feature = "applet-dotlockfile"))]
const DOTLOCKFILE: Main = None;
#[cfg(feature = "applet-flock")]
const FLOCK: Main = Some(flock::main);
#[cfg(not(feature = "applet-flock"))]
const FLOCK: Main = None;
#[cfg(feature = "applet-lockf")]
const LOCKF: Main = Some(lockf::main);
#[cfg(not(feature = "applet-lockf"))]
const LOCKF: Main = None;
#[cfg(feature = "applet-lockfile")]
const LOCKFILE: Main = Some(|stack, at| lockfile::main(stack, at));
#[cfg(not(feature = "applet-lockfile"))]
const LOCKFILE: Main = None;
#[cfg(feature = "applet-setlock")]
const SETLOCK: Main = Some(|stack, at| setlock::main(stack, at));
#[cfg(not(feature = "applet-setlock"))]
const SETLOCK: Main = None;

/// The applets by name.
const APPLETS: [(&str, Main); 5] = [
    ("dotlockfile", DOTLOCKFILE),
    ("flock", FLOCK),
    ("lockf", LOCKF),
    ("lockfile", LOCKFILE),
    ("setlock", SETLOCK),
];

fn find(name: &[u8]) -> Option<Main> {
    APPLETS.iter().find(|(it, _)| it.as_bytes() == name).map(|(_, main)| *main)
}

/// Whether there is such an applet, built in or not.
pub(crate) fn is_known(name: &[u8]) -> bool {
    find(name).is_some()
}

/// Runs the applet of this name, whose arguments start at `at`; `None`: there is no such applet.
pub(crate) fn main(name: &[u8], stack: &mut Stack, at: usize) -> Option<u8> {
    let main = find(name)?;
    Some(main.map_or_else(|| not_built_in(name), |main| main(stack, at)))
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
