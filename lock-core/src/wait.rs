//! When to try again for a lock that somebody else holds.
//!
//! A machine told the time, in nanoseconds of any clock that nobody sets. It never sleeps and never
//! tries: it says when to, and hears how it went. There is at least one try, however late it is;
//! one more when the time is up; and never word that the time is up before it is.

/// One wait for one lock.
///
/// ```
/// use lock_core::wait::{Due, Wait};
///
/// let mut wait = Wait::until(Some(10_000_000));
/// assert_eq!(wait.poll(0), Due::Now);
/// wait.handle_held(0, 0);
/// let Due::At(again_ns) = wait.poll(0) else { panic!("the lock was held just now") };
/// assert_eq!(wait.poll(again_ns), Due::Now);
/// wait.handle_held(10_000_000, 0);
/// assert_eq!(wait.poll(10_000_000), Due::TimedOut);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Wait {
    deadline_ns: Option<u64>,
    /// The longest that the next pause can be.
    pause_ns: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum State {
    Trying,
    Pausing { until_ns: u64 },
    GivingUp,
}

/// What [`Wait::poll`] says.
///
/// ```
/// use lock_core::wait::{Due, Wait};
///
/// let mut wait = Wait::until(Some(5));
/// assert_eq!(wait.poll(70), Due::Now, "however late it is, there is one try");
/// wait.handle_held(70, 0);
/// assert_eq!(wait.poll(70), Due::TimedOut);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Due {
    /// Try.
    Now,
    /// Nothing before this time, unless something wakes the wait.
    At(u64),
    /// Give up: the last try was made when the time was up.
    TimedOut,
}

/// The first pause is at most this long: about what a short critical section takes.
const PAUSE_MIN_NS: u64 = 1_000_000;

/// No pause is longer. A waiter that polls as often uses a thousandth of a processor.
const PAUSE_MAX_NS: u64 = 25_000_000;

impl Wait {
    /// A wait until this time; `None` has no end.
    pub const fn until(deadline_ns: Option<u64>) -> Wait {
        Wait { deadline_ns, pause_ns: PAUSE_MIN_NS, state: State::Trying }
    }

    /// What is due at `now_ns`. Asking too often is harmless.
    pub const fn poll(&self, now_ns: u64) -> Due {
        match self.state {
            State::Pausing { until_ns } if now_ns < until_ns => Due::At(until_ns),
            State::Pausing { .. } | State::Trying => Due::Now,
            State::GivingUp => Due::TimedOut,
        }
    }

    /// A try that ended at `now_ns` found the lock held. The pause before the next one is drawn by
    /// `random`, any number, so that waiters do not come in step; it doubles from try to try.
    pub fn handle_held(&mut self, now_ns: u64, random: u64) {
        if self.deadline_ns.is_some_and(|deadline_ns| deadline_ns <= now_ns) {
            self.state = State::GivingUp;
            return;
        }
        let deadline_ns = self.deadline_ns.unwrap_or(u64::MAX);
        let least_ns = self.pause_ns / 2;
        let drawn_ns = random.checked_rem(least_ns.saturating_add(1)).unwrap_or(0);
        let again_ns = now_ns.saturating_add(least_ns).saturating_add(drawn_ns);
        self.pause_ns = self.pause_ns.saturating_mul(2).min(PAUSE_MAX_NS);
        self.state = State::Pausing { until_ns: again_ns.min(deadline_ns) };
    }

    /// The lock may have been released: the next try is due at once, and pauses start short again.
    ///
    /// ```
    /// use lock_core::wait::{Due, Wait};
    ///
    /// let mut wait = Wait::until(None);
    /// wait.handle_held(0, 0);
    /// assert!(matches!(wait.poll(1), Due::At(_)));
    /// wait.handle_woken();
    /// assert_eq!(wait.poll(1), Due::Now);
    /// ```
    pub const fn handle_woken(&mut self) {
        if matches!(self.state, State::Pausing { .. }) {
            *self = Wait::until(self.deadline_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Tries until the time is up; answers when each try was made.
    fn run(mut wait: Wait, start_ns: u64, random: u64) -> Vec<u64> {
        let mut now_ns = start_ns;
        let mut tries = Vec::new();
        for _ in 0..1_000_000 {
            match wait.poll(now_ns) {
                Due::Now => {
                    tries.push(now_ns);
                    wait.handle_held(now_ns, random);
                }
                Due::At(again_ns) => {
                    assert!(again_ns > now_ns, "a pause ends in the future");
                    now_ns = again_ns;
                }
                Due::TimedOut => return tries,
            }
        }
        panic!("the wait does not end");
    }

    #[test]
    fn the_last_try_is_made_when_the_time_is_up_and_not_before() {
        for random in [0, 1, 12_345, u64::MAX] {
            for deadline_ns in [1, 999, PAUSE_MIN_NS, 1_000_000_000, 60_000_000_000] {
                let tries = run(Wait::until(Some(deadline_ns)), 0, random);
                assert_eq!((tries[0], *tries.last().unwrap()), (0, deadline_ns));
            }
        }
    }

    #[test]
    fn a_deadline_in_the_past_still_gets_its_one_try() {
        assert_eq!(run(Wait::until(Some(5)), 5, 0), [5]);
        assert_eq!(run(Wait::until(Some(5)), 70, 0), [70]);
    }

    #[test]
    fn pauses_double_up_to_their_limit_and_are_spread_by_half() {
        for (random, share) in [(0, 2), (u64::MAX, 1)] {
            let mut wait = Wait::until(None);
            for most_ns in [1, 2, 4, 8, 16, 25, 25].map(|ms| ms * 1_000_000) {
                wait.handle_held(0, random);
                let Due::At(again_ns) = wait.poll(0) else { panic!("held just now") };
                assert!(again_ns >= most_ns / 2 && again_ns <= most_ns / share, "{again_ns}");
            }
        }
    }

    #[test]
    fn without_a_deadline_it_never_gives_up() {
        let mut wait = Wait::until(None);
        for now_ns in [0, 1 << 40, u64::MAX - 1] {
            wait.handle_held(now_ns, u64::MAX);
            assert!(matches!(wait.poll(now_ns), Due::At(_)));
        }
        // Found by fuzzing.
        wait.handle_held(u64::MAX, 0);
        assert_eq!(wait.poll(u64::MAX), Due::Now);
    }

    #[test]
    fn whoever_is_woken_tries_at_once_but_not_after_the_end() {
        let mut wait = Wait::until(Some(1_000_000_000));
        wait.handle_held(0, 0);
        wait.handle_held(1, 0);
        wait.handle_woken();
        assert_eq!(wait.poll(1), Due::Now);
        wait.handle_held(1, 0);
        assert_eq!(wait.poll(1), Due::At(1 + PAUSE_MIN_NS / 2), "pauses start short again");
        wait.handle_held(1_000_000_000, 0);
        wait.handle_woken();
        assert_eq!(wait.poll(1_000_000_000), Due::TimedOut);
    }
}
