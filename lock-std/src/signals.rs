//! Giving locks back when a signal ends the process, for programs that ask for it.
//!
//! The handler only writes a byte. A thread does the rest: it gives back what would be given back
//! at exit, restores the signal's default action, and sends it again, so that whoever waits for the
//! process sees how it ended.
#![allow(unsafe_code)]

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;

use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Signal, getpid, kill_process};

use crate::exit;

/// Where the handler writes; negative before there is one.
static TOLD: AtomicI32 = AtomicI32::new(-1);

/// Which signal came.
static CAME: AtomicI32 = AtomicI32::new(0);

const DEFAULT: usize = 0;
const FAILED: usize = usize::MAX;

// SAFETY: C's own declarations, in every libc; the handler is given as a number.
unsafe extern "C" {
    safe fn signal(number: c_int, handler: usize) -> usize;
    safe fn siginterrupt(number: c_int, interrupts: c_int) -> c_int;
}

/// From now on these signals, of those that end a process, first give back the locks that
/// [exit](std::process::exit) would: existence locks, and the names of files that go with their
/// locks. Then they end the process as they would have. Kernel locks need none of this.
///
/// For programs that do not handle these signals themselves: those can return from `main`, or exit.
/// The threads go on until the process ends, a moment after its locks were given back. Once is
/// enough; a thread and a descriptor stay.
///
/// Errors: `AlreadyExists` if the program handles or ignores one of them; then it, and those after
/// it, stay as they are. `InvalidInput` for one that cannot be handled. Or there is no thread or
/// descriptor left.
///
/// ```
/// // As a shell's `trap` does: SIGHUP, SIGINT and SIGTERM.
/// lock_std::release_on_signals(&[1, 2, 15])?;
/// assert!(lock_std::release_on_signals(&[9]).is_err(), "nobody handles SIGKILL");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn release_on_signals(signals: &[i32]) -> io::Result<()> {
    if TOLD.load(Ordering::Acquire) < 0 {
        start()?;
    }
    let handler: extern "C" fn(c_int) = handle;
    for &number in signals {
        match signal(number, handler as usize) {
            FAILED => return Err(io::ErrorKind::InvalidInput.into()),
            DEFAULT => {}
            // Ours already.
            before if before == handler as usize => {}
            before => {
                signal(number, before);
                return Err(io::ErrorKind::AlreadyExists.into());
            }
        }
    }
    Ok(())
}

/// A signal that the program lets waits with a limit use: see
/// [`Lock::timed_by`](crate::Lock::timed_by). One for the whole program is enough, and any number
/// of threads may wait by it at once.
///
/// ```
/// use lock_std::WakeSignal;
///
/// let signal = WakeSignal::install(40)?;
/// assert_eq!(WakeSignal::install(40)?, signal);
/// assert!(WakeSignal::install(9).is_err(), "nobody handles SIGKILL");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WakeSignal(i32);

impl WakeSignal {
    /// Gives the signal a handler that does nothing, in the whole program, for good. System calls
    /// of other threads are not interrupted by waits, unless somebody sends it to them.
    ///
    /// Errors: `AlreadyExists` if the program handles or ignores it, and `InvalidInput` for one
    /// that cannot be handled; then it stays as it is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{Lock, WakeSignal};
    ///
    /// // SIGRTMIN + 5, which nobody else uses here.
    /// let signal = WakeSignal::install(39)?;
    /// # let path = format!("/tmp/lock-std-doc-wake-{}", std::process::id());
    /// let lock = Lock::at(&path).timed_by(signal);
    /// let guard = lock.lock_timeout(Duration::from_secs(5))?;
    /// assert!(lock.lock_timeout(Duration::from_millis(1)).is_err());
    /// # drop(guard);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn install(number: i32) -> io::Result<WakeSignal> {
        extern "C" fn nothing(_: c_int) {}
        let handler: extern "C" fn(c_int) = nothing;
        match signal(number, handler as usize) {
            FAILED => return Err(io::ErrorKind::InvalidInput.into()),
            before if before == DEFAULT || before == handler as usize => {}
            before => {
                signal(number, before);
                return Err(io::ErrorKind::AlreadyExists.into());
            }
        }
        // Else calls would be restarted behind the back of whoever waits.
        if siginterrupt(number, 1) != 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(WakeSignal(number))
    }

    pub(crate) fn number(self) -> i32 {
        self.0
    }
}

/// Starts the thread.
fn start() -> io::Result<()> {
    let told = eventfd(0, EventfdFlags::CLOEXEC)?;
    let fd = told.as_raw_fd();
    thread::Builder::new().name("lock signals".into()).spawn(move || {
        let mut count = [0; 8];
        while rustix::io::read(&told, &mut count).is_err() {}
        let number = CAME.load(Ordering::Acquire);
        exit::remove_all();
        signal(number, DEFAULT);
        if let Some(number) = Signal::from_named_raw(number) {
            let _ = kill_process(getpid(), number);
        }
        // A signal that does not end the process by itself has been asked to.
        std::process::exit(128 + number);
    })?;
    // Two threads that are here at once start two, of which one waits in vain.
    TOLD.store(fd, Ordering::Release);
    Ok(())
}

extern "C" fn handle(number: c_int) {
    let fd = TOLD.load(Ordering::Acquire);
    CAME.store(number, Ordering::Release);
    // SAFETY: the thread that reads it never closes it.
    let told = unsafe { BorrowedFd::borrow_raw(fd) };
    // A plain system call: it touches no errno.
    let _ = rustix::io::write(told, &1u64.to_ne_bytes());
}
