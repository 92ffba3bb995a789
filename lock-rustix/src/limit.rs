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
    pub const fn until(deadline_ns: u64) -> Limit<'static> {
        Limit { deadline_ns, cancel: None, signal: None }
    }

    /// The same, ended also when this can be read.
    #[must_use]
    pub const fn cancelled_by(self, cancel: Option<BorrowedFd<'a>>) -> Limit<'a> {
        Limit { cancel, ..self }
    }

    /// The same, ended by this signal, if there is one.
    #[must_use]
    pub const fn timed_by(self, signal: Option<i32>) -> Limit<'a> {
        Limit { signal, ..self }
    }

    /// How much time is left, in nanoseconds; the largest number if it never ends.
    pub fn left_ns(&self) -> u64 {
        match self.deadline_ns {
            u64::MAX => u64::MAX,
            deadline_ns => deadline_ns.saturating_sub(monotonic_ns()),
        }
    }

    /// Whether anything but the lock can end the wait.
    pub fn is_none(&self) -> bool {
        self.deadline_ns == u64::MAX && self.cancel.is_none()
    }
}

impl<'a> Tick<'a> {
    /// Nothing, never.
    pub fn never(nothing: &'a mut dyn FnMut()) -> Tick<'a> {
        Tick { every_ns: u64::MAX, call: nothing }
    }
}

impl fmt::Debug for Tick<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tick").field("every_ns", &self.every_ns).finish_non_exhaustive()
    }
}
