//! What a convention accepts as its own, where that is less than what its codec reads.

use crate::owner::{Host, Owner, PidNamespace, StartTime, Text};
use crate::payload::link_identity::LinkIdentity;
use crate::payload::message;
use crate::payload::parse::{self, Expected, ParseError, check_len, split_first};
use crate::payload::pid_text::{Dialect, PidText};
use crate::payload::pidfile::Pidfile;
use crate::staleness::Claim;

pub(super) fn always(_: &[u8]) -> bool {
    true
}

pub(super) fn never(_: &[u8]) -> bool {
    false
}

pub(super) fn link_identity(target: &[u8]) -> Result<Claim, ParseError> {
    LinkIdentity::parse(target).map(|identity| identity.claim())
}

pub(super) fn nothing_in_it(content: &[u8]) -> Result<Claim, ParseError> {
    if content.is_empty() { Ok(Claim::default()) } else { Err(ParseError::new(0, Expected::End)) }
}

pub(super) fn pid_text(text: &[u8], written: fn(Dialect) -> bool) -> Result<Claim, ParseError> {
    let text = PidText::parse(text)?;
    if written(text.dialect) { Ok(text.claim()) } else { Err(ParseError::new(0, Expected::Pid)) }
}

/// X11 reads eleven bytes, and no other number of them.
pub(super) fn pid_column(file: &[u8]) -> Result<Claim, ParseError> {
    let at = file.len().min(11);
    let text = PidText::parse(file)?;
    match text.dialect {
        Dialect::Column => Ok(text.claim()),
        _ => Err(ParseError::new(at, Expected::PidColumn)),
    }
}

/// `1234 vm`, where nothing looks like more words.
pub(super) fn names_pid_and_host(file: &[u8]) -> bool {
    let Pidfile { pid, host } = Pidfile::parse(file);
    pid != 0 && !host.is_empty() && host.iter().all(u8::is_ascii_graphic)
}

/// Lines of pid, host and, by some versions, start time. The host may carry a pid namespace. The
/// start time is a number of two halves: the boot, unless that is not known or the system is not
/// Linux, and then ticks.
pub(super) fn filelock(file: &[u8]) -> Result<Claim, ParseError> {
    let text = PidText::parse(file)?;
    let end = ParseError::new(file.len(), Expected::Byte(b'\n'));
    // A file without its last newline is being written.
    if text.dialect != Dialect::Lines || !file.ends_with(b"\n") {
        return Err(end);
    }
    let (host, start) = split_first(text.rest, b'\n').unwrap_or((text.rest, &[]));
    let (host, namespace) = match host.windows(7).position(|mark| mark == b"?pidns-") {
        Some(at) => (host.get(..at).unwrap_or_default(), host.get(at.saturating_add(7)..)),
        None => (host, None),
    };
    let host = Host::try_from(host).ok().filter(|host| !host.is_empty());
    let start = match start {
        [] => None,
        digits => Some(split_token(digits).ok_or(ParseError { expected: Expected::End, ..end })?),
    };
    let mut claim = text.claim();
    claim.owner.host = Some(host.ok_or(ParseError { expected: Expected::Host, ..end })?);
    claim.owner.pid_namespace = namespace.and_then(parse::hex).map(PidNamespace);
    claim.owner.start = start.filter(|&(boot, _)| boot != 0).map(|(_, ticks)| StartTime(ticks));
    Ok(claim)
}

/// The halves of a decimal number of up to 128 bits.
fn split_token(digits: &[u8]) -> Option<(u64, u64)> {
    let number: u128 = core::str::from_utf8(digits).ok()?.parse().ok()?;
    let low = u64::try_from(number & u128::from(u64::MAX)).ok()?;
    Some((u64::try_from(number.wrapping_shr(64)).ok()?, low))
}

pub(super) fn local_message(file: &[u8]) -> Result<Claim, ParseError> {
    match message::parse_pid(file) {
        Some(pid) => {
            let owner = Owner { pid: Some(pid), ..Owner::default() };
            Ok(Claim { owner, ..Claim::default() })
        }
        None if file == b"\n" => Ok(Claim::default()),
        None => said(file.strip_suffix(b"\n").unwrap_or(file)),
    }
}

/// The holder's own words, some at least.
pub(super) fn said(text: &[u8]) -> Result<Claim, ParseError> {
    check_len(text, message::MESSAGE_MAX)?;
    if text.is_empty() {
        return Err(ParseError::new(0, Expected::Message));
    }
    let owner = Owner { message: Text::try_from(text).ok(), ..Owner::default() };
    Ok(Claim { owner, ..Claim::default() })
}
