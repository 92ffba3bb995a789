//! Sleeping between tries; when to try again is [`lock_core::wait`]'s to say.

use core::hash::BuildHasher;
use core::time::Duration;
use std::hash::RandomState;
use std::thread;
use std::time::Instant;

use lock_core::wait::{Due, Wait};

/// Tries until there is an outcome other than that the lock is held (`None`), and at least once.
/// Answers nothing when the deadline has passed; from then on it is not tried again.
pub(crate) fn until<T>(
    deadline: Option<Instant>,
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
                thread::sleep(Duration::from_nanos(again_ns.saturating_sub(now_ns)));
            }
            Due::TimedOut => return None,
        }
    }
}

/// Good for 584 years.
fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_with_the_first_outcome() {
        let mut tries = 0;
        let outcome = until(None, || {
            tries += 1;
            (tries == 3).then_some(tries)
        });
        assert_eq!(outcome, Some(3));
    }

    #[test]
    fn is_never_over_early() {
        for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(7)] {
            let deadline = Instant::now() + timeout;
            let mut tries = 0;
            let outcome = until(Some(deadline), || {
                tries += 1;
                None::<()>
            });
            assert!(Instant::now() >= deadline && outcome.is_none());
            assert!(tries > 0, "there is at least one try");
        }
    }
}
