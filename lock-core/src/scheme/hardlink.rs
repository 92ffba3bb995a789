//! A lock is a name for a complete, private file that its holder keeps flocked.
//!
//! The file is written and flocked before it gets the lock's name, so the lock is signed from its
//! first instant, and whoever gets the flock of the lock's inode knows that its holder is gone:
//! the kernel said so, whatever pids and namespaces say. Breakers need that same flock.
//!
//! ```text
//!  private file: create ─► flock ─► write
//!    │
//!    ▼                       exists
//!  give it the lock's name ─────────► open the lock's file ─► its flock
//!    │ done                             │ gone: Again            │ taken: Held
//!    ▼                                  ▼                        ▼
//!  Locked ◄─ take the name over ◄─ verify ◄─ dead ◄──────── judge ─► lives, or unknown: Held
//! ```
//!
//! Three ways to give the name: by `link` from a named private file whose second name then becomes
//! the companion that readers know ([`try_lock_linked`], Jane Street's layout); by `rename` that
//! replaces nothing ([`try_lock_named`]); from a file without any name ([`try_lock_unnamed`], which
//! leaves nothing behind wherever it is killed). Each is cut in two, so that a waiter can keep what
//! it made ready and only name it when the lock is given back.
//!
//! What it does not protect from: participants that remove the name without these rules.
//!
//! # Example
//!
//! ```
//! use lock_core::os::Files;
//! use lock_core::payload::pid_text::{PidText, line};
//! use lock_core::scheme::breaking::{Rule, Terms, TryLockError, if_stale};
//! use lock_core::scheme::hardlink::{self, Layout, Locked, Unlocked};
//! use lock_core::staleness::{Observer, Policy, Stale};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let place = Place::path(c"backup").with_private(c".backup.1.lk");
//! let os = Sys::new(place.with_companion(c"backup.nfs_lock"));
//! let terms = Terms {
//!     payload: &line(std::process::id()),
//!     decode: |bytes| PidText::parse(bytes).ok().map(|text| text.claim()),
//!     observer: &Observer::default(),
//!     rule: Rule::Strict(Policy::default()),
//!     local: true,
//! };
//! let locked: Locked<_> = hardlink::try_lock_linked(&os, &terms).unwrap();
//! assert_eq!(os.fstat(locked.file()).unwrap().links, 2, "its own name and the companion's");
//! let Err(TryLockError::Held { queue, .. }) = hardlink::try_lock_named(&os, &terms) else {
//!     panic!("two hold it")
//! };
//! assert!(queue.is_some(), "whoever gets the flock of this file is next");
//! assert!(hardlink::still_held(&os, &locked).unwrap());
//! assert_eq!(hardlink::unlock(&os, locked).unwrap(), Unlocked::Released);
//!
//! // What a killed holder leaves: a name without an flock. Linux never has so high a pid.
//! std::fs::write("backup", "4194304\n").unwrap();
//! let why = hardlink::remove(&os, &terms, Layout::Single, 0, &if_stale).unwrap();
//! assert_eq!(why, Stale::NoProcess);
//! let locked = hardlink::try_lock_unnamed(&os, &terms).unwrap();
//! assert_eq!(std::fs::read("backup").unwrap(), terms.payload);
//!
//! // One that waits makes its lock ready, and keeps it until the name is free.
//! use lock_core::scheme::hardlink::{Prepared, discard};
//! let mut prepared: Prepared<_> = hardlink::prepare_named(&os, &terms).unwrap();
//! assert!(os.fstat(prepared.file().unwrap()).is_ok(), "complete but for its name");
//! let refused = hardlink::try_prepared_named(&os, &terms, &mut prepared).unwrap_err();
//! assert!(matches!(refused, TryLockError::Held { .. }));
//! assert!(hardlink::try_prepared_linked(&os, &terms, &mut prepared).is_err());
//! assert!(prepared.is_named(), "it would stay behind");
//! assert!(!hardlink::sweep(&os).unwrap(), "it is in use");
//! discard(&os, prepared);
//! let mut prepared = hardlink::prepare_unnamed(&os, &terms).unwrap();
//! assert!(hardlink::try_prepared_unnamed(&os, &terms, &mut prepared).is_err());
//! assert_eq!(hardlink::unlock(&os, locked).unwrap(), Unlocked::Released);
//! let locked = hardlink::try_prepared_unnamed_linked(&os, &terms, &mut prepared).unwrap();
//! assert_eq!(os.fstat(locked.file()).unwrap().links, 2);
//! assert!(prepared.file().is_none(), "it is the lock now");
//!
//! // A person who knows better, and a holder who finds out.
//! assert!(hardlink::remove_by_force(&os, Layout::WithCompanion, terms.decode).unwrap());
//! assert_eq!(hardlink::unlock(&os, locked).unwrap(), Unlocked::WasBroken);
//! assert_eq!(hardlink::sweep(&os), Ok(false), "nobody was killed between two steps");
//! ```

use super::file::{
    create_private, held_if_hidden, name_companion, name_private, open_lock, read_verdict,
    remove_companion, taken_by_another, unlink_if_there, unlink_lock, unlink_private, write_whole,
};
use crate::fault::{Fault, FaultKind};
use crate::os::{
    Access, Contents, CreateNew, Files, Flock, Links, Mode, Names, Node, Processes, Unnamed,
};
use crate::scheme::breaking::{
    self, Breakable, Decide, Terms, TryLockError, exclude, if_stale, judge, verify,
};
use crate::staleness::{Claim, Stale};

pub use super::file::PAYLOAD_MAX;

/// What every way of taking the lock calls.
pub trait Calls: Contents + Flock + Names + Processes {}
impl<O: Contents + Flock + Names + Processes> Calls for O {}

/// Proof of holding the lock: the flocked file that its name means. To be given to [`unlock`];
/// dropping it closes the file, which lets others find the lock stale.
/// See the [example](self#example).
#[must_use = "give it to `unlock`"]
#[derive(Debug)]
pub struct Locked<F> {
    pub(super) file: F,
    /// Whether the companion is our file's second name.
    pub(super) companion: bool,
}

/// A lock that is complete but for its name: a private file, flocked and written. A waiter makes it
/// while another holds the lock, and needs only name it then. As long as it is open no sweeper
/// takes it for a leftover. Its age counts from when it was written: where locks are judged by
/// age, touch it before each try after the first.
///
/// After a try that found the lock [`Held`](TryLockError::Held) it is good for another. After any
/// other failure [`discard`] it, for it may have lost its private name.
/// See the [example](self#example).
#[must_use = "try to lock with it, or `discard` it"]
#[derive(Debug)]
pub struct Prepared<F> {
    /// Nothing once it is the lock.
    file: Option<F>,
    /// Whether it has the private name.
    private: bool,
}

/// Which names a lock has. See the [example](self#example).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Layout {
    /// Its own only.
    Single,
    /// Its own and the companion's, as [`try_lock_linked`] makes them.
    WithCompanion,
}

/// How a release ended. See the [example](self#example).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Unlocked {
    /// The lock was ours until now.
    Released,
    /// Somebody had removed or replaced it; what stands there now was left alone.
    WasBroken,
}

impl<F> Prepared<F> {
    /// The private file; `None` once it is the lock. See the [example](self#example).
    pub fn file(&self) -> Option<&F> {
        self.file.as_ref()
    }

    /// Whether it has a name, which stays if its maker is killed.
    /// See the [example](self#example).
    pub fn is_named(&self) -> bool {
        self.private
    }

    /// It has got the lock's name.
    fn locked(&mut self, companion: bool) -> Result<Locked<F>, TryLockError<F>> {
        let file = self.file.take().ok_or(TryLockError::Again)?;
        self.private = false;
        Ok(Locked { file, companion })
    }
}

impl<F> Locked<F> {
    /// The lock's file. See the [example](self#example).
    pub fn file(&self) -> &F {
        &self.file
    }
}

/// Takes the lock in the layout of `Lock_file_blocking.Nfs`: the file has the lock's name and the
/// companion's. See the [example](self#example).
pub fn try_lock_linked<O: Calls + CreateNew + Links>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    let mut prepared = prepare_named(os, terms)?;
    let locked = try_prepared_linked(os, terms, &mut prepared);
    discard(os, prepared);
    locked
}

/// [`try_lock_linked`] with a file from [`prepare_named`].
/// See the [example](self#example).
pub fn try_prepared_linked<O: Calls + CreateNew + Links>(
    os: &O,
    terms: &Terms<'_>,
    prepared: &mut Prepared<O::File>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    let mut private_left = true;
    if let Err(fault) = os.link(Node::Private, Node::Lock) {
        if let Some(breakable) = contend(os, terms, prepared, fault)? {
            // The stale companion goes first: a process of Jane Street's first version would link
            // it to the lock's name.
            breakable.done(remove_companion(os, terms.decode))?;
            take_over(os, breakable)?;
            private_left = false;
        }
    }
    // The lock is ours. Readers' convenience must not cost it, so failures here end in a lock
    // without companion.
    let companion = if private_left {
        name_companion(os, terms).inspect_err(|_| unlink_private(os))
    } else {
        os.link(Node::Lock, Node::Companion)
    };
    prepared.locked(companion.is_ok())
}

/// Takes the lock by giving a named private file its name. See the [example](self#example).
pub fn try_lock_named<O: Calls + CreateNew + Links>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    let mut prepared = prepare_named(os, terms)?;
    let locked = try_prepared_named(os, terms, &mut prepared);
    discard(os, prepared);
    locked
}

/// [`try_lock_named`] with a file from [`prepare_named`].
/// See the [example](self#example).
pub fn try_prepared_named<O: Calls + CreateNew + Links>(
    os: &O,
    terms: &Terms<'_>,
    prepared: &mut Prepared<O::File>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    if let Err(fault) = name_private(os) {
        match contend(os, terms, prepared, fault)? {
            Some(breakable) => take_over(os, breakable)?,
            // Linked, and the answer lost: the private name is still there.
            None => unlink_private(os),
        }
    }
    prepared.locked(false)
}

/// Takes the lock by naming a file that has no name yet. A dead holder's lock is removed, and the
/// next try takes it: somebody else may come first. See the [example](self#example).
pub fn try_lock_unnamed<O: Calls + Unnamed>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    // What has no name goes with its descriptor.
    try_prepared_unnamed(os, terms, &mut prepare_unnamed(os, terms)?)
}

/// [`try_lock_unnamed`] with a file from [`prepare_unnamed`].
/// See the [example](self#example).
pub fn try_prepared_unnamed<O: Calls + Unnamed>(
    os: &O,
    terms: &Terms<'_>,
    prepared: &mut Prepared<O::File>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    name_file(os, terms, prepared, Layout::Single)?;
    prepared.locked(false)
}

/// [`try_prepared_unnamed`] in the layout of [`try_lock_linked`].
/// See the [example](self#example).
pub fn try_prepared_unnamed_linked<O: Calls + Links + Unnamed>(
    os: &O,
    terms: &Terms<'_>,
    prepared: &mut Prepared<O::File>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    name_file(os, terms, prepared, Layout::WithCompanion)?;
    let companion = match os.link(Node::Lock, Node::Companion) {
        Err(fault) if fault.kind == FaultKind::Exists => {
            remove_companion(os, terms.decode).and_then(|()| os.link(Node::Lock, Node::Companion))
        }
        linked => linked,
    };
    prepared.locked(companion.is_ok())
}

/// Makes a lock that is complete but for its name, under the private name.
/// See the [example](self#example).
pub fn prepare_named<O: Calls + CreateNew>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Prepared<O::File>, TryLockError<O::File>> {
    private(os, terms).map(|file| Prepared { file: Some(file), private: true })
}

/// Makes a lock that is complete but for its name, without any name: it goes with its maker.
/// See the [example](self#example).
pub fn prepare_unnamed<O: Calls + Unnamed>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Prepared<O::File>, TryLockError<O::File>> {
    let file = os.open_unnamed()?;
    os.flock(&file, Mode::Exclusive)?;
    write_whole(os, &file, terms.payload)?;
    Ok(Prepared { file: Some(file), private: false })
}

/// Removes what was prepared in vain; what is the lock by now stays.
/// See the [example](self#example).
pub fn discard<F>(os: &impl Names, prepared: Prepared<F>) {
    let Prepared { file, private } = prepared;
    if private {
        unlink_private(os);
    }
    drop(file);
}

/// Whether the lock is still ours: its name means our file. Never becomes true again once false,
/// because our open descriptor keeps the inode from being used anew.
/// See the [example](self#example).
pub fn still_held<O: Files>(os: &O, locked: &Locked<O::File>) -> Result<bool, Fault> {
    breaking::names(os, &locked.file)
}

/// Gives the lock back: the companion goes first, the lock's name next, the flock last. Closed
/// before it is unlinked, a waiter could lock the file just before its name goes.
///
/// A lock that a person or a foreign program removed is not ours to remove again, in case another
/// took its place: while our file has all its names, one call shows that this did not happen.
///
/// On a fault the lock is closed all the same, which lets others find it stale.
/// See the [example](self#example).
pub fn unlock<O: Files + Names>(os: &O, locked: Locked<O::File>) -> Result<Unlocked, Fault> {
    let names = if locked.companion { 2 } else { 1 };
    if os.fstat(&locked.file)?.links != names && !still_held(os, &locked)? {
        return Ok(Unlocked::WasBroken);
    }
    if locked.companion {
        unlink_if_there(os, Node::Companion)?;
    }
    let unlocked = unlink_lock(os);
    drop(locked);
    unlocked
}

/// Removes a lock that `decide` calls stale, without taking it; tells why. A lock that its holder
/// keeps flocked is [`Held`](TryLockError::Held) whatever `decide` would say. `now_ms` is the time
/// by the file system's clock, in milliseconds since 1970, for rules that go by age.
/// See the [example](self#example).
pub fn remove<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    layout: Layout,
    now_ms: i64,
    decide: Decide<'_>,
) -> Result<Stale, TryLockError<O::File>> {
    let breakable = find_breakable(os, terms, open_lock(os)?, now_ms, decide)?;
    remove_names(os, terms, layout, &breakable)?;
    Ok(breakable.why())
}

/// Removes the lock, whoever holds it and whether or not he lives: for a person who knows better.
/// The holder finds out by [`still_held`]. Tells whether there was one.
/// See the [example](self#example).
pub fn remove_by_force<O: Contents + Names>(
    os: &O,
    layout: Layout,
    decode: fn(&[u8]) -> Option<Claim>,
) -> Result<bool, Fault> {
    if layout == Layout::WithCompanion {
        remove_companion(os, decode)?;
    }
    unlink_if_there(os, Node::Lock)
}

/// Removes a private file that a killed process left; not one that is in use. Tells whether it
/// did. Safe to race with everybody. See the [example](self#example).
pub fn sweep<O: Flock + Names>(os: &O) -> Result<bool, Fault> {
    let file = match os.open(Node::Private, Access::ReadWrite) {
        Ok(file) => file,
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(false),
        Err(fault) => return Err(fault),
    };
    match os.flock(&file, Mode::Exclusive) {
        Ok(()) => unlink_if_there(os, Node::Private),
        Err(fault) if fault.kind == FaultKind::WouldBlock => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Makes the private file: flocked, then written.
fn private<O: Calls + CreateNew>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<O::File, TryLockError<O::File>> {
    let file = create_private(os)?;
    let complete = match os.flock(&file, Mode::Exclusive) {
        Ok(()) => write_whole(os, &file, terms.payload).map_err(TryLockError::from),
        // A sweeper came between: it will remove the file.
        Err(fault) if fault.kind == FaultKind::WouldBlock => Err(TryLockError::Again),
        Err(fault) => Err(fault.into()),
    };
    match complete {
        Ok(()) => Ok(file),
        Err(error) => {
            unlink_private(os);
            Err(error)
        }
    }
}

/// Names a file that has no name. A dead holder's lock is removed, as are all its names in this
/// layout.
fn name_file<O: Calls + Unnamed>(
    os: &O,
    terms: &Terms<'_>,
    prepared: &Prepared<O::File>,
    layout: Layout,
) -> Result<(), TryLockError<O::File>> {
    let Some(mine) = &prepared.file else { return Err(TryLockError::Again) };
    let Err(fault) = os.link_unnamed(mine, Node::Lock) else { return Ok(()) };
    let Some(breakable) = contend(os, terms, prepared, fault)? else { return Ok(()) };
    remove_names(os, terms, layout, &breakable)?;
    Err(TryLockError::Again)
}

/// Removes all names that a dead holder's lock has in this layout.
fn remove_names<O: Contents + Names>(
    os: &O,
    terms: &Terms<'_>,
    layout: Layout,
    breakable: &Breakable<O::File>,
) -> Result<(), TryLockError<O::File>> {
    if layout == Layout::WithCompanion {
        breakable.done(remove_companion(os, terms.decode))?;
    }
    breakable.done(unlink_if_there(os, Node::Lock)).map(|_| ())
}

/// The name is taken, or the answer was lost: finds out by whom, and whether it may be broken.
/// Nothing to break: the name means our own file.
fn contend<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    prepared: &Prepared<O::File>,
    fault: Fault,
) -> Result<Option<Breakable<O::File>>, TryLockError<O::File>> {
    let Some(mine) = &prepared.file else { return Err(TryLockError::Again) };
    let Some(now_ms) = taken_by_another(os, mine, fault)? else { return Ok(None) };
    let file = open_lock(os).map_err(held_if_hidden)?;
    find_breakable(os, terms, file, now_ms, &if_stale).map(Some)
}

/// Shuts others out of the lock in the way by its flock, and finds out whether it may be broken.
fn find_breakable<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    file: O::File,
    now_ms: i64,
    decide: Decide<'_>,
) -> Result<Breakable<O::File>, TryLockError<O::File>> {
    let dead =
        judge(exclude(os, file)?, |file| read_verdict(os, terms, file, now_ms, true, decide))?;
    verify(dead, |file| breaking::names(os, file))
}

/// Puts our private file in the place of a dead holder's, which is never absent between.
fn take_over<F>(os: &impl Links, breakable: Breakable<F>) -> Result<(), TryLockError<F>> {
    let renamed = match os.rename(Node::Private, Node::Lock) {
        // Somebody removed our private file: another can be made.
        Err(fault) if fault.kind == FaultKind::Missing => Err(TryLockError::Again),
        renamed => breakable.done(renamed),
    };
    drop(breakable);
    renamed
}
