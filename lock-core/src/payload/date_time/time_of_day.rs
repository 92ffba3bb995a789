//! Times of day with their offset from UTC, in the spellings that are read.

use crate::payload::parse::{Expected, decimal, split_first};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const SECOND_US: i64 = 1_000_000;

/// Microseconds from midnight UTC to a time of day with an optional offset; less than 0 or more
/// than a day where the offset leads there.
pub(super) fn parse(text: &[u8]) -> Result<i64, Expected> {
    let (time, offset_us) = match text.split_last() {
        Some((b'Z', time)) => (time, Some(0)),
        _ => match (split_first(text, b'+'), split_first(text, b'-')) {
            (Some((time, east)), _) => (time, parse_offset(east)),
            (None, Some((time, west))) => (time, parse_offset(west).and_then(i64::checked_neg)),
            (None, None) => (text, Some(0)),
        },
    };
    offset_us
        .and_then(|offset_us| parse_time(time)?.checked_sub(offset_us))
        .ok_or(Expected::TimeOfDay)
}

/// `1`, `01`, `100`, `0100`, `1:00`, `01:00`.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match *text {
        [hour @ b'0'..=b'9'] => parse_time(&[hour, b':', b'0', b'0']),
        [h1 @ b'0'..=b'9', h2 @ b'0'..=b'9'] => parse_time(&[h1, h2, b':', b'0', b'0']),
        [_, b':', ..] | [_, _, b':', ..] => parse_time(text),
        [hour, m1, m2] => parse_time(&[hour, b':', m1, m2]),
        [h1, h2, m1, m2] => parse_time(&[h1, h2, b':', m1, m2]),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Half {
    Am,
    Pm,
}

/// Microseconds since midnight: `20:54:13.144921`, `20:54`, `2054`, `8:54pm`, `8pm`.
fn parse_time(text: &[u8]) -> Option<i64> {
    let (text, half) = split_half(text);
    let (hour, rest) = match *text {
        [h, b':', ref rest @ ..] => (digits(&[h])?, Rest::AfterColon(rest)),
        [h1, h2, b':', ref rest @ ..] => (digits(&[h1, h2])?, Rest::AfterColon(rest)),
        [h] => (digits(&[h])?, Rest::Nothing),
        [h1, h2] => (digits(&[h1, h2])?, Rest::Nothing),
        [h1, h2, m1, m2] => (digits(&[h1, h2])?, Rest::Minutes(digits(&[m1, m2])?)),
        _ => return None,
    };
    let (minute, (second, fraction)) = match rest {
        Rest::Nothing if half.is_none() => return None,
        Rest::Nothing => (0, (0, Fraction::NONE)),
        Rest::Minutes(minute) => (minute, (0, Fraction::NONE)),
        Rest::AfterColon(&[m1, m2]) => (digits(&[m1, m2])?, (0, Fraction::NONE)),
        Rest::AfterColon(&[m1, m2, b':', ref rest @ ..]) => {
            (digits(&[m1, m2])?, parse_seconds(rest)?)
        }
        Rest::AfterColon(_) => return None,
    };
    let past_midnight = minute > 0 || second > 0 || !fraction.is_zero;
    let hour = match (half, hour) {
        (None, 24) if past_midnight => return None,
        (Some(Half::Am), 12) => 0,
        (Some(Half::Pm), 1..=11) => hour.checked_add(12)?,
        (None, 0..=24) | (Some(_), 1..=12) => hour,
        _ => return None,
    };
    if minute > 59 || second > 60 {
        return None;
    }
    let fraction_us = if second == 60 { 0 } else { fraction.us };
    let seconds = hour
        .checked_mul(HOUR_S)?
        .checked_add(minute.checked_mul(MINUTE_S)?)?
        .checked_add(second)?;
    seconds.checked_mul(SECOND_US)?.checked_add(fraction_us)
}

/// What stands behind the hours.
enum Rest<'a> {
    Nothing,
    Minutes(i64),
    AfterColon(&'a [u8]),
}

/// Part of a second.
#[derive(Clone, Copy)]
struct Fraction {
    /// Rounded.
    us: i64,
    /// Before rounding.
    is_zero: bool,
}

impl Fraction {
    const NONE: Fraction = Fraction { us: 0, is_zero: true };
}

fn parse_seconds(text: &[u8]) -> Option<(i64, Fraction)> {
    match *text {
        [s1, s2] => Some((digits(&[s1, s2])?, Fraction::NONE)),
        [s1, s2, b'.', ref fraction @ ..] => Some((digits(&[s1, s2])?, parse_fraction(fraction)?)),
        _ => None,
    }
}

/// Any number of digits, none included, and underscores.
fn parse_fraction(text: &[u8]) -> Option<Fraction> {
    let mut fraction = Fraction::NONE;
    let mut scale = SECOND_US;
    for &byte in text.iter().filter(|&&byte| byte != b'_') {
        let digit = i64::from(char::from(byte).to_digit(10)?);
        fraction.is_zero &= digit == 0;
        let us = match scale {
            0 => 0,
            // The seventh digit rounds; those behind it say nothing.
            1 => i64::from(digit >= 5),
            _ => digit.checked_mul(scale / 10)?,
        };
        fraction.us = fraction.us.checked_add(us)?;
        scale /= 10;
    }
    Some(fraction)
}

/// Takes `a`, `am`, `a.m`, `a.m.` off the end, in small letters or capitals, and the same with `p`.
fn split_half(text: &[u8]) -> (&[u8], Option<Half>) {
    const SUFFIXES: [(&str, Half); 16] = [
        ("a.m.", Half::Am),
        ("A.M.", Half::Am),
        ("a.m", Half::Am),
        ("A.M", Half::Am),
        ("am", Half::Am),
        ("AM", Half::Am),
        ("a", Half::Am),
        ("A", Half::Am),
        ("p.m.", Half::Pm),
        ("P.M.", Half::Pm),
        ("p.m", Half::Pm),
        ("P.M", Half::Pm),
        ("pm", Half::Pm),
        ("PM", Half::Pm),
        ("p", Half::Pm),
        ("P", Half::Pm),
    ];
    SUFFIXES
        .iter()
        .find_map(|(suffix, half)| Some((text.strip_suffix(suffix.as_bytes())?, Some(*half))))
        .unwrap_or((text, None))
}

fn digits(digits: &[u8]) -> Option<i64> {
    i64::try_from(decimal(digits)?).ok()
}
