//! A lock is a kernel lock on an open file: flock, POSIX, OFD, or flock and OFD both.
//!
//! The kernel drops it when the holder dies, so it is never stale. The name may be given to
//! another file between `open` and the lock; whoever then locked the old file would hold a lock
//! that nobody else can find. So each attempt compares after the lock is granted:
//!
//! ```text
//!  open ──► lock ──granted──► fstat, stat: does the name still mean this file?
//!   ▲        │                  │ yes: Locked        │ no, or no such name
//!   │        └─ busy: Held      └────────────────────┴─► close, Again
//!   └── the caller starts over ◄──────────────────────────┘
//! ```
//!
//! What it does not protect from: participants that skip this check (util-linux flock and Jane
//! Street's local lock do) when somebody unlinks the file. So nothing here unlinks by itself.
//!
//! # Example
//!
//! One try takes the lock. To wait between the tries, a program takes the steps one by one:
//!
//! ```
//! use lock_core::os::{Files, Flock, Mode};
//! use lock_core::scheme::kernel::{self, ByFlock, Probe, TryLockError};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let os = Sys::new(Place::path(c"backup.lock"));
//! let mine = kernel::try_lock::<ByFlock, _>(&os, Mode::Exclusive).unwrap();
//!
//! let file = kernel::open::<ByFlock, _>(&os, Mode::Exclusive).unwrap();
//! let stat = os.fstat(&file).unwrap();
//! let tried = kernel::try_lock_opened::<ByFlock, _>(&os, file, Mode::Exclusive);
//! let Err(TryLockError::Held(file)) = tried else { panic!("it was free") };
//! let probe = kernel::probe_opened::<ByFlock, _>(&os, &file, stat).unwrap();
//! let Probe::Held(blocker) = probe else { panic!("it was free") };
//! assert_eq!(blocker.pid, Some(std::process::id()));
//!
//! drop(mine);
//! // Here a program would wait for the kernel, in whichever way it likes.
//! os.flock(&file, Mode::Exclusive).unwrap();
//! let locked = kernel::confirm_known::<ByFlock, _>(&os, file, stat, Mode::Exclusive).unwrap();
//! assert_eq!(locked.mode(), Mode::Exclusive);
//! ```

use core::marker::PhantomData;

use crate::fault::{Call, Fault, FaultKind};
use crate::os::{Access, Blocker, Contents, FileType, Files, Mode, Names, Node, Stat};
use crate::payload::message::Message;

pub use self::convention::{ByBoth, ByFlock, ByOfd, ByPosix, Convention};
use ways::Ways;

mod convention;
mod ways;

/// Proof of holding a kernel lock on the file that the name means. Dropping it closes the file
/// and so gives the lock up.
///
/// ```
/// use lock_core::os::{Files, Mode};
/// use lock_core::scheme::kernel::{ByFlock, Locked, TryLockError, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let locked: Locked<ByFlock, _> = try_lock(&os, Mode::Shared).unwrap();
/// assert_eq!((locked.mode(), locked.stat().len), (Mode::Shared, 0));
/// assert_eq!(os.fstat(locked.file()), Ok(locked.stat()));
/// drop(locked.into_file());
/// assert!(try_lock::<ByFlock, _>(&os, Mode::Exclusive).is_ok(), "closing it unlocks it");
/// ```
#[must_use = "dropping it gives the lock up"]
#[derive(Debug)]
pub struct Locked<C, F> {
    file: F,
    mode: Mode,
    stat: Stat,
    convention: PhantomData<C>,
}

impl<C, F> Locked<C, F> {
    /// The locked file.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// The locked file, without the proof: still locked until it is closed.
    pub fn into_file(self) -> F {
        self.file
    }

    /// How it is held.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What the file was when the lock was granted.
    pub fn stat(&self) -> Stat {
        self.stat
    }
}

/// Why [`try_lock`] did not lock.
///
/// ```
/// use lock_core::fault::Fault;
/// use lock_core::scheme::kernel::TryLockError;
///
/// /// What to tell the user, or nothing where the next try may do.
/// fn message<F>(error: TryLockError<F>) -> Option<String> {
///     match error {
///         TryLockError::Held(_) => Some("another backup is running".into()),
///         TryLockError::Again => None,
///         TryLockError::Fault(fault) => Some(fault.to_string()),
///     }
/// }
/// assert_eq!(message::<()>(TryLockError::Again), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TryLockError<F> {
    /// Somebody else holds it. The file can be waited on and given to [`confirm`].
    Held(F),
    /// The name was given to another file meanwhile, or a signal came: start over.
    Again,
    /// Trying again will not help.
    Fault(Fault),
}

impl<F> From<Fault> for TryLockError<F> {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Interrupted => TryLockError::Again,
            _ => TryLockError::Fault(fault),
        }
    }
}

/// Opens the lock file, or makes it.
///
/// Not `open_or_create` at once: with `fs.protected_regular`, `O_CREAT` on another user's file in
/// a sticky directory is refused even to root. See the [example](self#example).
pub fn open<C: Convention<O>, O: Files>(os: &O, mode: Mode) -> Result<O::File, Fault> {
    open_for(os, C::access(mode), C::read_only_suffices(mode))
}

/// [`open`], one for all conventions.
fn open_for<O: Files>(os: &O, access: Access, read_only_suffices: bool) -> Result<O::File, Fault> {
    match os.open(Node::Lock, access) {
        Err(fault) if fault.kind == FaultKind::Missing => os.open_or_create(Node::Lock, access),
        Err(Fault { kind: FaultKind::Denied | FaultKind::ReadOnly, .. })
            if access == Access::ReadWrite && read_only_suffices =>
        {
            os.open(Node::Lock, Access::Read)
        }
        opened => opened,
    }
}

/// One try at the lock. The file is made if it is missing, and stays.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByOfd, TryLockError, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let locked = try_lock::<ByOfd, _>(&os, Mode::Exclusive).unwrap();
/// let held = try_lock::<ByOfd, _>(&os, Mode::Exclusive);
/// assert!(matches!(held, Err(TryLockError::Held(_))));
/// let os = Sys::new(Place::path(c"no/such/directory"));
/// let Err(TryLockError::Fault(fault)) = try_lock::<ByOfd, _>(&os, Mode::Shared) else { panic!() };
/// assert_eq!(fault.kind, FaultKind::Missing);
/// ```
pub fn try_lock<C, O>(os: &O, mode: Mode) -> Result<Locked<C, O::File>, TryLockError<O::File>>
where
    C: Convention<O>,
    O: Files,
{
    Ok(proof(mode, Ways::of::<C>(mode).try_lock(os)?))
}

/// [`try_lock`] on a file that [`open`] gave. See the [example](self#example).
pub fn try_lock_opened<C, O>(
    os: &O,
    file: O::File,
    mode: Mode,
) -> Result<Locked<C, O::File>, TryLockError<O::File>>
where
    C: Convention<O>,
    O: Files,
{
    Ok(proof(mode, Ways::of::<C>(mode).try_lock_opened(os, file)?))
}

/// A granted lock whose name means the locked file.
fn proof<C, F>(mode: Mode, (file, stat): (F, Stat)) -> Locked<C, F> {
    Locked { file, mode, stat, convention: PhantomData }
}

/// Turns a granted lock into a proof, if the name still means the locked file.
///
/// On any failure the file is closed and the lock with it.
///
/// ```
/// use lock_core::os::{Flock, Mode};
/// use lock_core::scheme::kernel::{ByFlock, TryLockError, confirm, open};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let file = open::<ByFlock, _>(&os, Mode::Exclusive).unwrap();
/// os.flock(&file, Mode::Exclusive).unwrap();
/// std::fs::remove_file("backup.lock").unwrap();
/// let lost = confirm::<ByFlock, _>(&os, file, Mode::Exclusive);
/// assert!(matches!(lost, Err(TryLockError::Again)), "nobody else could find that lock");
/// ```
pub fn confirm<C, O>(
    os: &O,
    file: O::File,
    mode: Mode,
) -> Result<Locked<C, O::File>, TryLockError<O::File>>
where
    C: Convention<O>,
    O: Files,
{
    let stat = os.fstat(&file)?;
    confirm_known(os, file, stat, mode)
}

/// [`confirm`], where `stat` is what `fstat` said of the file since it was opened.
/// See the [example](self#example).
pub fn confirm_known<C, O>(
    os: &O,
    file: O::File,
    stat: Stat,
    mode: Mode,
) -> Result<Locked<C, O::File>, TryLockError<O::File>>
where
    C: Convention<O>,
    O: Files,
{
    match still_named(os, stat, C::DIRECTORIES)? {
        Some(stat) => Ok(Locked { file, mode, stat, convention: PhantomData }),
        None => Err(TryLockError::Again),
    }
}

/// What the name says of the locked file now, if it still means that file: its length may have
/// changed while we waited.
fn still_named<O: Files>(os: &O, stat: Stat, directories: bool) -> Result<Option<Stat>, Fault> {
    match os.stat(Node::Lock) {
        Ok(named) if named.inode == stat.inode => {
            check_type(stat, directories)?;
            Ok(Some(named))
        }
        Ok(_) => Ok(None),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Refuses what cannot carry the lock: locking a FIFO or a device would mean nothing to others.
fn check_type(stat: Stat, directories: bool) -> Result<(), Fault> {
    let kind = match stat.file_type {
        FileType::Regular => return Ok(()),
        FileType::Directory if directories => return Ok(()),
        FileType::Directory => FaultKind::IsDirectory,
        FileType::Symlink => FaultKind::Symlink,
        FileType::Special => FaultKind::NotRegular,
    };
    Err(Fault { call: Call::Fstat, node: Node::Lock, kind, errno: 0 })
}

/// What became of a held lock that should have changed its mode.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByOfd, ConvertError, convert, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let mine = try_lock::<ByOfd, _>(&os, Mode::Shared).unwrap();
/// let yours = try_lock::<ByOfd, _>(&os, Mode::Shared).unwrap();
/// match convert(&os, mine, Mode::Exclusive) {
///     Err(ConvertError::Kept(mine, _)) => assert_eq!(mine.mode(), Mode::Shared),
///     other => panic!("two readers, yet {other:?}"),
/// }
/// ```
#[derive(Debug)]
pub enum ConvertError<C, F> {
    /// Others hold it in a way that forbids the new mode; ours is held as before.
    Kept(Locked<C, F>, Fault),
    /// The old lock is gone and the new one was refused: `flock(2)` converts in two steps.
    Lost(F, Fault),
}

/// Changes how the lock is held, without waiting.
///
/// Record locks convert atomically. `flock(2)` does not: another holder can come between, and a
/// refused conversion loses the old lock; then this tries once to take it back, and says `Lost`
/// if it cannot. In either case the protected data may have changed.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByFlock, convert, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let writer = try_lock::<ByFlock, _>(&os, Mode::Exclusive).unwrap();
/// let reader = convert(&os, writer, Mode::Shared).unwrap();
/// assert!(try_lock::<ByFlock, _>(&os, Mode::Shared).is_ok(), "readers are welcome now");
/// ```
pub fn convert<C, O>(
    os: &O,
    locked: Locked<C, O::File>,
    mode: Mode,
) -> Result<Locked<C, O::File>, ConvertError<C, O::File>>
where
    C: Convention<O>,
    O: Files,
{
    match C::lock(os, &locked.file, mode) {
        Ok(()) => Ok(Locked { mode, ..locked }),
        Err(fault) => match C::lock(os, &locked.file, locked.mode) {
            Ok(()) => Err(ConvertError::Kept(locked, fault)),
            Err(_) => Err(ConvertError::Lost(locked.file, fault)),
        },
    }
}

/// Writes who holds the lock into its file. Only a holder can: it takes the proof. A file that has
/// another name besides is refused ([`FaultKind::Linked`]): where everybody may make names, it can
/// be anybody's.
///
/// The old text is overwritten and then cut, never truncated to nothing first: ext4 writes such a
/// file out when it is closed, fifty times slower. Between the two calls a reader can see the new
/// text with the tail of the old one.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_core::os::Mode;
/// use lock_core::payload::message::Message;
/// use lock_core::scheme::kernel::{ByFlock, sign, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// std::fs::write("letter", "somebody's data").unwrap();
/// std::fs::hard_link("letter", "backup.lock").unwrap();
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let locked = try_lock::<ByFlock, _>(&os, Mode::Exclusive).unwrap();
/// let refused = sign(&os, &locked, &Message::from_pid(4711)).unwrap_err();
/// assert_eq!(refused.kind, FaultKind::Linked);
/// ```
pub fn sign<C, O: Contents>(
    os: &O,
    locked: &Locked<C, O::File>,
    message: &Message,
) -> Result<(), Fault> {
    if locked.stat.links > 1 {
        let kind = FaultKind::Linked;
        return Err(Fault { call: Call::Pwrite, node: Node::Lock, kind, errno: 0 });
    }
    let bytes = message.as_bytes();
    let len = bytes.len() as u64;
    let written = os.pwrite(&locked.file, bytes, 0)?;
    if written < bytes.len() {
        // A second call tells why the first stopped: a full disk takes what fits, then refuses.
        let rest = bytes.get(written..).unwrap_or_default();
        let more = os.pwrite(&locked.file, rest, written as u64)?;
        if more < rest.len() {
            return Err(Fault {
                call: Call::Pwrite,
                node: Node::Lock,
                kind: FaultKind::NoSpace,
                errno: 0,
            });
        }
    }
    if locked.stat.len > len { os.ftruncate(&locked.file, len) } else { Ok(()) }
}

/// [`try_lock`], exclusively, then [`sign`]; a lock that cannot be signed is given back.
///
/// ```
/// use lock_core::payload::message::Message;
/// use lock_core::scheme::kernel::{ByBoth, try_lock_signed};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let locked = try_lock_signed::<ByBoth, _>(&os, &Message::from_pid(4711)).unwrap();
/// assert_eq!(std::fs::read("backup.lock").unwrap(), b"4711\n");
/// ```
pub fn try_lock_signed<C, O>(
    os: &O,
    message: &Message,
) -> Result<Locked<C, O::File>, TryLockError<O::File>>
where
    C: Convention<O>,
    O: Contents,
{
    let locked = try_lock(os, Mode::Exclusive)?;
    sign(os, &locked, message)?;
    Ok(locked)
}

/// Gives the lock up and removes its file, in this order: unlink, then close. The other way round
/// a waiter could lock the file just before its name goes.
///
/// Leaves a file alone that is not ours any more. Only for paths whose participants all check, as
/// [`confirm`] does, that they locked the file which the name means.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByFlock, try_lock, unlock_and_unlink};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let locked = try_lock::<ByFlock, _>(&os, Mode::Exclusive).unwrap();
/// unlock_and_unlink(&os, locked).unwrap();
/// assert!(!std::fs::exists("backup.lock").unwrap());
/// ```
pub fn unlock_and_unlink<C, O: Files + Names>(
    os: &O,
    locked: Locked<C, O::File>,
) -> Result<(), Fault> {
    let unlinked = match os.stat(Node::Lock) {
        Ok(named) if named.inode == locked.stat.inode => os.unlink(Node::Lock),
        Ok(_) => Ok(()),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(()),
        Err(fault) => Err(fault),
    };
    drop(locked);
    unlinked
}

/// Whether somebody holds the lock, found out without taking it, not for an instant.
/// See the [example](self#example).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Probe {
    /// There is no such file.
    Missing,
    /// Nobody that can be seen from here holds it.
    Free,
    /// Somebody does.
    Held(Blocker),
}

/// Looks at the lock and leaves it as it is.
///
/// ```
/// use lock_core::os::Mode;
/// use lock_core::scheme::kernel::{ByOfd, Probe, probe, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// assert_eq!(probe::<ByOfd, _>(&os).unwrap(), Probe::Missing);
/// let locked = try_lock::<ByOfd, _>(&os, Mode::Exclusive).unwrap();
/// assert!(matches!(probe::<ByOfd, _>(&os).unwrap(), Probe::Held(_)));
/// drop(locked);
/// assert_eq!(probe::<ByOfd, _>(&os).unwrap(), Probe::Free);
/// ```
pub fn probe<C, O>(os: &O) -> Result<Probe, Fault>
where
    C: Convention<O>,
    O: Files,
{
    let file = match os.open(Node::Lock, Access::Read) {
        Ok(file) => file,
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(Probe::Missing),
        Err(fault) => return Err(fault),
    };
    probe_opened::<C, O>(os, &file, os.fstat(&file)?)
}

/// [`probe`] of a file that is open already; `stat` is what `fstat` said of it.
/// See the [example](self#example).
pub fn probe_opened<C, O>(os: &O, file: &O::File, stat: Stat) -> Result<Probe, Fault>
where
    C: Convention<O>,
    O: Files,
{
    check_type(stat, C::DIRECTORIES)?;
    Ok(C::blocker(os, file, stat)?.map_or(Probe::Free, Probe::Held))
}
