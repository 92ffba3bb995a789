//! The fields of a record, in any order, each once.

use core::mem::replace;

use arrayvec::ArrayVec;

use crate::owner::{Host, Pid, Text};
use crate::payload::date_time::{PART_MAX, WallTime};
use crate::payload::ocaml_int;
use crate::payload::parse::{Expected, ParseError, Required};
use crate::payload::sexp::{Atom, Lexeme, Reader};

/// The longest integer that is read, in bytes; OCaml's are shorter unless underscores fill them.
const INTEGER_MAX: usize = 64;

const NAMES: [&[u8]; 4] = [b"host", b"pid", b"message", b"start_time"];

/// Those of them that a record cannot do without.
const REQUIRED: [Required; 3] = [Required::Host, Required::Pid, Required::Message];

/// A date or a time of day.
type Part = ArrayVec<u8, PART_MAX>;

/// The fields read so far.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) host: Host,
    pub(super) pid: Option<Pid>,
    pub(super) message: Text,
    pub(super) start_time: Option<WallTime>,
    /// Which were there, in the order of [`NAMES`].
    given: [bool; NAMES.len()],
}

impl Fields {
    /// Reads a field behind its parenthesis.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        reader.require(Lexeme::Atom, Expected::Atom)?;
        let name = reader.last();
        let mut known = NAMES.iter().zip(&mut self.given).enumerate();
        let Some((number, (_, given))) = known.find(|(_, (known, _))| name.is(known)) else {
            return Err(ParseError::new(name.at(), Expected::FieldName));
        };
        let list = number == 3;
        if list {
            reader.require(Lexeme::Open, Expected::List)?;
        }
        reader.require(Lexeme::Atom, Expected::Atom)?;
        let atom = reader.last();
        match number {
            0 => atom.read_into(&mut self.host)?,
            1 => self.pid = Some(parse_pid(atom)?),
            2 => atom.read_into(&mut self.message)?,
            _ => self.start_time = Some(parse_start_time(atom, reader)?),
        }
        if replace(given, true) {
            return Err(ParseError::new(name.at(), Expected::FieldOnce));
        }
        reader.require(Lexeme::Close, Expected::Byte(b')'))
    }

    /// The first that is missing and must not be.
    pub(super) fn missing(&self) -> Option<Required> {
        let mut required = REQUIRED.into_iter().zip(self.given);
        required.find(|(_, given)| !given).map(|(required, _)| required)
    }
}

fn parse_pid(atom: Atom<'_>) -> Result<Pid, ParseError> {
    let mut pid = ArrayVec::<u8, INTEGER_MAX>::new();
    atom.read_into(&mut pid)?;
    let pid = ocaml_int::parse(&pid).and_then(|pid| u64::try_from(pid).ok()).and_then(Pid::new);
    pid.ok_or(ParseError::new(atom.at(), Expected::Pid))
}

/// Two atoms, of which the first is read, and the parenthesis behind them.
fn parse_start_time(date: Atom<'_>, reader: &mut Reader<'_>) -> Result<WallTime, ParseError> {
    reader.require(Lexeme::Atom, Expected::Atom)?;
    let time = reader.last();
    reader.require(Lexeme::Close, Expected::Byte(b')'))?;
    let (mut date_text, mut time_text) = (Part::new(), Part::new());
    date.read_into(&mut date_text)?;
    time.read_into(&mut time_text)?;
    WallTime::parse(&date_text, &time_text).map_err(|error| {
        let of_date = !matches!(error.expected, Expected::TimeOfDay);
        ParseError::new(if of_date { date.at() } else { time.at() }, error.expected)
    })
}
