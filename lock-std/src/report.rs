//! Who holds a kernel lock and who waits for it, from all that the kernel and the file say.

use core::fmt;

use lock_core::fault::Fault;
use lock_core::os::{Files, Inode, Mode, Node};
use lock_core::owner::{Owner, Pid};
use lock_core::payload::proc_locks::{Class, Line};
use lock_rustix::holders::{self, Holding};
use lock_rustix::look::Standing;
use lock_rustix::rustix::fs::{major, minor};
use lock_rustix::{lock_table, process};

use crate::error::LockError;
use crate::lock::Lock;

/// Everything about one lock at one moment; it may be over when it is read.
///
/// ```
/// # let path = format!("/tmp/lock-std-doc-report-text-{}", std::process::id());
/// let lock = lock_std::Lock::at(&path);
/// assert_eq!(lock.report()?.to_string(), "free");
/// let _guard = lock.try_lock()?;
/// let text = lock.report()?.to_string();
/// // held, by what is said by pid 4711
/// // held by pid 4711 (backup)
/// assert!(text.starts_with("held, by what is said by pid "));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Who the lock's file or the kernel's list names; `None` if it is free.
    pub named: Option<Owner>,
    /// Processes with a descriptor that carries a lock on the file. Those of other users are seen
    /// by root only.
    pub holders: Vec<Party>,
    /// Processes that wait in the kernel's queue.
    pub waiters: Vec<Party>,
}

/// A process with a part in it.
///
/// ```
/// use lock_std::{Class, Kind, Lock, Mode};
///
/// # let path = format!("/tmp/lock-std-doc-party-{}", std::process::id());
/// let lock = Lock::at(&path).kind(Kind::Flock);
/// let _guard = lock.try_lock()?;
/// let holder = &lock.report()?.holders[0];
/// assert_eq!(holder.lock, (Class::Flock, Mode::Exclusive));
/// assert_eq!(holder.taken_by, None);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Party {
    /// Its pid; unknown where the kernel names nobody, as for who waits for an OFD lock.
    pub pid: Option<Pid>,
    /// Its command, as `ps -o comm` shows it.
    pub command: Option<String>,
    /// Which family of locks, and how it is held or wanted.
    pub lock: (Class, Mode),
    /// Who took the lock, if that was another: a parent, or the process that stood in the queue.
    pub taken_by: Option<Pid>,
}

impl Lock {
    /// Who holds the lock, who waits, and whether what is said of that agrees; without touching it.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-report-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path);
    /// let guard = lock.try_lock()?;
    /// let report = lock.report()?;
    /// assert!(!report.disagrees());
    /// assert_eq!(report.holders[0].pid, report.named.unwrap().pid);
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn report(&self) -> Result<Report, LockError> {
        let named = match self.look()? {
            Standing::Missing => return Ok(Report::default()),
            Standing::Held(owner) => Some(owner),
            _ => None,
        };
        let failed = |fault: Fault| self.site.fault(fault);
        let inode = self.site.sys().stat(Node::Lock).map_err(failed)?.inode;
        let mut report = Report { named, ..Report::default() };
        holders::for_each(&mut |&Holding { pid, line, .. }| {
            if is_about(&line, inode) {
                report.holders.push(Party::new(Some(pid), &line));
            }
        })
        .map_err(failed)?;
        lock_table::for_each(|line| {
            if line.waiting && is_about(line, inode) {
                let pid = line.pid.and_then(|pid| Pid::new(u64::from(pid)));
                report.waiters.push(Party::new(pid, line));
            }
            true
        })
        .map_err(failed)?;
        Ok(report)
    }
}

impl Report {
    /// Whether the file names a process that is not seen to hold the lock, though somebody is: a
    /// parent that is gone, whose child kept the descriptor; or a text that an earlier holder left.
    ///
    /// ```
    /// # let path = format!("/tmp/lock-std-doc-disagrees-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path);
    /// let _guard = lock.try_lock()?;
    /// assert!(!lock.report()?.disagrees());
    /// // Somebody writes another's pid into the file.
    /// std::fs::write(&path, "1\n").unwrap();
    /// assert!(lock.report()?.disagrees());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn disagrees(&self) -> bool {
        let Some(pid) = self.named.as_ref().and_then(|owner| owner.pid) else { return false };
        !self.holders.is_empty() && self.holders.iter().all(|holder| holder.pid != Some(pid))
    }
}

impl Party {
    fn new(pid: Option<Pid>, line: &Line) -> Party {
        let command = pid.and_then(process::command);
        let command = command.map(|name| String::from_utf8_lossy(&name).into_owned());
        let taken_by = line.pid.and_then(|taker| Pid::new(u64::from(taker)));
        let taken_by = taken_by.filter(|&taker| Some(taker) != pid);
        Party { pid, command, lock: (line.class, line.mode), taken_by }
    }
}

fn is_about(line: &Line, inode: Inode) -> bool {
    line.ino == inode.ino && (line.major, line.minor) == (major(inode.dev), minor(inode.dev))
}

impl fmt::Display for Report {
    /// One line for each process, and one for a disagreement.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.named {
            None => write!(out, "free")?,
            Some(owner) => write!(out, "held, by what is said by {owner}")?,
        }
        for holder in &self.holders {
            write!(out, "\nheld by {holder}")?;
        }
        for waiter in &self.waiters {
            write!(out, "\nwaited for by {waiter}")?;
        }
        if self.disagrees() {
            write!(out, "\nthe process that is named does not hold it itself")?;
        }
        Ok(())
    }
}

impl fmt::Display for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(out, "pid {pid}")?,
            None => out.write_str("an unknown process")?,
        }
        if let Some(command) = &self.command {
            write!(out, " ({})", command.escape_debug())?;
        }
        match self.taken_by {
            Some(taker) => write!(out, ", taken by pid {taker}"),
            None => Ok(()),
        }
    }
}
