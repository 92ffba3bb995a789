//! `lockbox status`: whether a lock is held and by whom, without touching it.

use core::ffi::CStr;

use lock_core::kind::Kind;
use lock_core::owner::{Owner, Pid};
use lock_rustix::alone::look;
use lock_rustix::clock::wall_us;
use lock_rustix::look::Standing;
use lock_rustix::place::Place;
use lock_rustix::process;
use lock_rustix::rustix::fs::{AtFlags, CWD, statat};
use lock_rustix::sys::Sys;

use super::{failed, kind, wrong_option, wrong_usage};
use crate::holder::describe;
use crate::options::{Item, Known, Options};
use crate::out::Out;
use crate::stack::Stack;

const KNOWN: [Known; 2] = [
    Known { key: b'k', short: b'k', long: "kind", takes_argument: true },
    Known { key: b'j', short: b'j', long: "json", takes_argument: false },
];

/// Exit statuses of init scripts' `status`, as the Linux Standard Base has them.
const HELD: u8 = 0;
const FREE: u8 = 3;
const UNKNOWN: u8 = 4;

pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    let mut options = Options::new(stack.args(), at);
    let (mut kind_, mut json) = (Kind::File, false);
    let at = loop {
        match options.next(&KNOWN) {
            Item::Operands(at) => break at,
            Item::Wrong(wrong) => return wrong_option(wrong),
            Item::Option(b'j', _) => json = true,
            Item::Option(_, name) => match kind(name) {
                Ok(known) => kind_ = known,
                Err(status) => return status,
            },
        }
    };
    let Some(path) = stack.args().get(at) else {
        return wrong_usage(&[b"status: PATH is missing"]);
    };
    if let Some(extra) = stack.args().get(at + 1) {
        return wrong_usage(&[b"status: extra argument '", extra.to_bytes(), b"'"]);
    }
    let standing = look(&Sys::new(Place::path(path)), kind_);
    if json {
        print_json(path, kind_, &standing);
    }
    match standing {
        Ok(Standing::Held(owner)) => {
            if !json {
                let mut out = Out::stdout();
                out.foreign(path.to_bytes()).text(": held by ");
                describe(&mut out, &owner);
                out.text("\n");
            }
            HELD
        }
        Ok(_) => {
            if !json {
                Out::stdout().foreign(path.to_bytes()).text(": free\n");
            }
            FREE
        }
        Err(fault) => {
            if !json {
                failed(path, fault);
            }
            UNKNOWN
        }
    }
}

fn print_json(path: &CStr, kind: Kind, standing: &Result<Standing, lock_core::fault::Fault>) {
    let unknown = Owner::default();
    let (state, owner, why) = match standing {
        Ok(Standing::Held(owner)) => ("held", owner, None),
        Ok(Standing::Missing) => ("free", &unknown, Some("there is no such file")),
        Ok(_) => ("free", &unknown, None),
        Err(fault) => ("unknown", &unknown, Some(fault.kind.reason())),
    };
    let mut out = Out::stdout();
    out.text("{\"path\":");
    string(&mut out, path.to_bytes());
    out.text(",\"kind\":\"").text(kind.name()).text("\",\"state\":\"").text(state);
    out.text("\",\"owner\":{\"pid\":");
    number(&mut out, owner.pid.map(Pid::get));
    out.text(",\"host\":");
    maybe(&mut out, owner.host.as_deref());
    out.text(",\"start\":");
    let start = owner.start.or_else(|| owner.pid.and_then(process::start_time));
    number(&mut out, start.map(|start| start.0));
    out.text(",\"message\":");
    maybe(&mut out, owner.message.as_deref());
    out.text(",\"command\":");
    maybe(&mut out, owner.pid.and_then(process::command).as_deref());
    out.text("},\"age\":");
    number(&mut out, if state == "held" { age_s(path) } else { None });
    out.text(",\"why\":");
    maybe(&mut out, why.map(str::as_bytes));
    out.text("}\n");
}

/// Seconds since the lock file was written, by the wall clock.
#[allow(clippy::unnecessary_cast, reason = "its width differs between architectures")]
fn age_s(path: &CStr) -> Option<u64> {
    let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    u64::try_from(wall_us() / 1_000_000 - stat.st_mtime as i64).ok()
}

fn number(out: &mut Out, number: Option<u64>) {
    match number {
        Some(number) => out.number(number),
        None => out.text("null"),
    };
}

fn maybe(out: &mut Out, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => {
            out.text("null");
        }
    }
}

/// A JSON string. Bytes that are no UTF-8 become U+FFFD.
fn string(out: &mut Out, text: &[u8]) {
    out.text("\"");
    for chunk in text.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' => out.text("\\\""),
                b'\\' => out.text("\\\\"),
                0..b' ' => out.text("\\u00").hex(byte >> 4).hex(byte & 15),
                _ => out.bytes(&[byte]),
            };
        }
        if !chunk.invalid().is_empty() {
            out.text("\u{fffd}");
        }
    }
    out.text("\"");
}
