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
use crate::json::Filling;
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
            let role = if role == Role::Holds { "holder" } else { "waiter" };
            out.text(if self.first { "" } else { "," });
            let object =
                r#"{"kind":"dlm","mode":%,"role":%,"pid":%,"node":%,"command":%,"path":%}"#;
            Filling::new(out, object)
                .string(Some(mode.name().as_bytes()))
                .string(Some(role.as_bytes()))
                .number(pid.map(Pid::get))
                .number(row.node.map(u64::from))
                .string(command.as_deref())
                .string(Some(&path))
                .go_on();
        } else {
            out.text("dlm ").text(mode.name());
            out.text(if role == Role::Holds { " held by pid " } else { " waited for by pid " });
            out.number(u64::from(row.pid));
            if let Some(node) = row.node {
                out.text(" of node ").number(u64::from(node));
            }
            out.fill_some(" (%)", command.as_deref()).fill(": %\n", &path);
        }
        self.first = false;
    }

    fn add(&mut self, role: Role, pid: Option<Pid>, fd: Option<u32>, line: &Line) {
        const OBJECT: &str = concat!(
            r#"{"kind":%,"mode":%,"role":%,"pid":%,"command":%,"#,
            r#""taken_by":%,"inode":%,"path":%}"#
        );
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
        let (name, words) = match role {
            Role::Holds => ("holder", "held"),
            Role::Opened => ("opener", "said to be held"),
            Role::Waits => ("waiter", "waited for"),
        };
        let out = &mut self.out;
        if self.json {
            out.text(if self.first { "" } else { "," });
            Filling::new(out, OBJECT)
                .string(Some(kind.as_bytes()))
                .string(Some(mode.as_bytes()))
                .string(Some(name.as_bytes()))
                .number(pid.map(Pid::get))
                .string(command.as_deref())
                .number(line.pid.map(u64::from))
                .number(Some(line.ino))
                .string(path)
                .go_on();
        } else {
            out.text(kind).fill(" % ", mode.as_bytes()).text(words);
            match pid {
                Some(pid) => out.fill_number(" by pid %", pid.get()),
                None => out.text(" by an unknown process"),
            };
            out.fill_some(" (%)", command.as_deref());
            if let Some(taker) = taken_by.filter(|_| role == Role::Holds) {
                out.fill_number(", taken by pid %", u64::from(taker));
            }
            match path {
                Some(path) => out.fill(": %\n", path),
                None => out.fill_number(": inode %\n", line.ino),
            };
        }
        self.first = false;
    }
}
