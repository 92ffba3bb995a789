//! Telling a program how a wait goes, so that it can tell people.

use core::fmt;
use core::time::Duration;
use std::path::Path;
use std::time::Instant;

use lock_core::kind::Kind;
use lock_core::owner::Owner;
use lock_core::staleness::{Stale, Unknown};

use super::Manner;

/// How often who waits is told how things stand, though nothing happened.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(1);

/// What a [observer](crate::Lock::observe) is told. As text it is one plain line.
///
/// ```
/// use std::time::Duration;
/// use lock_std::{Lock, WaitEvent};
///
/// # let path = format!("/tmp/lock-std-doc-wait-event-{}", std::process::id());
/// let lock = Lock::at(&path).observe(|event| match event {
///     WaitEvent::Waiting { owner, left: Some(left), .. } => {
///         eprintln!("{owner} is at work; waiting {} s more", left.as_secs());
///     }
///     event => eprintln!("{event}"),
/// });
/// let _guard = lock.try_lock()?;
/// assert!(lock.lock_timeout(Duration::from_millis(1)).is_err());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WaitEvent<'a> {
    /// Somebody holds the lock. Told when the wait begins, when another holder is seen, and about
    /// once a second.
    #[non_exhaustive]
    Waiting {
        /// The lock's path, as it was given.
        path: &'a Path,
        /// Its kind.
        kind: Kind,
        /// Who holds it; without a pid if that cannot be told.
        owner: &'a Owner,
        /// Whether he is another than the observer was told before, or the first.
        changed: bool,
        /// Why it cannot be told whether he lives; of an existence lock.
        doubt: Option<Unknown>,
        /// How long the wait has lasted.
        waited: Duration,
        /// How long it will still last at most.
        left: Option<Duration>,
    },
    /// A dead holder's lock was found, and is taken over next.
    #[non_exhaustive]
    Stale {
        /// The lock's path, as it was given.
        path: &'a Path,
        /// Its kind.
        kind: Kind,
        /// Who held it.
        owner: &'a Owner,
        /// Why it is stale.
        why: Stale,
    },
    /// The kernel tells nothing here: the wait tries again and again, with pauses.
    #[non_exhaustive]
    Polling {
        /// The lock's path, as it was given.
        path: &'a Path,
        /// Its kind.
        kind: Kind,
    },
    /// The lock is ours.
    #[non_exhaustive]
    Acquired {
        /// The lock's path, as it was given.
        path: &'a Path,
        /// Its kind.
        kind: Kind,
        /// How long that took.
        waited: Duration,
    },
}

/// One wait's telling.
pub(crate) struct Report<'a> {
    manner: &'a Manner,
    path: &'a Path,
    kind: Kind,
    start: Instant,
    deadline: Option<Instant>,
    told: Option<Owner>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        manner: &'a Manner,
        path: &'a Path,
        kind: Kind,
        deadline: Option<Instant>,
    ) -> Report<'a> {
        Report { manner, path, kind, start: Instant::now(), deadline, told: None }
    }

    /// Whether anybody listens.
    pub(crate) fn is_wanted(&self) -> bool {
        self.manner.observer.is_some() || is_traced()
    }

    /// How often to tell, in nanoseconds.
    pub(crate) fn every_ns(&self) -> u64 {
        if self.manner.observer.is_none() {
            return u64::MAX;
        }
        u64::try_from(TELL_EVERY.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn waiting(&mut self, owner: &Owner, doubt: Option<Unknown>) {
        let changed = self.told.as_ref() != Some(owner);
        let left = self.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let (path, kind, waited) = (self.path, self.kind, self.start.elapsed());
        self.tell(&WaitEvent::Waiting { path, kind, owner, changed, doubt, waited, left });
        self.told = Some(owner.clone());
    }

    pub(crate) fn stale(&mut self, owner: &Owner, why: Stale) {
        self.tell(&WaitEvent::Stale { path: self.path, kind: self.kind, owner, why });
    }

    pub(crate) fn polling(&self) {
        self.tell(&WaitEvent::Polling { path: self.path, kind: self.kind });
    }

    pub(crate) fn acquired(&self) {
        let (path, kind, waited) = (self.path, self.kind, self.start.elapsed());
        self.tell(&WaitEvent::Acquired { path, kind, waited });
    }

    fn tell(&self, event: &WaitEvent<'_>) {
        trace(event);
        if let Some(observer) = &self.manner.observer {
            observer(event);
        }
    }
}

#[cfg(feature = "tracing")]
fn is_traced() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

#[cfg(not(feature = "tracing"))]
fn is_traced() -> bool {
    false
}

/// Stale locks are worth a warning: somebody died.
#[cfg(feature = "tracing")]
fn trace(event: &WaitEvent<'_>) {
    let (path, kind) = event.lock();
    let (path, kind) = (path.display(), kind.name());
    match event {
        WaitEvent::Stale { .. } => tracing::warn!(%path, kind, "{event}"),
        WaitEvent::Polling { .. } => tracing::info!(%path, kind, "{event}"),
        _ => tracing::debug!(%path, kind, "{event}"),
    }
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &WaitEvent<'_>) {}

impl WaitEvent<'_> {
    /// The lock's path, as it was given, and its kind.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_std::{Kind, Lock};
    ///
    /// # let path = format!("/tmp/lock-std-doc-event-lock-{}", std::process::id());
    /// let lock = Lock::at(&path).observe(|event| assert_eq!(event.lock().1, Kind::File));
    /// let _guard = lock.try_lock()?;
    /// assert!(lock.lock_timeout(Duration::from_millis(1)).is_err());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn lock(&self) -> (&Path, Kind) {
        match self {
            WaitEvent::Waiting { path, kind, .. }
            | WaitEvent::Stale { path, kind, .. }
            | WaitEvent::Polling { path, kind }
            | WaitEvent::Acquired { path, kind, .. } => (path, *kind),
        }
    }
}

impl fmt::Display for WaitEvent<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.lock().0.display())?;
        match self {
            WaitEvent::Waiting { owner, changed, doubt, waited, left, .. } => {
                let verb = if *changed { "held by" } else { "still held by" };
                write!(out, "{verb} {owner}")?;
                if let Some(why) = doubt {
                    write!(out, " ({})", why.reason())?;
                }
                write!(out, "; waited {}", Seconds(*waited))?;
                match left {
                    Some(left) => write!(out, ", giving up in {}", Seconds(*left)),
                    None => Ok(()),
                }
            }
            WaitEvent::Stale { owner, why, .. } => {
                write!(out, "left behind by {owner} ({}); taking it over", why.reason())
            }
            WaitEvent::Polling { .. } => {
                out.write_str("nothing tells when it is free; looking again and again")
            }
            WaitEvent::Acquired { waited, .. } => write!(out, "ours after {}", Seconds(*waited)),
        }
    }
}

/// A time as people read it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.1} s", self.0.as_secs_f64())
    }
}
