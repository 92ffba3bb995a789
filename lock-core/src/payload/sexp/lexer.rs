//! The lexemes of an s-expression: parentheses, words, `#;`. Blanks, lines that `;` starts and
//! `#| |#` end here.

use super::atom::{Atom, comment_mark, decimal_escape, hex_escape};
use crate::payload::parse::{Expected, ParseError};

/// A text on its way to its end.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

/// See [`Lexer::next`].
pub(super) enum Lexeme<'a> {
    Atom(Atom<'a>),
    Open,
    Close,
    HashSemicolon,
    End,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        Lexer { text, at }
    }

    /// How far it has come.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next lexeme that is neither blank nor a comment.
    pub(super) fn next(&mut self) -> Result<Lexeme<'a>, ParseError> {
        loop {
            match *self.rest() {
                [] => return Ok(Lexeme::End),
                [b' ' | b'\t' | b'\n' | b'\x0c', ..] => self.skip(1),
                [b'\r', b'\n', ..] => self.skip(2),
                [b'\r', ..] => return Err(self.expected_after(1, Expected::Byte(b'\n'))),
                [b'(', ..] => {
                    self.skip(1);
                    return Ok(Lexeme::Open);
                }
                [b')', ..] => {
                    self.skip(1);
                    return Ok(Lexeme::Close);
                }
                [b';', ..] => self.skip_line(),
                [b'#', b';', ..] => {
                    self.skip(2);
                    return Ok(Lexeme::HashSemicolon);
                }
                [b'#', b'|', ..] => self.skip_block_comment()?,
                [b'"', ..] => return self.quoted().map(Lexeme::Atom),
                _ => return self.bare().map(Lexeme::Atom),
            }
        }
    }

    fn skip_line(&mut self) {
        let len = self.rest().iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        self.skip(len.unwrap_or(self.rest().len()));
    }

    fn skip_block_comment(&mut self) -> Result<(), ParseError> {
        let mut depth = 0usize;
        loop {
            match *self.rest() {
                [] => return Err(self.expected_after(0, Expected::EndOfComment)),
                [b'#', b'|', ..] => {
                    self.skip(2);
                    depth = depth.saturating_add(1);
                }
                [b'|', b'#', ..] => {
                    self.skip(2);
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                // A quoted atom may contain comment marks, in a comment too.
                [b'"', ..] => drop(self.quoted()?),
                _ => self.skip(1),
            }
        }
    }

    fn bare(&mut self) -> Result<Atom<'a>, ParseError> {
        let at = self.at;
        let ends = |byte: &u8| {
            matches!(byte, b';' | b'(' | b')' | b'"' | b' ' | b'\t' | b'\x0c' | b'\r' | b'\n')
        };
        let len = self.rest().iter().position(ends).unwrap_or(self.rest().len());
        let raw = self.rest().get(..len).unwrap_or_default();
        if let Some(mark) = comment_mark(raw) {
            return Err(self.expected_after(mark, Expected::AtomWithoutCommentMark));
        }
        self.skip(len);
        Ok(Atom::bare(at, raw))
    }

    fn quoted(&mut self) -> Result<Atom<'a>, ParseError> {
        self.skip(1);
        let at = self.at;
        loop {
            match *self.rest() {
                [] => return Err(self.expected_after(0, Expected::EndOfQuote)),
                [b'"', ..] => break,
                [b'\\', ..] => {
                    self.skip(1);
                    self.check_escape()?;
                }
                _ => self.skip(1),
            }
        }
        let raw = self.text.get(at..self.at).unwrap_or_default();
        self.skip(1);
        Ok(Atom::quoted(at, raw))
    }

    /// Skips what follows a backslash as far as it must not end the atom.
    fn check_escape(&mut self) -> Result<(), ParseError> {
        match *self.rest() {
            [b'0'..=b'9', ..] => {
                if self.rest().get(..3).and_then(decimal_escape).is_none() {
                    return Err(self.expected_after(0, Expected::DecimalEscape));
                }
                self.skip(3);
            }
            [b'x', ref rest @ ..] => {
                if rest.get(..2).and_then(hex_escape).is_none() {
                    return Err(self.expected_after(1, Expected::HexEscape));
                }
                self.skip(3);
            }
            _ => self.skip(1),
        }
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, len: usize) {
        self.at = self.at.saturating_add(len).min(self.text.len());
    }

    fn expected_after(&self, len: usize, expected: Expected) -> ParseError {
        ParseError::new(self.at.saturating_add(len), expected)
    }
}
