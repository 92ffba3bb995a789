//! The whole of lockbox but its entry point: one function, [`main`], from the stack that the
//! kernel made to an exit status. No libc, no allocation, one thread.
//!
//! | room | what it holds |
//! |---|---|
//! | [`stack`] | arguments and environment, as the kernel left them |
//! | [`sys`] | processes, signals, timers: what rustix has no safe form of |
//! | [`options`] | reading options, for every command and applet |
//! | [`out`] | text for standard output and error |
//! | `packed` | texts in half the space |
//! | `tables` | what each command and applet takes, for its documentation |
//! | `command` | one file per command |
//! | `applet` | one file per applet |
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
// A part of the tool leaves some of what the parts share unused.
#![cfg_attr(
    not(all(
        feature = "commands",
        feature = "doctor",
        feature = "explain",
        feature = "list",
        feature = "kinds",
        feature = "applet-dotlockfile",
        feature = "applet-flock",
        feature = "applet-lockf",
        feature = "applet-lockfile",
        feature = "applet-setlock"
    )),
    allow(dead_code, unused_variables, unused_mut)
)]

mod applet;
#[cfg(feature = "dlm")]
mod cluster;
#[cfg(feature = "commands")]
mod command;
mod existence;
mod hold;
mod holder;
mod json;
pub mod number;
pub mod options;
pub mod out;
mod packed;
mod spawn;
pub mod stack;
pub mod status;
pub mod sys;
#[cfg(feature = "tables")]
pub mod tables;
mod waiting;

use stack::Stack;

/// Runs the command or applet that the arguments name; answers the exit status.
pub fn main(stack: &Stack) -> u8 {
    let name = stack.args().bytes(0);
    let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    applet::main(base, stack, 1).unwrap_or_else(|| own_name(stack))
}

/// As `lockbox`, or under a name that nobody knows.
#[cfg(feature = "commands")]
fn own_name(stack: &Stack) -> u8 {
    command::main(stack)
}

/// As `lockbox`, or under a name that nobody knows: the first argument names the applet.
#[cfg(not(feature = "commands"))]
fn own_name(stack: &Stack) -> u8 {
    let name = stack.args().bytes(1);
    applet::main(name, stack, 2).unwrap_or_else(|| {
        out::complain("lockbox: no applet '%' is built in\n", name);
        status::USAGE
    })
}
