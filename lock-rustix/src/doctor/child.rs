//! Children that make the calls which may hang.
//!
//! A child is a copy of the process with memory of its own, so that nothing is shared with one that
//! cannot be killed. It has none of its parent's descriptors: a lock that the program holds does
//! not stay with it, and who reads the program's output does not wait for it. It handles no signal,
//! and sends none when it ends. Only raw system calls are made in it, no allocation and no lock of
//! the program: another thread may have held that when the copy was made.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use lock_core::owner::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::sched_yield;

use crate::alarm::Timer;
use crate::arch::syscall;
use crate::clock::monotonic_ns;
use crate::descriptor::{errno, lend, own};
use crate::stand_in::{kill, number, set_blocked};

/// How a child's work ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// It was done.
    Done,
    /// It was killed: by us when the time was over, or by somebody else.
    Killed,
    /// It was killed, and does not die.
    Stuck(Pid),
}

/// How long a killed child may take to die before it counts as stuck.
const DYING_NS: u64 = 2_000_000_000;

/// What a child says when its work is done.
const DONE: u8 = 0;

/// Does the errand in a child, for at most so long. Fails if there can be none.
pub(super) fn run(limit_ns: u64, errand: &mut dyn FnMut()) -> Result<Ended, Errno> {
    let deadline_ns = monotonic_ns().saturating_add(limit_ns);
    let Fork::Parent(child, ended) = fork()? else {
        close_all();
        // Without its parent it dies too, but not at once: it cleans up first.
        if let Some(timer) = Timer::new(Signal::KILL.as_raw()) {
            timer.set(deadline_ns.saturating_add(DYING_NS));
            core::mem::forget(timer);
        }
        errand();
        exit(DONE)
    };
    let ended = ended.ok_or(Errno::NOSYS).inspect_err(|_| {
        kill(child);
        let _ = wait(child);
    })?;
    if !ends_by(lend(&ended), deadline_ns) {
        kill(child);
        if !ends_by(lend(&ended), monotonic_ns().saturating_add(DYING_NS)) {
            let stuck = u64::try_from(child).ok().and_then(Pid::new);
            return Ok(stuck.map_or(Ended::Killed, Ended::Stuck));
        }
    }
    Ok(if wait(child) == Some(DONE) { Ended::Done } else { Ended::Killed })
}

/// Another process, made by a child for its tests. It dies with the child.
#[must_use = "wait for it"]
pub(super) struct Rival(usize);

impl Rival {
    /// Starts it; what the errand answers is its exit status.
    pub(super) fn start(errand: &mut dyn FnMut() -> u8) -> Result<Rival, Errno> {
        let Fork::Parent(child, _) = fork()? else {
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            exit(errand())
        };
        Ok(Rival(child))
    }

    /// What it answered, when it has ended; `None` if it was killed.
    pub(super) fn answer(self) -> Option<u8> {
        wait(self.0)
    }
}

/// What another process answers.
pub(super) fn elsewhere(errand: &mut dyn FnMut() -> u8) -> Option<u8> {
    Rival::start(errand).ok()?.answer()
}

/// Where two processes meet before each round of a race.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU32);

impl Gate {
    /// Waits until both are in this round, counted from 1, or the other one seems not to come.
    pub(super) fn meet(&self, round: u32) {
        const PATIENCE: u32 = 100_000;
        self.0.fetch_add(1, Ordering::AcqRel);
        for _ in 0..PATIENCE {
            if self.0.load(Ordering::Acquire) >= round.saturating_mul(2) {
                return;
            }
            sched_yield();
        }
    }
}

/// Which of the two processes this is.
enum Fork {
    /// The one that was there before; the other's pid, and a descriptor that can be read when it
    /// has ended.
    Parent(usize, Option<OwnedFd>),
    /// The new one: it must end by [`exit`], and not come back to who called.
    Child,
}

/// Makes a copy of this process.
fn fork() -> Result<Fork, Errno> {
    const CLONE_PIDFD: usize = 0x1000;
    let mut ended = -1i32;
    let blocked = set_blocked(u64::MAX);
    // SAFETY: memory is copied, so the child goes on here on a stack of its own; `ended` gets one
    // int. No signal in the lowest byte: a program that counts its children does not hear of this.
    let result =
        unsafe { syscall(number::CLONE, [CLONE_PIDFD, 0, &raw mut ended as usize, 0, 0, 0]) };
    if result == 0 {
        return Ok(Fork::Child);
    }
    set_blocked(blocked);
    let pid = usize::try_from(result).map_err(|_| errno(result))?;
    // SAFETY: the kernel made this descriptor for us.
    Ok(Fork::Parent(pid, unsafe { own(ended as isize) }.ok()))
}

/// Ends this process.
fn exit(status: u8) -> ! {
    loop {
        // SAFETY: takes no pointers, and does not come back.
        unsafe { syscall(number::EXIT_GROUP, [usize::from(status), 0, 0, 0, 0, 0]) };
    }
}

/// Waits for the child to end: its status, if it ended by itself.
fn wait(child: usize) -> Option<u8> {
    const WALL: usize = 0x4000_0000;
    let interrupted = -isize::try_from(Errno::INTR.raw_os_error()).unwrap_or(0);
    let mut status = 0i32;
    loop {
        // SAFETY: writes one int to `status`.
        let result =
            unsafe { syscall(number::WAIT4, [child, &raw mut status as usize, WALL, 0, 0, 0]) };
        if result == interrupted {
            continue;
        }
        let [signal, code, ..] = status.to_le_bytes();
        return (result >= 0 && signal == 0).then_some(code);
    }
}

/// Whether this becomes readable before then.
fn ends_by(ended: BorrowedFd<'_>, deadline_ns: u64) -> bool {
    loop {
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        let timeout = Timespec {
            tv_sec: i64::try_from(left_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(left_ns % 1_000_000_000).unwrap_or(0),
        };
        match poll(&mut [PollFd::from_borrowed_fd(ended, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) if left_ns > 0 => {}
            Ok(ready) => return ready > 0,
            Err(_) => return false,
        }
    }
}

/// Closes all descriptors, standard output too.
fn close_all() {
    /// The same on every architecture.
    const CLOSE_RANGE: usize = 436;
    // SAFETY: this process has one thread, and whatever owned them runs no more in it.
    let closed = unsafe { syscall(CLOSE_RANGE, [0, u32::MAX as usize, 0, 0, 0, 0]) };
    if closed < 0 {
        // Before Linux 5.9.
        for fd in 0..4096 {
            // SAFETY: as above.
            unsafe { rustix::io::close(fd) };
        }
    }
}
