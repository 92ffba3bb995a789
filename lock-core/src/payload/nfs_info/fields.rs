//! The fields of a record, in any order, each once.

use crate::owner::{Host, Pid, Text};
use crate::payload::date_time::{PART_MAX, WallTime};
use crate::payload::ocaml_int;
use crate::payload::parse::{Expected, ParseError};
use crate::payload::sexp::{Atom, Reader, Token};

/// The longest integer that is read, in bytes; OCaml's are shorter unless underscores fill them.
const INTEGER_MAX: usize = 64;

/// The fields read so far.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) host: Option<Host>,
    pub(super) pid: Option<Pid>,
    pub(super) message: Option<Text>,
    pub(super) start_time: Option<WallTime>,
}

impl Fields {
    /// Reads a field behind its parenthesis.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        let name = next_atom(reader)?;
        let once = ParseError::new(name.at(), Expected::FieldOnce);
        if name.is(b"host") {
            let host = next_atom(reader)?.to_array()?;
            give(&mut self.host, host).ok_or(once)?;
        } else if name.is(b"pid") {
            let pid = parse_pid(next_atom(reader)?)?;
            give(&mut self.pid, pid).ok_or(once)?;
        } else if name.is(b"message") {
            let message = next_atom(reader)?.to_array()?;
            give(&mut self.message, message).ok_or(once)?;
        } else if name.is(b"start_time") {
            let time = parse_start_time(reader)?;
            give(&mut self.start_time, time).ok_or(once)?;
        } else {
            return Err(ParseError::new(name.at(), Expected::FieldName));
        }
        expect_close(reader)
    }
}

/// Puts a value where there was none.
fn give<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

fn parse_pid(atom: Atom<'_>) -> Result<Pid, ParseError> {
    let pid = atom.to_array::<INTEGER_MAX>()?;
    ocaml_int::parse(&pid)
        .and_then(|pid| u64::try_from(pid).ok())
        .and_then(Pid::new)
        .ok_or(ParseError::new(atom.at(), Expected::Pid))
}

/// Two atoms in a list of their own.
fn parse_start_time(reader: &mut Reader<'_>) -> Result<WallTime, ParseError> {
    let (at, token) = next(reader)?;
    if token != Token::Open {
        return Err(ParseError::new(at, Expected::List));
    }
    let (date_atom, time_atom) = (next_atom(reader)?, next_atom(reader)?);
    expect_close(reader)?;
    let date = date_atom.to_array::<PART_MAX>()?;
    let time = time_atom.to_array::<PART_MAX>()?;
    WallTime::parse(&date, &time).map_err(|error| {
        let at = if error.at > date.len() { time_atom.at() } else { date_atom.at() };
        ParseError { at, ..error }
    })
}

/// A token and where it stands.
pub(super) fn next<'a>(reader: &mut Reader<'a>) -> Result<(usize, Token<'a>), ParseError> {
    let token = reader.next_token()?;
    let at = match token {
        Token::Atom(atom) => atom.at(),
        Token::Open | Token::Close => reader.at().saturating_sub(1),
        Token::End => reader.at(),
    };
    Ok((at, token))
}

fn next_atom<'a>(reader: &mut Reader<'a>) -> Result<Atom<'a>, ParseError> {
    match next(reader)? {
        (_, Token::Atom(atom)) => Ok(atom),
        (at, _) => Err(ParseError::new(at, Expected::Atom)),
    }
}

fn expect_close(reader: &mut Reader<'_>) -> Result<(), ParseError> {
    match next(reader)? {
        (_, Token::Close) => Ok(()),
        (at, _) => Err(ParseError::new(at, Expected::Byte(b')'))),
    }
}
