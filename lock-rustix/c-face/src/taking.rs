//! Taking a lock of any kind, waiting for it as long as is asked.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::Node;
use lock_core::payload::message::Message;
use lock_rustix::existence::Request as Wanted;
use lock_rustix::guard::Guard;
use lock_rustix::limit::{Limit, Tick};
use lock_rustix::local::{self, LockError};
use lock_rustix::place::{FileName, open_parent};
use lock_rustix::process;
use lock_rustix::rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::held::{Held, Kernel, Named};
use crate::report::Report;
use crate::request::Request;

/// The first pause between two tries where the kernel's queue is closed to us, and the longest.
const PAUSE_NS: u64 = 1_000_000;
const PAUSE_MAX_NS: u64 = 25_000_000;

/// Takes the lock.
pub fn take(request: &Request<'_>) -> Result<Held, Report> {
    if request.kind.is_existence() { existence(request) } else { kernel(request) }
}

fn existence(request: &Request<'_>) -> Result<Held, Report> {
    let contender = request.contender()?;
    let wanted = Wanted {
        message: request.message.map_or(b"", |message| message.to_bytes()),
        deadline_ns: request.deadline_ns().unwrap_or(0),
        cancel: request.cancel,
        ..Wanted::once(&contender.me)
    };
    let taken = contender.lock(&wanted, &mut |_| {})?;
    Ok(Held::Existence(contender.spot, taken))
}

fn kernel(request: &Request<'_>) -> Result<Held, Report> {
    let (dir, name) = open_parent(request.path)?;
    let place = Named { dir, name: FileName::new(&[name.to_bytes()])?, follow: request.follow };
    let message = match request.message {
        Some(message) => Some(Message::new(message.to_bytes()).map_err(|_| too_long())?),
        None => None,
    };
    let guard = guard(&place, request, message.as_ref())?;
    Ok(Held::Kernel(Kernel { place, guard, pid: process::id() }))
}

fn guard(
    place: &Named,
    request: &Request<'_>,
    message: Option<&Message>,
) -> Result<Guard, LockError> {
    let sys = place.sys().with_mode(request.file_mode);
    let wanted = local::Request { kind: request.kind, mode: request.mode, message };
    let Some(deadline_ns) = request.deadline_ns() else { return local::try_lock(&sys, &wanted) };
    let limit = Limit::until(deadline_ns).cancelled_by(request.cancel);
    let (mut queues, mut pause_ns) = (true, PAUSE_NS);
    loop {
        let mut nothing = || {};
        let outcome = if !queues {
            local::try_lock(&sys, &wanted)
        } else if limit.is_none() {
            local::lock(&sys, &wanted, || true)
        } else {
            local::lock_within(&sys, &wanted, &limit, &mut Tick::never(&mut nothing))
        };
        match outcome {
            Err(LockError::CannotQueue) => queues = false,
            Err(LockError::Held) if !queues && limit.left_ns() > 0 => {
                pause(&limit, pause_ns)?;
                pause_ns = pause_ns.saturating_mul(2).min(PAUSE_MAX_NS);
            }
            Err(LockError::Fault(fault)) if fault.kind == FaultKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Does nothing for so long, unless the wait is over before that or cancelled.
fn pause(limit: &Limit<'_>, pause_ns: u64) -> Result<(), LockError> {
    let pause_ns = pause_ns.min(limit.left_ns()).min(PAUSE_MAX_NS);
    let time = Timespec { tv_sec: 0, tv_nsec: pause_ns.try_into().unwrap_or(0) };
    let mut files = limit.cancel.map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN));
    match poll(files.as_mut_slice(), Some(&time)) {
        Ok(1..) => Err(LockError::Interrupted),
        _ => Ok(()),
    }
}

fn too_long() -> Fault {
    Fault { call: Call::Pwrite, node: Node::Lock, kind: FaultKind::TooLong, errno: 0 }
}
