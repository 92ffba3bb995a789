//! How long a wait may last, who can end it, and who is told while it lasts.

use core::fmt;

use rustix::fd::BorrowedFd;

use crate::clock::monotonic_ns;

/// The limits of one wait.
///
/// ```
/// use lock_rustix::limit::Limit;
///
/// assert_eq!(Limit::NONE.left_ns(), u64::MAX);
/// assert_eq!(Limit::until(1).left_ns(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// When to give up, by the [monotonic clock](crate::clock::monotonic_ns); the largest number
    /// for never.
    pub deadline_ns: u64,
    /// Ends the wait when it can be read.
    pub cancel: Option<BorrowedFd<'a>>,
    /// A signal that the program has a handler for, which does not restart system calls, and that
    /// may wake the waiting thread when the time is over. With it no process has to stand in the
    /// queue in the thread's stead, unless the wait can be cancelled or has a [`Tick`].
    pub signal: Option<i32>,
}

/// What to do now and then during a wait, which goes on in the same place of the queue.
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::descriptor::{eventfd, lend};
/// use lock_rustix::limit::{Limit, Tick};
/// use lock_rustix::local::{LockError, Request, lock_within, try_lock};
/// use lock_rustix::{place::Place, rustix::io::write, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-tick"));
/// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
/// let guard = try_lock(&sys, &request).unwrap();
/// let end = eventfd().unwrap();
/// let mut enough = || drop(write(&end, &1u64.to_ne_bytes()));
/// let mut tick = Tick { every_ns: 1_000_000, call: &mut enough };
/// let limit = Limit::NONE.cancelled_by(Some(lend(&end)));
/// let outcome = lock_within(&sys, &request, &limit, &mut tick);
/// assert_eq!(outcome.unwrap_err(), LockError::Interrupted);
/// # drop(guard);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-tick").unwrap();
/// ```
pub struct Tick<'a> {
    /// How often, in nanoseconds; the largest number for never.
    pub every_ns: u64,
    /// What.
    pub call: &'a mut dyn FnMut(),
}

impl<'a> Limit<'a> {
    /// Waits for ever.
    pub const NONE: Limit<'static> = Limit { deadline_ns: u64::MAX, cancel: None, signal: None };

    /// Waits until this moment, in nanoseconds of the monotonic clock.
    ///
    /// ```
    /// use lock_rustix::{clock::monotonic_ns, limit::Limit};
    ///
    /// let five_seconds = Limit::until(monotonic_ns() + 5_000_000_000);
    /// assert!(five_seconds.left_ns() <= 5_000_000_000);
    /// // A moment that is over is no error: there is still one try.
    /// assert_eq!(Limit::until(0).left_ns(), 0);
    /// ```
    pub const fn until(deadline_ns: u64) -> Limit<'static> {
        Limit { deadline_ns, cancel: None, signal: None }
    }

    /// The same, ended also when this can be read.
    /// The wait reads nothing: what can be read once ends every wait that is given it.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::descriptor::{eventfd, lend};
    /// use lock_rustix::limit::{Limit, Tick};
    /// use lock_rustix::local::{LockError, Request, lock_within, try_lock};
    /// use lock_rustix::{place::Place, rustix, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-cancelled"));
    /// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    /// let guard = try_lock(&sys, &request).unwrap();
    /// let end = eventfd().unwrap();
    /// rustix::io::write(&end, &1u64.to_ne_bytes()).unwrap();
    /// let limit = Limit::NONE.cancelled_by(Some(lend(&end)));
    /// let outcome = lock_within(&sys, &request, &limit, &mut Tick::never(&mut || {}));
    /// assert_eq!(outcome.unwrap_err(), LockError::Interrupted);
    /// # drop(guard);
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-cancelled").unwrap();
    /// ```
    #[must_use]
    pub const fn cancelled_by(self, cancel: Option<BorrowedFd<'a>>) -> Limit<'a> {
        Limit { cancel, ..self }
    }

    /// The same, ended by this signal, if there is one.
    ///
    /// ```
    /// use lock_rustix::limit::Limit;
    ///
    /// // SIGRTMIN + 5, which must have a handler by the time of the wait.
    /// let limit = Limit::until(1).timed_by(Some(39));
    /// assert_eq!(limit.signal, Some(39));
    /// // A signal alone ends no wait: it only tells that the time is over.
    /// assert!(Limit::NONE.timed_by(Some(39)).is_none());
    /// ```
    #[must_use]
    pub const fn timed_by(self, signal: Option<i32>) -> Limit<'a> {
        Limit { signal, ..self }
    }

    /// How much time is left, in nanoseconds; the largest number if it never ends.
    ///
    /// ```
    /// use lock_rustix::{clock::monotonic_ns, limit::Limit};
    ///
    /// let limit = Limit::until(monotonic_ns() + 1_000_000_000);
    /// let before = limit.left_ns();
    /// assert!(limit.left_ns() <= before);
    /// assert_eq!(Limit::NONE.left_ns(), u64::MAX);
    /// ```
    pub fn left_ns(&self) -> u64 {
        match self.deadline_ns {
            u64::MAX => u64::MAX,
            deadline_ns => deadline_ns.saturating_sub(monotonic_ns()),
        }
    }

    /// Whether anything but the lock can end the wait.
    /// `true`: nothing can.
    ///
    /// ```
    /// use lock_rustix::limit::Limit;
    ///
    /// assert!(Limit::NONE.is_none());
    /// assert!(!Limit::until(1).is_none());
    /// ```
    pub fn is_none(&self) -> bool {
        self.deadline_ns == u64::MAX && self.cancel.is_none()
    }
}

impl<'a> Tick<'a> {
    /// Nothing, never.
    ///
    /// ```
    /// use lock_rustix::limit::Tick;
    ///
    /// let mut nothing = || unreachable!();
    /// assert_eq!(Tick::never(&mut nothing).every_ns, u64::MAX);
    /// ```
    pub fn never(nothing: &'a mut dyn FnMut()) -> Tick<'a> {
        Tick { every_ns: u64::MAX, call: nothing }
    }
}

impl fmt::Debug for Tick<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tick").field("every_ns", &self.every_ns).finish_non_exhaustive()
    }
}
