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

// SAFETY: C's own declaration of `signal`, in every libc; the handler is given as a number.
unsafe extern "C" {
    safe fn signal(number: c_int, handler: usize) -> usize;
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
