//! What the commands and applets take, from the tables of their own parsers, for whoever writes
//! about them: manual pages and completions. Nothing in the executable comes from here.

use crate::options::Known;
use crate::{applet, command};

/// A command or an applet.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it says about itself: usage, a sentence, its options.
    pub help: &'static str,
    /// The options of its parser.
    pub known: &'static [Known],
    /// Those that it takes, by their keys, if it is not all.
    pub keys: Option<&'static [u8]>,
}

impl Entry {
    /// The options that it takes.
    pub fn options(&self) -> impl Iterator<Item = &'static Known> + use<> {
        let keys = self.keys;
        self.known.iter().filter(move |it| keys.is_none_or(|keys| keys.contains(&it.key)))
    }
}

/// What lockbox says of itself: all its commands.
pub fn overview() -> &'static str {
    command::tables::overview()
}

/// The commands that take options.
///
/// ```
/// let run = lockbox_tool::tables::commands().find(|it| it.name == "run").unwrap();
/// assert!(run.options().any(|option| option.long == "shared"));
/// ```
pub fn commands() -> impl Iterator<Item = Entry> {
    command::tables::commands()
}

/// The applets. lockfile reads its options by itself, so it has no table.
///
/// ```
/// let applets: Vec<_> = lockbox_tool::tables::applets().map(|it| it.name).collect();
/// assert_eq!(applets, ["dotlockfile", "flock", "lockf", "lockfile", "setlock"]);
/// ```
pub fn applets() -> impl Iterator<Item = Entry> {
    applet::tables().into_iter()
}
