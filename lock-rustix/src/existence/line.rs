//! The line of those who wait for a lock that is nothing to queue at: see
//! [`turnstile`](lock_core::scheme::turnstile). Left when this goes, unless it is kept.

use core::mem;

use lock_core::scheme::turnstile::{self, Entered};
use rustix::fd::OwnedFd;

use super::Spot;
use crate::descriptor::lend;
use crate::place::{FileName, Place};
use crate::sys::Sys;

/// A waiter's place in it.
pub(super) struct Line<'a> {
    spot: &'a Spot,
    stand: Stand,
}

enum Stand {
    Outside,
    Behind(OwnedFd),
    First(OwnedFd),
    /// There can be no line here.
    Impossible,
}

impl<'a> Line<'a> {
    pub(super) fn outside(spot: &'a Spot) -> Line<'a> {
        Line { spot, stand: Stand::Outside }
    }

    /// Joins it. The file whose flock is this waiter's turn, if others are before him.
    pub(super) fn join(&mut self) -> Option<&OwnedFd> {
        if let Stand::Outside = self.stand {
            self.stand = match with_queue(self.spot, |sys| turnstile::enter(sys)) {
                Ok(Entered::First(file)) => Stand::First(file),
                Ok(Entered::Behind(file)) => Stand::Behind(file),
                Err(_) => Stand::Impossible,
            };
        }
        match &self.stand {
            Stand::Behind(file) => Some(file),
            _ => None,
        }
    }

    /// It is this waiter's turn: he has the flock.
    pub(super) fn advance(&mut self) {
        self.stand = match mem::replace(&mut self.stand, Stand::Impossible) {
            Stand::Behind(file) => Stand::First(file),
            stand => stand,
        };
    }

    /// Leaves it for good: there is no waiting in it.
    pub(super) fn give_up(&mut self) {
        if let Stand::Behind(file) | Stand::First(file) =
            mem::replace(&mut self.stand, Stand::Impossible)
        {
            leave(self.spot, file);
        }
    }

    /// Keeps those behind waiting: the file, if this waiter was first.
    pub(super) fn keep(mut self) -> Option<OwnedFd> {
        match mem::replace(&mut self.stand, Stand::Impossible) {
            Stand::First(file) => Some(file),
            stand => {
                self.stand = stand;
                None
            }
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Lets the next one come.
pub(super) fn leave(spot: &Spot, file: OwnedFd) {
    with_queue(spot, |sys| turnstile::leave(sys, file));
}

/// Removes the file if nobody is in line; whether there was such a one.
pub(super) fn sweep(spot: &Spot) -> bool {
    with_queue(spot, |sys| turnstile::sweep(sys)).unwrap_or(false)
}

fn with_queue<T>(spot: &Spot, call: impl FnOnce(&Sys<'_>) -> T) -> T {
    let queue = FileName::queue(spot.lock.as_c_str());
    let place = Place::in_directory(lend(&spot.dir), spot.lock.as_c_str());
    call(&Sys::new(place.with_queue(queue.as_c_str())).with_mode(spot.mode))
}

#[cfg(test)]
mod tests {
    use lock_core::kind::Kind;
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::dup;

    use super::*;

    #[test]
    fn a_forked_childs_copy_keeps_nobody_in_line() {
        let spot = Spot::open(Kind::Symlink, c"/tmp/lock-rustix-line-inherited").unwrap();
        let (mut first, mut second) = (Line::outside(&spot), Line::outside(&spot));
        assert!(first.join().is_none());
        let file = first.keep().unwrap();
        let copy = dup(lend(&file)).unwrap();
        let turn = second.join().unwrap();
        leave(&spot, file);
        assert_eq!(flock(lend(turn), FlockOperation::NonBlockingLockExclusive), Ok(()));
        drop((second, copy));
        assert!(!sweep(&spot), "the last one out has removed it");
    }
}
