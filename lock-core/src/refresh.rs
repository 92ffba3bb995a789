//! When to touch a lock so that others do not take it for abandoned.
//!
//! A machine told the time, in milliseconds of any clock that nobody sets. It never touches
//! anything: it says when, and hears how it went. A touch that fails is tried again sooner; when
//! the lock has not been touched for the whole stale age, it must be taken for lost.

/// The heartbeat of one held lock.
///
/// ```
/// use lock_core::refresh::{Due, Refresh};
///
/// // Others call the lock stale after 10 s, so it is touched every 5 s.
/// let mut refresh = Refresh::new(0, 5_000, 10_000);
/// assert_eq!(refresh.poll(4_999), Due::At(5_000));
/// assert_eq!(refresh.poll(5_000), Due::Now);
/// refresh.handle_touched(5_000);
/// assert_eq!(refresh.poll(5_001), Due::At(10_000));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Refresh {
    every_ms: u64,
    stale_age_ms: u64,
    touched_ms: u64,
    next_ms: u64,
}

/// What [`Refresh::poll`] says.
///
/// ```
/// use lock_core::refresh::{Due, Refresh};
///
/// let refresh = Refresh::new(0, 5_000, 10_000);
/// assert_eq!(refresh.poll(10_000), Due::Now);
/// // The process was stopped for a while: somebody may have the lock by now.
/// assert_eq!(refresh.poll(10_001), Due::Overdue);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Due {
    /// Nothing before this time.
    At(u64),
    /// Touch the lock.
    Now,
    /// The lock has gone untouched for so long that others may have broken it: look whether it is
    /// still held before trusting it again. A touch is due besides.
    Overdue,
}

/// Failed touches are repeated so many times within the normal interval.
const RETRIES: u64 = 4;

impl Refresh {
    /// A lock touched at `now_ms`, to be touched every `every_ms` (0: never), that others call
    /// stale after `stale_age_ms`. Pidfile.jl touches at half that age.
    pub const fn new(now_ms: u64, every_ms: u64, stale_age_ms: u64) -> Refresh {
        let next_ms = if every_ms == 0 { u64::MAX } else { now_ms.saturating_add(every_ms) };
        Refresh { every_ms, stale_age_ms, touched_ms: now_ms, next_ms }
    }

    /// What is due at `now_ms`. Asking too often is harmless.
    pub const fn poll(&self, now_ms: u64) -> Due {
        if now_ms < self.next_ms {
            Due::At(self.next_ms)
        } else if now_ms.saturating_sub(self.touched_ms) > self.stale_age_ms {
            Due::Overdue
        } else {
            Due::Now
        }
    }

    /// The lock was touched.
    pub const fn handle_touched(&mut self, now_ms: u64) {
        *self = Refresh::new(now_ms, self.every_ms, self.stale_age_ms);
    }

    /// The touch failed.
    ///
    /// ```
    /// use lock_core::refresh::{Due, Refresh};
    ///
    /// let mut refresh = Refresh::new(0, 4_000, 8_000);
    /// refresh.handle_failed(4_000);
    /// assert_eq!(refresh.poll(4_000), Due::At(5_000), "a quarter of the interval later");
    /// ```
    pub fn handle_failed(&mut self, now_ms: u64) {
        let soon_ms = self.every_ms.checked_div(RETRIES).unwrap_or(0).max(1);
        self.next_ms = now_ms.saturating_add(soon_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_touch_is_tried_again_until_the_lock_may_be_lost() {
        let mut refresh = Refresh::new(0, 4_000, 8_000);
        let mut now_ms = 4_000;
        let mut tries = 0;
        while refresh.poll(now_ms) == Due::Now {
            refresh.handle_failed(now_ms);
            let Due::At(next_ms) = refresh.poll(now_ms) else { panic!("a failed touch waits") };
            now_ms = next_ms;
            tries += 1;
        }
        assert_eq!((tries, now_ms), (5, 9_000));
        assert_eq!(refresh.poll(now_ms), Due::Overdue);
        refresh.handle_touched(now_ms);
        assert_eq!(refresh.poll(now_ms), Due::At(13_000));
    }

    #[test]
    fn an_interval_of_zero_never_comes() {
        assert_eq!(Refresh::new(5, 0, 100).poll(u64::MAX - 1), Due::At(u64::MAX));
    }

    #[test]
    fn a_suspended_process_learns_that_it_slept_too_long() {
        let refresh = Refresh::new(0, 4_000, 8_000);
        assert_eq!(refresh.poll(60_000), Due::Overdue);
    }
}
