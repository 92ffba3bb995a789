//! A lock is a directory; inside it a symbolic link names the holder.
//!
//! The directory is made under a private name, flocked by its holder, signed, and then renamed to
//! the lock's name where nothing is replaced. So it has an owner from the first instant, and
//! whoever gets the flock of the directory knows that its holder is gone. The owner inside also
//! keeps programs away that clean up with `rmdir`: it is not empty.
//!
//! ```text
//!  mkdir private ─► open ─► flock ─► sign ─► rename to the lock's name ──► Locked
//!                                              │ exists
//!  exchange with ours ◄─ verify ◄─ dead ◄─ judge ◄─ flock ◄─ open
//!   │                                        │ lives: Held │ taken: Held
//!   └─► Locked; the dead one's directory is dismantled under the private name
//! ```
//!
//! A directory without an owner inside is a [`plain`] lock, made by `mkdir` alone: it is held until
//! its maker removes it, and never judged here.
//!
//! Where no rename spares what is there, as on NFS, the directory is made under the lock's name and
//! signed there. If its maker is killed between the two, it stays until a person removes it.
//!
//! # Example
//!
//! ```
//! use std::os::unix::fs::symlink;
//!
//! use lock_core::os::Dirs;
//! use lock_core::payload::pid_text::{PidText, bare};
//! use lock_core::scheme::breaking::{Rule, Terms, TryLockError, if_stale};
//! use lock_core::scheme::{hardlink::Unlocked, mkdir};
//! use lock_core::staleness::{Observer, Policy, Stale};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let os = Sys::new(Place::path(c"backup.lock").with_private(c".backup.lock.1.lk"));
//! let terms = Terms {
//!     payload: &bare(std::process::id()),
//!     decode: |bytes| PidText::parse(bytes).ok().map(|text| text.claim()),
//!     observer: &Observer::default(),
//!     rule: Rule::Strict(Policy::default()),
//!     local: true,
//! };
//! let locked: mkdir::Locked<_> = mkdir::try_lock(&os, &terms).unwrap();
//! assert_eq!(os.readlink_in(locked.directory(), &mut [0; 64]), Ok(terms.payload.len()));
//! assert!(matches!(mkdir::try_lock(&os, &terms), Err(TryLockError::Held { .. })));
//! assert!(mkdir::still_held(&os, &locked).unwrap());
//! assert_eq!(mkdir::unlock(&os, locked).unwrap(), Unlocked::Released);
//!
//! // One that waits makes its lock ready, and keeps it until the name is free.
//! let mut prepared: mkdir::Prepared<_> = mkdir::prepare(&os, &terms).unwrap();
//! let private = prepared.directory().unwrap();
//! assert_eq!(os.readlink_in(private, &mut [0; 64]), Ok(terms.payload.len()));
//! std::fs::create_dir("backup.lock").unwrap();
//! let refused = mkdir::try_prepared(&os, &terms, &mut prepared).unwrap_err();
//! assert!(matches!(refused, TryLockError::Held { .. }));
//! mkdir::discard(&os, prepared);
//! std::fs::remove_dir("backup.lock").unwrap();
//!
//! // What a killed holder leaves. Linux never has so high a pid.
//! std::fs::create_dir("backup.lock").unwrap();
//! symlink("4194304", "backup.lock/owner").unwrap();
//! assert_eq!(mkdir::remove(&os, &terms, &if_stale).unwrap(), Stale::NoProcess);
//! assert!(!mkdir::remove_by_force(&os).unwrap(), "there is none any more");
//! assert!(!mkdir::sweep(&os).unwrap(), "and nothing beside it");
//! ```

use crate::fault::{Call, Fault, FaultKind};
use crate::os::{Dirs, Files, Flock, Links, Mode, Node, Processes};
use crate::scheme::breaking::{
    self, Breakable, Decide, Terms, TryLockError, exclude, if_stale, judge, verdict, verify,
};
use crate::scheme::hardlink::Unlocked;
use crate::staleness::{Stale, Unknown, Verdict};

/// The longest owner text that is understood, in bytes.
pub const OWNER_MAX: usize = 1024;

/// What taking the lock calls.
pub trait Calls: Dirs + Flock + Links + Processes {}
impl<O: Dirs + Flock + Links + Processes> Calls for O {}

/// Proof of holding the lock: the flocked directory that its name means. To be given to
/// [`unlock`]. See the [example](self#example).
#[must_use = "give it to `unlock`"]
#[derive(Debug)]
pub struct Locked<F> {
    directory: F,
}

/// A lock that is complete but for its name: a private directory, flocked and signed. A waiter
/// makes it while another holds the lock, and needs only rename it then. As long as it is open no
/// sweeper takes it for a leftover.
///
/// After a try that found the lock [`Held`](TryLockError::Held) it is good for another, if it still
/// has its [`directory`](Prepared::directory). After any other failure [`discard`] it. See the
/// [example](self#example).
#[must_use = "try to lock with it, or `discard` it"]
#[derive(Debug)]
pub struct Prepared<F> {
    /// Nothing once it is the lock, or where it had to be dismantled.
    directory: Option<F>,
}

impl<F> Prepared<F> {
    /// The private directory; `None` once it is the lock, or could not become one.
    /// See the [example](self#example).
    pub fn directory(&self) -> Option<&F> {
        self.directory.as_ref()
    }
}

impl<F> Locked<F> {
    /// The locked directory. See the [example](self#example).
    pub fn directory(&self) -> &F {
        &self.directory
    }
}

/// Takes the lock, from a dead holder if need be. See the [example](self#example).
pub fn try_lock<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    let mut prepared = prepare(os, terms)?;
    let locked = try_prepared(os, terms, &mut prepared);
    discard(os, prepared);
    locked
}

/// [`try_lock`] with a directory from [`prepare`].
/// See the [example](self#example).
#[inline(never)]
pub fn try_prepared<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    prepared: &mut Prepared<O::File>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    let Some(directory) = &prepared.directory else { return Err(TryLockError::Again) };
    match os.rename_noreplace(Node::Private, Node::Lock) {
        Ok(()) => {}
        // Taken; or the server did what it then denied; or somebody removed our directory.
        Err(fault) if matches!(fault.kind, FaultKind::Exists | FaultKind::Missing) => {
            replace(os, terms, directory)?;
        }
        Err(fault) if fault.kind == FaultKind::Unsupported => {
            let _ = dismantle(os, directory);
            prepared.directory = None;
            return try_lock_in_place(os, terms);
        }
        Err(fault) => return Err(fault.into()),
    }
    let directory = prepared.directory.take().ok_or(TryLockError::Again)?;
    Ok(Locked { directory })
}

/// Makes a lock that is complete but for its name, under the private name.
/// See the [example](self#example).
pub fn prepare<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Prepared<O::File>, TryLockError<O::File>> {
    match os.mkdir(Node::Private) {
        Ok(()) => {}
        // A leftover of a process that had our nonce: impossible but for a broken random source.
        Err(fault) if fault.kind == FaultKind::Exists => return Err(TryLockError::Again),
        Err(fault) => return Err(fault.into()),
    }
    match sign(os, Node::Private, terms) {
        Ok(directory) => Ok(Prepared { directory: Some(directory) }),
        Err(error) => {
            let _ = os.rmdir(Node::Private);
            Err(error)
        }
    }
}

/// Removes what was prepared in vain; what is the lock by now stays. Whatever fails here a sweep
/// mends.
/// See the [example](self#example).
pub fn discard<O: Dirs>(os: &O, prepared: Prepared<O::File>) {
    if let Some(directory) = prepared.directory {
        let _ = dismantle(os, &directory);
    }
}

/// Whether the lock is still ours: its name means our directory. See the [example](self#example).
pub fn still_held<O: Files>(os: &O, locked: &Locked<O::File>) -> Result<bool, Fault> {
    breaking::names(os, &locked.directory)
}

/// Gives the lock back: in one step, by renaming it to the private name, where it is dismantled.
/// Removing owner and directory in place would leave an ownerless lock if we were killed between.
/// See the [example](self#example).
pub fn unlock<O: Dirs + Links>(os: &O, locked: Locked<O::File>) -> Result<Unlocked, Fault> {
    if !still_held(os, &locked)? {
        return Ok(Unlocked::WasBroken);
    }
    match set_aside(os) {
        Ok(()) => {}
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(Unlocked::WasBroken),
        // What we took over could not be dismantled then. If it still cannot, our directory keeps
        // the name: closed and signed by us, it is stale from now on.
        Err(fault) if fault.kind == FaultKind::Exists => {
            match os.open_directory(Node::Private) {
                Ok(dead) => dismantle(os, &dead)?,
                Err(fault) if fault.kind == FaultKind::Missing => {}
                Err(fault) => return Err(fault),
            }
            os.rename_noreplace(Node::Lock, Node::Private)?;
        }
        Err(fault) => return Err(fault),
    }
    let dismantled = dismantle(os, &locked.directory);
    drop(locked);
    dismantled.map(|()| Unlocked::Released)
}

/// Removes a lock that `decide` calls stale, without taking it; tells why. It is renamed to the
/// private name first, so that nobody sees it half dismantled. See the [example](self#example).
pub fn remove<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    decide: Decide<'_>,
) -> Result<Stale, TryLockError<O::File>> {
    let breakable = find_breakable(os, terms, open_lock(os)?, decide)?;
    breakable.done(set_aside(os))?;
    dismantle_or_put_back(os, breakable.file())?;
    Ok(breakable.why())
}

/// Removes the lock, whoever holds it and whether or not he lives: for a person who knows better.
/// The holder finds out by [`still_held`]. Tells whether there was one. A directory with anything
/// else inside than an owner stays, and fails with [`NotEmpty`](FaultKind::NotEmpty).
/// See the [example](self#example).
pub fn remove_by_force<O: Dirs + Links>(os: &O) -> Result<bool, Fault> {
    let directory = match os.open_directory(Node::Lock) {
        Ok(directory) => directory,
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(false),
        Err(fault) => return Err(fault),
    };
    set_aside(os)?;
    dismantle_or_put_back(os, &directory).map(|()| true)
}

/// Removes a private directory that a killed process left; not one that is in use. Tells whether
/// it did. Safe to race with everybody. See the [example](self#example).
pub fn sweep<O: Dirs + Flock>(os: &O) -> Result<bool, Fault> {
    let directory = match os.open_directory(Node::Private) {
        Ok(directory) => directory,
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(false),
        Err(fault) => return Err(fault),
    };
    match os.flock(&directory, Mode::Exclusive) {
        Ok(()) => {}
        Err(fault) if fault.kind == FaultKind::WouldBlock => return Ok(false),
        Err(fault) => return Err(fault),
    }
    match dismantle(os, &directory) {
        Ok(()) => Ok(true),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Jane Street's `Mkdir`, and everybody's shell script: the bare directory.
///
/// # Example
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::scheme::mkdir::plain::{try_lock, unlock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// try_lock(&os).unwrap();
/// assert_eq!(try_lock(&os).unwrap_err().kind, FaultKind::Exists);
/// unlock(&os).unwrap();
/// ```
pub mod plain {
    use super::{Dirs, Fault, Node};

    /// Makes the directory, or fails with [`Exists`](crate::fault::FaultKind::Exists).
    /// See the [example](self#example).
    pub fn try_lock(os: &impl Dirs) -> Result<(), Fault> {
        os.mkdir(Node::Lock)
    }

    /// Removes the directory; `NotEmpty` if something was put into it.
    /// See the [example](self#example).
    pub fn unlock(os: &impl Dirs) -> Result<(), Fault> {
        os.rmdir(Node::Lock)
    }
}

/// Opens, flocks and signs a directory just made.
fn sign<O: Calls>(os: &O, node: Node, terms: &Terms<'_>) -> Result<O::File, TryLockError<O::File>> {
    let directory = os.open_directory(node).map_err(lost_to_a_sweeper)?;
    match os.flock(&directory, Mode::Exclusive) {
        Ok(()) => {}
        Err(fault) if fault.kind == FaultKind::WouldBlock => return Err(TryLockError::Again),
        Err(fault) => return Err(fault.into()),
    }
    os.symlink_in(terms.payload, &directory).map_err(lost_to_a_sweeper)?;
    Ok(directory)
}

/// Makes the directory under the lock's own name, where nobody may remove it who heeds locks, and
/// signs it. A dead holder's is removed, and the next try takes it: somebody else may come first.
fn try_lock_in_place<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
) -> Result<Locked<O::File>, TryLockError<O::File>> {
    match os.mkdir(Node::Lock) {
        Ok(()) => {}
        Err(fault) if fault.kind == FaultKind::Exists => {
            return Err(clear(os, &find_breakable(os, terms, open_lock(os)?, &if_stale)?));
        }
        Err(fault) => return Err(fault.into()),
    }
    match sign(os, Node::Lock, terms) {
        Ok(directory) => Ok(Locked { directory }),
        Err(error) => {
            // It is empty, and so nobody's but ours or a plain lock's that came after ours went.
            let _ = os.rmdir(Node::Lock);
            Err(error)
        }
    }
}

/// Removes a dead holder's lock where it cannot be exchanged with ours.
fn clear<O: Dirs + Links>(os: &O, breakable: &Breakable<O::File>) -> TryLockError<O::File> {
    match breakable.done(set_aside(os)) {
        Ok(()) => {
            // Whatever fails here a sweep mends.
            let _ = dismantle(os, breakable.file());
            TryLockError::Again
        }
        Err(error) => error,
    }
}

/// Renames the lock to the private name, which is nobody else's: so where no rename spares what is
/// there, another rename does.
fn set_aside<O: Links>(os: &O) -> Result<(), Fault> {
    match os.rename_noreplace(Node::Lock, Node::Private) {
        Err(fault) if fault.kind == FaultKind::Unsupported => os.rename(Node::Lock, Node::Private),
        renamed => renamed,
    }
}

/// The name is taken: exchanges a dead holder's directory with ours, and dismantles it.
fn replace<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    mine: &O::File,
) -> Result<(), TryLockError<O::File>> {
    let found = open_lock(os)?;
    if os.fstat(&found)?.inode == os.fstat(mine)?.inode {
        // The server made the name ours and then denied it.
        return Ok(());
    }
    let breakable = find_breakable(os, terms, found, &if_stale)?;
    let exchanged = match os.rename_exchange(Node::Private, Node::Lock) {
        Err(fault) if fault.kind == FaultKind::Unsupported => {
            // The private name is needed for his.
            let _ = dismantle(os, mine);
            return Err(clear(os, &breakable));
        }
        exchanged => exchanged,
    };
    if exchanged.is_err() && !breaking::names(os, mine)? {
        return match exchanged {
            // Somebody removed our directory: another can be made.
            Err(fault) if fault.kind == FaultKind::Missing => Err(TryLockError::Again),
            exchanged => breakable.done(exchanged),
        };
    }
    // The lock is ours. What is left of the dead one's is under the private name now.
    let _ = dismantle(os, breakable.file());
    Ok(())
}

fn open_lock<O: Dirs>(os: &O) -> Result<O::File, TryLockError<O::File>> {
    os.open_directory(Node::Lock).map_err(|fault| match fault.kind {
        FaultKind::Missing => TryLockError::Again,
        _ => fault.into(),
    })
}

fn find_breakable<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    found: O::File,
    decide: Decide<'_>,
) -> Result<Breakable<O::File>, TryLockError<O::File>> {
    let dead = judge(exclude(os, found)?, |found| read_verdict(os, terms, found, decide))?;
    verify(dead, |found| breaking::names(os, found))
}

/// Takes the private directory apart; its owner link may be gone already.
fn dismantle<O: Dirs>(os: &O, directory: &O::File) -> Result<(), Fault> {
    match os.unlink_in(directory) {
        Err(fault) if fault.kind != FaultKind::Missing => Err(fault),
        _ => os.rmdir(Node::Private),
    }
}

/// [`dismantle`]; what cannot be, because its owner or something else is inside, gets the lock's
/// name back. Without an owner nobody could ever break it: so it does not when only the empty
/// directory cannot be removed, which a sweep mends.
fn dismantle_or_put_back<O: Dirs + Links>(os: &O, directory: &O::File) -> Result<(), Fault> {
    dismantle(os, directory).inspect_err(|fault| {
        if fault.node == Node::Owner || fault.kind == FaultKind::NotEmpty {
            let _ = os.rename_noreplace(Node::Private, Node::Lock);
        }
    })
}

/// Reads who holds the directory and judges him.
fn read_verdict<O: Calls>(
    os: &O,
    terms: &Terms<'_>,
    found: &O::File,
    decide: Decide<'_>,
) -> Result<Verdict, TryLockError<O::File>> {
    let mut buffer = [0; OWNER_MAX];
    let owner = match os.readlink_in(found, &mut buffer) {
        Ok(len) => buffer.get(..len).unwrap_or_default(),
        // Somebody's plain lock, or one that is being dismantled.
        Err(fault) if fault.kind == FaultKind::Missing => {
            return Ok(decide(None, Verdict::Unknown(Unknown::Unreadable)));
        }
        Err(fault) => return Err(fault.into()),
    };
    let claim = Some(owner).filter(|owner| owner.len() < OWNER_MAX).and_then(terms.decode);
    Ok(decide(claim.as_ref(), verdict(os, terms, claim.as_ref(), 0, true)))
}

/// A private directory that vanishes was taken for a leftover before it could be flocked.
fn lost_to_a_sweeper<F>(fault: Fault) -> TryLockError<F> {
    match (fault.kind, fault.call) {
        (FaultKind::Missing, Call::Open | Call::Symlink) => TryLockError::Again,
        _ => fault.into(),
    }
}
