//! One instance of a program, by its pid file: no std, no allocator. libc starts it and lends it
//! `memcpy`; locks are taken by system calls alone.
//!
//! `pid_file PATH` runs until standard input ends. A second one is told who runs, and ends with
//! status 75. After SIGKILL the file stays, and the next start takes it over: the kernel says that
//! nobody has it open.
#![no_std]
#![no_main]

use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write};

use lock_core::fault::Fault;
use lock_core::kind::Kind;
use lock_rustix::existence::{Contender, Refused, Request};
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, read, write};
use rustix::stdio::{stderr, stdin, stdout};

/// What `sysexits.h` calls `EX_TEMPFAIL`, `EX_USAGE` and `EX_OSERR`.
const HELD: c_int = 75;
const USAGE: c_int = 64;
const FAILED: c_int = 71;

/// Whom it talks to.
struct Streams {
    input: BorrowedFd<'static>,
    output: BorrowedFd<'static>,
    errors: BorrowedFd<'static>,
}

/// libc calls this.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    // SAFETY: this program closes none of them.
    let streams = unsafe { Streams { input: stdin(), output: stdout(), errors: stderr() } };
    if count != 2 {
        say(streams.errors, format_args!("usage: pid_file PATH\n"));
        return USAGE;
    }
    // SAFETY: libc passes `count` pointers to texts that end with a NUL and live as long as the
    // program.
    let path = unsafe { CStr::from_ptr(*arguments.add(1)) };
    run(path, &streams)
}

fn run(path: &CStr, streams: &Streams) -> c_int {
    let name = path.to_bytes().escape_ascii();
    let failed = |fault: Fault| {
        say(streams.errors, format_args!("{name}: {fault}\n"));
        FAILED
    };
    let contender = match Contender::new(Kind::Pidfile, path) {
        Ok(contender) => contender,
        Err(fault) => return failed(fault),
    };
    match contender.lock(&Request::once(&contender.me), &mut |_| {}) {
        Ok(taken) => {
            say(streams.output, format_args!("alone, and {name} says so\n"));
            wait_for_the_end(streams.input);
            taken.unlock(&contender.spot).map_or_else(failed, |_| 0)
        }
        Err(Refused::Held(_)) => {
            let found = contender.look().ok().flatten();
            match found.and_then(|found| found.claim) {
                Some(claim) => say(streams.errors, format_args!("held by {}\n", claim.owner)),
                None => say(streams.errors, format_args!("held\n")),
            }
            HELD
        }
        Err(Refused::Failed(fault)) => failed(fault),
        Err(_) => FAILED,
    }
}

/// Reads until there is no more.
fn wait_for_the_end(input: BorrowedFd<'_>) {
    let mut buffer = [0; 64];
    // A signal only interrupts it.
    while matches!(read(input, &mut buffer), Ok(1..) | Err(Errno::INTR)) {}
}

/// Formats without a buffer, straight into a file.
struct Output(BorrowedFd<'static>);

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = write(self.0, rest).map_err(|_| fmt::Error)?;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

fn say(output: BorrowedFd<'static>, words: fmt::Arguments<'_>) {
    // Nobody may be listening.
    let _ = Output(output).write_fmt(words);
}

/// Nothing here panics, and the locks' code neither.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// The C library, for its start and for `memcpy` and its kin; nothing of it is called by name.
#[link(name = "c")]
unsafe extern "C" {}
