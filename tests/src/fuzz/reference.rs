//! Readers that are plainly right, to compare the fast ones with.

/// The pid that Jane Street's `get_pid` finds in a lock file, step by step: `String.strip`,
/// `int_of_string` of a 63-bit OCaml, and what is not positive is none.
pub(super) fn pid(file: &[u8]) -> Option<u64> {
    // Latin-1: one character for each byte, so that none gets lost.
    let text: String = file.iter().copied().map(char::from).collect();
    let text = text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = text.to_ascii_lowercase();
    let (base, largest, digits) = match lower.get(..2) {
        Some("0x") => (16, (1i128 << 63) - 1, &lower[2..]),
        Some("0o") => (8, (1 << 63) - 1, &lower[2..]),
        Some("0b") => (2, (1 << 63) - 1, &lower[2..]),
        Some("0u") => (10, (1 << 63) - 1, &lower[2..]),
        _ => (10, (1 << 62) - 1, lower.as_str()),
    };
    if digits.starts_with('_') {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    // What does not fit 128 bits does not fit 63.
    let number = i128::from_str_radix(&digits, base).ok().filter(|&number| number <= largest)?;
    let wrapped = if number >= 1 << 62 { number - (1 << 63) } else { number };
    // OCaml has no 2^62: the least number is its own negation.
    let signed = if sign * wrapped == 1 << 62 { -(1 << 62) } else { sign * wrapped };
    u64::try_from(signed).ok().filter(|&pid| pid != 0)
}

#[cfg(test)]
mod tests {
    use super::pid;

    #[test]
    fn the_reference_reads_what_the_original_was_seen_to_read() {
        for (text, expected) in [
            (&b"18229\n"[..], Some(18229)),
            (b"0x1F", Some(31)),
            (b"-0x7fffffffffffffff", Some(1)),
            (b"1_", Some(1)),
            (b"_1", None),
            (b"0", None),
            (b"-5", None),
            (b"4611686018427387904", None),
            (b"123\0", None),
        ] {
            assert_eq!(pid(text), expected, "{}", text.escape_ascii());
        }
    }
}
