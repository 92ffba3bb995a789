//! The commands, and what they have in common.

mod help;
mod run;
mod status;
mod wait;

use core::ffi::CStr;

use lock_core::fault::Fault;
use lock_core::kind::Kind;

use crate::options::Wrong;
use crate::out::Out;
use crate::stack::Stack;
use crate::status as exit;

/// Runs the command that the first argument names.
pub(crate) fn main(stack: &mut Stack) -> u8 {
    let Some(name) = stack.args().get(1).map(CStr::to_bytes) else {
        help::usage(&mut Out::stderr());
        return exit::USAGE;
    };
    match name {
        b"run" => run::main(stack, 2),
        b"status" => status::main(stack, 2),
        b"wait" => wait::main(stack, 2),
        b"flock" => crate::applet::flock::main(stack, 2),
        b"help" | b"--help" | b"-h" => help::main(stack, 2),
        b"version" | b"--version" | b"-V" => {
            Out::stdout().text("lockbox ").text(env!("CARGO_PKG_VERSION")).text("\n");
            0
        }
        _ => wrong_usage(&[b"unknown command '", name, b"'"]),
    }
}

/// Says what is wrong with the command line.
fn wrong_usage(parts: &[&[u8]]) -> u8 {
    let mut out = Out::stderr();
    out.text("lockbox: ");
    for part in parts {
        out.foreign(part);
    }
    out.text("; see 'lockbox help'\n");
    exit::USAGE
}

/// Says which option cannot be read.
fn wrong_option(wrong: Wrong) -> u8 {
    match wrong {
        Wrong::Unknown(name) => wrong_usage(&[b"unknown option '", name, b"'"]),
        Wrong::Ambiguous(name) => wrong_usage(&[b"ambiguous option '", name, b"'"]),
        Wrong::MissingArgument(name) => wrong_usage(&[b"option '", name, b"' needs an argument"]),
        Wrong::ExtraArgument(name) => wrong_usage(&[b"option '", name, b"' takes no argument"]),
    }
}

/// The kind of this name.
fn kind(name: &'static [u8]) -> Result<Kind, u8> {
    Kind::from_name(name).ok_or_else(|| wrong_usage(&[b"unknown kind '", name, b"'"]))
}

/// Says why a call about the lock failed; answers the exit status.
fn failed(path: &CStr, fault: Fault) -> u8 {
    let mut out = Out::stderr();
    out.text("lockbox: ").foreign(path.to_bytes()).text(": ").text(fault.call.name());
    out.text(" of ").text(fault.node.name()).text(": ").text(fault.kind.reason());
    if fault.errno != 0 {
        out.text(" (errno ").number(u64::from(fault.errno)).text(")");
    }
    out.text("\n");
    exit::of(fault)
}
