//! The Gregorian calendar, years 0000 to 9999, and the spellings of dates that are read.

use core::num::Wrapping;

use super::layout::read_any;
use crate::payload::ocaml_int;
use crate::payload::parse::split_first;

/// A day that exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Date {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// The spellings without slashes.
const LAYOUTS: [&str; 5] = ["YYYY-MM-DD", "YYYYMMDD", "DD NNN YYYY", "YYYY NNN DD", "DDNNNYYYY"];

/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i32 = 146_097;

/// Days from the first of March of year 0 to the first of January of 1970.
const EPOCH_DAYS: i32 = 719_468;

impl Date {
    /// The last day of 9999, in days since 1970.
    pub(super) const MAX_DAYS: i32 = 2_932_896;

    fn new(year: i32, month: i32, day: i32) -> Option<Date> {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days).contains(&day) {
            return None;
        }
        let (year, month) = (u16::try_from(year).ok()?, u8::try_from(month).ok()?);
        Some(Date { year, month, day: u8::try_from(day).ok()? })
    }

    /// Days since 1970. Years are counted from March here, so that the leap day is the last.
    pub(super) fn days(self) -> i32 {
        let month = Wrapping(i32::from(self.month));
        let before_march = Wrapping(i32::from(self.month < 3));
        let year = Wrapping(i32::from(self.year)) - before_march;
        let months = month - Wrapping(3) + Wrapping(12) * before_march;
        let era = year.0.div_euclid(400);
        let year = Wrapping(year.0.rem_euclid(400));
        // Five months from March on have 153 days, and so have the next five.
        let months_days = (Wrapping(153) * months + Wrapping(2)).0 / 5;
        let leap_days = Wrapping(year.0 / 4) - Wrapping(year.0 / 100);
        let days = Wrapping(365) * year
            + leap_days
            + Wrapping(months_days)
            + Wrapping(i32::from(self.day))
            - Wrapping(1);
        (Wrapping(era) * Wrapping(ERA_DAYS) + days - Wrapping(EPOCH_DAYS)).0
    }

    /// The day so many days after the start of 1970: at most [`MAX_DAYS`](Self::MAX_DAYS), not
    /// before the year 0.
    pub(super) fn from_days(days: i32) -> Date {
        let days = Wrapping(days) + Wrapping(EPOCH_DAYS);
        let era = days.0.div_euclid(ERA_DAYS);
        let day = days.0.rem_euclid(ERA_DAYS);
        // Leap days before this one are taken out, then every year has 365.
        let plain =
            Wrapping(day) - Wrapping(day / 1460) + Wrapping(day / 36_524) - Wrapping(day / 146_096);
        let year = Wrapping(plain.0 / 365);
        let start = Wrapping(365) * year + Wrapping(year.0 / 4) - Wrapping(year.0 / 100);
        let day = Wrapping(day) - start;
        let months = Wrapping((Wrapping(5) * day + Wrapping(2)).0 / 153);
        let start = (Wrapping(153) * months + Wrapping(2)).0 / 5;
        let day = day - Wrapping(start) + Wrapping(1);
        let after_december = Wrapping(i32::from(months.0 >= 10));
        let month = months + Wrapping(3) - Wrapping(12) * after_december;
        let year = Wrapping(era) * Wrapping(400) + year + after_december;
        Date::new(year.0, month.0, day.0).unwrap_or(Date { year: 0, month: 1, day: 1 })
    }
}

/// Reads a date. `12/31/99` is of 1999, `12/31/74` of 2074.
pub(super) fn parse(text: &[u8]) -> Option<Date> {
    let [year, month, day] =
        if text.contains(&b'/') { parse_slashes(text)? } else { read_any(&LAYOUTS, text)? };
    Date::new(year, month, day)
}

/// The year comes first if it has four characters, else last.
fn parse_slashes(text: &[u8]) -> Option<[i32; 3]> {
    let (first, rest) = split_first(text, b'/')?;
    let (second, third) = split_first(rest, b'/')?;
    let number = |text| i32::try_from(ocaml_int::parse(text)?).ok();
    let numbers = [number(first)?, number(second)?, number(third)?];
    let [year, month, day] = match numbers {
        numbers if first.len() == 4 => numbers,
        [month, day, year] => [year, month, day],
    };
    let century = match year {
        ..75 => 2000,
        75..100 => 1900,
        _ => 0,
    };
    Some([year.checked_add(century)?, month, day])
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn counts_days_as_everybody_does() {
        for (year, month, day, days) in [
            (0, 1, 1, -719_528),
            (0, 2, 29, -719_469),
            (0, 3, 1, -719_468),
            (1600, 12, 31, -134_775),
            (1969, 12, 31, -1),
            (1970, 1, 1, 0),
            (2000, 2, 29, 11_016),
            (2000, 3, 1, 11_017),
            (2026, 11, 20, 20_777),
            (9999, 12, 31, Date::MAX_DAYS),
        ] {
            let date = Date::new(year, month, day).unwrap();
            assert_eq!(date.days(), days, "{date:?}");
            assert_eq!(Date::from_days(days), date);
        }
    }
}
