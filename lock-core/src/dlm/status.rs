//! How an operation on a lock ended, as the kernel says it in `sb_status`.

use core::fmt;

/// How an operation ended. What the kernel says by a negative error number has a name here, and any
/// number has a place.
///
/// ```
/// use lock_core::dlm::status::Status;
///
/// assert_eq!(Status::from_raw(-11), Status::WouldBlock);
/// assert_eq!(Status::from_raw(-5), Status::Other(-5));
/// assert_eq!(Status::WouldBlock.to_string(), "held by another");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// 0: the lock is granted, in the mode that was asked for.
    Granted,
    /// `-DLM_ECANCEL`: the request or conversion was cancelled.
    Cancelled,
    /// `-EDEADLK`: the conversion would have waited for ever.
    Deadlock,
    /// `-ETIMEDOUT`: only from kernels that still time requests out.
    TimedOut,
    /// `-DLM_EUNLOCK`: the lock is no more.
    Unlocked,
    /// `-EAGAIN`: held by another, and the request was not to wait.
    WouldBlock,
    /// Any other number.
    Other(i32),
}

const EAGAIN: i32 = 11;
const EDEADLK: i32 = 35;
const ETIMEDOUT: i32 = 110;
const ECANCEL: i32 = 0x1_0001;
const EUNLOCK: i32 = 0x1_0002;

impl Status {
    /// What the kernel means by a number.
    pub const fn from_raw(raw: i32) -> Status {
        match raw.wrapping_neg() {
            0 => Status::Granted,
            EAGAIN => Status::WouldBlock,
            EDEADLK => Status::Deadlock,
            ETIMEDOUT => Status::TimedOut,
            ECANCEL => Status::Cancelled,
            EUNLOCK => Status::Unlocked,
            _ => Status::Other(raw),
        }
    }

    /// The kernel's number.
    ///
    /// ```
    /// use lock_core::dlm::status::Status;
    ///
    /// assert_eq!(Status::WouldBlock.to_raw(), -11);
    /// assert_eq!(Status::Cancelled.to_raw(), -0x1_0001, "no error number of the system's");
    /// ```
    pub const fn to_raw(self) -> i32 {
        match self {
            Status::Granted => 0,
            Status::Cancelled => -ECANCEL,
            Status::Deadlock => -EDEADLK,
            Status::TimedOut => -ETIMEDOUT,
            Status::Unlocked => -EUNLOCK,
            Status::WouldBlock => -EAGAIN,
            Status::Other(raw) => raw,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Status::Granted => "granted",
            Status::Cancelled => "cancelled",
            Status::Deadlock => "deadlock avoided by the kernel",
            Status::TimedOut => "timed out in the kernel",
            Status::Unlocked => "unlocked",
            Status::WouldBlock => "held by another",
            Status::Other(raw) => return write!(out, "status {raw}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        for raw in [0, -11, -35, -110, -0x1_0001, -0x1_0002, -5, 7, 0x1_0001, i32::MIN, i32::MAX] {
            assert_eq!(Status::from_raw(raw).to_raw(), raw);
        }
        assert_eq!(Status::from_raw(-0x1_0002), Status::Unlocked);
        assert_eq!(Status::from_raw(0x1_0002), Status::Other(0x1_0002));
    }
}
