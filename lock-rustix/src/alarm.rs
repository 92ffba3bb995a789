//! Waiting in the kernel's queue with a limit, by a signal that the program has given for it.
//!
//! A timer of the waiting thread's own sends the signal to that thread alone, when the time is over
//! and every millisecond from then on: one that came just before the call blocked would be lost.
//! The thread itself stands in the queue, so that this is quicker than
//! [a process in its stead](crate::limit), and the kernel's lists name it.
#![allow(unsafe_code)]

use lock_core::fault::{Fault, FaultKind};
use lock_core::os::Mode;
use rustix::fd::OwnedFd;

use crate::arch::syscall;
use crate::clock::monotonic_ns;
use crate::queue::Queued;
use crate::stand_in::Waited;
use crate::sys::Sys;

/// How often the signal comes again.
const REPEAT_NS: i64 = 1_000_000;

/// `struct sigevent`: 64 bytes.
#[repr(C)]
struct Event {
    value: usize,
    signal: i32,
    notify: i32,
    thread: i32,
    unused: [u8; 64 - 12 - size_of::<usize>()],
}

/// A timer that goes with this.
pub(crate) struct Timer(i32);

/// Waits until the lock is held or the time is over. The signal must have a handler that does not
/// restart calls; without any handler nothing is waited for.
pub(crate) fn wait<'s, C: Queued<Sys<'s>>>(
    file: &OwnedFd,
    mode: Mode,
    deadline_ns: u64,
    signal: i32,
) -> Result<Waited, Fault> {
    if monotonic_ns() >= deadline_ns {
        return Ok(Waited::TimedOut);
    }
    if !is_handled(signal) {
        return Ok(Waited::Impossible);
    }
    let timer = Timer::new(signal).filter(|timer| timer.set(deadline_ns));
    let Some(timer) = timer else { return Ok(Waited::Impossible) };
    let blocked = unblock(signal);
    let waited = loop {
        match C::wait(file, mode) {
            Ok(()) => break Ok(Waited::Locked),
            Err(fault) if fault.kind == FaultKind::Interrupted => {
                if monotonic_ns() >= deadline_ns {
                    break Ok(Waited::TimedOut);
                }
            }
            Err(fault) => break Err(fault),
        }
    };
    drop(timer);
    if blocked & bit(signal) != 0 {
        set_blocked(blocked);
    }
    waited
}

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const GETTID: usize = 186;
    pub(super) const RT_SIGACTION: usize = 13;
    pub(super) const RT_SIGPROCMASK: usize = 14;
    pub(super) const TIMER_CREATE: usize = 222;
    pub(super) const TIMER_DELETE: usize = 226;
    pub(super) const TIMER_SETTIME64: usize = 223;
}
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod number {
    pub(super) const GETTID: usize = 178;
    pub(super) const RT_SIGACTION: usize = 134;
    pub(super) const RT_SIGPROCMASK: usize = 135;
    pub(super) const TIMER_CREATE: usize = 107;
    pub(super) const TIMER_DELETE: usize = 111;
    pub(super) const TIMER_SETTIME64: usize = 110;
}
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
mod number {
    pub(super) const GETTID: usize = 224;
    pub(super) const RT_SIGACTION: usize = 174;
    pub(super) const RT_SIGPROCMASK: usize = 175;
    #[cfg(target_arch = "arm")]
    pub(super) const TIMER_CREATE: usize = 257;
    #[cfg(target_arch = "x86")]
    pub(super) const TIMER_CREATE: usize = 259;
    #[cfg(target_arch = "arm")]
    pub(super) const TIMER_DELETE: usize = 261;
    #[cfg(target_arch = "x86")]
    pub(super) const TIMER_DELETE: usize = 263;
    pub(super) const TIMER_SETTIME64: usize = 409;
}

impl Timer {
    pub(crate) fn new(signal: i32) -> Option<Timer> {
        const MONOTONIC: usize = 1;
        const THREAD_ID: i32 = 4;
        // SAFETY: takes no pointers.
        let thread = unsafe { syscall(number::GETTID, []) };
        let thread = i32::try_from(thread).ok()?;
        let unused = [0; 64 - 12 - size_of::<usize>()];
        let event = Event { value: 0, signal, notify: THREAD_ID, thread, unused };
        let mut id = 0i32;
        let (event, answer) = (&raw const event as usize, &raw mut id as usize);
        // SAFETY: reads one `struct sigevent`, writes one int.
        let made = unsafe { syscall(number::TIMER_CREATE, [MONOTONIC, event, answer]) };
        (made == 0).then_some(Timer(id))
    }

    /// `false`: it cannot be set, as where calls that tell time by 64 bits are refused.
    pub(crate) fn set(&self, deadline_ns: u64) -> bool {
        const ABSOLUTE: usize = 1;
        let seconds = i64::try_from(deadline_ns / 1_000_000_000).unwrap_or(i64::MAX);
        let rest = i64::try_from(deadline_ns % 1_000_000_000).unwrap_or(0);
        // Interval and first time, each with seconds and nanoseconds of 64 bits.
        let times = [0, REPEAT_NS, seconds, rest];
        let (id, times) = (self.0.unsigned_abs() as usize, times.as_ptr() as usize);
        // SAFETY: reads one `struct itimerspec` of 64-bit numbers.
        unsafe { syscall(number::TIMER_SETTIME64, [id, ABSOLUTE, times, 0]) == 0 }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: takes no pointers.
        unsafe { syscall(number::TIMER_DELETE, [self.0.unsigned_abs() as usize]) };
    }
}

/// Whether the program has a handler for it: else it would end the program, or be lost.
fn is_handled(signal: i32) -> bool {
    // `struct sigaction`, whose first word is the handler: 0 for the default, 1 for none.
    let mut action = [0usize; 8];
    let (signal, action_at) = (signal.unsigned_abs() as usize, action.as_mut_ptr() as usize);
    // SAFETY: changes nothing; writes one `struct sigaction`, of at most 32 bytes.
    let asked = unsafe { syscall(number::RT_SIGACTION, [signal, 0, action_at, 8]) };
    let [handler, ..] = action;
    asked == 0 && handler > 1
}

/// Lets the signal through to this thread; answers what was blocked before.
fn unblock(signal: i32) -> u64 {
    const UNBLOCK: usize = 1;
    mask(UNBLOCK, bit(signal))
}

/// The signal in a set of signals.
fn bit(signal: i32) -> u64 {
    1u64.wrapping_shl(signal.unsigned_abs().wrapping_sub(1))
}

fn set_blocked(signals: u64) {
    const SETMASK: usize = 2;
    mask(SETMASK, signals);
}

fn mask(how: usize, signals: u64) -> u64 {
    let mut before = 0u64;
    let (set, old) = (&raw const signals as usize, &raw mut before as usize);
    // SAFETY: reads and writes one 8-byte set each.
    unsafe { syscall(number::RT_SIGPROCMASK, [how, set, old, 8]) };
    before
}
