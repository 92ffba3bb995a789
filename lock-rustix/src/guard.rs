//! The guard of a kernel lock: the proof of holding it, and what a holder can do.

use lock_core::fault::{Fault, FaultKind};
use lock_core::os::{Files, Flock, Inode, Mode, Node, OfdLocks, PosixLocks, Stat};
use lock_core::scheme::kernel::{self, ByBoth, ByFlock, ByOfd, ByPosix, Convention, Locked};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::descriptor::lend;
use crate::held::{Registration, Reservation};
use crate::sys::Sys;

/// What became of a held lock that should have changed its mode.
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::guard::ConvertError;
/// use lock_rustix::local::{Request, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-convert-error"));
/// let reader = Request { kind: Kind::Flock, mode: Mode::Shared, message: None };
/// let (one, other) = (try_lock(&sys, &reader).unwrap(), try_lock(&sys, &reader).unwrap());
/// match one.convert(&sys, Mode::Exclusive).unwrap_err() {
///     // `flock(2)` gave the shared lock up before it was refused the exclusive one.
///     ConvertError::Lost(fault) => assert_eq!(fault.errno, 11),
///     ConvertError::Kept(one, _) => assert_eq!(one.mode(), Mode::Shared),
/// }
/// # drop(other);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-convert-error").unwrap();
/// ```
#[derive(Debug)]
pub enum ConvertError {
    /// Others hold it in a way that forbids the new mode, or the call failed; ours is as before.
    Kept(Guard, Fault),
    /// The old lock is gone and the new one was refused: `flock(2)` converts in two steps.
    Lost(Fault),
}

/// A held lock. Dropping it closes the file and so releases the lock; a copy that a forked child
/// drops releases nothing.
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::local::{Request, try_lock};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-guard"));
/// let request = Request { kind: Kind::Lockf, mode: Mode::Exclusive, message: None };
/// let guard = try_lock(&sys, &request).unwrap();
/// drop(guard);
/// assert!(try_lock(&sys, &request).is_ok());
/// # std::fs::remove_file("/tmp/lock-rustix-doc-guard").unwrap();
/// ```
#[must_use = "dropping it gives the lock up"]
#[derive(Debug)]
pub struct Guard {
    // In this order: the file must be closed before the table forgets it.
    proof: Proof,
    entry: Entry,
}

#[derive(Debug)]
pub(crate) enum Proof {
    Both(Locked<ByBoth, OwnedFd>),
    Flock(Locked<ByFlock, OwnedFd>),
    Posix(Locked<ByPosix, OwnedFd>),
    Ofd(Locked<ByOfd, OwnedFd>),
}

/// The guard's place in one of the tables of held files.
#[derive(Debug)]
enum Entry {
    OpenFile(#[expect(dead_code, reason = "dropped with the guard")] Registration),
    Process(Reservation),
}

impl Guard {
    /// A guard of a lock that belongs to the open file.
    pub(crate) fn of_open_file(proof: Proof) -> Guard {
        let registration = Registration::new(proof.inode(), proof.mode());
        Guard { proof, entry: Entry::OpenFile(registration) }
    }

    /// A guard of a lock that belongs to the process.
    pub(crate) fn of_process(locked: Locked<ByPosix, OwnedFd>, reservation: Reservation) -> Guard {
        Guard { proof: Proof::Posix(locked), entry: Entry::Process(reservation) }
    }

    /// How the lock is held.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::local::{Request, try_lock};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-guard-mode"));
    /// // Whatever is asked for, this kind is exclusive.
    /// let request = Request { kind: Kind::File, mode: Mode::Shared, message: None };
    /// assert_eq!(try_lock(&sys, &request).unwrap().mode(), Mode::Exclusive);
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-guard-mode").unwrap();
    /// ```
    pub fn mode(&self) -> Mode {
        self.proof.mode()
    }

    /// Changes how the lock is held, without waiting.
    ///
    /// A POSIX or OFD lock changes atomically. An flock does not: another process can hold it in
    /// between, so what it protects may have changed.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::local::{Request, try_lock};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-convert"));
    /// let reader = Request { kind: Kind::Ofd, mode: Mode::Shared, message: None };
    /// let guard = try_lock(&sys, &reader).unwrap();
    /// let guard = guard.convert(&sys, Mode::Exclusive).unwrap();
    /// assert_eq!(guard.mode(), Mode::Exclusive);
    /// assert!(guard.still_held(&sys).unwrap());
    /// guard.unlock(&sys).unwrap();
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-convert").unwrap();
    /// ```
    pub fn convert(self, sys: &Sys<'_>, mode: Mode) -> Result<Guard, ConvertError> {
        let Guard { proof, entry } = self;
        let converted = match proof {
            Proof::Both(locked) => convert(sys, locked, mode, Proof::Both),
            Proof::Flock(locked) => convert(sys, locked, mode, Proof::Flock),
            Proof::Posix(locked) => convert(sys, locked, mode, Proof::Posix),
            Proof::Ofd(locked) => convert(sys, locked, mode, Proof::Ofd),
        };
        match converted {
            Ok(proof) => {
                if let Entry::Process(reservation) = &entry {
                    reservation.set_mode(mode);
                }
                Ok(Guard { proof, entry })
            }
            Err((Some(proof), fault)) => Err(ConvertError::Kept(Guard { proof, entry }, fault)),
            Err((None, fault)) => Err(ConvertError::Lost(fault)),
        }
    }

    /// Whether the path still names the locked file: if not, others can lock its successor.
    /// Fails if the name can be neither looked up nor be missing, as when the directory may not be
    /// searched any more.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::local::{Request, try_lock};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-guard-still"));
    /// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    /// let guard = try_lock(&sys, &request).unwrap();
    /// assert_eq!(guard.still_held(&sys), Ok(true));
    /// std::fs::remove_file("/tmp/lock-rustix-doc-guard-still").unwrap();
    /// assert_eq!(guard.still_held(&sys), Ok(false));
    /// ```
    pub fn still_held(&self, sys: &Sys<'_>) -> Result<bool, Fault> {
        match sys.stat(Node::Lock) {
            Ok(named) => Ok(named.inode == self.proof.inode()),
            Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The locked file's identity.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::local::{Request, try_lock};
    /// use lock_rustix::{place::Place, sys::Sys};
    /// use std::os::unix::fs::MetadataExt;
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-guard-inode"));
    /// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    /// let guard = try_lock(&sys, &request).unwrap();
    /// let file = std::fs::metadata("/tmp/lock-rustix-doc-guard-inode").unwrap();
    /// assert_eq!((guard.inode().dev, guard.inode().ino), (file.dev(), file.ino()));
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-guard-inode").unwrap();
    /// ```
    pub fn inode(&self) -> Inode {
        self.proof.inode()
    }

    /// Releases the lock at once, for every process and thread that has the open file. A mere drop
    /// leaves it locked as long as a copy of the descriptor is open elsewhere, which a child that
    /// another thread just starts has until its exec.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::local::{Request, try_lock};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-guard-unlock"));
    /// let request = Request { kind: Kind::Ofd, mode: Mode::Exclusive, message: None };
    /// let guard = try_lock(&sys, &request).unwrap();
    /// assert_eq!(guard.unlock(&sys), Ok(()));
    /// // The file stays: to remove it is another matter.
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-guard-unlock").unwrap();
    /// ```
    pub fn unlock(self, sys: &Sys<'_>) -> Result<(), Fault> {
        match &self.proof {
            // In the reverse order of taking them.
            Proof::Both(locked) => {
                sys.ofd_setlk_un(locked.file()).and_then(|()| sys.flock_un(locked.file()))
            }
            Proof::Flock(locked) => sys.flock_un(locked.file()),
            Proof::Posix(locked) => sys.setlk_un(locked.file()),
            Proof::Ofd(locked) => sys.ofd_setlk_un(locked.file()),
        }
    }

    /// Removes the file, if the path still names it, and then releases the lock. Only where every
    /// participant checks after locking that it locked the file which the path names: util-linux
    /// flock and Jane Street's local lock do not.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::local::{Request, try_lock};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let path = "/tmp/lock-rustix-doc-guard-unlink";
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-guard-unlink"));
    /// let request = Request { kind: Kind::Ofd, mode: Mode::Exclusive, message: None };
    /// let guard = try_lock(&sys, &request).unwrap();
    /// guard.unlock_and_unlink(&sys).unwrap();
    /// assert!(!std::fs::exists(path).unwrap());
    /// ```
    pub fn unlock_and_unlink(self, sys: &Sys<'_>) -> Result<(), Fault> {
        match self.proof {
            Proof::Both(locked) => kernel::unlock_and_unlink(sys, locked),
            Proof::Flock(locked) => kernel::unlock_and_unlink(sys, locked),
            Proof::Posix(locked) => kernel::unlock_and_unlink(sys, locked),
            Proof::Ofd(locked) => kernel::unlock_and_unlink(sys, locked),
        }
    }
}

impl AsFd for Guard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.proof {
            Proof::Both(locked) => lend(locked.file()),
            Proof::Flock(locked) => lend(locked.file()),
            Proof::Posix(locked) => lend(locked.file()),
            Proof::Ofd(locked) => lend(locked.file()),
        }
    }
}

impl Proof {
    fn stat(&self) -> Stat {
        match self {
            Proof::Both(locked) => locked.stat(),
            Proof::Flock(locked) => locked.stat(),
            Proof::Posix(locked) => locked.stat(),
            Proof::Ofd(locked) => locked.stat(),
        }
    }

    fn inode(&self) -> Inode {
        self.stat().inode
    }

    fn mode(&self) -> Mode {
        match self {
            Proof::Both(locked) => locked.mode(),
            Proof::Flock(locked) => locked.mode(),
            Proof::Posix(locked) => locked.mode(),
            Proof::Ofd(locked) => locked.mode(),
        }
    }
}

/// What a conversion leaves: the new proof, or the old one if there is any, with the reason.
fn convert<'s, C: Convention<Sys<'s>>>(
    sys: &Sys<'s>,
    locked: Locked<C, OwnedFd>,
    mode: Mode,
    prove: fn(Locked<C, OwnedFd>) -> Proof,
) -> Result<Proof, (Option<Proof>, Fault)> {
    match kernel::convert(sys, locked, mode) {
        Ok(locked) => Ok(prove(locked)),
        Err(kernel::ConvertError::Kept(locked, fault)) => Err((Some(prove(locked)), fault)),
        Err(kernel::ConvertError::Lost(_, fault)) => Err((None, fault)),
    }
}
