//! A lock that is held for a time: a file that its holder touches, and that falls to others when he
//! has not touched it for too long, though he may still run.
//!
//! Nothing can keep a holder that is stopped from going on as if he held the lock. So this promises
//! less than the other schemes: of all holders, at most one has not been dispossessed, and each can
//! find out by [`still_held`] that he has. What the lock protects must refuse the fencing numbers
//! of the others. Breakers and releasers lock the guard, and look again under it: else a releaser
//! would remove the lock of him who broke his.
//!
//! ```text
//!  private file: create ─► write ─► give it the lock's name ──► Locked
//!                                     │ exists
//!  take the name over ◄─ verify ◄─ judge again ◄─ guard ◄─ expired ◄─ read and judge
//!                                     │ fresh: Held     │ taken: Held    │ fresh: Held
//! ```
//!
//! # Example
//!
//! ```
//! use lock_core::payload::pid_text::{PidText, line};
//! use lock_core::scheme::breaking::{Rule, Terms, TryLockError, exclude, if_stale, open_guard};
//! use lock_core::scheme::{hardlink::Unlocked, lease};
//! use lock_core::staleness::{Observer, Stale};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let os = Sys::new(Place::path(c"backup.lock").with_private(c".backup.lock.1.lk"));
//! let terms = Terms {
//!     payload: &line(std::process::id()),
//!     decode: |bytes| PidText::parse(bytes).ok().map(|text| text.claim()),
//!     observer: &Observer::default(),
//!     rule: Rule::Lease { ttl_ms: 60_000 },
//!     local: true,
//! };
//! let locked = lease::try_lock(&os, &terms).unwrap();
//! assert!(matches!(lease::try_lock(&os, &terms), Err(TryLockError::Held { .. })));
//! assert!(lease::still_held(&os, &locked).unwrap());
//!
//! // At the end of time the lease has run out, and the holder lives.
//! assert_eq!(lease::remove(&os, &terms, i64::MAX, &if_stale).unwrap(), Stale::Expired);
//! assert!(!lease::still_held(&os, &locked).unwrap());
//! let guard = exclude(&os, open_guard(&os).unwrap()).unwrap();
//! assert_eq!(lease::unlock(&os, guard, locked).unwrap(), Unlocked::WasBroken);
//! ```

use super::breaking::{
    self, Breakable, Decide, Excluded, Terms, TryLockError, exclude, if_stale, judge, open_guard,
    verify,
};
use super::file::{
    create_private, held_if_hidden, name_private, open_lock, read_verdict, taken_by_another,
    unlink_if_there, unlink_lock, unlink_private, write_whole,
};
use super::hardlink::{Locked, Unlocked, still_held as named};
use crate::fault::Fault;
use crate::os::{Contents, CreateNew, Files, Flock, Links, Names, Node, Processes};
use crate::staleness::{Stale, Verdict};

/// What taking the lock calls.
pub trait Calls: Contents + CreateNew + Flock + Links + Names + Processes {}
impl<O: Contents + CreateNew + Flock + Links + Names + Processes> Calls for O {}

/// Takes the lock; one that has expired by `terms.rule` from its holder.
/// See the [example](self#example).
#[inline(never)]
pub fn try_lock<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    let file = create_private(os)?;
    write_whole(os, &file, terms.payload)
        .map_err(TryLockError::from)
        .and_then(|()| name(os, terms, &file))
        .inspect_err(|_| unlink_private(os))?;
    Ok(Locked { file, companion: false })
}

/// Whether the lock is still ours. Never becomes true again once false.
/// See the [example](self#example).
pub fn still_held<O: Files>(os: &O, locked: &Locked<O::File>) -> Result<bool, Fault> {
    named(os, locked)
}

/// Gives the lock back, if it is still ours, with breakers and releasers shut out by the guard.
/// See the [example](self#example).
pub fn unlock<O: Files + Names>(
    os: &O,
    guard: Excluded<O::File>,
    locked: Locked<O::File>,
) -> Result<Unlocked, Fault> {
    let unlocked = if still_held(os, &locked)? { unlink_lock(os) } else { Ok(Unlocked::WasBroken) };
    drop((locked, guard));
    unlocked
}

/// Removes a lock that `decide` calls stale, without taking it; tells why. `now_ms` is the time by
/// the file system's clock. See the [example](self#example).
pub fn remove<O: Contents + Flock + Names + Processes>(
    os: &O,
    terms: &Terms<'_>,
    now_ms: i64,
    decide: Decide<'_>,
) -> Result<Stale, TryLockError<O::File>> {
    let breakable = find_breakable(os, terms, &open_lock(os)?, now_ms, decide)?;
    breakable.done(unlink_if_there(os, Node::Lock))?;
    Ok(breakable.why())
}

/// Gives our file the lock's name.
fn name<O: Calls>(os: &O, terms: &Terms<'_>, mine: &O::File) -> Result<(), TryLockError<O::File>> {
    let Err(fault) = name_private(os) else { return Ok(()) };
    if let Some(now_ms) = taken_by_another(os, mine, fault)? {
        return replace(os, terms, now_ms);
    }
    unlink_private(os);
    Ok(())
}

/// Puts our file in the place of a lock that has expired.
fn replace<O: Calls>(os: &O, terms: &Terms<'_>, now_ms: i64) -> Result<(), TryLockError<O::File>> {
    let found = open_lock(os).map_err(held_if_hidden)?;
    // Only for the sake of those who wait: they need not disturb each other.
    match read_verdict(os, terms, &found, now_ms, false, &if_stale)? {
        Verdict::Stale(_) => {}
        verdict => return Err(TryLockError::Held { queue: None, verdict: Some(verdict) }),
    }
    let breakable = find_breakable(os, terms, &found, now_ms, &if_stale)?;
    breakable.done(os.rename(Node::Private, Node::Lock))
}

/// Shuts out breakers and releasers by the guard, and finds out whether the lock has expired.
fn find_breakable<O: Contents + Flock + Processes>(
    os: &O,
    terms: &Terms<'_>,
    found: &O::File,
    now_ms: i64,
    decide: Decide<'_>,
) -> Result<Breakable<O::File>, TryLockError<O::File>> {
    let excluded = exclude(os, open_guard(os)?)?;
    let dead = judge(excluded, |_| read_verdict(os, terms, found, now_ms, false, decide))?;
    verify(dead, |_| breaking::names(os, found))
}
