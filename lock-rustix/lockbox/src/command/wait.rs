//! `lockbox wait`: returns as soon as the lock is free, without taking it.
//!
//! The kernel tells nobody but takers when a lock becomes free, so this looks again and again, with
//! pauses that double up to a limit.

use lock_core::kind::Kind;
use lock_rustix::alone::look;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::look::Standing;
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

use super::{failed, kind, wrong_option, wrong_usage};
use crate::number::seconds_ns;
use crate::options::{Item, Known, Options};
use crate::stack::Stack;
use crate::status as exit;
use crate::sys;

const KNOWN: [Known; 2] = [
    Known { key: b'k', short: b'k', long: "kind", takes_argument: true },
    Known { key: b'w', short: b'w', long: "wait", takes_argument: true },
];

/// The first pause and the longest, in nanoseconds.
const PAUSE_NS: (u64, u64) = (1_000_000, 50_000_000);

pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    let mut options = Options::new(stack.args(), at);
    let (mut kind_, mut deadline_ns) = (Kind::File, u64::MAX);
    let at = loop {
        match options.next(&KNOWN) {
            Item::Operands(at) => break at,
            Item::Wrong(wrong) => return wrong_option(wrong),
            Item::Option(b'k', name) => match kind(name) {
                Ok(known) => kind_ = known,
                Err(status) => return status,
            },
            Item::Option(_, seconds) => match seconds_ns(seconds) {
                Some(ns) => deadline_ns = monotonic_ns().saturating_add(ns),
                None => return wrong_usage(&[b"no number of seconds: '", seconds, b"'"]),
            },
        }
    };
    let Some(path) = stack.args().get(at) else { return wrong_usage(&[b"wait: PATH is missing"]) };
    if let Some(extra) = stack.args().get(at + 1) {
        return wrong_usage(&[b"wait: extra argument '", extra.to_bytes(), b"'"]);
    }
    let place = Sys::new(Place::path(path));
    let (mut pause_ns, longest_ns) = PAUSE_NS;
    loop {
        match look(&place, kind_) {
            Ok(Standing::Held(_)) => {}
            Ok(_) => return 0,
            Err(fault) => return failed(path, fault),
        }
        let left_ns = deadline_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return exit::HELD;
        }
        sys::sleep(pause_ns.min(left_ns));
        pause_ns = pause_ns.saturating_mul(2).min(longest_ns);
    }
}
