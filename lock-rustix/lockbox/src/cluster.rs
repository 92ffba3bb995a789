//! Kind `dlm`: PATH is LOCKSPACE/RESOURCE, and all nodes of the cluster share it.
//!
//! The kernel can block a request about a lock for as long as the lockspace stands still, and
//! nothing ends that. So a child asks and waits for the answer, with our open device, to which the
//! lock belongs; and whoever has a limit goes when his time is over, and the child with him.

use core::ffi::CStr;

use lock_core::dlm::answer::{Completion, Event};
use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::lock::{Change, End};
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{LockId, LockspaceName, ResourceName, Token, VALUE_LEN};
use lock_core::dlm::request::{Request, UnlockRequest};
use lock_core::dlm::status::Status;
#[cfg(feature = "list")]
use lock_core::dlm::table::Row;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::descriptor::{eventfd, lend};
use lock_rustix::dlm::exchange::Exchange;
use lock_rustix::dlm::fault::{DlmFault, Reason};
use lock_rustix::dlm::lockspace::Lockspace;
use lock_rustix::dlm::table;
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::rustix::io::{read, write};
use lock_rustix::rustix::process::{Signal, set_parent_process_death_signal};

use crate::out::Out;
use crate::status as exit;
use crate::sys::{self, CHLD, Ended, Fork, SignalSet};
use crate::waiting::Patience;

const KILL: sys::Signal = 9;

/// A lock that is held through this open device.
pub(crate) struct Held {
    lockspace: Lockspace,
    id: LockId,
}

/// Takes the lock that PATH names; otherwise says why not, and answers the exit status.
pub(crate) fn take(path: &CStr, mode: Mode, patience: Patience, conflict: u8) -> Result<Held, u8> {
    let (lockspace, resource) = names(path).ok_or_else(|| {
        say(path, NOT_NAMES, 0);
        exit::USAGE
    })?;
    let lockspace = Lockspace::open(&lockspace).map_err(|fault| failed(path, fault))?;
    match ask_by_child(path, &lockspace, resource, mode, patience) {
        Ok(id) => Ok(Held { lockspace, id }),
        Err(exit::HELD) => {
            say(path, "held by another, perhaps on another node, or recovering", 0);
            Err(conflict)
        }
        Err(status) => Err(status),
    }
}

/// Who holds the lock that PATH names, as far as this node knows, without asking for it.
pub(crate) enum Standing {
    /// A process of this node, or of that one.
    Held { pid: u32, node: Option<u32>, mode: Mode },
    /// This node knows of all locks on the resource, and none is held.
    Free,
    /// Why it is not known.
    Unknown(&'static str),
}

/// Looks at the kernel's list.
pub(crate) fn look(path: &CStr) -> Standing {
    let Some((lockspace, resource)) = names(path) else { return Standing::Unknown(NOT_NAMES) };
    let mut standing = Standing::Unknown("nobody on this node holds it; others may");
    let listed = table::for_each(&lockspace, &mut |row| {
        if row.resource != resource.as_bytes() {
            return true;
        }
        match row.held {
            Some(mode) if mode != Mode::NL => {
                standing = Standing::Held { pid: row.pid, node: row.node, mode };
                false
            }
            _ => {
                if row.is_complete {
                    standing = Standing::Free;
                }
                true
            }
        }
    });
    match listed {
        Ok(()) => standing,
        Err(fault) => Standing::Unknown(match fault.reason {
            Reason::NoList => "debugfs is not mounted, or this node has not joined the lockspace",
            Reason::Denied => "the DLM's list can be read by root only",
            _ => "the DLM's list cannot be read",
        }),
    }
}

/// Shows every lock of every lockspace that this node knows of: the lockspace's name, and the lock.
#[cfg(feature = "list")]
pub(crate) fn for_each(see: &mut dyn FnMut(&[u8], &Row<'_>)) {
    // Without such a list there is nothing to show.
    let _ = table::for_each_lockspace(&mut |lockspace| {
        let _ = table::for_each(lockspace, &mut |row| {
            see(lockspace.as_bytes(), row);
            true
        });
    });
}

const NOT_NAMES: &str = "is not LOCKSPACE/RESOURCE, of 64 bytes at most each";

fn names(path: &CStr) -> Option<(LockspaceName, ResourceName)> {
    let bytes = path.to_bytes();
    let slash = bytes.iter().position(|&byte| byte == b'/')?;
    let (lockspace, resource) = bytes.split_at_checked(slash)?;
    let resource = resource.get(1..).filter(|resource| !resource.is_empty())?;
    Some((LockspaceName::new(lockspace).ok()?, ResourceName::new(resource).ok()?))
}

impl Held {
    /// Gives the lock back and waits until that is done. Says so if somebody else ended it.
    pub(crate) fn release(self) {
        let Held { lockspace, id } = self;
        let (flags, token, value) =
            (LockFlags::empty(), Token(core::num::NonZeroU32::MIN), [0; VALUE_LEN]);
        if lockspace.write(&Request::Unlock(UnlockRequest { id, flags, token, value })).is_err() {
            Out::stderr().text("lockbox: the lock was lost: somebody ended it\n");
            return;
        }
        loop {
            match lockspace.read() {
                Ok(Some(answer)) => {
                    let status = match answer.event {
                        Event::Completion(Completion { status, .. }) => Some(status),
                        Event::Blocking(_) => None,
                    };
                    if answer.id == id && status == Some(Status::Unlocked) {
                        return;
                    }
                }
                Ok(None) => _ = lockspace.wait(None, None),
                // The end of the process gives it back.
                Err(_) => return,
            }
        }
    }
}

/// Has a child take the lock. Its id comes as the count of an event, which fits.
fn ask_by_child(
    path: &CStr,
    lockspace: &Lockspace,
    resource: ResourceName,
    mode: Mode,
    patience: Patience,
) -> Result<LockId, u8> {
    let told = eventfd().map_err(|_| exit::OS_ERROR)?;
    let deadline_ns = match patience {
        // The answer may have to come from another node.
        Patience::None => u64::MAX,
        patience => patience.deadline_ns(),
    };
    let watched = SignalSet::of(&[CHLD]);
    let before = sys::block(watched);
    let ignored = sys::on_end_of_child(&sys::RawAction::default());
    let ended = match sys::fork() {
        Ok(Fork::Child) => {
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            sys::exit(ask(path, lockspace, resource, mode, patience == Patience::None, &told));
        }
        Ok(Fork::Parent(child)) => until(child, watched, deadline_ns),
        Err(_) => Err(exit::OS_ERROR),
    };
    sys::on_end_of_child(&ignored);
    sys::set_blocked(before);
    ended?;
    let mut count = [0; 8];
    let id = read(lend(&told), &mut count)
        .ok()
        .and_then(|_| u32::try_from(u64::from_ne_bytes(count)).ok());
    id.and_then(LockId::new).ok_or(exit::OS_ERROR)
}

/// Waits for the child, until its time is over.
fn until(child: u32, watched: SignalSet, deadline_ns: u64) -> Result<(), u8> {
    loop {
        match sys::wait(child, false) {
            Ok(None) => {}
            Ok(Some(Ended::Exited(0))) => return Ok(()),
            Ok(Some(Ended::Exited(status))) => return Err(status),
            Ok(Some(Ended::Killed(_))) | Err(_) => return Err(exit::OS_ERROR),
        }
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            // What it asked for ends with the last of us two.
            sys::kill(child, KILL);
            return Err(exit::HELD);
        }
        sys::wait_for_signal(watched, Some(left_ns).filter(|_| deadline_ns != u64::MAX));
    }
}

/// Asks for the lock and waits for the answer; the child's exit status.
fn ask(
    path: &CStr,
    lockspace: &Lockspace,
    resource: ResourceName,
    mode: Mode,
    at_once: bool,
    told: &OwnedFd,
) -> u8 {
    let flags = if at_once { LockFlags::NOQUEUE } else { LockFlags::empty() };
    let mut lock = Exchange::request(lockspace, resource, mode, flags);
    loop {
        match lock.next(None, None) {
            Ok(Some(Change::Granted { .. })) => {
                let id = lock.lock().id().map_or(0, |id| u64::from(id.get()));
                return if write(lend(told), &id.to_ne_bytes()).is_ok() {
                    0
                } else {
                    exit::OS_ERROR
                };
            }
            Ok(Some(Change::Ended(End::Refused(Status::WouldBlock)))) => return exit::HELD,
            Ok(Some(Change::Ended(End::Failed(errno)))) => {
                say(path, "the DLM refuses", u64::from(errno));
                return exit::IO_ERROR;
            }
            Ok(Some(Change::Ended(_))) => {
                say(path, "the DLM refuses", 0);
                return exit::IO_ERROR;
            }
            Ok(_) => {}
            Err(fault) => return failed(path, fault),
        }
    }
}

fn failed(path: &CStr, fault: DlmFault) -> u8 {
    let (why, status) = match fault.reason {
        Reason::NoLockspace => ("this node has not joined the lockspace", exit::NO_INPUT),
        Reason::Denied => ("permission denied", exit::NO_PERMISSION),
        Reason::NotReady => ("the cluster is not ready", exit::IO_ERROR),
        Reason::Version(_) => ("the kernel speaks another version", exit::IO_ERROR),
        _ => ("the DLM fails", exit::IO_ERROR),
    };
    say(path, why, u64::from(fault.errno));
    status
}

fn say(path: &CStr, why: &str, errno: u64) {
    let mut out = Out::stderr();
    out.text("lockbox: ").foreign(path.to_bytes()).text(": ").text(why);
    if errno != 0 {
        out.text(" (errno ").number(errno).text(")");
    }
    out.text("\n");
}
