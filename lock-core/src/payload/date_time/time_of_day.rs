//! Times of day with their offset from UTC, in the spellings that are read.

use super::layout::read_any;
use crate::payload::parse::{Expected, split_first};

const SECOND_US: i64 = 1_000_000;

/// Two may have a fraction, and two must have a half of the day.
const SPELLINGS: [&str; 7] = ["hh:mm:ss", "h:mm:ss", "hh:mm", "h:mm", "hhmm", "hh", "h"];

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
    if text.contains(&b':') {
        return parse_time(text);
    }
    since_midnight(read_any(&["h", "hh", "hmm", "hhmm"], text)?, None, &[])
}

#[derive(Clone, Copy, PartialEq)]
enum Half {
    Am,
    Pm,
}

/// Microseconds since midnight: `20:54:13.144921`, `20:54`, `2054`, `8:54pm`, `8pm`.
fn parse_time(text: &[u8]) -> Option<i64> {
    let (text, half) = split_half(text);
    let (time, fraction) = split_first(text, b'.').unzip();
    let spellings = match (fraction, half) {
        (Some(_), _) => SPELLINGS.get(..2)?,
        (None, None) => SPELLINGS.get(..5)?,
        (None, Some(_)) => &SPELLINGS[..],
    };
    let numbers = read_any(spellings, time.unwrap_or(text))?;
    since_midnight(numbers, half, fraction.unwrap_or_default())
}

fn since_midnight(
    [hour, minute, second]: [i32; 3],
    half: Option<Half>,
    fraction: &[u8],
) -> Option<i64> {
    let (fraction_us, is_zero) = parse_fraction(fraction)?;
    let past_midnight = minute > 0 || second > 0 || !is_zero;
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
    let fraction_us = if second == 60 { 0 } else { fraction_us };
    let minutes = hour.checked_mul(60)?.checked_add(minute)?;
    let seconds = minutes.checked_mul(60)?.checked_add(second)?;
    i64::from(seconds).checked_mul(SECOND_US)?.checked_add(i64::from(fraction_us))
}

/// Any number of digits, none included, and underscores: microseconds, rounded, and whether it was
/// nothing before that.
fn parse_fraction(text: &[u8]) -> Option<(u32, bool)> {
    let (mut us, mut is_zero) = (0u32, true);
    let mut scale = 1_000_000u32;
    for &byte in text.iter().filter(|&&byte| byte != b'_') {
        let digit = char::from(byte).to_digit(10)?;
        is_zero &= digit == 0;
        us = us.checked_add(match scale {
            0 => 0,
            // The seventh digit rounds; those behind it say nothing.
            1 => u32::from(digit >= 5),
            _ => digit.checked_mul(scale / 10)?,
        })?;
        scale /= 10;
    }
    Some((us, is_zero))
}

/// Takes `a`, `am`, `a.m`, `a.m.` off the end, in small letters or capitals, and the same with `p`.
fn split_half(text: &[u8]) -> (&[u8], Option<Half>) {
    let (time, half, capital) = match *text {
        [ref time @ .., half, b'.', b'm', b'.']
        | [ref time @ .., half, b'.', b'm']
        | [ref time @ .., half, b'm'] => (time, half, false),
        [ref time @ .., half, b'.', b'M', b'.']
        | [ref time @ .., half, b'.', b'M']
        | [ref time @ .., half, b'M'] => (time, half, true),
        [ref time @ .., half] => (time, half, half.is_ascii_uppercase()),
        [] => return (text, None),
    };
    match (half, capital) {
        (b'a', false) | (b'A', true) => (time, Some(Half::Am)),
        (b'p', false) | (b'P', true) => (time, Some(Half::Pm)),
        _ => (text, None),
    }
}
