//! Points in time as Jane Street's `Core.Time` writes and reads them: a date and a time of day.
//!
//! Counted in microseconds of UTC since 1970, no leap seconds. Written in one way, read in all that
//! `Core` v0.15 reads without a time zone's name. More than six digits of a second are rounded.
//! Source: `core` v0.15 `time.ml`, `date0.ml`; v0.18 reads the same.

mod calendar;
mod layout;
mod time_of_day;

use super::parse::{Expected, ParseError};
use super::write::Out;
use calendar::Date;

/// The longest date, and the longest time of day, that is read; in bytes.
pub const PART_MAX: usize = 64;

/// What [`WallTime::date`] writes, in bytes.
pub const DATE_LEN: usize = 10;

/// What [`WallTime::time_of_day`] writes, in bytes.
pub const TIME_OF_DAY_LEN: usize = 16;

/// A point in time in the years 0000 to 9999.
///
/// ```
/// use lock_core::payload::date_time::WallTime;
///
/// let time = WallTime::parse(b"2026-11-20", b"21:54:13.144921+01:00").unwrap();
/// assert_eq!(time, WallTime::from_us(1_795_208_053_144_921).unwrap());
/// assert_eq!((&time.date(), &time.time_of_day()), (b"2026-11-20", b"20:54:13.144921Z"));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WallTime(i64);

impl WallTime {
    /// The start of the year 0.
    pub const MIN: WallTime = WallTime(-62_167_219_200 * SECOND_US);

    /// The end of the year 9999, its last midnight included.
    pub const MAX: WallTime = WallTime(253_402_300_800 * SECOND_US);

    /// The time this many microseconds after the start of 1970, UTC; `None` outside of
    /// [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
    pub fn from_us(since_1970_us: i64) -> Option<WallTime> {
        Some(WallTime(since_1970_us)).filter(|time| (Self::MIN..=Self::MAX).contains(time))
    }

    /// Microseconds since the start of 1970, UTC.
    ///
    /// ```
    /// use lock_core::payload::date_time::WallTime;
    ///
    /// let noon = WallTime::parse(b"1970-01-02", b"12:00:00").unwrap();
    /// assert_eq!(noon.as_us(), 36 * 3600 * 1_000_000);
    /// ```
    pub const fn as_us(self) -> i64 {
        self.0
    }

    /// Whether the two can be readings of one process's start time: they differ by strictly less
    /// than a second, in whichever direction.
    ///
    /// ```
    /// use lock_core::payload::date_time::WallTime;
    ///
    /// let time = |us| WallTime::from_us(us).unwrap();
    /// assert!(time(0).is_near(time(999_999)));
    /// assert!(!time(0).is_near(time(-1_000_000)));
    /// ```
    pub const fn is_near(self, other: WallTime) -> bool {
        self.0.abs_diff(other.0) < SECOND_US.unsigned_abs()
    }

    /// Reads a date and a time of day: the two atoms of a `start_time`.
    ///
    /// Without an offset the time is UTC. The date may have spaces in it, so the parts are read
    /// together; the error counts bytes in `date`, a space, `time_of_day`.
    pub fn parse(date: &[u8], time_of_day: &[u8]) -> Result<WallTime, ParseError> {
        let mut text = [0; 2 * PART_MAX + 1];
        let mut out = Out::new(&mut text);
        out.bytes(date);
        out.bytes(b" ");
        out.bytes(time_of_day);
        let text = match out.finish() {
            Ok(len) if date.len() <= PART_MAX => text.get(..len).unwrap_or_default(),
            _ => return Err(ParseError::too_long(0, 2 * PART_MAX)),
        };
        // Two words, or four with `20 NOV 2026`; of three the last would be a time zone.
        let words = text.split(|&byte| byte == b' ').count();
        let split = text.iter().rposition(|&byte| byte == b' ').filter(|_| matches!(words, 2 | 4));
        let split = split.ok_or(ParseError::new(0, Expected::Date))?;
        let (date, rest) = text.split_at_checked(split).unwrap_or_default();
        let time = rest.get(1..).unwrap_or_default();
        let time_at = split.saturating_add(1);
        let days = calendar::parse(date).ok_or(ParseError::new(0, Expected::Date))?.days();
        let time_of_day_us =
            time_of_day::parse(time).map_err(|expected| ParseError::new(time_at, expected))?;
        i64::from(days)
            .checked_mul(DAY_US)
            .and_then(|us| us.checked_add(time_of_day_us))
            .and_then(WallTime::from_us)
            .ok_or(ParseError::new(0, Expected::Year))
    }

    /// The date, `2026-11-20`.
    pub fn date(self) -> [u8; DATE_LEN] {
        let Date { year, month, day } = Date::from_days(self.split().0);
        let mut text = *b"YYYY-MM-DD";
        layout::fill(&mut text, [u32::from(year), u32::from(month), u32::from(day)], 0);
        text
    }

    /// The time of day in UTC, `20:54:13.144921Z`.
    pub fn time_of_day(self) -> [u8; TIME_OF_DAY_LEN] {
        let us = self.split().1;
        // A day has fewer.
        let seconds = u32::try_from(us / 1_000_000).unwrap_or(0);
        let below_us = u32::try_from(us % 1_000_000).unwrap_or(0);
        let mut text = *b"hh:mm:ss.uuuuuuZ";
        layout::fill(&mut text, [seconds / 3600, seconds / 60 % 60, seconds % 60], below_us);
        text
    }

    /// Days since 1970 and microseconds of the day.
    fn split(self) -> (i32, u64) {
        if self == Self::MAX {
            // Its own midnight would be in the year 10000: it is the 24th hour of a last day.
            return (Date::MAX_DAYS, DAY_US.unsigned_abs());
        }
        let days = i32::try_from(self.0.div_euclid(DAY_US)).unwrap_or(Date::MAX_DAYS);
        (days, self.0.rem_euclid(DAY_US).unsigned_abs())
    }
}

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn spell(time: WallTime) -> String {
        let text = [&time.date()[..], b" ", &time.time_of_day()].concat();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn reads_every_variant() {
        for (date, time, spelled) in [
            ("2026-11-20", "20:54:13.144921Z", "2026-11-20 20:54:13.144921Z"),
            ("2026-11-20", "20:54:13.144921", "2026-11-20 20:54:13.144921Z"),
            ("2026-11-20", "20:54", "2026-11-20 20:54:00.000000Z"),
            ("2026-11-20", "20:54:13Z", "2026-11-20 20:54:13.000000Z"),
            ("2026-11-20", "20:54:13.Z", "2026-11-20 20:54:13.000000Z"),
            ("2026-11-20", "20:54:13.1Z", "2026-11-20 20:54:13.100000Z"),
            ("2026-11-20", "20:54:13.144921999Z", "2026-11-20 20:54:13.144922Z"),
            ("2026-11-20", "20:54:13.1449214Z", "2026-11-20 20:54:13.144921Z"),
            ("2026-11-20", "20:54:13.144_921Z", "2026-11-20 20:54:13.144921Z"),
            ("2026-11-20", "20:54:13+01:00", "2026-11-20 19:54:13.000000Z"),
            ("2026-11-20", "20:54:13-01:30", "2026-11-20 22:24:13.000000Z"),
            ("2026-11-20", "20:54:13+0130", "2026-11-20 19:24:13.000000Z"),
            ("2026-11-20", "20:54:13+130", "2026-11-20 19:24:13.000000Z"),
            ("2026-11-20", "20:54:13+01", "2026-11-20 19:54:13.000000Z"),
            ("2026-11-20", "20:54:13+1", "2026-11-20 19:54:13.000000Z"),
            ("2026-11-20", "24:00:00", "2026-11-21 00:00:00.000000Z"),
            ("2026-11-20", "24:00:00.000", "2026-11-21 00:00:00.000000Z"),
            ("2026-11-20", "23:59:60", "2026-11-21 00:00:00.000000Z"),
            ("2026-11-20", "20:54:60.9", "2026-11-20 20:55:00.000000Z"),
            ("2026-11-20", "2054", "2026-11-20 20:54:00.000000Z"),
            ("2026-11-20", "8:54:13", "2026-11-20 08:54:13.000000Z"),
            ("2026-11-20", "8:54:13pm", "2026-11-20 20:54:13.000000Z"),
            ("2026-11-20", "12A.M.", "2026-11-20 00:00:00.000000Z"),
            ("2026-11-20", "12:30pZ", "2026-11-20 12:30:00.000000Z"),
            ("20261120", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("2026/11/20", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("2026/1/2", "00:00", "2026-01-02 00:00:00.000000Z"),
            ("11/20/2026", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("1/2/74", "00:00", "2074-01-02 00:00:00.000000Z"),
            ("1/2/75", "00:00", "1975-01-02 00:00:00.000000Z"),
            ("20NOV2026", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("20Nov2026", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("20nov2026", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("20 NOV 2026", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("2026 Nov 20", "00:00", "2026-11-20 00:00:00.000000Z"),
            ("20", "NOV 2026 00:00", "2026-11-20 00:00:00.000000Z"),
            ("2024-02-29", "00:00", "2024-02-29 00:00:00.000000Z"),
            ("2000-02-29", "00:00", "2000-02-29 00:00:00.000000Z"),
            ("0000-01-01", "00:00", "0000-01-01 00:00:00.000000Z"),
            ("9999-12-31", "24:00:00", "9999-12-31 24:00:00.000000Z"),
            ("1969-12-31", "23:59:59.999999", "1969-12-31 23:59:59.999999Z"),
        ] {
            let read = WallTime::parse(date.as_bytes(), time.as_bytes());
            assert_eq!(read.map(spell).as_deref(), Ok(spelled), "{date} {time}");
        }
    }

    #[test]
    fn refuses_what_core_refuses() {
        for (date, time, at, expected) in [
            ("2026-13-01", "00:00", 0, Expected::Date),
            ("2026-02-30", "00:00", 0, Expected::Date),
            ("2026-02-00", "00:00", 0, Expected::Date),
            ("2023-02-29", "00:00", 0, Expected::Date),
            ("1900-02-29", "00:00", 0, Expected::Date),
            ("10000-01-01", "00:00", 0, Expected::Date),
            ("2026-1-01", "00:00", 0, Expected::Date),
            ("20nOv2026", "00:00", 0, Expected::Date),
            ("1/2/10000", "00:00", 0, Expected::Date),
            ("1/2", "00:00", 0, Expected::Date),
            ("1/2/3/4", "00:00", 0, Expected::Date),
            ("", "00:00", 0, Expected::Date),
            ("2026-11-20", "00:00 Europe/Berlin", 0, Expected::Date),
            ("2026-11-20", "", 11, Expected::TimeOfDay),
            ("2026-11-20", "Z", 11, Expected::TimeOfDay),
            ("2026-11-20", "00:00z", 11, Expected::TimeOfDay),
            ("2026-11-20", "24:00:01", 11, Expected::TimeOfDay),
            ("2026-11-20", "24:00:00.1", 11, Expected::TimeOfDay),
            ("2026-11-20", "25:00", 11, Expected::TimeOfDay),
            ("2026-11-20", "23:60", 11, Expected::TimeOfDay),
            ("2026-11-20", "23:59:61", 11, Expected::TimeOfDay),
            ("2026-11-20", "23:59:5", 11, Expected::TimeOfDay),
            ("2026-11-20", "23:59:59,1", 11, Expected::TimeOfDay),
            ("2026-11-20", "235959", 11, Expected::TimeOfDay),
            ("2026-11-20", "12", 11, Expected::TimeOfDay),
            ("2026-11-20", "13pm", 11, Expected::TimeOfDay),
            ("2026-11-20", "0am", 11, Expected::TimeOfDay),
            ("2026-11-20", "1aM", 11, Expected::TimeOfDay),
            ("2026-11-20", "00:00+25:00", 11, Expected::TimeOfDay),
            ("2026-11-20", "00:00+01000", 11, Expected::TimeOfDay),
            ("2026-11-20", "00:00+", 11, Expected::TimeOfDay),
            ("2026-11-20", "00:00+01:00Z", 11, Expected::TimeOfDay),
            ("0000-01-01", "00:00+00:01", 0, Expected::Year),
            ("9999-12-31", "24:00-00:01", 0, Expected::Year),
        ] {
            let read = WallTime::parse(date.as_bytes(), time.as_bytes());
            assert_eq!(read, Err(ParseError::new(at, expected)), "{date} {time}");
        }
        let long = [b'0'; PART_MAX + 1];
        assert!(WallTime::parse(&long, b"00:00").is_err());
        assert!(WallTime::parse(b"2026-11-20", &long).is_err());
    }

    #[test]
    fn every_day_is_read_back() {
        // The calendar repeats after 400 years.
        let era = 146_097;
        let first = WallTime::MIN.as_us();
        let last = WallTime::MAX.as_us() - era * DAY_US;
        for start in [first, last] {
            for days in 0..=era {
                let time = WallTime::from_us(start + days * DAY_US).unwrap();
                assert_eq!(WallTime::parse(&time.date(), &time.time_of_day()), Ok(time));
            }
        }
    }

    #[test]
    fn nothing_outside_its_years_is_a_time() {
        assert_eq!(WallTime::from_us(i64::MIN), None);
        assert_eq!(WallTime::from_us(WallTime::MAX.as_us() + 1), None);
        assert_eq!(WallTime::from_us(WallTime::MIN.as_us()), Some(WallTime::MIN));
    }
}
