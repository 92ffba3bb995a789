//! Processes, signals and timers by raw system calls: what rustix keeps to itself.
//!
//! Every function is safe to call in a program of one thread that does not use the signal handler
//! below for anything else.
#![allow(unsafe_code)]
// Registers are words; the kernel gives their bits its own meaning.
#![allow(clippy::cast_sign_loss)]

mod vfork;

use core::ffi::c_char;

use lock_rustix::arch::syscall;
use lock_rustix::descriptor::{errno, lend_raw};
use lock_rustix::rustix::fd::BorrowedFd;
use lock_rustix::rustix::io::Errno;

pub use vfork::vfork;

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const CLONE: usize = 56;
    pub(super) const CLOSE: usize = 3;
    pub(super) const EXECVE: usize = 59;
    pub(super) const EXIT_GROUP: usize = 231;
    pub(super) const FLOCK: usize = 73;
    pub(super) const IOCTL: usize = 16;
    pub(super) const KILL: usize = 62;
    pub(super) const RT_SIGACTION: usize = 13;
    pub(super) const RT_SIGPROCMASK: usize = 14;
    pub(super) const RT_SIGTIMEDWAIT_TIME64: usize = 128;
    pub(super) const SETITIMER: usize = 38;
    pub(super) const WAIT4: usize = 61;
    pub(super) const WRITE: usize = 1;
}
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod number {
    pub(super) const CLONE: usize = 220;
    pub(super) const CLOSE: usize = 57;
    pub(super) const EXECVE: usize = 221;
    pub(super) const EXIT_GROUP: usize = 94;
    pub(super) const FLOCK: usize = 32;
    pub(super) const IOCTL: usize = 29;
    pub(super) const KILL: usize = 129;
    pub(super) const RT_SIGACTION: usize = 134;
    pub(super) const RT_SIGPROCMASK: usize = 135;
    pub(super) const RT_SIGTIMEDWAIT_TIME64: usize = 137;
    pub(super) const SETITIMER: usize = 103;
    pub(super) const WAIT4: usize = 260;
    pub(super) const WRITE: usize = 64;
}
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
mod number {
    pub(super) const CLONE: usize = 120;
    pub(super) const CLOSE: usize = 6;
    pub(super) const EXECVE: usize = 11;
    #[cfg(target_arch = "arm")]
    pub(super) const EXIT_GROUP: usize = 248;
    #[cfg(target_arch = "x86")]
    pub(super) const EXIT_GROUP: usize = 252;
    pub(super) const FLOCK: usize = 143;
    pub(super) const IOCTL: usize = 54;
    pub(super) const KILL: usize = 37;
    pub(super) const RT_SIGACTION: usize = 174;
    pub(super) const RT_SIGPROCMASK: usize = 175;
    pub(super) const RT_SIGTIMEDWAIT_TIME64: usize = 421;
    pub(super) const SETITIMER: usize = 104;
    pub(super) const WAIT4: usize = 114;
    pub(super) const WRITE: usize = 4;
}

/// A signal's number.
pub type Signal = i32;

/// The terminal went away.
pub const HUP: Signal = 1;
/// Interrupt, from the keyboard.
pub const INT: Signal = 2;
/// Quit, from the keyboard.
pub const QUIT: Signal = 3;
/// The timer's.
pub const ALRM: Signal = 14;
/// Please end.
pub const TERM: Signal = 15;
/// A child has ended or stopped.
pub const CHLD: Signal = 17;

/// A set of signals, as the kernel counts them: signal 1 is the lowest bit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SignalSet(pub u64);

/// How a child ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// With this exit status.
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

impl Ended {
    /// As a shell has it: 128 more than the signal that killed it.
    pub fn status(self) -> u8 {
        match self {
            Ended::Exited(status) => status,
            Ended::Killed(signal) => 128 + signal,
        }
    }
}

/// Who is who after a fork.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fork {
    /// In the child.
    Child,
    /// In the parent, with the child's pid.
    Parent(u32),
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrived {
    /// Which.
    pub signal: Signal,
    /// Whether the kernel made it, as the terminal's for the whole foreground group, and not some
    /// process for us alone.
    pub from_kernel: bool,
}

impl SignalSet {
    /// These signals.
    pub const fn of(signals: &[Signal]) -> SignalSet {
        let mut set = 0;
        let mut rest = signals;
        while let [first, others @ ..] = rest {
            set |= 1 << (*first - 1);
            rest = others;
        }
        SignalSet(set)
    }
}

/// Ends the process.
pub fn exit(status: u8) -> ! {
    loop {
        // SAFETY: takes no pointers, and does not come back.
        unsafe { syscall(number::EXIT_GROUP, [usize::from(status)]) };
    }
}

/// Standard error.
pub fn stderr() -> BorrowedFd<'static> {
    // SAFETY: nobody here closes it. If the caller had it closed, it may be another file by now:
    // that is the caller's doing, as in every program.
    unsafe { lend_raw(2) }
}

/// Writes to a descriptor by its number; answers how much was written.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    let (start, len) = (bytes.as_ptr() as usize, bytes.len());
    // SAFETY: reads as many bytes as there are. Every number is a descriptor or refused.
    let result = unsafe { syscall(number::WRITE, [fd as usize, start, len]) };
    usize::try_from(result).map_err(|_| errno(result))
}

/// A descriptor by its number, as given on the command line; none is negative.
pub fn inherited(fd: i32) -> Option<BorrowedFd<'static>> {
    // SAFETY: a number that is open or not; if not, every call on it fails. Nobody here closes it.
    (fd >= 0).then(|| unsafe { lend_raw(fd) })
}

/// Closes a descriptor by its number.
pub fn close(fd: i32) {
    // SAFETY: takes no pointers. What is open under the number is the caller's.
    unsafe { syscall(number::CLOSE, [fd.unsigned_abs() as usize]) };
}

/// Whether the descriptor is a terminal.
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    use lock_rustix::rustix::fd::AsRawFd;

    const TCGETS: usize = 0x5401;
    let mut settings = [0u8; 64];
    let fd = fd.as_raw_fd().unsigned_abs() as usize;
    // SAFETY: writes one `struct termios`, of less than 64 bytes on every architecture.
    unsafe { syscall(number::IOCTL, [fd, TCGETS, settings.as_mut_ptr() as usize]) >= 0 }
}

/// Makes a child that is a copy of this process.
pub fn fork() -> Result<Fork, Errno> {
    // SAFETY: without CLONE_VM the child has memory of its own, so no stack is needed.
    let pid = check(unsafe { syscall(number::CLONE, [CHLD as usize, 0]) })?;
    Ok(if pid == 0 { Fork::Child } else { Fork::Parent(pid) })
}

/// Becomes another program; comes back only if that fails. The path ends with a NUL, the arrays
/// with a null.
pub fn execve(
    path: *const c_char,
    args: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    // SAFETY: the path ends; both arrays end with a null and hold strings that end.
    let result =
        unsafe { syscall(number::EXECVE, [path as usize, args as usize, environment as usize]) };
    errno(result)
}

/// `flock(2)` of a descriptor by its number, with its bits as the kernel has them.
pub fn flock(fd: i32, operation: u8) -> Result<(), Errno> {
    // SAFETY: takes no pointers. Every number is a descriptor or refused.
    let result = unsafe { syscall(number::FLOCK, [fd as usize, usize::from(operation)]) };
    if result == 0 { Ok(()) } else { Err(errno(result)) }
}

/// Waits for the child to end. `None`: it has not, and `block` is off.
pub fn wait(child: u32, block: bool) -> Result<Option<Ended>, Errno> {
    const NO_HANG: usize = 1;
    let mut status = 0i32;
    let options = if block { 0 } else { NO_HANG };
    let child = child as usize;
    loop {
        // SAFETY: writes one int to `status`.
        let result =
            unsafe { syscall(number::WAIT4, [child, &raw mut status as usize, options, 0]) };
        match check(result) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let [low, high, ..] = status.to_le_bytes();
    Ok(Some(match low & 127 {
        0 => Ended::Exited(high),
        signal => Ended::Killed(signal),
    }))
}

/// Sends a signal.
pub fn kill(child: u32, signal: Signal) {
    // SAFETY: takes no pointers. A child that has ended is a zombie until we wait for it, so its
    // pid is nobody else's.
    unsafe {
        syscall(number::KILL, [child as usize, signal.unsigned_abs() as usize]);
    }
}

/// Blocks these signals besides those that are; answers what was blocked before.
pub fn block(signals: SignalSet) -> SignalSet {
    const BLOCK: usize = 0;
    mask(BLOCK, signals)
}

/// Blocks these signals and no others.
pub fn set_blocked(signals: SignalSet) {
    const SETMASK: usize = 2;
    mask(SETMASK, signals);
}

fn mask(how: usize, signals: SignalSet) -> SignalSet {
    let mut before = 0u64;
    let (set, old) = (&raw const signals.0 as usize, &raw mut before as usize);
    // SAFETY: reads and writes one 8-byte set each.
    unsafe { syscall(number::RT_SIGPROCMASK, [how, set, old, 8]) };
    SignalSet(before)
}

/// Waits for one of these signals, which must be blocked, at most so long. `None`: the time is
/// over, or another signal was handled.
pub fn wait_for_signal(signals: SignalSet, timeout_ns: Option<u64>) -> Option<Arrived> {
    // `siginfo_t`: signal, errno, code, and more that is not read.
    let mut info = [0i32; 32];
    let (set, answer) = (&raw const signals.0 as usize, info.as_mut_ptr() as usize);
    let time = timeout_ns.map(|ns| [ns / 1_000_000_000, ns % 1_000_000_000]);
    let time = time.as_ref().map_or(0, |time| time.as_ptr() as usize);
    // SAFETY: reads an 8-byte set and, if there is one, a `struct timespec` of 64-bit numbers;
    // writes one `siginfo_t`, of 128 bytes.
    let result = unsafe { syscall(number::RT_SIGTIMEDWAIT_TIME64, [set, answer, time, 8]) };
    let signal = Signal::try_from(check(result).ok()?).ok()?;
    let [_, _, code, ..] = info;
    Some(Arrived { signal, from_kernel: code > 0 })
}

/// Interrupts system calls so long from now, and every ten milliseconds after that: a signal that
/// comes just before a call blocks would be lost if it did not come again.
pub fn interrupt_after(ns: u64) {
    handle_alarm();
    set_timer(ns.max(1000));
}

/// Does nothing for so long, or until a signal is handled.
pub fn sleep(ns: u64) {
    // No set of signals to wait for: only the time ends it.
    let none = 0u64;
    let time = [ns / 1_000_000_000, ns % 1_000_000_000];
    let (set, time) = (&raw const none as usize, time.as_ptr() as usize);
    // SAFETY: reads an 8-byte set and one `struct timespec` of 64-bit numbers.
    unsafe { syscall(number::RT_SIGTIMEDWAIT_TIME64, [set, 0, time, 8]) };
}

/// Ends the interruptions.
pub fn stop_interrupting() {
    set_timer(0);
}

fn set_timer(ns: u64) {
    const AGAIN_US: isize = 10_000;
    let word = |number: u64| isize::try_from(number).unwrap_or(isize::MAX);
    let timer = [0, AGAIN_US, word(ns / 1_000_000_000), word(ns % 1_000_000_000 / 1000)];
    // SAFETY: reads one `struct itimerval`, four words. 0: ITIMER_REAL.
    unsafe { syscall(number::SETITIMER, [0, timer.as_ptr() as usize, 0]) };
}

/// The kernel's `struct sigaction`.
#[repr(C)]
struct Action {
    handler: usize,
    flags: usize,
    #[cfg(not(target_arch = "riscv64"))]
    restorer: usize,
    mask: u64,
}

/// What the kernel takes and gives as `struct sigaction`, of at most 32 bytes; all 0: the default.
pub type RawAction = [u64; 4];

/// Sets what becomes of the signal of a child's end; answers what did before. Where the caller has
/// left it ignored there is no such signal, and the kernel keeps no status.
pub fn on_end_of_child(action: &RawAction) -> RawAction {
    let mut before = RawAction::default();
    let (action, answer) = (action.as_ptr() as usize, before.as_mut_ptr() as usize);
    // SAFETY: reads one `struct sigaction` and writes one. No handler of ours is in it.
    unsafe { syscall(number::RT_SIGACTION, [CHLD.unsigned_abs() as usize, action, answer, 8]) };
    before
}

/// Sets a handler for the alarm that does nothing, without restarting calls.
fn handle_alarm() {
    #[cfg(target_arch = "x86_64")]
    const RESTORER: usize = 0x0400_0000;
    #[cfg(not(target_arch = "x86_64"))]
    const RESTORER: usize = 0;
    extern "C" fn nothing(_: Signal) {}
    let action = Action {
        handler: nothing as extern "C" fn(Signal) as usize,
        flags: RESTORER,
        #[cfg(target_arch = "x86_64")]
        restorer: restore as unsafe extern "C" fn() as usize,
        #[cfg(all(not(target_arch = "x86_64"), not(target_arch = "riscv64")))]
        restorer: 0,
        mask: 0,
    };
    // SAFETY: reads one `struct sigaction`; the handler touches nothing, and returns through the
    // restorer, or the kernel's own where it has one.
    unsafe {
        syscall(
            number::RT_SIGACTION,
            [ALRM.unsigned_abs() as usize, &raw const action as usize, 0, 8],
        );
    }
}

// rt_sigreturn, which must be called with the stack as the handler's return leaves it.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(".globl lockbox_restore", "lockbox_restore:", "mov eax, 15", "syscall",);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    #[link_name = "lockbox_restore"]
    unsafe fn restore();
}

/// What a call answers, small as all answers here are.
fn check(result: isize) -> Result<u32, Errno> {
    u32::try_from(result).map_err(|_| errno(result))
}
