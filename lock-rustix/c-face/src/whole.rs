//! What a program has only once, and a C program does not have: the panic handler, which no call
//! reaches, and critical sections, which guard the tables of what this process holds.
#![allow(unsafe_code)]

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use lock_rustix::rustix::event::{Timespec, poll};
use lock_rustix::rustix::process::{Signal, getpid, kill_process};

/// How long a thread waits for another's critical section: a few hundred instructions.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000 };

static TAKEN: AtomicBool = AtomicBool::new(false);

struct Section;
critical_section::set_impl!(Section);

// SAFETY: one thread at a time has the section, and sees what the one before it did. lock-core
// enters none from within another.
unsafe impl critical_section::Impl for Section {
    unsafe fn acquire() {
        while TAKEN.swap(true, Ordering::Acquire) {
            pause();
        }
    }

    unsafe fn release((): ()) {
        TAKEN.store(false, Ordering::Release);
    }
}

fn pause() {
    let _ = poll(&mut [], Some(&PAUSE));
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    let _ = kill_process(getpid(), Signal::ABORT);
    loop {
        pause();
    }
}
