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
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let (whole, fraction) = (parts.next()?, parts.next().unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut ns = decimal(whole)?.checked_mul(1_000_000_000)?;
    let mut scale = 100_000_000;
    for &byte in fraction {
        ns = ns.checked_add(digit(byte)?.checked_mul(scale)?)?;
        scale /= 10;
    }
    Some(ns)
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
    let Some(at) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else {
        return seconds_ns(text);
    };
    let mut ns = seconds_ns(text.get(..at)?)?;
    let exponent = text.get(at + 1..)?;
    let shrink = exponent.first() == Some(&b'-');
    let digits = exponent.strip_prefix(if shrink { b"-" } else { b"+" }).unwrap_or(exponent);
    let exponent = Some(digits).filter(|digits| !digits.is_empty()).and_then(decimal)?;
    // Twenty steps lead from any number to 0 or out of range.
    for _ in 0..exponent.min(20) {
        ns = if shrink { ns / 10 } else { ns.checked_mul(10)? };
    }
    Some(ns)
}

/// A number in decimal; an empty text is 0.
pub fn decimal(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |sum, &byte| sum.checked_mul(10)?.checked_add(digit(byte)?))
}

/// A number's decimal digits.
#[derive(Debug)]
pub struct Decimal(arrayvec::ArrayVec<u8, 20>);

impl Decimal {
    /// The digits of `number`, at least one.
    pub fn new(number: u64) -> Decimal {
        let mut digits = arrayvec::ArrayVec::new();
        let mut scale = 10_000_000_000_000_000_000u64;
        while scale > 0 {
            if scale == 1 || number >= scale {
                let digit = u8::try_from(number / scale % 10).unwrap_or(0);
                let _ = digits.try_push(b'0' + digit);
            }
            scale /= 10;
        }
        Decimal(digits)
    }

    /// As text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
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
    if text.is_empty() { None } else { u8::try_from(decimal(text)?).ok() }
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
