//! A lock is a symbolic link whose target names its holder.
//!
//! The target is there from the first instant and cannot be changed, so the lock is never unsigned
//! and two equal targets are one acquisition (ours end in a nonce). A symbolic link cannot be
//! flocked: breakers lock the directory instead, and the holder's death is known by its process.
//!
//! ```text
//!  symlink ──► Locked
//!    │ exists
//!    ▼
//!  readlink ─► judge ─ dead ─► lock the directory ─► judge again ─► readlink: still the same?
//!    │ gone: Again │ lives: Held    │ taken: Held                   │ yes: unlink, then Again
//! ```
//!
//! What it does not protect from: a lock whose target is free text ([`plain`]) is never stale, and
//! programs that clean up by pid without a guard (Emacs) can remove a fresh lock while they break
//! an old one.
//!
//! # Example
//!
//! ```
//! use lock_core::payload::pid_text::PidText;
//! use lock_core::scheme::breaking::{Rule, Terms, TryLockError, if_stale};
//! use lock_core::scheme::{hardlink::Unlocked, symlink};
//! use lock_core::staleness::{Observer, Policy, Stale};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let (os, observer) = (Sys::new(Place::path(c"backup.lock")), Observer::default());
//! let terms = |payload| Terms {
//!     payload,
//!     decode: |bytes| PidText::parse(bytes).ok().map(|text| text.claim()),
//!     observer: &observer,
//!     rule: Rule::Strict(Policy::default()),
//!     local: true,
//! };
//! // A pid, and what tells this acquisition from every other.
//! let (mine, yours) = (terms(b"1 x7k2"), terms(b"1 qt0a"));
//! let locked: symlink::Locked = symlink::try_lock(&os, &mine).unwrap();
//! assert!(matches!(symlink::try_lock(&os, &yours), Err(TryLockError::Held { .. })));
//! assert!(symlink::still_held(&os, mine.payload).unwrap());
//! assert!(symlink::remove_by_force(&os).unwrap(), "a person knew better");
//! let locked_by_you = symlink::try_lock(&os, &yours).unwrap();
//! assert_eq!(symlink::unlock(&os, locked, mine.payload).unwrap(), Unlocked::WasBroken);
//! assert_eq!(symlink::unlock(&os, locked_by_you, yours.payload).unwrap(), Unlocked::Released);
//!
//! // What a killed holder leaves. Linux never has so high a pid.
//! std::os::unix::fs::symlink("4194304 a", "backup.lock").unwrap();
//! assert_eq!(symlink::remove(&os, &mine, &if_stale).unwrap(), Stale::NoProcess);
//! ```

use super::file::{unlink_if_there, unlink_lock};
use crate::fault::{Fault, FaultKind};
use crate::os::{Flock, Names, Node, Processes, Symlinks};
use crate::scheme::breaking::{
    Decide, Terms, TryLockError, exclude, if_stale, judge, open_guard, verdict, verify,
};
use crate::scheme::hardlink::Unlocked;
use crate::staleness::{Claim, Stale, Verdict};

/// The longest target that is understood, in bytes. One of at most 59 stays in the inode on ext4,
/// which is faster and survives a power loss whole.
pub const TARGET_MAX: usize = 1024;

/// What every way of taking the lock calls.
pub trait Calls: Flock + Names + Processes + Symlinks {}
impl<O: Flock + Names + Processes + Symlinks> Calls for O {}

/// Proof of having made the link, owed to [`unlock`]. See the [example](self#example).
#[must_use = "give it to `unlock`"]
#[derive(Debug)]
pub struct Locked(());

/// The target as it was read.
struct Target {
    bytes: [u8; TARGET_MAX],
    len: usize,
}

/// Takes the lock, from a dead holder if need be. `terms.payload` must not have been used before.
/// See the [example](self#example).
#[inline(never)]
pub fn try_lock<O: Calls>(os: &O, terms: &Terms<'_>) -> Result<Locked, TryLockError<O::File>> {
    match os.symlink(terms.payload, Node::Lock) {
        Ok(()) => return Ok(Locked(())),
        Err(fault) if fault.kind == FaultKind::Exists => {}
        Err(fault) => return Err(fault.into()),
    }
    let found = read(os)?;
    if found.bytes() == terms.payload {
        // The server made the link and then denied it.
        return Ok(Locked(()));
    }
    // Only for the sake of those who wait on a living holder: they need not disturb each other.
    match target_verdict(os, terms, &found) {
        Verdict::Stale(_) => {}
        verdict => return Err(TryLockError::Held { queue: None, verdict: Some(verdict) }),
    }
    remove_target(os, terms, &found, &if_stale)?;
    Err(TryLockError::Again)
}

/// Removes a lock that `decide` calls stale, without taking it; tells why.
/// See the [example](self#example).
pub fn remove<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    decide: Decide<'_>,
) -> Result<Stale, TryLockError<O::File>> {
    remove_target(os, terms, &read(os)?, decide)
}

/// Removes the lock, whoever holds it and whether or not he lives: for a person who knows better.
/// The holder finds out by [`still_held`]. Tells whether there was one. Fails with
/// [`NotSymlink`](FaultKind::NotSymlink) for what is no symbolic link.
/// See the [example](self#example).
pub fn remove_by_force(os: &(impl Names + Symlinks)) -> Result<bool, Fault> {
    match os.readlink(Node::Lock, &mut [0; 1]) {
        Ok(_) => unlink_if_there(os, Node::Lock),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Gives the lock back. Nobody breaks a living holder's lock, so the link is ours, unless a person
/// removed it: then another's may stand there, and stays. See the [example](self#example).
pub fn unlock(
    os: &(impl Names + Symlinks),
    Locked(()): Locked,
    payload: &[u8],
) -> Result<Unlocked, Fault> {
    if !still_held(os, payload)? {
        return Ok(Unlocked::WasBroken);
    }
    unlink_lock(os)
}

/// Whether the link is the one that `payload` was put into. See the [example](self#example).
pub fn still_held(os: &impl Symlinks, payload: &[u8]) -> Result<bool, Fault> {
    holds(os, payload)
}

/// Jane Street's `Symlink`: the target is the caller's text, and a lock in the way is only looked
/// at. A second process that uses the same text cannot be told from this one.
///
/// # Example
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::scheme::symlink::plain::{try_lock, unlock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// try_lock(&os, b"nightly backup on vm").unwrap();
/// assert_eq!(try_lock(&os, b"weekly").unwrap_err().kind, FaultKind::Exists);
/// unlock(&os).unwrap();
/// ```
pub mod plain {
    use super::{Fault, Names, Node, Symlinks};

    /// Makes the link, or fails with [`Exists`](crate::fault::FaultKind::Exists); on Linux with
    /// [`Missing`](crate::fault::FaultKind::Missing) if the text is empty.
    /// See the [example](self#example).
    pub fn try_lock(os: &impl Symlinks, metadata: &[u8]) -> Result<(), Fault> {
        os.symlink(metadata, Node::Lock)
    }

    /// Removes whatever link there is; `Missing` if there is none. See the [example](self#example).
    pub fn unlock(os: &impl Names) -> Result<(), Fault> {
        os.unlink(Node::Lock)
    }
}

impl Target {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn read<F>(os: &impl Symlinks) -> Result<Target, TryLockError<F>> {
    let mut target = Target { bytes: [0; TARGET_MAX], len: 0 };
    match os.readlink(Node::Lock, &mut target.bytes) {
        Ok(len) => target.len = len,
        Err(fault) if fault.kind == FaultKind::Missing => return Err(TryLockError::Again),
        Err(fault) => return Err(fault.into()),
    }
    Ok(target)
}

/// Whether the lock is a link with this target.
fn holds(os: &impl Symlinks, target: &[u8]) -> Result<bool, Fault> {
    let mut buffer = [0; TARGET_MAX];
    match os.readlink(Node::Lock, &mut buffer) {
        Ok(len) => Ok(buffer.get(..len) == Some(target)),
        // Gone, or no symbolic link.
        Err(fault) if matches!(fault.kind, FaultKind::Missing | FaultKind::NotSymlink) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Breaks the lock whose target was read.
fn remove_target<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    found: &Target,
    decide: Decide<'_>,
) -> Result<Stale, TryLockError<O::File>> {
    let excluded = exclude(os, open_guard(os)?)?;
    let dead = judge(excluded, |_| {
        let verdict = target_verdict(os, terms, found);
        Ok(decide(claim(terms, found).as_ref(), verdict))
    })?;
    let breakable = verify(dead, |_| holds(os, found.bytes()))?;
    breakable.done(os.unlink(Node::Lock))?;
    Ok(breakable.why())
}

/// What the target says. One that fills the buffer may be longer: no part is taken for the whole.
fn claim(terms: &Terms<'_>, target: &Target) -> Option<Claim> {
    Some(target.bytes()).filter(|bytes| bytes.len() < TARGET_MAX).and_then(terms.decode)
}

/// Judges the holder by what the target says. No age: nothing touches a link while it is held.
fn target_verdict(os: &impl Processes, terms: &Terms<'_>, target: &Target) -> Verdict {
    verdict(os, terms, claim(terms, target).as_ref(), 0, false)
}
