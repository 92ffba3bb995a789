//! Numbers on the command line.

/// Seconds with an optional fraction, in nanoseconds: `5`, `0.25`, `.5`, `1e-3` not.
///
/// ```
/// use lockbox_tool::number::seconds_ns;
///
/// assert_eq!(seconds_ns(b"1.5"), Some(1_500_000_000));
/// assert_eq!(seconds_ns(b"-1"), None);
/// ```
pub fn seconds_ns(text: &[u8]) -> Option<u64> {
    if text.iter().any(|byte| byte | 0x20 == b'e') { None } else { scientific_ns(text) }
}

/// [`seconds_ns`], with a decimal exponent: `1e-3`.
///
/// ```
/// use lockbox_tool::number::scientific_ns;
///
/// assert_eq!(scientific_ns(b"1.5e1"), Some(15_000_000_000));
/// assert_eq!(scientific_ns(b"1e-3"), Some(1_000_000));
/// assert_eq!(scientific_ns(b"1e"), None);
/// ```
pub fn scientific_ns(text: &[u8]) -> Option<u64> {
    let (mut number, mut digits, mut fraction) = (0u64, false, false);
    // The power of ten that makes nanoseconds of the number.
    let mut power = 9;
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte == b'.' && !fraction {
            fraction = true;
            continue;
        }
        if byte | 0x20 == b'e' {
            power += integer(rest)?;
            break;
        }
        let digit = digit(*byte)?;
        digits = true;
        // What is smaller than a nanosecond is read, but does not count.
        if !fraction || power > 0 {
            number = number.checked_mul(10)?.checked_add(digit)?;
            power -= i64::from(fraction);
        }
    }
    // Beyond twenty steps it is 0 or too large.
    while power != 0 && number != 0 {
        number = if power < 0 { number / 10 } else { number.checked_mul(10)? };
        power -= power.signum();
    }
    digits.then_some(number)
}

/// A whole number with a sign in front, as `strtol` reads it; what is more than 32 bits hold is
/// made smaller, but not so small.
///
/// ```
/// use lockbox_tool::number::integer;
///
/// assert_eq!((integer(b" -7"), integer(b"+7"), integer(b"-")), (Some(-7), Some(7), None));
/// ```
#[inline(never)]
pub fn integer(mut text: &[u8]) -> Option<i64> {
    let negative = take_sign(&mut text);
    let magnitude = i64::try_from(nonempty_decimal(text)?.min(1 << 32)).unwrap_or(0);
    Some(if negative { -magnitude } else { magnitude })
}

/// Takes white space and a sign off a number, if it has them; answers whether it is a minus.
pub fn take_sign(text: &mut &[u8]) -> bool {
    while let [b' ' | b'\t'..=b'\r', rest @ ..] = *text {
        *text = rest;
    }
    let [sign @ (b'-' | b'+'), rest @ ..] = *text else { return false };
    *text = rest;
    *sign == b'-'
}

/// A number in decimal; an empty text is 0.
pub fn decimal(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |sum, &byte| sum.checked_mul(10)?.checked_add(digit(byte)?))
}

/// A number in decimal, of one digit at least.
pub fn nonempty_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() { None } else { decimal(text) }
}

/// A number's decimal digits.
#[derive(Debug)]
pub struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// The digits of `number`, at least one.
    pub fn new(number: u64) -> Decimal {
        let (mut digits, mut start, mut rest) = ([0; 20], 20, number);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            start -= 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        Decimal { digits, start }
    }

    /// As text.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// A file mode in octal, as `chmod` takes it.
pub fn mode(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let mode = text.iter().try_fold(0u32, |sum, &byte| {
        let digit = char::from(byte).to_digit(8)?;
        sum.checked_mul(8)?.checked_add(digit)
    })?;
    (mode <= 0o7777).then_some(mode)
}

/// An exit status.
pub fn exit_status(text: &[u8]) -> Option<u8> {
    u8::try_from(nonempty_decimal(text)?).ok()
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_to_the_nanosecond() {
        for (text, ns) in [
            ("0", Some(0)),
            ("5", Some(5_000_000_000)),
            (".5", Some(500_000_000)),
            ("2.", Some(2_000_000_000)),
            ("0.0000000019", Some(1)),
            ("", None),
            (".", None),
            ("1s", None),
            ("1.2.3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(seconds_ns(text.as_bytes()), ns, "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode(b"0664"), Some(0o664));
        assert_eq!((mode(b""), mode(b"8"), mode(b"17777")), (None, None, None));
    }
}
