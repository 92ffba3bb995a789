//! What every command takes, for [`tables`](crate::tables).

use super::settings::KNOWN;
use super::{acquire, doctor, explain, help, list, release, run, status, wait};
use crate::tables::Entry;

/// What lockbox says of itself.
pub(crate) fn overview() -> &'static str {
    help::text(None).unwrap_or_default()
}

/// The commands that take options.
pub(crate) fn commands() -> impl Iterator<Item = Entry> {
    const TAKEN: [(&str, &[u8]); 10] = [
        ("run", run::ALLOWED),
        ("acquire", acquire::ALLOWED),
        ("release", release::RELEASE_ALLOWED),
        ("touch", release::TOUCH_ALLOWED),
        ("break", release::BREAK_ALLOWED),
        ("status", status::ALLOWED),
        ("wait", wait::ALLOWED),
        ("list", list::ALLOWED),
        ("explain", explain::ALLOWED),
        ("doctor", doctor::ALLOWED),
    ];
    TAKEN.into_iter().map(|(name, keys)| Entry {
        name,
        help: help::text(Some(name)).unwrap_or_default(),
        known: &KNOWN,
        keys: Some(keys),
    })
}
