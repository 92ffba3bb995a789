//! The lexemes of an s-expression: parentheses, words, `#;`. Blanks, lines that `;` starts and
//! `#| |#` end here.

use super::atom::{Atom, comment_mark, escape};
use crate::payload::parse::{Expected, ParseError};

/// A text on its way to its end.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a [u8],
    /// Bytes in all of the text.
    len: usize,
    /// The last atom. Its place is that of the last lexeme, whatever that was.
    last: Atom<'a>,
}

/// See [`Lexer::next`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::payload) enum Lexeme {
    /// Which: see [`Lexer::last`].
    Atom,
    Open,
    Close,
    HashSemicolon,
    End,
}

impl<'a> Lexer<'a> {
    /// Reads from byte `at` of `text`.
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        let rest = text.get(at..).unwrap_or_default();
        Lexer { rest, len: text.len(), last: Atom::bare(at, &[]) }
    }

    /// How far it has come.
    pub(super) fn at(&self) -> usize {
        self.len.saturating_sub(self.rest.len())
    }

    /// The last atom; behind any other lexeme, something that stands where that does.
    pub(super) fn last(&self) -> Atom<'a> {
        self.last
    }

    /// The next lexeme that is neither blank nor a comment.
    pub(super) fn next(&mut self) -> Result<Lexeme, ParseError> {
        loop {
            self.last = Atom::bare(self.at(), &[]);
            let (lexeme, len) = match *self.rest {
                [] => (Lexeme::End, 0),
                [b'(', ..] => (Lexeme::Open, 1),
                [b')', ..] => (Lexeme::Close, 1),
                [b'#', b';', ..] => (Lexeme::HashSemicolon, 2),
                [b'"', ..] => {
                    self.quoted()?;
                    (Lexeme::Atom, 1)
                }
                [b' ' | b'\t' | b'\n' | b'\x0c', ..] | [b'\r', b'\n', ..] => {
                    self.skip(1);
                    continue;
                }
                [b'\r', ..] => return Err(self.expected_after(1, Expected::Byte(b'\n'))),
                [b';', ..] => {
                    self.skip_until(|byte| matches!(byte, b'\n' | b'\r'));
                    continue;
                }
                [b'#', b'|', ..] => {
                    self.skip_block_comment()?;
                    continue;
                }
                _ => {
                    self.bare()?;
                    (Lexeme::Atom, 0)
                }
            };
            self.skip(len);
            return Ok(lexeme);
        }
    }

    fn skip_block_comment(&mut self) -> Result<(), ParseError> {
        let mut depth = 0usize;
        loop {
            match *self.rest {
                [] => return Err(self.expected_after(0, Expected::EndOfComment)),
                [b'#', b'|', ..] => {
                    self.skip(1);
                    depth = depth.saturating_add(1);
                }
                [b'|', b'#', ..] => {
                    self.skip(1);
                    depth = depth.saturating_sub(1);
                }
                // A quoted atom may contain comment marks, in a comment too.
                [b'"', ..] => self.quoted()?,
                _ => {}
            }
            self.skip(1);
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn bare(&mut self) -> Result<(), ParseError> {
        let (at, start) = (self.at(), self.rest);
        self.skip_until(|byte| {
            matches!(byte, b';' | b'(' | b')' | b'"' | b' ' | b'\t' | b'\x0c' | b'\r' | b'\n')
        });
        let raw = before(start, self.rest);
        if let Some(mark) = comment_mark(raw) {
            return Err(ParseError::new(at.saturating_add(mark), Expected::AtomWithoutCommentMark));
        }
        self.last = Atom::bare(at, raw);
        Ok(())
    }

    /// Reads up to the closing quote, not including it.
    fn quoted(&mut self) -> Result<(), ParseError> {
        self.skip(1);
        let (at, start) = (self.at(), self.rest);
        loop {
            match *self.rest {
                [] => return Err(self.expected_after(0, Expected::EndOfQuote)),
                [b'"', ..] => break,
                [b'\\', ref rest @ ..] => match escape(rest) {
                    Ok((_, used)) => self.skip(used.saturating_add(1)),
                    Err(error) => return Err(error.shifted(self.at().saturating_add(1))),
                },
                _ => self.skip(1),
            }
        }
        self.last = Atom::quoted(at, before(start, self.rest));
        Ok(())
    }

    fn skip_until(&mut self, ends: fn(&u8) -> bool) {
        let len = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        self.skip(len);
    }

    fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    fn expected_after(&self, len: usize, expected: Expected) -> ParseError {
        ParseError::new(self.at().saturating_add(len), expected)
    }
}

/// What precedes the end of a text.
fn before<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    text.get(..text.len().saturating_sub(end.len())).unwrap_or_default()
}
