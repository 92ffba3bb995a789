//! Rust source without its comments and literals, and where its functions start and end. Not a
//! parser: enough to count lines and words without being fooled by what stands in a string.

/// The source with every comment and literal turned into blanks. Lines stay where they are.
///
/// ```
/// use lock_tests::source::masked;
///
/// assert_eq!(masked("a(\"{\") // }"), "a(   )     ");
/// ```
pub fn masked(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while let Some(&letter) = chars.get(at) {
        let hidden = hidden_len(&chars, at);
        if hidden == 0 {
            out.push(letter);
        } else {
            let blank = |&letter: &char| if letter == '\n' { '\n' } else { ' ' };
            out.extend(chars[at..at + hidden].iter().map(blank));
        }
        at += hidden.max(1);
    }
    out
}

/// A function with a body: its name, the line of its `fn`, and how many lines it has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Function {
    /// What it is called.
    pub name: String,
    /// The line it starts on, counted from 1.
    pub line: usize,
    /// Its lines, from `fn` to the closing brace.
    pub lines: usize,
}

/// Every function in a source that [`masked`] gave.
///
/// ```
/// use lock_tests::source::functions;
///
/// let found = functions("trait T { fn a(); }\nfn b<const N: usize>(_: [u8; 4]) {\n    {}\n}\n");
/// assert_eq!((found.len(), found[0].line, found[0].lines), (1, 2, 3));
/// ```
pub fn functions(masked: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in masked.match_indices("fn ") {
        let starts_word = !masked[..at].ends_with(is_word);
        let name: String = masked[at + 3..].chars().take_while(|&letter| is_word(letter)).collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&masked[at..]) {
            let lines = masked[at..at + end].lines().count();
            found.push(Function { name, line: masked[..at].matches('\n').count() + 1, lines });
        }
    }
    found
}

/// Whether this can be part of a name.
pub fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// How long the comment or literal is that starts here; 0 if none does.
fn hidden_len(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => rest.iter().position(|&letter| letter == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment_len(rest),
        ['"', ..] => quote_len(rest, '"'),
        ['\'', '\\', ..] => quote_len(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        ['r', '"' | '#', ..] if !follows_name(&chars[..at]) => raw_len(rest),
        _ => 0,
    }
}

/// Whether an `r` that follows belongs to a name; after a `b` or `c` of its own it does not.
fn follows_name(before: &[char]) -> bool {
    let name = before.iter().rev().take_while(|&&letter| is_word(letter)).count();
    !matches!((name, before.last()), (0, _) | (1, Some('b' | 'c')))
}

fn block_comment_len(rest: &[char]) -> usize {
    let mut depth = 0u32;
    let mut at = 0;
    while at + 1 < rest.len() {
        let step = match (rest[at], rest[at + 1]) {
            ('/', '*') => 1,
            ('*', '/') => -1,
            _ => 0,
        };
        depth = depth.saturating_add_signed(step);
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quote_len(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// 0 for `r#name`, which is no string.
fn raw_len(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&letter| letter == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let body = 2 + hashes;
    let end: Vec<char> = core::iter::once('"').chain(core::iter::repeat_n('#', hashes)).collect();
    let len = rest[body..].windows(end.len()).position(|window| window == end);
    len.map_or(rest.len(), |len| body + len + end.len())
}

/// Where the body ends of the function that starts here; nothing if it has none.
fn body_end(text: &str) -> Option<usize> {
    let mut depth = 0u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.checked_sub(1)?,
            '}' => {
                depth = depth.checked_sub(1)?;
                let next = text[at + 1..].trim_start().chars().next();
                // A constant in braces among generic arguments is not the body yet.
                if depth == 0 && !matches!(next, Some('>' | ',')) {
                    return Some(at + 1);
                }
            }
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Function, functions, masked};

    #[test]
    fn what_is_quoted_or_commented_is_hidden() {
        for (source, expected) in [
            ("x // {\ny", "x     \ny"),
            ("/* a /* { */ } */b", "                 b"),
            ("f(\"a\\\"{\", '{', '\\'')", "f(      ,    ,     )"),
            ("r#\"{\"}\"#; br\"{\"; c", "        ; b    ; c"),
            ("r#fn; for<'a> fn(&'a u8)", "r#fn; for<'a> fn(&'a u8)"),
            ("\"no end {", "         "),
        ] {
            assert_eq!(masked(source), expected);
        }
    }

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let one = [
            "    pub const fn one(",
            "_: [u8; { 1 + 1 }],",
            ") -> B<{ 2 }> {",
            "loop {}",
            "    }\n",
        ];
        let one = one.join("\n");
        let source = format!("impl A {{\n{one}}}\nfn two() {{}}\ntype F = fn (u8);\n");
        let found = |name: &str, line, lines| Function { name: name.into(), line, lines };
        assert_eq!(functions(&masked(&source)), [found("one", 2, 5), found("two", 8, 1)]);
    }
}
