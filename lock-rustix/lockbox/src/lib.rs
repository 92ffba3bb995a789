//! The whole of lockbox but its entry point: one function, [`main`], from the stack that the
//! kernel made to an exit status. No libc, no allocation, one thread.
//!
//! | room | what it holds |
//! |---|---|
//! | [`stack`] | arguments and environment, as the kernel left them |
//! | [`sys`] | processes, signals, timers: what rustix has no safe form of |
//! | [`options`] | reading options, for every command and applet |
//! | [`out`] | text for standard output and error |
//! | `command` | one file per command |
//! | `applet` | one file per applet |
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod applet;
mod command;
mod existence;
mod hold;
mod holder;
mod json;
pub mod number;
pub mod options;
pub mod out;
mod spawn;
pub mod stack;
pub mod status;
pub mod sys;
mod waiting;

use stack::Stack;

/// Runs the command or applet that the arguments name; answers the exit status.
pub fn main(mut stack: Stack) -> u8 {
    let name = stack.args().get(0).map_or(&b""[..], core::ffi::CStr::to_bytes);
    let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    match base {
        b"dotlockfile" => applet::dotlockfile::main(&mut stack, 1),
        b"flock" => applet::flock::main(&mut stack, 1),
        b"lockf" => applet::lockf::main(&mut stack, 1),
        b"lockfile" => applet::lockfile::main(&stack, 1),
        b"setlock" => applet::setlock::main(&stack, 1),
        _ => command::main(&mut stack),
    }
}
