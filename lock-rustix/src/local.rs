//! Kernel locks by kind: one try, or waiting in the kernel's queue.
//!
//! Promises: a [`Guard`] exists only while the lock is held on the file that the path means; every
//! failure path gives back what was taken; a second try in this process is told so.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::{Files, Mode, Node};
use lock_core::payload::message::Message;
use lock_core::scheme::kernel::{self, ByPosix, Convention, Locked, TryLockError};
use rustix::fd::OwnedFd;

use crate::guard::{Guard, Proof};
use crate::held::{self, Reservation};
use crate::limit::{Limit, Tick};
use crate::process;
use crate::queue::Queued;
use crate::stand_in::{self, Waited};
use crate::sys::Sys;

/// How often one try starts over because the path was given to another file.
pub(crate) const REPLACED_MAX: u32 = 100;

/// What to lock, and how.
///
/// ```
/// use lock_core::payload::message::Message;
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::local::{Request, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-request"));
/// let message = Message::new(b"nightly backup").unwrap();
/// let request = Request { kind: Kind::File, mode: Mode::Exclusive, message: Some(&message) };
/// let _guard = try_lock(&sys, &request).unwrap();
/// assert_eq!(std::fs::read("/tmp/lock-rustix-doc-request").unwrap(), b"nightly backup\n");
/// # std::fs::remove_file("/tmp/lock-rustix-doc-request").unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which kind of lock.
    pub kind: Kind,
    /// How to hold it; [`Kind::File`] is exclusive whatever is said here.
    pub mode: Mode,
    /// What to write into the file of a [`Kind::File`] lock; else the pid.
    pub message: Option<&'a Message>,
}

/// Why the lock was not taken.
///
/// ```
/// use lock_core::{fault::FaultKind, kind::Kind, os::Mode};
/// use lock_rustix::local::{LockError, Request, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-never-made/lock"));
/// let request = Request { kind: Kind::File, mode: Mode::Exclusive, message: None };
/// match try_lock(&sys, &request).unwrap_err() {
///     // ENOENT: there is no such directory.
///     LockError::Fault(fault) => assert_eq!((fault.kind, fault.errno), (FaultKind::Missing, 2)),
///     error => panic!("{error:?}"),
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds it. [`look`](crate::look::look) tells who.
    Held,
    /// This process holds it, through another guard.
    HeldByThisProcess,
    /// The wait was ended by its caller: a hook, asked after a signal, or what cancels it.
    Interrupted,
    /// There is no process to be had that waits with a limit: try again, with pauses.
    CannotQueue,
    /// Trying again will not help.
    Fault(Fault),
}

impl From<Fault> for LockError {
    fn from(fault: Fault) -> Self {
        LockError::Fault(fault)
    }
}

/// One try at the lock, without waiting.
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::local::{LockError, Request, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-local"));
/// let request = Request { kind: Kind::File, mode: Mode::Exclusive, message: None };
/// let guard = try_lock(&sys, &request).unwrap();
/// assert_eq!(try_lock(&sys, &request).unwrap_err(), LockError::HeldByThisProcess);
/// drop(guard);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-local").unwrap();
/// ```
pub fn try_lock(sys: &Sys<'_>, request: &Request<'_>) -> Result<Guard, LockError> {
    take(sys, request, &mut Wait::Not)
}

/// Waits in the kernel's queue until the lock is ours.
///
/// Whenever a signal is handled meanwhile, `go_on` is asked; `false` ends the wait with
/// [`LockError::Interrupted`]. A POSIX lock that this process holds already, or is just taking in
/// another thread, is not waited for: the kernel takes a process's threads for one. The same goes
/// for a second lock of another kind on its file.
///
/// Errors: [`LockError::Interrupted`], [`LockError::HeldByThisProcess`] in the cases above, and
/// [`LockError::Fault`]. For [`Kind::Lockf`] the kernel refuses to wait in a circle, with
/// [`Deadlock`](FaultKind::Deadlock).
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::local::{Request, lock, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-lock"));
/// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
/// let guard = try_lock(&sys, &request).unwrap();
/// std::thread::scope(|scope| {
///     let waiter = scope.spawn(|| lock(&sys, &request, || true).map(drop));
///     drop(guard);
///     assert_eq!(waiter.join().unwrap(), Ok(()));
/// });
/// # std::fs::remove_file("/tmp/lock-rustix-doc-lock").unwrap();
/// ```
pub fn lock(
    sys: &Sys<'_>,
    request: &Request<'_>,
    mut go_on: impl FnMut() -> bool,
) -> Result<Guard, LockError> {
    take(sys, request, &mut Wait::Queued(&mut go_on))
}

/// Waits in the kernel's queue until the lock is ours or the limit is reached; calls `tick`
/// meanwhile.
///
/// Errors: [`LockError::Held`] when the time is over, [`LockError::Interrupted`] when the wait was
/// cancelled, [`LockError::CannotQueue`]. Then nothing is held or asked for any more. Else as
/// [`lock`]. Signals do not end it.
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::limit::{Limit, Tick};
/// use lock_rustix::local::{LockError, Request, lock_within, try_lock};
/// use lock_rustix::{clock::monotonic_ns, place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-within"));
/// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
/// let guard = try_lock(&sys, &request).unwrap();
/// let limit = Limit::until(monotonic_ns() + 1_000_000);
/// let mut nothing = || {};
/// let mut tick = Tick::never(&mut nothing);
/// assert_eq!(lock_within(&sys, &request, &limit, &mut tick).unwrap_err(), LockError::Held);
/// # drop(guard);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-within").unwrap();
/// ```
pub fn lock_within(
    sys: &Sys<'_>,
    request: &Request<'_>,
    limit: &Limit<'_>,
    tick: &mut Tick<'_>,
) -> Result<Guard, LockError> {
    take(sys, request, &mut Wait::Within(limit, tick))
}

/// What to do when somebody else holds the lock.
enum Wait<'w, 't> {
    Not,
    Queued(&'w mut dyn FnMut() -> bool),
    Within(&'w Limit<'w>, &'w mut Tick<'t>),
}

/// How often in a row an attempt started over.
struct Restarts(u32);

fn take(sys: &Sys<'_>, request: &Request<'_>, wait: &mut Wait<'_, '_>) -> Result<Guard, LockError> {
    let mode = request.mode;
    let proof = match request.kind {
        Kind::File => {
            let locked = attempt(sys, Mode::Exclusive, wait)?;
            let own_pid;
            let message = if let Some(message) = request.message {
                message
            } else {
                own_pid = Message::from_pid(process::id());
                &own_pid
            };
            kernel::sign(sys, &locked, message)?;
            Proof::Both(locked)
        }
        Kind::Flock => Proof::Flock(attempt(sys, mode, wait)?),
        Kind::Lockf => return take_posix(sys, mode, wait),
        Kind::Ofd => Proof::Ofd(attempt(sys, mode, wait)?),
        _ => return Err(fault(FaultKind::Unsupported)),
    };
    Ok(Guard::of_open_file(proof))
}

/// Takes a lock that belongs to the open file.
fn attempt<'s, C: Queued<Sys<'s>>>(
    sys: &Sys<'s>,
    mode: Mode,
    wait: &mut Wait<'_, '_>,
) -> Result<Locked<C, OwnedFd>, LockError> {
    if held::by_process(sys).is_some() {
        // Opening and closing the file would drop this process's own POSIX lock on it.
        return Err(LockError::HeldByThisProcess);
    }
    let mut restarts = Restarts(0);
    loop {
        let outcome = match (kernel::try_lock(sys, mode), &mut *wait) {
            (Err(TryLockError::Held(file)), Wait::Not) => {
                let here = held::by_open_file(sys.fstat(&file)?.inode);
                return Err(if here { LockError::HeldByThisProcess } else { LockError::Held });
            }
            (Err(TryLockError::Held(file)), wait) => {
                // Asked before the wait: what can be done then delays nobody.
                let stat = sys.fstat(&file)?;
                wait.wait_on::<C>(&file, mode)?;
                restarts = Restarts(0);
                kernel::confirm_known(sys, file, stat, mode)
            }
            (outcome, _) => outcome,
        };
        if let Some(locked) = restarts.settle(outcome)? {
            return Ok(locked);
        }
    }
}

/// Takes a lock that belongs to the process. Its file is reserved before it is opened: while one
/// thread holds it or tries, no other of this process may open it, because closing it again would
/// drop the lock.
fn take_posix(sys: &Sys<'_>, mode: Mode, wait: &mut Wait<'_, '_>) -> Result<Guard, LockError> {
    let mut restarts = Restarts(0);
    loop {
        let reservation = Reservation::new(sys, mode)?;
        // Declared after the reservation, and so closed before that ends.
        let file = kernel::open::<ByPosix, _>(sys, mode)?;
        let stat = sys.fstat(&file)?;
        if stat.inode != reservation.inode() {
            held::dispose(stat.inode, file);
            restarts.count()?;
            continue;
        }
        match ByPosix::lock(sys, &file, mode) {
            Err(fault) if fault.kind == FaultKind::WouldBlock => {
                wait.wait_on::<ByPosix>(&file, mode)?;
                restarts = Restarts(0);
            }
            outcome => outcome?,
        }
        let outcome = kernel::confirm_known(sys, file, stat, mode);
        if let Some(locked) = restarts.settle(outcome)? {
            return Ok(Guard::of_process(locked, reservation));
        }
    }
}

/// Waits for the lock on an open file.
pub(crate) fn wait_on<'s, C: Queued<Sys<'s>>>(
    file: &OwnedFd,
    mode: Mode,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(), LockError> {
    loop {
        match C::wait(file, mode) {
            Err(fault) if fault.kind == FaultKind::Interrupted => {
                if !go_on() {
                    return Err(LockError::Interrupted);
                }
            }
            outcome => return Ok(outcome?),
        }
    }
}

impl Wait<'_, '_> {
    /// Waits for the lock on an open file, which must be closed if it is not granted.
    fn wait_on<'s, C: Queued<Sys<'s>>>(
        &mut self,
        file: &OwnedFd,
        mode: Mode,
    ) -> Result<(), LockError> {
        match self {
            Wait::Not => Err(LockError::Held),
            Wait::Queued(go_on) => wait_on::<C>(file, mode, *go_on),
            Wait::Within(limit, tick) => match stand_in::wait::<C>(file, mode, limit, tick)? {
                Waited::Locked => Ok(()),
                Waited::TimedOut => Err(LockError::Held),
                Waited::Cancelled => Err(LockError::Interrupted),
                Waited::Impossible => Err(LockError::CannotQueue),
            },
        }
    }
}

impl Restarts {
    /// The lock, or nothing if it is time to start over.
    fn settle<C>(
        &mut self,
        outcome: Result<Locked<C, OwnedFd>, TryLockError<OwnedFd>>,
    ) -> Result<Option<Locked<C, OwnedFd>>, LockError> {
        match outcome {
            Ok(locked) => Ok(Some(locked)),
            Err(TryLockError::Fault(fault)) => Err(fault.into()),
            Err(TryLockError::Again | TryLockError::Held(_)) => self.count().map(|()| None),
        }
    }

    fn count(&mut self) -> Result<(), LockError> {
        self.0 += 1;
        if self.0 < REPLACED_MAX { Ok(()) } else { Err(fault(FaultKind::Replaced)) }
    }
}

pub(crate) fn fault(kind: FaultKind) -> LockError {
    Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 }.into()
}
