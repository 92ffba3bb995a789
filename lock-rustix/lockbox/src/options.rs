//! Reading options as `getopt_long` does: bundled short ones, long ones with `=` or a separate
//! argument and shortened as far as they stay unambiguous, `--` and the first operand end them.

use core::ffi::CStr;

use crate::stack::Args;

/// One option that a command knows.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it is to the command: several spellings can be one option.
    pub key: u8,
    /// `-x`; 0 if it has no short form.
    pub short: u8,
    /// `--long`; empty if it has no long form.
    pub long: &'static str,
    /// Whether it takes an argument.
    pub takes_argument: bool,
}

/// What stands on the command line next.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    /// An option, with its argument if it takes one.
    Option(u8, &'static [u8]),
    /// No more options; operands start here.
    Operands(usize),
    /// An option that cannot be read.
    Wrong(Wrong),
}

/// Why an option cannot be read, and which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// Not known.
    Unknown(&'static [u8]),
    /// Several are meant by this abbreviation.
    Ambiguous(&'static [u8]),
    /// Its argument is missing.
    MissingArgument(&'static [u8]),
    /// It takes none.
    ExtraArgument(&'static [u8]),
}

/// Reads the options from argument `at` on.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    args: Args,
    at: usize,
    /// The rest of a bundle of short options.
    bundle: &'static [u8],
}

impl Options {
    /// Reads from argument `at` on.
    pub fn new(args: Args, at: usize) -> Options {
        Options { args, at, bundle: &[] }
    }

    /// The next option, or where the operands start.
    pub fn next(&mut self, known: &[Known]) -> Item {
        if self.bundle.is_empty() {
            let Some(arg) = self.args.get(self.at).map(CStr::to_bytes) else {
                return Item::Operands(self.at);
            };
            match arg {
                b"--" => return Item::Operands(self.at + 1),
                [b'-', b'-', long @ ..] => {
                    self.at += 1;
                    return self.long(long, known);
                }
                [b'-', bundle @ ..] if !bundle.is_empty() => {
                    self.at += 1;
                    self.bundle = bundle;
                }
                _ => return Item::Operands(self.at),
            }
        }
        self.short(known)
    }

    fn short(&mut self, known: &[Known]) -> Item {
        let (letter, rest) = self.bundle.split_at_checked(1).unwrap_or_default();
        self.bundle = rest;
        let Some(option) = known.iter().find(|option| letter == [option.short]) else {
            return Item::Wrong(Wrong::Unknown(letter));
        };
        if !option.takes_argument {
            return Item::Option(option.key, &[]);
        }
        self.bundle = &[];
        if !rest.is_empty() {
            return Item::Option(option.key, rest);
        }
        self.separate_argument(option.key, letter)
    }

    fn long(&mut self, text: &'static [u8], known: &[Known]) -> Item {
        let equals = text.iter().position(|&byte| byte == b'=');
        let (name, argument) = match equals.and_then(|at| text.split_at_checked(at)) {
            Some((name, argument)) => (name, argument.get(1..)),
            None => (text, None),
        };
        let option = match find_long(name, known) {
            Ok(option) => option,
            Err(wrong) => return Item::Wrong(wrong),
        };
        match (option.takes_argument, argument) {
            (true, Some(argument)) => Item::Option(option.key, argument),
            (true, None) => self.separate_argument(option.key, name),
            (false, None) => Item::Option(option.key, &[]),
            (false, Some(_)) => Item::Wrong(Wrong::ExtraArgument(name)),
        }
    }

    fn separate_argument(&mut self, key: u8, name: &'static [u8]) -> Item {
        match self.args.get(self.at) {
            Some(argument) => {
                self.at += 1;
                Item::Option(key, argument.to_bytes())
            }
            None => Item::Wrong(Wrong::MissingArgument(name)),
        }
    }
}

fn find_long(name: &'static [u8], known: &[Known]) -> Result<Known, Wrong> {
    if let Some(exact) = known.iter().find(|option| option.long.as_bytes() == name) {
        return if name.is_empty() { Err(Wrong::Unknown(name)) } else { Ok(*exact) };
    }
    let mut meant = known.iter().filter(|option| option.long.as_bytes().starts_with(name));
    match meant.next() {
        // Several names of one option are one meaning.
        Some(option) if !name.is_empty() && meant.all(|other| other.key == option.key) => {
            Ok(*option)
        }
        Some(_) => Err(Wrong::Ambiguous(name)),
        None => Err(Wrong::Unknown(name)),
    }
}
