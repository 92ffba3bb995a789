//! The files this process holds: its tables, and reservations of files for POSIX locks.
//!
//! POSIX locks go when the process closes the file, through any descriptor. So whoever wants one
//! reserves the file before opening it, and keeps the reservation until after the last close. A
//! descriptor that came to a file reserved by another thread is parked with that thread's
//! reservation instead of being closed.

use core::mem;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::held::{Held, InsertError};
use lock_core::os::{Access, Files, Inode, Mode, Node};
use rustix::fd::OwnedFd;

use crate::local::LockError;
use crate::process;
use crate::sys::Sys;

/// Files this process holds, or is about to hold, with POSIX locks.
static POSIX: Held<OwnedFd> = Held::new();

/// Files this process holds with locks of open files. Only for the better answer, so a full table
/// is no error.
static OPEN_FILES: Held<()> = Held::new();

/// Locks of open files pass to forked children with the descriptors: any process's entry counts.
const ANY_PROCESS: u32 = 0;

/// The right to open and close a file whose POSIX lock this process holds or wants.
#[derive(Debug)]
pub(crate) struct Reservation {
    inode: Inode,
}

impl Reservation {
    /// Reserves the file at the path, which is made if it is not there.
    pub(crate) fn new(sys: &Sys<'_>, mode: Mode) -> Result<Reservation, LockError> {
        match sys.stat(Node::Lock) {
            Ok(stat) => Reservation::of(stat.inode, mode),
            Err(fault) if fault.kind == FaultKind::Missing => {
                let file = sys.open_or_create(Node::Lock, Access::ReadWrite)?;
                let inode = sys.fstat(&file)?.inode;
                match Reservation::of(inode, mode) {
                    Ok(reservation) => {
                        drop(file);
                        Ok(reservation)
                    }
                    Err(error) => {
                        dispose(inode, file);
                        Err(error)
                    }
                }
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn of(inode: Inode, mode: Mode) -> Result<Reservation, LockError> {
        if by_open_file(inode) {
            // When that lock's file is closed, a POSIX lock would go with it.
            return Err(LockError::HeldByThisProcess);
        }
        match POSIX.insert(inode, process::id(), mode) {
            Ok(()) => Ok(Reservation { inode }),
            Err(InsertError::HeldByThisProcess) => Err(LockError::HeldByThisProcess),
            Err(InsertError::Full) => {
                let kind = FaultKind::TableFull;
                Err(Fault { call: Call::Fcntl, node: Node::Lock, kind, errno: 0 }.into())
            }
        }
    }

    pub(crate) fn inode(&self) -> Inode {
        self.inode
    }

    /// Notes that the lock is held in another way now.
    pub(crate) fn set_mode(&self, mode: Mode) {
        POSIX.set_mode(self.inode, mode);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        POSIX.remove(self.inode);
    }
}

/// Closes a descriptor of a file that another thread may hold with a POSIX lock; in that case only
/// when that thread is done with it.
pub(crate) fn dispose(inode: Inode, file: OwnedFd) {
    // With no room to wait, an open descriptor is a lesser evil than another thread's lost lock.
    let _ = POSIX.close(inode, process::id(), file).map_err(mem::forget);
}

/// How this process holds the file at the path with a POSIX lock, if it does.
pub(crate) fn by_process(sys: &Sys<'_>) -> Option<Mode> {
    if POSIX.is_empty() {
        return None;
    }
    POSIX.mode(sys.stat(Node::Lock).ok()?.inode, process::id())
}

/// Whether this process holds the file with a lock of an open file.
pub(crate) fn by_open_file(inode: Inode) -> bool {
    OPEN_FILES.mode(inode, ANY_PROCESS).is_some()
}

/// A note that an open file of this process is locked.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Absent if another guard has noted the file already, or if the table is full.
    inode: Option<Inode>,
}

impl Registration {
    pub(crate) fn new(inode: Inode, mode: Mode) -> Registration {
        let noted = OPEN_FILES.insert(inode, ANY_PROCESS, mode);
        Registration { inode: noted.is_ok().then_some(inode) }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(inode) = self.inode {
            OPEN_FILES.remove(inode);
        }
    }
}
