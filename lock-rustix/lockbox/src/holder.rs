//! Who holds a lock, told to a person.

use lock_core::owner::{Owner, Pid};
use lock_rustix::process;

use crate::out::Out;

/// Adds `pid 4711 (rsync)`, as much of it as is known.
pub(crate) fn describe(out: &mut Out, owner: &Owner) {
    match owner.pid {
        None => {
            out.text("a process that cannot be seen from here");
        }
        Some(pid) => {
            out.text("pid ").number(pid.get());
            match process::command(pid) {
                Some(command) => out.text(" (").foreign(&command).text(")"),
                None => out,
            };
        }
    }
    let signed = owner.message.as_deref().filter(|text| !is_number(text, owner.pid));
    if let Some(message) = signed {
        out.text(", \"").foreign(message).text("\"");
    }
}

/// A message that only repeats the pid is not worth telling.
fn is_number(text: &[u8], pid: Option<Pid>) -> bool {
    text.is_empty()
        || lock_core::payload::message::parse_pid(text).is_some_and(|it| Some(it) == pid)
}
