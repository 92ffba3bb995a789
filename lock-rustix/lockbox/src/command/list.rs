//! `lockbox list`: the kernel locks of this machine that can be seen, who really holds them, who
//! waits.
//!
//! A holder is a process whose descriptor carries the lock. If that is not the process that took
//! it, the line says so: it was passed on, and may be held by several.

#[cfg(feature = "dlm")]
use arrayvec::ArrayVec;
#[cfg(feature = "dlm")]
use lock_core::dlm::{name::NAME_MAX, table::Row};
use lock_core::fault::Fault;
use lock_core::os::Mode;
use lock_core::owner::Pid;
use lock_core::payload::proc_locks::{Class, Line};
use lock_rustix::holders::{self, Holding};
use lock_rustix::place::PATH_MAX;
use lock_rustix::{lock_table, process};

use super::report::fault_text;
use super::settings::Settings;
#[cfg(feature = "dlm")]
use crate::cluster;
use crate::json;
use crate::out::Out;
use crate::stack::Stack;
use crate::status as exit;

/// What a line of the list is about.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Role {
    /// Has a descriptor that carries the lock.
    Holds,
    /// Is said to hold it, and cannot be looked into.
    Opened,
    /// Waits for it.
    Waits,
}

pub(super) const ALLOWED: &[u8] = b"j";

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    let settings = match Settings::read_without_path(stack, at, ALLOWED) {
        Ok(settings) => settings,
        Err(status) => return status,
    };
    let mut list = List { out: Out::stdout(), json: settings.json, first: true };
    if list.json {
        list.out.text("[");
    }
    let listed = list.all();
    if list.json {
        list.out.text("]\n");
    }
    match listed {
        Ok(()) => 0,
        Err(fault) => {
            drop(list);
            let mut out = Out::stderr();
            out.text("lockbox: ");
            fault_text(&mut out, fault);
            out.text("\n");
            exit::of(fault)
        }
    }
}

struct List {
    out: Out,
    json: bool,
    first: bool,
}

impl List {
    fn all(&mut self) -> Result<(), Fault> {
        holders::for_each(&mut |Holding { pid, fd, line }| {
            self.add(Role::Holds, Some(*pid), Some(*fd), line);
        })?;
        #[cfg(feature = "dlm")]
        cluster::for_each(&mut |lockspace, row| self.add_cluster(lockspace, row));
        lock_table::for_each(|line| {
            let pid = line.pid.and_then(|pid| Pid::new(u64::from(pid)));
            if line.waiting {
                let fd = pid.and_then(|pid| holders::descriptor(pid, line));
                self.add(Role::Waits, pid, fd, line);
            } else if pid.is_some_and(|pid| process::exists(pid) && !holders::is_visible(pid)) {
                self.add(Role::Opened, pid, None, line);
            }
            true
        })
    }

    /// A lock of a cluster, on this node, or on another that told this one.
    #[cfg(feature = "dlm")]
    fn add_cluster(&mut self, lockspace: &[u8], row: &Row<'_>) {
        let (role, mode) = match (row.held, row.wanted) {
            (Some(mode), None) => (Role::Holds, mode),
            (_, Some(mode)) => (Role::Waits, mode),
            (None, None) => return,
        };
        let mut path = ArrayVec::<u8, { 2 * NAME_MAX + 1 }>::new();
        for part in [lockspace, b"/", row.resource] {
            let _ = path.try_extend_from_slice(part);
        }
        let pid = Pid::new(u64::from(row.pid));
        let command = pid.filter(|_| row.node.is_none()).and_then(process::command);
        let out = &mut self.out;
        if self.json {
            out.text(if self.first { "{" } else { ",{" }).text("\"kind\":\"dlm\",\"mode\":\"");
            out.text(mode.name()).text("\",\"role\":\"");
            out.text(if role == Role::Holds { "holder" } else { "waiter" }).text("\",\"pid\":");
            json::number(out, pid.map(Pid::get));
            out.text(",\"node\":");
            json::number(out, row.node.map(u64::from));
            out.text(",\"command\":");
            json::maybe(out, command.as_deref());
            out.text(",\"path\":");
            json::maybe(out, Some(&path));
            out.text("}");
        } else {
            out.text("dlm ").text(mode.name());
            out.text(if role == Role::Holds { " held by pid " } else { " waited for by pid " });
            out.number(u64::from(row.pid));
            if let Some(node) = row.node {
                out.text(" of node ").number(u64::from(node));
            }
            if let Some(command) = command {
                out.text(" (").foreign(&command).text(")");
            }
            out.text(": ").foreign(&path).text("\n");
        }
        self.first = false;
    }

    fn add(&mut self, role: Role, pid: Option<Pid>, fd: Option<u32>, line: &Line) {
        let mut buffer = [0; PATH_MAX];
        let path = pid.zip(fd).and_then(|(pid, fd)| holders::path(pid, fd, &mut buffer));
        let command = pid.and_then(process::command);
        // The kernel names nobody for an OFD lock.
        let taken_by = line.pid.filter(|&taker| pid.map(Pid::get) != Some(u64::from(taker)));
        let kind = match line.class {
            Class::Flock => "flock",
            Class::Posix => "lockf",
            Class::Ofd => "ofd",
        };
        let mode = if line.mode == Mode::Shared { "shared" } else { "exclusive" };
        let out = &mut self.out;
        if self.json {
            out.text(if self.first { "{\"kind\":\"" } else { ",{\"kind\":\"" }).text(kind);
            out.text("\",\"mode\":\"").text(mode).text("\",\"role\":\"").text(match role {
                Role::Holds => "holder",
                Role::Opened => "opener",
                Role::Waits => "waiter",
            });
            out.text("\",\"pid\":");
            json::number(out, pid.map(Pid::get));
            out.text(",\"command\":");
            json::maybe(out, command.as_deref());
            out.text(",\"taken_by\":");
            json::number(out, line.pid.map(u64::from));
            out.text(",\"inode\":");
            out.number(line.ino).text(",\"path\":");
            json::maybe(out, path);
            out.text("}");
        } else {
            out.text(kind).text(" ").text(mode).text(match role {
                Role::Holds => " held by ",
                Role::Opened => " said to be held by ",
                Role::Waits => " waited for by ",
            });
            match pid {
                Some(pid) => out.text("pid ").number(pid.get()),
                None => out.text("an unknown process"),
            };
            if let Some(command) = command {
                out.text(" (").foreign(&command).text(")");
            }
            if let Some(taker) = taken_by.filter(|_| role == Role::Holds) {
                out.text(", taken by pid ").number(u64::from(taker));
            }
            match path {
                Some(path) => out.text(": ").foreign(path),
                None => out.text(": inode ").number(line.ino),
            };
            out.text("\n");
        }
        self.first = false;
    }
}
