//! Where waiters queue if the lock itself is nothing to queue at: a file beside it.
//!
//! A symbolic link cannot be flocked, and a lease's file is not. Without a queue all waiters would
//! be woken by one release, and one of them have the lock. So they queue at the flock of a file of
//! their own. Who has it is first in line: he alone watches the lock, and keeps the others waiting
//! until he has had it. Their order is the kernel's.
//!
//! ```text
//!  enter ─► open, OFD read lock ("I am here"), flock ─► First: watch the lock
//!                                                 └──► Behind: wait for the flock, then First
//!  leave ─► OFD unlock; is anybody here? ─ no ─► unlink;  then unlock: the next one is First
//! ```
//!
//! It decides nothing about the lock: who ignores it, or finds it removed, only tries beside the
//! others. So those behind must look at the lock now and then: the first may be stopped, or judge
//! its holder by another rule. Whoever dies in line leaves it by that. The last one out removes the
//! file: each takes his own sign away before he looks for others', so the last to look sees none.
//! Only one that is killed there leaves it behind, for the next to use and [`sweep`] to remove.
//!
//! # Example
//!
//! ```
//! use lock_core::os::{Files, Flock, Mode, Node};
//! use lock_core::scheme::turnstile::{self, Entered};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let os = Sys::new(Place::path(c"backup.lock").with_queue(c".backup.lock.queue"));
//! let Entered::First(mine) = turnstile::enter(&os).unwrap() else { panic!("nobody was here") };
//! let Entered::Behind(yours) = turnstile::enter(&os).unwrap() else { panic!("I am here") };
//! turnstile::leave(&os, mine);
//! // Here a program would wait for the kernel, in whichever way it likes.
//! os.flock(&yours, Mode::Exclusive).unwrap();
//! assert!(os.stat(Node::Queue).is_ok());
//! turnstile::leave(&os, yours);
//! assert!(os.stat(Node::Queue).is_err(), "the last one out removes it");
//!
//! // What somebody left who was killed in line:
//! std::fs::write(".backup.lock.queue", "").unwrap();
//! assert!(turnstile::sweep(&os).unwrap());
//! assert!(!turnstile::sweep(&os).unwrap(), "there is none any more");
//! ```

use crate::fault::{Call, Fault, FaultKind};
use crate::os::{Access, FileType, Flock, Mode, Names, Node, OfdLocks, Stat};

/// The calls that a queue of waiters makes. See the [example](self#example).
pub trait Calls: Flock + Names + OfdLocks {}
impl<O: Flock + Names + OfdLocks> Calls for O {}

/// Where in the line one came to stand. See the [example](self#example).
#[derive(Debug)]
pub enum Entered<F> {
    /// At its head: watch the lock.
    First(F),
    /// Behind others: the flock of this file is one's turn.
    Behind(F),
}

/// Joins the line. See the [example](self#example).
///
/// Errors: those of opening the file, [`NotRegular`](FaultKind::NotRegular) if somebody has
/// something else there, as a file that is not empty, and those of the two locks, as where a file
/// system has none. Then there is no line, and every waiter watches the lock.
pub fn enter<O: Calls>(os: &O) -> Result<Entered<O::File>, Fault> {
    // To read, so that users can queue who may not write each other's files; and in two steps,
    // because of fs.protected_regular in sticky directories.
    let file = match os.open(Node::Queue, Access::Read) {
        Err(fault) if fault.kind == FaultKind::Missing => {
            os.open_or_create(Node::Queue, Access::Read)?
        }
        opened => opened?,
    };
    if !is_line(&os.fstat(&file)?) {
        let kind = FaultKind::NotRegular;
        return Err(Fault { call: Call::Fstat, node: Node::Queue, kind, errno: 0 });
    }
    os.ofd_setlk(&file, Mode::Shared)?;
    match os.flock(&file, Mode::Exclusive) {
        Ok(()) => Ok(Entered::First(file)),
        Err(fault) if fault.kind == FaultKind::WouldBlock => Ok(Entered::Behind(file)),
        Err(fault) => Err(fault),
    }
}

/// Leaves the line, wherever one stood in it; whether that was the last one, who removed the file.
/// See the [example](self#example).
pub fn leave<O: Calls>(os: &O, file: O::File) -> bool {
    let alone = os.ofd_setlk_un(&file).and_then(|()| os.ofd_getlk(&file, Mode::Exclusive));
    // One that was removed before has no name, and the name may be another's by now. That one who
    // comes in between finds a file without a name does no harm.
    let last = matches!(alone, Ok(None))
        && os.fstat(&file).is_ok_and(|stat| stat.links > 0 && is_line(&stat))
        && os.unlink(Node::Queue).is_ok();
    // Only now: whoever comes next looks at what is left. Not by closing it alone, which a forked
    // child that has a copy would undo.
    let _ = os.flock_un(&file);
    drop(file);
    last
}

/// Removes the file if nobody is in line; whether there was such a one. See the
/// [example](self#example).
pub fn sweep<O: Calls>(os: &O) -> Result<bool, Fault> {
    match os.open(Node::Queue, Access::Read) {
        Ok(file) => Ok(leave(os, file)),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Whether it can be ours to remove: what waiters queue at is never written.
fn is_line(stat: &Stat) -> bool {
    stat.file_type == FileType::Regular && stat.len == 0
}
