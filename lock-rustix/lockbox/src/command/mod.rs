//! The commands, and what they have in common.

mod acquire;
#[cfg(feature = "doctor")]
mod doctor;
#[cfg(feature = "explain")]
mod explain;
mod help;
#[cfg(feature = "list")]
mod list;
mod release;
mod report;
mod run;
mod settings;
mod status;
#[cfg(feature = "tables")]
pub(crate) mod tables;
mod wait;

use core::ffi::CStr;

use crate::existence::EXISTENCE;
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
        b"acquire" if EXISTENCE => acquire::main(stack, 2),
        b"break" if EXISTENCE => release::break_(stack, 2),
        #[cfg(feature = "doctor")]
        b"doctor" => doctor::main(stack, 2),
        #[cfg(not(feature = "doctor"))]
        b"doctor" => crate::applet::not_built_in(name),
        #[cfg(feature = "explain")]
        b"explain" => explain::main(stack, 2),
        #[cfg(feature = "list")]
        b"list" => list::main(stack, 2),
        b"release" if EXISTENCE => release::release(stack, 2),
        b"run" => run::main(stack, 2),
        b"status" => status::main(stack, 2),
        b"touch" if EXISTENCE => release::touch(stack, 2),
        b"wait" => wait::main(stack, 2),
        b"help" | b"--help" | b"-h" => help::main(stack, 2),
        b"version" | b"--version" | b"-V" => {
            Out::stdout().text("lockbox ").text(env!("CARGO_PKG_VERSION")).text("\n");
            0
        }
        _ if is_known(name) => crate::applet::not_built_in(name),
        _ => crate::applet::main(name, stack, 2)
            .unwrap_or_else(|| wrong_usage(&[b"unknown command '", name, b"'"])),
    }
}

/// Whether there is such a command, though it may be left out of this build.
fn is_known(name: &[u8]) -> bool {
    matches!(name, b"acquire" | b"break" | b"explain" | b"list" | b"release" | b"touch")
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
fn wrong_option(wrong: Wrong, name: &[u8]) -> u8 {
    match wrong {
        Wrong::Unknown => wrong_usage(&[b"unknown option '", name, b"'"]),
        Wrong::Ambiguous => wrong_usage(&[b"ambiguous option '", name, b"'"]),
        Wrong::MissingArgument => wrong_usage(&[b"option '", name, b"' needs an argument"]),
        Wrong::ExtraArgument => wrong_usage(&[b"option '", name, b"' takes no argument"]),
    }
}
