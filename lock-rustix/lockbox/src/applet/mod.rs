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

/// Whether there is such an applet, built in or not.
pub(crate) fn is_known(name: &[u8]) -> bool {
    matches!(name, b"dotlockfile" | b"flock" | b"lockf" | b"lockfile" | b"setlock")
}

/// Runs the applet, whose arguments start at `at`.
pub(crate) fn main(name: &[u8], stack: &mut Stack, at: usize) -> u8 {
    match name {
        #[cfg(feature = "applet-dotlockfile")]
        b"dotlockfile" => dotlockfile::main(stack, at),
        #[cfg(feature = "applet-flock")]
        b"flock" => flock::main(stack, at),
        #[cfg(feature = "applet-lockf")]
        b"lockf" => lockf::main(stack, at),
        #[cfg(feature = "applet-lockfile")]
        b"lockfile" => lockfile::main(stack, at),
        #[cfg(feature = "applet-setlock")]
        b"setlock" => setlock::main(stack, at),
        _ => not_built_in(name),
    }
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
    let mut out = crate::out::Out::stderr();
    out.text("lockbox: '").foreign(name).text("' is left out of this build\n");
    crate::status::USAGE
}
