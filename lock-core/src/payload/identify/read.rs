//! What a convention accepts as its own, where that is less than what its codec reads.

use crate::owner::{Owner, Text};
use crate::payload::link_identity::LinkIdentity;
use crate::payload::message;
use crate::payload::parse::{Expected, ParseError, check_len};
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
