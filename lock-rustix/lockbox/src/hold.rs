//! Holding a lock while a command runs: signals go on to it, the lock is kept fresh, and it is
//! given back when the command has ended, however it ended.

use core::ffi::CStr;

use lock_core::refresh::{Due, Refresh};
use lock_core::scheme::hardlink::Unlocked;
use lock_rustix::alone;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::existence::{Spot, Taken};
use lock_rustix::rustix::fd::{AsFd, BorrowedFd};
use lock_rustix::rustix::io::Errno;

#[cfg(feature = "dlm")]
use crate::cluster;
use crate::existence::EXISTENCE;
use crate::out::Out;
use crate::spawn;
use crate::stack::Stack;
use crate::status as exit;
use crate::sys::{self, CHLD, Ended, HUP, INT, QUIT, SignalSet, TERM};

/// A lock that this process holds.
#[allow(clippy::large_enum_variant, reason = "one for the whole program")]
pub(crate) enum Guard {
    /// Ends with the process.
    Kernel(alone::Held),
    /// Shared by a cluster; ends with the process.
    #[cfg(feature = "dlm")]
    Cluster(cluster::Held),
    /// A name, with its heartbeat.
    Existence(Spot, Taken, Refresh),
}

impl Guard {
    /// The lock's open file, if it has one.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Guard::Kernel(held) => Some(held.as_fd()),
            #[cfg(feature = "dlm")]
            Guard::Cluster(_) => None,
            Guard::Existence(_, taken, _) if EXISTENCE => taken.file(),
            Guard::Existence(..) => None,
        }
    }

    /// Gives the lock back. Says so if it was lost meanwhile.
    pub(crate) fn release(self) {
        #[cfg(feature = "dlm")]
        if let Guard::Cluster(held) = self {
            return held.release();
        }
        if let (Guard::Existence(spot, taken, _), true) = (self, EXISTENCE) {
            match taken.unlock(&spot) {
                Ok(Unlocked::Released) => {}
                Ok(Unlocked::WasBroken) => lost(),
                Err(fault) => {
                    let mut out = Out::stderr();
                    out.text("lockbox: the lock cannot be given back: ");
                    out.text(fault.call.name()).text(": ").text(fault.kind.reason()).text("\n");
                }
            }
        }
    }

    /// Keeps the lock fresh; answers after how many nanoseconds to do so again.
    fn refresh(&mut self) -> Option<u64> {
        let (Guard::Existence(spot, taken, refresh), true) = (self, EXISTENCE) else { return None };
        let now_ms = monotonic_ns() / 1_000_000;
        if let Due::Now | Due::Overdue = refresh.poll(now_ms) {
            if taken.still_held(spot) == Ok(false) {
                lost();
                *refresh = Refresh::new(now_ms, 0, 0);
            } else if taken.touch().is_ok() {
                refresh.handle_touched(now_ms);
            } else {
                refresh.handle_failed(now_ms);
            }
        }
        match refresh.poll(now_ms) {
            Due::At(u64::MAX) => None,
            Due::At(at_ms) => Some(at_ms.saturating_sub(now_ms).saturating_mul(1_000_000)),
            Due::Now | Due::Overdue => Some(0),
        }
    }
}

fn lost() {
    Out::stderr().text("lockbox: the lock was lost: somebody removed or replaced it\n");
}

/// Runs the command, passes signals on to it, and releases the lock when it has ended.
pub(crate) fn hold_while(stack: &Stack, at: usize, command: &CStr, mut guard: Guard) -> u8 {
    let ended = run_under(stack, at, command, &mut guard);
    guard.release();
    match ended {
        Ended::Exited(status) => status,
        Ended::Killed(signal) => 128 + signal,
    }
}

/// Runs the command and passes signals on to it; the lock is still held when it has ended.
pub(crate) fn run_under(stack: &Stack, at: usize, command: &CStr, guard: &mut Guard) -> Ended {
    const STOP: [sys::Signal; 4] = [INT, TERM, HUP, QUIT];
    const WATCHED: SignalSet = SignalSet::of(&[INT, TERM, HUP, QUIT, CHLD]);
    // Blocked before there is a child, so that none can kill us between.
    let before = sys::block(WATCHED);
    let ignored = sys::on_end_of_child(&sys::RawAction::default());
    let started = sys::vfork(&|| {
        sys::on_end_of_child(&ignored);
        sys::set_blocked(before);
        cannot_run(command, spawn::exec(stack.args().from(at), command, stack.environment()))
    });
    let child = match started {
        Ok(child) => child,
        Err(errno) => {
            let errno = u64::from(errno.raw_os_error().unsigned_abs());
            Out::stderr().text("lockbox: cannot fork: errno ").number(errno).text("\n");
            return Ended::Exited(exit::OS_ERROR);
        }
    };
    loop {
        let timeout_ns = guard.refresh();
        match sys::wait_for_signal(WATCHED, timeout_ns) {
            // The terminal has told the whole foreground group: the command knows.
            Some(arrived) if STOP.contains(&arrived.signal) && !arrived.from_kernel => {
                sys::kill(child, arrived.signal);
            }
            Some(_) | None => {}
        }
        match sys::wait(child, false) {
            Ok(None) => {}
            Ok(Some(ended)) => return ended,
            Err(_) => return Ended::Exited(exit::OS_ERROR),
        }
    }
}

fn cannot_run(command: &CStr, errno: Errno) -> u8 {
    let mut out = Out::stderr();
    out.text("lockbox: ").foreign(command.to_bytes());
    if matches!(errno, Errno::NOENT | Errno::NOTDIR) {
        out.text(": command not found\n");
        return exit::NOT_FOUND;
    }
    let errno = u64::from(errno.raw_os_error().unsigned_abs());
    out.text(": cannot be run (errno ").number(errno).text(")\n");
    exit::CANNOT_RUN
}
