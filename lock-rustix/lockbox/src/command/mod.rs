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
use crate::out::{Out, print};
use crate::stack::Stack;
use crate::status as exit;

/// What a command or applet is run by: its arguments, and where its own start.
type Main = fn(&Stack, usize) -> u8;

/// The commands by name.
const COMMANDS: [(&str, Main); 16] = [
    ("acquire", if EXISTENCE { |stack, at| acquire::main(stack, at) } else { left_out }),
    ("break", if EXISTENCE { |stack, at| release::break_(stack, at) } else { left_out }),
    #[cfg(feature = "doctor")]
    ("doctor", |stack, at| doctor::main(stack, at)),
    #[cfg(not(feature = "doctor"))]
    ("doctor", left_out),
    #[cfg(feature = "explain")]
    ("explain", |stack, at| explain::main(stack, at)),
    #[cfg(not(feature = "explain"))]
    ("explain", left_out),
    #[cfg(feature = "list")]
    ("list", |stack, at| list::main(stack, at)),
    #[cfg(not(feature = "list"))]
    ("list", left_out),
    ("release", if EXISTENCE { |stack, at| release::release(stack, at) } else { left_out }),
    ("run", run::main),
    ("status", |stack, at| status::main(stack, at)),
    ("touch", if EXISTENCE { |stack, at| release::touch(stack, at) } else { left_out }),
    ("wait", |stack, at| wait::main(stack, at)),
    ("help", help),
    ("--help", help),
    ("-h", help),
    ("version", version),
    ("--version", version),
    ("-V", version),
];

/// Runs the command that the first argument names.
pub(crate) fn main(stack: &Stack) -> u8 {
    let Some(name) = stack.args().get(1).map(CStr::to_bytes) else {
        help::usage(&mut Out::stderr());
        return exit::USAGE;
    };
    match COMMANDS.iter().find(|(it, _)| it.as_bytes() == name) {
        Some((_, main)) => main(stack, 2),
        None => crate::applet::main(name, stack, 2)
            .unwrap_or_else(|| wrong_usage("unknown command '%'", name)),
    }
}

fn help(stack: &Stack, at: usize) -> u8 {
    help::main(stack, at)
}

fn version(_: &Stack, _: usize) -> u8 {
    print(concat!("lockbox ", env!("CARGO_PKG_VERSION"), "\n"));
    0
}

/// A command that is left out of this build.
fn left_out(stack: &Stack, at: usize) -> u8 {
    crate::applet::not_built_in(stack.args().bytes(at - 1))
}

/// Says what is wrong with the command line; `%` stands for `name`.
fn wrong_usage(text: &str, name: &[u8]) -> u8 {
    wrong_usage_of(text, name, "", b"")
}

/// [`wrong_usage`], in two parts with a name each.
#[inline(never)]
fn wrong_usage_of(text: &str, name: &[u8], more: &str, other: &[u8]) -> u8 {
    let mut out = Out::stderr();
    out.text("lockbox: ").fill(text, name).fill(more, other).text("; see 'lockbox help'\n");
    exit::USAGE
}

/// Says which option cannot be read.
fn wrong_option(wrong: Wrong, name: &[u8]) -> u8 {
    let text = match wrong {
        Wrong::Unknown => "unknown option '%'",
        Wrong::Ambiguous => "ambiguous option '%'",
        Wrong::MissingArgument => "option '%' needs an argument",
        Wrong::ExtraArgument => "option '%' takes no argument",
    };
    wrong_usage(text, name)
}
