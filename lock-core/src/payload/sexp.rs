//! S-expressions as Jane Street's sexplib reads them, one token at a time.
//!
//! Comments never come out: `; to the end of the line`, `#| nested |#`, and `#;` with the
//! expression after it. Atoms stay where they are in the text until somebody asks for their bytes.
//! Nothing is recursive; lists nest [`DEPTH_MAX`] deep.
//! Source: sexplib and parsexp v0.15, run. Later versions read the same, and beyond it a word that
//! `#;` hides at the very end of a text; so does this.

mod atom;
mod layout;
mod lexer;

pub use atom::Atom;
pub(super) use layout::{Parts, human, machine};
pub(super) use lexer::Lexeme;

use lexer::Lexer;

use super::parse::{Expected, ParseError};

/// How many lists may be open at once, hidden ones included. The original has no limit.
pub const DEPTH_MAX: usize = 32;

const TOO_DEEP: Expected = Expected::Nesting(32);

/// Takes a text apart.
///
/// ```
/// use lock_core::payload::sexp::{Reader, Token};
///
/// let mut reader = Reader::new(b"(host #;(not me) \"v\\109\")");
/// assert!(matches!(reader.next_token(), Ok(Token::Open)));
/// assert!(matches!(reader.next_token(), Ok(Token::Atom(atom)) if atom.is(b"host")));
/// assert!(matches!(reader.next_token(), Ok(Token::Atom(atom)) if atom.is(b"vm")));
/// assert!(matches!(reader.next_token(), Ok(Token::Close)));
/// assert!(matches!(reader.next_token(), Ok(Token::End)));
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    lexer: Lexer<'a>,
    /// How many lists are open.
    depth: usize,
    /// How many of the next expressions are hidden, in each open list and around them all.
    hidden: [u32; DEPTH_MAX + 1],
    /// The depth at which a hidden list started.
    hidden_from: Option<usize>,
}

/// What a text is made of.
///
/// ```
/// use lock_core::payload::sexp::{Reader, Token};
///
/// let mut reader = Reader::new(b"((a) b)");
/// let mut depth = 0;
/// loop {
///     match reader.next_token().unwrap() {
///         Token::Open => depth += 1,
///         Token::Close => depth -= 1,
///         Token::Atom(atom) => assert_eq!(atom.is(b"a"), depth == 2),
///         Token::End => break,
///     }
/// }
/// assert_eq!(depth, 0);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Token<'a> {
    /// A word.
    Atom(Atom<'a>),
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// There is no more; no list is open.
    End,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self::starting_at(text, 0)
    }

    /// Reads from byte `at` of `text`.
    pub(super) fn starting_at(text: &'a [u8], at: usize) -> Self {
        Reader {
            lexer: Lexer::new(text, at),
            depth: 0,
            hidden: [0; DEPTH_MAX + 1],
            hidden_from: None,
        }
    }

    /// Where the next token is looked for.
    ///
    /// ```
    /// use lock_core::payload::sexp::Reader;
    ///
    /// let mut reader = Reader::new(b"(pid 7)");
    /// reader.next_token().unwrap();
    /// assert_eq!(reader.at(), 1);
    /// ```
    pub fn at(&self) -> usize {
        self.lexer.at()
    }

    /// The next token.
    ///
    /// Errors: a parenthesis without its partner, an unfinished quote or comment, a wrong escape, a
    /// carriage return alone, a comment mark inside an atom, too many lists.
    pub fn next_token(&mut self) -> Result<Token<'a>, ParseError> {
        self.advance().map(|lexeme| match lexeme {
            Lexeme::Atom => Token::Atom(self.last()),
            Lexeme::Open => Token::Open,
            Lexeme::Close => Token::Close,
            Lexeme::HashSemicolon | Lexeme::End => Token::End,
        })
    }

    /// Goes on to the next token, of which [`last`](Self::last) tells more. It is never `#;`.
    pub(super) fn advance(&mut self) -> Result<Lexeme, ParseError> {
        loop {
            let lexeme = self.lexer.next()?;
            let at = self.last().at();
            let seen = match lexeme {
                Lexeme::HashSemicolon => {
                    let hidden = self.hidden_here();
                    *hidden = hidden.saturating_add(1);
                    false
                }
                Lexeme::Atom => !self.hides_expression(),
                Lexeme::Open => self.open(at)?,
                Lexeme::Close => self.close(at)?,
                Lexeme::End if self.depth > 0 => {
                    return Err(ParseError::new(at, Expected::Byte(b')')));
                }
                Lexeme::End if *self.hidden_here() > 0 => {
                    return Err(ParseError::new(at, Expected::Expression));
                }
                Lexeme::End => true,
            };
            if seen {
                return Ok(lexeme);
            }
        }
    }

    /// Goes on to the next token, which must be this one.
    pub(super) fn require(&mut self, lexeme: Lexeme, expected: Expected) -> Result<(), ParseError> {
        if self.advance()? == lexeme {
            Ok(())
        } else {
            Err(ParseError::new(self.last().at(), expected))
        }
    }

    /// The last token if that was an atom, else nothing in its place.
    pub(super) fn last(&self) -> Atom<'a> {
        self.lexer.last()
    }

    /// Enters a list; whether it is to be seen.
    fn open(&mut self, at: usize) -> Result<bool, ParseError> {
        if self.hidden_from.is_none() && *self.hidden_here() > 0 {
            self.hidden_from = Some(self.depth);
        }
        if self.depth >= DEPTH_MAX {
            return Err(ParseError::new(at, TOO_DEEP));
        }
        self.depth = self.depth.saturating_add(1);
        *self.hidden_here() = 0;
        Ok(self.hidden_from.is_none())
    }

    /// Leaves a list; whether that is to be seen.
    fn close(&mut self, at: usize) -> Result<bool, ParseError> {
        if *self.hidden_here() > 0 {
            return Err(ParseError::new(at, Expected::Expression));
        }
        self.depth = self.depth.checked_sub(1).ok_or(ParseError::new(at, Expected::End))?;
        let seen = !self.hides_expression();
        if self.hidden_from == Some(self.depth) {
            self.hidden_from = None;
        }
        Ok(seen)
    }

    /// Counts an expression as read; whether it is hidden.
    fn hides_expression(&mut self) -> bool {
        let hidden = self.hidden_here();
        let by_mark = *hidden > 0;
        *hidden = hidden.saturating_sub(1);
        by_mark || self.hidden_from.is_some()
    }

    fn hidden_here(&mut self) -> &mut u32 {
        // The depth never exceeds the array: the clamp is for the compiler's eyes.
        let [first, rest @ ..] = &mut self.hidden;
        match self.depth.checked_sub(1).and_then(|depth| rest.get_mut(depth)) {
            Some(hidden) => hidden,
            None => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    /// The text with its comments gone, `[` and `]` for the lists, each atom in braces; or where
    /// and what the error is.
    fn spell(text: &[u8]) -> Result<String, ParseError> {
        let mut reader = Reader::new(text);
        let mut spelled = String::new();
        loop {
            match reader.next_token()? {
                Token::Open => spelled.push('['),
                Token::Close => spelled.push(']'),
                Token::Atom(atom) => {
                    let bytes = atom.to_array::<64>()?;
                    spelled = spelled + "{" + &bytes.escape_ascii().to_string() + "}";
                }
                Token::End => return Ok(spelled),
            }
        }
    }

    #[test]
    fn comments_do_not_come_out() {
        for (text, tokens) in [
            ("", ""),
            (" \t\x0c\r\n", ""),
            ("; only a comment", ""),
            ("(a;x\n b)", "[{a}{b}]"),
            ("(a ;x\r\n b)", "[{a}{b}]"),
            ("#|x #|y|# \"|#\" ||# a", "{a}"),
            ("#|#|x|#|# a", "{a}"),
            ("##a a#b a|b | # ||", "{##a}{a#b}{a|b}{|}{#}{||}"),
            ("#;a b", "{b}"),
            ("#;#;a b c", "{c}"),
            ("#;(a (b) #;c d) e", "{e}"),
            ("(#;(a)b #;\"x\" c)", "[{b}{c}]"),
            ("#;#;(a)(b)(c)", "[{c}]"),
            ("#; #|x|# ;y\n a b", "{b}"),
            ("()", "[]"),
        ] {
            assert_eq!(spell(text.as_bytes()).as_deref(), Ok(tokens), "{text}");
        }
    }

    #[test]
    fn says_where_it_stopped() {
        for (text, at, expected) in [
            ("(a", 2, Expected::Byte(b')')),
            ("a)", 1, Expected::End),
            ("#;", 2, Expected::Expression),
            ("(a #;)", 5, Expected::Expression),
            ("#;(a #;) b", 7, Expected::Expression),
            ("#|a|", 4, Expected::EndOfComment),
            ("#|\"|#", 5, Expected::EndOfQuote),
            ("\"a\\\"", 4, Expected::EndOfQuote),
            ("\"a\\", 3, Expected::EndOfQuote),
            ("a#|b", 1, Expected::AtomWithoutCommentMark),
            ("|#", 0, Expected::AtomWithoutCommentMark),
            ("##|b", 1, Expected::AtomWithoutCommentMark),
            ("a\rb", 2, Expected::Byte(b'\n')),
            ("a\r", 2, Expected::Byte(b'\n')),
            ("\"\\256\"", 2, Expected::DecimalEscape),
            ("\"\\6\"", 2, Expected::DecimalEscape),
            ("\"\\xg1\"", 3, Expected::HexEscape),
            ("\"\\x1\"", 3, Expected::HexEscape),
            ("#|\"\\999\"|#", 4, Expected::DecimalEscape),
        ] {
            assert_eq!(spell(text.as_bytes()), Err(ParseError::new(at, expected)), "{text}");
        }
    }

    #[test]
    fn lists_nest_up_to_the_limit() {
        let nested = |depth: usize| "(".repeat(depth) + &")".repeat(depth);
        assert!(spell(nested(DEPTH_MAX).as_bytes()).is_ok());
        let error = ParseError::new(DEPTH_MAX, TOO_DEEP);
        assert_eq!(spell(nested(DEPTH_MAX + 1).as_bytes()), Err(error));
        let hidden = String::from("#;") + &nested(DEPTH_MAX + 1);
        assert_eq!(spell(hidden.as_bytes()), Err(error.shifted(2)));
    }
}
