//! Kernel locks for a program of one thread that holds one at a time: [`local`](crate::local)
//! without the tables of what the process holds, for those who count bytes.
//!
//! Whoever opens the lock's file elsewhere in the same process, or has threads, wants
//! [`local`](crate::local).

use lock_core::fault::{Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::{Files, Mode, Stat};
use lock_core::payload::message::Message;
use lock_core::scheme::kernel::{self, ByBoth, ByFlock, ByOfd, ByPosix, Locked, TryLockError};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::descriptor::lend;
use crate::local::{LockError, REPLACED_MAX, Request, fault, wait_on};
use crate::look::{Standing, look_and};
use crate::process;
use crate::queue::Queued;
use crate::sys::Sys;

/// A held lock. Dropping it closes the file and so releases the lock.
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::local::Request;
/// use lock_rustix::look::Standing;
/// use lock_rustix::{alone, place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-alone-held"));
/// let request = Request { kind: Kind::Ofd, mode: Mode::Exclusive, message: None };
/// let held = alone::take(&sys, &request, None).unwrap();
/// assert!(matches!(alone::look(&sys, Kind::Ofd), Ok(Standing::Held(_))));
/// drop(held);
/// assert_eq!(alone::look(&sys, Kind::Ofd), Ok(Standing::Free));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-alone-held").unwrap();
/// ```
#[must_use = "dropping it gives the lock up"]
#[derive(Debug)]
pub struct Held {
    file: OwnedFd,
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        lend(&self.file)
    }
}

/// Takes the lock. If somebody else holds it: fails with [`LockError::Held`], or with `go_on` waits
/// in the kernel's queue, and asks `go_on` whenever a signal is handled meanwhile.
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::alone::take;
/// use lock_rustix::local::{LockError, Request};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-alone"));
/// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
/// let held = take(&sys, &request, None).unwrap();
/// assert_eq!(take(&sys, &request, None).unwrap_err(), LockError::Held);
/// drop(held);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-alone").unwrap();
/// ```
pub fn take(
    sys: &Sys<'_>,
    request: &Request<'_>,
    go_on: Option<&mut dyn FnMut() -> bool>,
) -> Result<Held, LockError> {
    let own_pid;
    let (mut mode, mut message) = (request.mode, None);
    let steps = match request.kind {
        Kind::File => {
            own_pid = Message::from_pid(process::id());
            (mode, message) = (Mode::Exclusive, Some(request.message.unwrap_or(&own_pid)));
            Steps::of::<ByBoth>()
        }
        Kind::Flock => Steps::of::<ByFlock>(),
        Kind::Lockf => Steps::of::<ByPosix>(),
        Kind::Ofd => Steps::of::<ByOfd>(),
        _ => return Err(fault(FaultKind::Unsupported)),
    };
    let file = attempt(sys, &steps, mode, message, go_on)?;
    Ok(Held { file })
}

/// [`look`](crate::look::look) at a lock that this process does not hold.
/// Asked about a [`Kind::Lockf`] lock that it does hold, it drops that by closing the file.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::look::Standing;
/// use lock_rustix::{alone, place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-alone-look"));
/// assert_eq!(alone::look(&sys, Kind::Flock), Ok(Standing::Missing));
/// std::fs::write("/tmp/lock-rustix-doc-alone-look", "").unwrap();
/// assert_eq!(alone::look(&sys, Kind::Flock), Ok(Standing::Free));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-alone-look").unwrap();
/// ```
pub fn look(sys: &Sys<'_>, kind: Kind) -> Result<Standing, Fault> {
    look_and(sys, kind, |_, file| drop(file))
}

/// What each convention does in its own way, so that one loop serves them all.
struct Steps<'s> {
    try_lock: fn(&Sys<'s>, Mode, Option<&Message>) -> Tried,
    wait: Wait,
    confirm: fn(&Sys<'s>, OwnedFd, Stat, Mode, Option<&Message>) -> Tried,
}

type Tried = Result<OwnedFd, TryLockError<OwnedFd>>;

type Wait = fn(&OwnedFd, Mode, &mut dyn FnMut() -> bool) -> Result<(), LockError>;

impl<'s> Steps<'s> {
    fn of<C: Queued<Sys<'s>>>() -> Steps<'s> {
        Steps {
            try_lock: |sys, mode, message| {
                signed(sys, kernel::try_lock::<C, _>(sys, mode)?, message)
            },
            wait: wait_on::<C>,
            confirm: |sys, file, stat, mode, message| {
                signed(sys, kernel::confirm_known::<C, _>(sys, file, stat, mode)?, message)
            },
        }
    }
}

fn signed<C>(sys: &Sys<'_>, locked: Locked<C, OwnedFd>, message: Option<&Message>) -> Tried {
    if let Some(message) = message {
        kernel::sign(sys, &locked, message).map_err(TryLockError::Fault)?;
    }
    Ok(locked.into_file())
}

fn attempt<'s>(
    sys: &Sys<'s>,
    steps: &Steps<'s>,
    mode: Mode,
    message: Option<&Message>,
    mut go_on: Option<&mut dyn FnMut() -> bool>,
) -> Result<OwnedFd, LockError> {
    let mut restarts = 0;
    while restarts < REPLACED_MAX {
        let outcome = match ((steps.try_lock)(sys, mode, message), go_on.as_deref_mut()) {
            (Err(TryLockError::Held(_)), None) => return Err(LockError::Held),
            (Err(TryLockError::Held(file)), Some(go_on)) => {
                // Asked before the wait: what can be done then delays nobody.
                let stat = sys.fstat(&file)?;
                (steps.wait)(&file, mode, go_on)?;
                restarts = 0;
                (steps.confirm)(sys, file, stat, mode, message)
            }
            (outcome, _) => outcome,
        };
        match outcome {
            Ok(file) => return Ok(file),
            Err(TryLockError::Fault(fault)) => return Err(fault.into()),
            Err(TryLockError::Again | TryLockError::Held(_)) => restarts += 1,
        }
    }
    Err(fault(FaultKind::Replaced))
}
