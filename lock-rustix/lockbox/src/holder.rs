//! Who holds a lock, told to a person.

use core::ffi::CStr;

use lock_core::owner::{Owner, Pid};
use lock_rustix::process;

use crate::out::Out;

/// A wait that the user is told about, in one line whenever the holder changes.
pub(crate) struct Waiting {
    path: &'static CStr,
    told: Option<Owner>,
}

impl Waiting {
    /// A wait for the lock at this path.
    pub(crate) fn new(path: &'static CStr) -> Waiting {
        Waiting { path, told: None }
    }

    /// Tells who is waited for, and for how long at most, unless that was told already.
    pub(crate) fn tell(&mut self, owner: Owner, left_ns: u64) {
        /// A wait that is longer than this has no limit, in nanoseconds: a century.
        const ENDLESS_NS: u64 = 3_000_000_000_000_000_000;
        if self.told.as_ref() == Some(&owner) {
            return;
        }
        let mut out = Out::stderr();
        out.fill("lockbox: waiting for %, held by ", self.path.to_bytes());
        describe(&mut out, &owner);
        if left_ns > ENDLESS_NS {
            out.text(", for as long as it takes\n");
        } else {
            out.fill_number(", for at most %.", left_ns / 1_000_000_000);
            out.fill_number("% s\n", left_ns % 1_000_000_000 / 100_000_000);
        }
        self.told = Some(owner);
    }
}

/// Adds `pid 4711 (rsync) on vm, "nightly backup"`, as much of it as is known.
pub(crate) fn describe(out: &mut Out, owner: &Owner) {
    match owner.pid {
        None => {
            out.text("a process that cannot be seen from here");
        }
        Some(pid) => {
            out.fill_number("pid %", pid.get());
            // Another host's pid is not one of ours.
            if owner.host.is_none() || owner.host == Some(process::host()) {
                out.fill_some(" (%)", process::command(pid).as_deref());
            }
        }
    }
    out.fill_some(" on %", owner.host.as_deref());
    let signed = owner.message.as_deref().filter(|text| !is_number(text, owner.pid));
    out.fill_some(", \"%\"", signed);
}

/// A message that only repeats the pid is not worth telling.
fn is_number(text: &[u8], pid: Option<Pid>) -> bool {
    text.is_empty()
        || lock_core::payload::message::parse_pid(text).is_some_and(|it| Some(it) == pid)
}
