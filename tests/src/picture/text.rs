//! How wide words are. Nobody knows the reader's fonts, so the widest usual ones are assumed.

/// The width of a character of a monospaced font, for a font size of 1.
const MONO: f64 = 0.605;

/// The width of a line of code, at the pictures' font size of 13.
#[must_use]
pub fn mono_width(line: &str) -> f64 {
    line.chars().map(|_| 13.0 * MONO).sum()
}

/// The width of a line of prose, by what `DejaVu Sans` has, at this font size.
#[must_use]
pub fn prose_width(line: &str, size: f64) -> f64 {
    let of = |char: char| match char {
        'i' | 'j' | 'l' | '\'' | '.' | ',' | ':' | ';' | '!' | '|' | ' ' => 0.32,
        'f' | 'r' | 't' | '(' | ')' | '-' | '/' => 0.41,
        'm' | 'w' | 'M' | 'W' | '@' => 0.96,
        'A'..='Z' => 0.72,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' => 0.59,
        _ => 0.635,
    };
    line.chars().map(|char| of(char) * size).sum()
}

/// The text as it stands in XML.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
