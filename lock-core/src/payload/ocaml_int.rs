//! Integers as OCaml's `int_of_string` reads them, on a 64-bit machine: 63 bits.
//!
//! Jane Street's readers accept whatever it accepts, so `0x10`, `1_000` and `+7` are pids too.

const BITS: u32 = 63;

/// The integer, if OCaml 4.14 would read one: an optional sign, an optional `0x`, `0o`, `0b` or
/// `0u`, digits, and underscores anywhere after the first digit.
///
/// ```
/// use lock_core::payload::ocaml_int::parse;
///
/// assert_eq!(parse(b"0x1F"), Some(31));
/// assert_eq!(parse(b"1_000"), Some(1000));
/// assert_eq!(parse(b"4611686018427387904"), None, "2^62 does not fit");
/// ```
pub fn parse(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let (base, unsigned, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (16, true, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, true, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, true, rest),
        [b'0', b'u' | b'U', rest @ ..] => (10, true, rest),
        _ => (10, false, text),
    };
    let magnitude = magnitude(digits, base)?;
    let limit = match (unsigned, negative) {
        (true, _) => u64::MAX >> (u64::BITS.abs_diff(BITS)),
        (false, true) => 1 << BITS.abs_diff(1),
        (false, false) => (1u64 << BITS.abs_diff(1)).saturating_sub(1),
    };
    if magnitude > limit {
        return None;
    }
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    Some(sign_extend(value))
}

/// Reads digits of `base`, with underscores anywhere but first.
fn magnitude(digits: &[u8], base: u64) -> Option<u64> {
    digit(*digits.first()?, base)?;
    digits
        .iter()
        .filter(|&&byte| byte != b'_')
        .try_fold(0u64, |number, &byte| number.checked_mul(base)?.checked_add(digit(byte, base)?))
}

fn digit(byte: u8, base: u64) -> Option<u64> {
    let value = u64::from(char::from(byte).to_digit(16)?);
    (value < base).then_some(value)
}

/// The top bit of an OCaml integer is its 63rd: larger unsigned literals come out negative.
fn sign_extend(value: u64) -> i64 {
    let spare = u64::BITS.abs_diff(BITS);
    i64::from_ne_bytes(value.wrapping_shl(spare).to_ne_bytes()).wrapping_shr(spare)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_what_ocaml_reads() {
        for (text, value) in [
            ("18229", 18229),
            ("+7", 7),
            ("007", 7),
            ("-5", -5),
            ("0", 0),
            ("0x10", 16),
            ("0X1F", 31),
            ("0o17", 15),
            ("0b11", 3),
            ("0u12", 12),
            ("1_000", 1000),
            ("1__0", 10),
            ("1_", 1),
            ("99999999999", 99_999_999_999),
            ("4611686018427387903", 4_611_686_018_427_387_903),
            ("-4611686018427387904", -4_611_686_018_427_387_904),
            // Past 2^62 an unsigned literal wraps, and its negation wraps back.
            ("0x7fffffffffffffff", -1),
            ("-0x7fffffffffffffff", 1),
            ("-0x4000000000000000", -4_611_686_018_427_387_904),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(value), "{text}");
        }
    }

    #[test]
    fn refuses_what_ocaml_refuses() {
        for text in [
            "",
            "+",
            "-",
            "abc",
            "_1",
            "0x",
            "0x_1",
            "1.0",
            "+ 7",
            "123 abc",
            "12\0",
            "0b2",
            "0o8",
            "--1",
            "4611686018427387904",
            "-4611686018427387905",
            "0x8000000000000000",
            "99999999999999999999999999",
            "１",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
