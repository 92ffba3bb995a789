//! Sleeping between tries, where the kernel cannot queue us; when to try again is
//! [`lock_core::wait`]'s to say.

use core::hash::BuildHasher;
use core::time::Duration;
use std::hash::RandomState;
use std::os::fd::AsFd;
use std::thread;
use std::time::Instant;

use lock_core::wait::{Due, Wait};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Cancel;

/// Tries until there is an outcome other than that the lock is held (`None`), and at least once.
/// Answers nothing when the deadline has passed, or the wait was cancelled; from then on it is not
/// tried again.
pub(crate) fn until<T>(
    deadline: Option<Instant>,
    cancel: Option<&Cancel>,
    mut attempt: impl FnMut() -> Option<T>,
) -> Option<T> {
    let start = Instant::now();
    let deadline_ns = deadline.map(|deadline| ns(deadline.saturating_duration_since(start)));
    let random = RandomState::new();
    let mut wait = Wait::until(deadline_ns);
    loop {
        let now_ns = ns(start.elapsed());
        match wait.poll(now_ns) {
            Due::Now => {
                if let Some(outcome) = attempt() {
                    return Some(outcome);
                }
                let held_ns = ns(start.elapsed());
                wait.handle_held(held_ns, random.hash_one(held_ns));
            }
            Due::At(again_ns) => {
                if sleep(again_ns.saturating_sub(now_ns), cancel) {
                    return None;
                }
            }
            Due::TimedOut => return None,
        }
    }
}

/// Does nothing for so long; tells whether it was cancelled.
fn sleep(ns: u64, cancel: Option<&Cancel>) -> bool {
    let Some(cancel) = cancel else {
        thread::sleep(Duration::from_nanos(ns));
        return false;
    };
    let timeout = Timespec {
        tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0),
    };
    let mut event = [PollFd::from_borrowed_fd(cancel.as_fd(), PollFlags::IN)];
    // Woken by a signal, the wait tries again a little early.
    poll(&mut event, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// Good for 584 years.
pub(crate) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_with_the_first_outcome() {
        let mut tries = 0;
        let outcome = until(None, None, || {
            tries += 1;
            (tries == 3).then_some(tries)
        });
        assert_eq!(outcome, Some(3));
    }

    #[test]
    fn ends_when_it_is_cancelled() {
        let cancel = Cancel::new().unwrap();
        let outcome = until(None, Some(&cancel), || {
            cancel.cancel();
            None::<()>
        });
        assert!(outcome.is_none() && cancel.is_cancelled());
    }

    #[test]
    fn is_never_over_early() {
        for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(7)] {
            let deadline = Instant::now() + timeout;
            let mut tries = 0;
            let outcome = until(Some(deadline), None, || {
                tries += 1;
                None::<()>
            });
            assert!(Instant::now() >= deadline && outcome.is_none());
            assert!(tries > 0, "there is at least one try");
        }
    }
}
