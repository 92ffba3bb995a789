//! The six lock modes: which go beside each other, and what a conversion between two does.
//!
//! They are ordered by strength, but for two: concurrent write and protected read exclude each
//! other, and neither contains the other.

/// A lock mode, by its kernel name.
///
/// ```
/// use lock_core::dlm::mode::Mode;
///
/// assert!(Mode::PR.is_compatible(Mode::PR));
/// assert!(!Mode::EX.is_compatible(Mode::CR));
/// assert_eq!(Mode::from_name(b"pw"), Some(Mode::PW));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Mode {
    /// Null: says interest in the resource, excludes nobody.
    NL = 0,
    /// Concurrent read: others may write.
    CR = 1,
    /// Concurrent write: others may write too.
    CW = 2,
    /// Protected read: others may read. The shared lock of other lock systems.
    PR = 3,
    /// Protected write: others may read concurrently.
    PW = 4,
    /// Exclusive.
    #[default]
    EX = 5,
}

/// What converting a lock from one mode to another means.
///
/// ```
/// use lock_core::dlm::mode::{Conversion, Mode};
///
/// assert_eq!(Mode::EX.conversion(Mode::PR), Conversion::Down);
/// assert_eq!(Mode::CW.conversion(Mode::PR), Conversion::Sideways);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Conversion {
    /// To a mode that allows others everything the present one does, and more: never waits.
    Down,
    /// Between [`Mode::CW`] and [`Mode::PR`], which exclude each other: can wait, and gives up what
    /// it had when it succeeds.
    Sideways,
    /// To the mode it has already.
    Same,
    /// To a mode that excludes more: can wait.
    Up,
}

/// Where a value block goes when a lock is granted or converted with
/// [`LockFlags::VALBLK`](super::flags::LockFlags::VALBLK).
///
/// ```
/// use lock_core::dlm::mode::{Mode, ValueMove};
///
/// assert_eq!(Mode::NL.value_move(Mode::EX), ValueMove::Read);
/// assert_eq!(Mode::EX.value_move(Mode::NL), ValueMove::Write);
/// assert_eq!(Mode::PR.value_move(Mode::NL), ValueMove::Stay);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ValueMove {
    /// The resource's value is read into the lock.
    Read,
    /// Nothing moves.
    Stay,
    /// The lock's value is written to the resource.
    Write,
}

/// For each mode a bit for every mode that may stand beside it, NL lowest.
const BESIDE: [u8; 6] = [0b11_1111, 0b01_1111, 0b00_0111, 0b00_1011, 0b00_0011, 0b00_0001];

impl Mode {
    /// All of them, in the kernel's order.
    pub const ALL: [Mode; 6] = [Mode::NL, Mode::CR, Mode::CW, Mode::PR, Mode::PW, Mode::EX];

    /// The mode with the kernel's number for it.
    ///
    /// ```
    /// use lock_core::dlm::mode::Mode;
    ///
    /// assert_eq!(Mode::from_raw(3), Some(Mode::PR));
    /// assert_eq!(Mode::from_raw(6), None);
    /// ```
    pub const fn from_raw(raw: u8) -> Option<Mode> {
        Some(match raw {
            0 => Mode::NL,
            1 => Mode::CR,
            2 => Mode::CW,
            3 => Mode::PR,
            4 => Mode::PW,
            5 => Mode::EX,
            _ => return None,
        })
    }

    /// The kernel's number.
    ///
    /// ```
    /// use lock_core::dlm::mode::Mode;
    ///
    /// assert!(Mode::ALL.into_iter().map(Mode::to_raw).eq(0..=5));
    /// ```
    pub const fn to_raw(self) -> u8 {
        self as u8
    }

    /// The mode with this two-letter name, in either case.
    pub fn from_name(name: &[u8]) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The two-letter name.
    ///
    /// ```
    /// use lock_core::dlm::mode::Mode;
    ///
    /// assert_eq!(Mode::PW.name(), "PW");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Mode::NL => "NL",
            Mode::CR => "CR",
            Mode::CW => "CW",
            Mode::PR => "PR",
            Mode::PW => "PW",
            Mode::EX => "EX",
        }
    }

    /// Whether two locks on one resource may have these modes at once.
    pub fn is_compatible(self, other: Mode) -> bool {
        bit(BESIDE, self, other)
    }

    /// The strongest mode that is granted to whoever holds either of the two: what is sure while a
    /// conversion is under way.
    ///
    /// ```
    /// use lock_core::dlm::mode::Mode;
    ///
    /// assert_eq!(Mode::EX.common(Mode::PR), Mode::PR);
    /// assert_eq!(Mode::CW.common(Mode::PR), Mode::CR, "neither contains the other");
    /// ```
    #[must_use]
    pub const fn common(self, other: Mode) -> Mode {
        match (self, other) {
            (Mode::CW, Mode::PR) | (Mode::PR, Mode::CW) => Mode::CR,
            _ if (self as u8) < (other as u8) => self,
            _ => other,
        }
    }

    /// What converting to another mode means.
    ///
    /// ```
    /// use lock_core::dlm::mode::{Conversion, Mode};
    ///
    /// assert_eq!(Mode::PR.conversion(Mode::EX), Conversion::Up);
    /// assert_eq!(Mode::PR.conversion(Mode::PR), Conversion::Same);
    /// ```
    pub const fn conversion(self, to: Mode) -> Conversion {
        match (self, to) {
            (Mode::CW, Mode::PR) | (Mode::PR, Mode::CW) => Conversion::Sideways,
            _ if (self as u8) == (to as u8) => Conversion::Same,
            _ if (self as u8) < (to as u8) => Conversion::Up,
            _ => Conversion::Down,
        }
    }

    /// Whether a conversion to another mode may ask to queue behind those who wait already
    /// ([`QUECVT`](super::flags::LockFlags::QUECVT)); else the kernel refuses with `EINVAL`.
    ///
    /// ```
    /// use lock_core::dlm::mode::Mode;
    ///
    /// assert!(Mode::PR.may_queue_conversion(Mode::EX));
    /// assert!(!Mode::EX.may_queue_conversion(Mode::PR), "that never waits");
    /// ```
    pub fn may_queue_conversion(self, to: Mode) -> bool {
        matches!(self.conversion(to), Conversion::Up | Conversion::Sideways)
    }

    /// Where the value block goes in a conversion to another mode. A first grant always reads.
    ///
    /// ```
    /// use lock_core::dlm::mode::{Mode, ValueMove};
    ///
    /// assert_eq!(Mode::PW.value_move(Mode::EX), ValueMove::Read);
    /// assert_eq!(Mode::EX.value_move(Mode::EX), ValueMove::Write);
    /// ```
    pub const fn value_move(self, to: Mode) -> ValueMove {
        match (self, to) {
            (Mode::PW, Mode::EX) => ValueMove::Read,
            (Mode::PW | Mode::EX, _) => ValueMove::Write,
            _ if (self as u8) <= (to as u8) => ValueMove::Read,
            _ => ValueMove::Stay,
        }
    }

    /// Whether unlocking with a value block writes it to the resource.
    ///
    /// ```
    /// use lock_core::dlm::mode::Mode;
    ///
    /// let writers = Mode::ALL.into_iter().filter(|mode| mode.writes_value());
    /// assert!(writers.eq([Mode::PW, Mode::EX]));
    /// ```
    pub const fn writes_value(self) -> bool {
        matches!(self, Mode::PW | Mode::EX)
    }

    /// The mode that the kernel grants instead if it is allowed to by
    /// [`ALTPR`](super::flags::LockFlags::ALTPR) or [`ALTCW`](super::flags::LockFlags::ALTCW) and
    /// says so by [`ALTMODE`](super::flags::AnswerFlags::ALTMODE).
    ///
    /// ```
    /// use lock_core::dlm::mode::Mode;
    ///
    /// assert_eq!(Mode::PR.alternative(), Mode::CW);
    /// assert_eq!(Mode::EX.alternative(), Mode::EX, "there is none");
    /// ```
    #[must_use]
    pub const fn alternative(self) -> Mode {
        match self {
            Mode::PR => Mode::CW,
            Mode::CW => Mode::PR,
            same => same,
        }
    }
}

impl core::fmt::Display for Mode {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(self.name())
    }
}

/// The bit for a column in the row of a mode.
fn bit(rows: [u8; 6], row: Mode, column: Mode) -> bool {
    let row = rows.get(usize::from(row.to_raw())).copied().unwrap_or(0);
    row.checked_shr(u32::from(column.to_raw())).unwrap_or(0) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValueMove::{Read, Stay, Write};

    /// The kernel's `__dlm_compat_matrix`, without its first and last row and column.
    const COMPATIBLE: [[u8; 6]; 6] = [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
    ];

    /// The kernel's `__quecvt_compat_matrix`.
    const QUEUED: [[u8; 6]; 6] = [
        [0, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 1, 0, 1, 1],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
    ];

    /// The kernel's `dlm_lvb_operations`.
    const VALUES: [[ValueMove; 6]; 6] = [
        [Read, Read, Read, Read, Read, Read],
        [Stay, Read, Read, Read, Read, Read],
        [Stay, Stay, Read, Read, Read, Read],
        [Stay, Stay, Stay, Read, Read, Read],
        [Write, Write, Write, Write, Write, Read],
        [Write, Write, Write, Write, Write, Write],
    ];

    fn pairs() -> impl Iterator<Item = (Mode, Mode)> {
        Mode::ALL.into_iter().flat_map(|row| Mode::ALL.map(|column| (row, column)))
    }

    fn at<T: Copy>(table: [[T; 6]; 6], row: Mode, column: Mode) -> T {
        table[row as usize][column as usize]
    }

    #[test]
    fn modes_go_beside_each_other_as_in_the_kernel() {
        for (one, other) in pairs() {
            assert_eq!(one.is_compatible(other), at(COMPATIBLE, one, other) == 1, "{one} {other}");
        }
    }

    #[test]
    fn conversions_queue_and_move_values_as_in_the_kernel() {
        for (from, to) in pairs() {
            assert_eq!(from.may_queue_conversion(to), at(QUEUED, from, to) == 1, "{from} {to}");
            assert_eq!(from.value_move(to), at(VALUES, from, to), "{from} {to}");
        }
    }

    #[test]
    fn a_stronger_mode_never_excludes_less() {
        for (from, to) in pairs() {
            let loses = |mode: Mode| from.is_compatible(mode) && !to.is_compatible(mode);
            match from.conversion(to) {
                Conversion::Down | Conversion::Same => assert!(!Mode::ALL.into_iter().any(loses)),
                Conversion::Up | Conversion::Sideways => assert!(Mode::ALL.into_iter().any(loses)),
            }
        }
    }

    #[test]
    fn what_two_modes_have_in_common_is_the_strongest_below_both() {
        let is_below = |low: Mode, high: Mode| {
            Mode::ALL.into_iter().all(|mode| low.is_compatible(mode) || !high.is_compatible(mode))
        };
        for (one, other) in pairs() {
            let common = one.common(other);
            assert!(is_below(common, one) && is_below(common, other), "{one} {other}");
            for mode in Mode::ALL {
                let below_both = is_below(mode, one) && is_below(mode, other);
                assert!(!below_both || is_below(mode, common), "{one} {other} {mode}");
            }
        }
    }

    #[test]
    fn names_and_numbers_come_back() {
        for mode in Mode::ALL {
            assert_eq!(Mode::from_raw(mode.to_raw()), Some(mode));
            assert_eq!(Mode::from_name(mode.name().as_bytes()), Some(mode));
        }
        assert_eq!(Mode::from_raw(6), None);
        assert_eq!(Mode::from_name(b"EXX"), None);
    }
}
