//! Reading options as `getopt_long` does: bundled short ones, long ones with `=` or a separate
//! argument and shortened as far as they stay unambiguous, `--` and the first operand end them.

use core::slice;

use crate::stack::Args;

/// One option that a command knows.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it is to the command: several spellings can be one option.
    pub key: u8,
    /// `-x`; 0 if it has no short form.
    pub short: u8,
    /// `--long`; empty if it has no long form. At most 127 bytes.
    pub long: &'static str,
    /// Whether it takes an argument.
    pub takes_argument: bool,
}

/// Why an option cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// Not known.
    Unknown,
    /// Several are meant by this abbreviation.
    Ambiguous,
    /// Its argument is missing.
    MissingArgument,
    /// It takes none.
    ExtraArgument,
}

/// Reads the options from argument `at` on: an iterator over their keys.
#[derive(Clone, Debug)]
pub struct Options {
    args: Args,
    at: usize,
    packed: &'static [u8],
    /// The rest of a bundle of short options.
    bundle: &'static [u8],
    name: &'static [u8],
    argument: &'static [u8],
    wrong: Option<Wrong>,
}

impl Options {
    /// Reads from argument `at` on the options that were [packed](pack).
    #[inline(never)]
    pub fn new(args: Args, at: usize, packed: &'static [u8]) -> Options {
        Options { args, at, packed, bundle: &[], name: &[], argument: &[], wrong: None }
    }

    /// Where the operands start, once there are no more options; else why one cannot be read.
    pub fn operands(&self) -> Result<usize, Wrong> {
        self.wrong.map_or(Ok(self.at), Err)
    }

    /// The argument of the option that was read last, if it takes one.
    pub fn argument(&self) -> &'static [u8] {
        self.argument
    }

    /// The long form of the option that was read last; of one that cannot be read, what stands on
    /// the command line, without dashes.
    pub fn name(&self) -> &'static [u8] {
        self.name
    }

    /// The option of this name: a letter, or a long form as far as it was written, a letter of it
    /// at least. Its argument is what is attached to the name, else what follows on the command
    /// line.
    fn option(
        &mut self,
        name: &'static [u8],
        attached: Option<&'static [u8]>,
        is_letter: bool,
    ) -> Option<u8> {
        let (mut meant, mut takes_argument, mut ambiguous) = (None, false, false);
        let mut rest = self.packed;
        while let [key, letter, size, others @ ..] = rest {
            let (long, others) = others.split_at_checked(usize::from(size >> 1))?;
            rest = others;
            let form = if is_letter { slice::from_ref(letter) } else { long };
            if !form.starts_with(name) {
                continue;
            }
            let is_whole = form.len() == name.len();
            // Several names of one option are one meaning.
            ambiguous = !is_whole && (ambiguous || meant.is_some_and(|other| other != *key));
            (meant, takes_argument) = (Some(*key), size & 1 != 0);
            self.name = long;
            if is_whole {
                break;
            }
        }
        let mut wrong = match meant {
            None => Some(Wrong::Unknown),
            Some(_) if ambiguous => Some(Wrong::Ambiguous),
            Some(_) => None,
        };
        if wrong.is_none() && takes_argument {
            self.bundle = &[];
            if let Some(argument) = attached {
                self.argument = argument;
            } else if let Some(argument) = self.args.get(self.at) {
                self.argument = argument.to_bytes();
                self.at += 1;
            } else {
                wrong = Some(Wrong::MissingArgument);
            }
        } else if wrong.is_none() && attached.is_some() && !is_letter {
            wrong = Some(Wrong::ExtraArgument);
        }
        self.wrong = wrong;
        if wrong.is_some() {
            self.name = name;
            return None;
        }
        meant
    }
}

impl Iterator for Options {
    type Item = u8;

    /// `None`: there are no more, or one cannot be read, as [`operands`](Options::operands) tells.
    #[inline(never)]
    fn next(&mut self) -> Option<u8> {
        if self.bundle.is_empty() {
            let [b'-', bundle @ ..] = self.args.bytes(self.at) else { return None };
            self.at += usize::from(!bundle.is_empty());
            if let [b'-', long @ ..] = bundle {
                // A name has a letter at least: what begins with the sign is told as it is.
                let equals = long.iter().position(|&byte| byte == b'=').filter(|&at| at > 0);
                let end = equals.unwrap_or(long.len());
                let (name, value) = long.split_at_checked(end)?;
                return if long.is_empty() {
                    None
                } else {
                    self.option(name, value.get(1..), false)
                };
            }
            self.bundle = bundle;
        }
        let (letter, rest) = self.bundle.split_at_checked(1)?;
        self.bundle = rest;
        self.option(letter, Some(rest).filter(|rest| !rest.is_empty()), true)
    }
}

/// How many bytes [`pack`] makes of these.
pub const fn packed_len(known: &[Known]) -> usize {
    let (mut rest, mut len) = (known, 0);
    while let [option, others @ ..] = rest {
        len += 3 + option.long.len();
        rest = others;
    }
    len
}

/// The options as the executable has them, in a fourth of the table's own size: of each its key,
/// its short form, the length of its long form with the lowest bit for an argument, and that form.
///
/// ```
/// use lockbox_tool::options::{Known, pack, packed_len};
///
/// const WAIT: Known = Known { key: b'w', short: b'w', long: "wait", takes_argument: true };
/// const KNOWN: [Known; 1] = [WAIT];
/// static PACKED: [u8; packed_len(&KNOWN)] = pack(&KNOWN);
/// assert_eq!(&PACKED, b"ww\x09wait");
/// ```
///
/// # Panics
///
/// While the table is compiled, if a long form has more than 127 bytes.
#[allow(clippy::indexing_slicing, reason = "only the compiler calls it, and would refuse")]
#[allow(clippy::cast_possible_truncation, reason = "of less than 128 bytes")]
pub const fn pack<const LEN: usize>(known: &[Known]) -> [u8; LEN] {
    let mut packed = [0; LEN];
    let (mut rest, mut at) = (known, 0);
    while let [option, others @ ..] = rest {
        let long = option.long.as_bytes();
        assert!(long.len() < 128, "the length has seven bits");
        packed[at] = option.key;
        packed[at + 1] = option.short;
        packed[at + 2] = (long.len() as u8) << 1 | option.takes_argument as u8;
        at += 3;
        let mut letter = 0;
        while letter < long.len() {
            packed[at] = long[letter];
            (at, letter) = (at + 1, letter + 1);
        }
        rest = others;
    }
    packed
}
