//! Where a lock is and how it is asked for: what a try, its guard and its errors have in common.
//!
//! A relative path is pinned to the working directory of the moment when the lock is asked for, so
//! that a later `chdir` does not lead its guard elsewhere.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::{Mode, Node};
use lock_core::owner::Owner;
use lock_core::payload::message::{Message, TooLong};
use lock_rustix::local::{self, Request};
use lock_rustix::look::{Standing, look};
use lock_rustix::place::Place;
use lock_rustix::process;
use lock_rustix::sys::{LOCK_FILE_MODE, Sys};
use rustix::fs::{CWD, OFlags, openat};

use crate::error::LockError;
use crate::waiting::Manner;

/// How a lock is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    path: PathBuf,
    /// Absent if the path has a NUL in it.
    c_path: Option<CString>,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) message: Option<Result<Message, TooLong>>,
    pub(crate) permissions: u32,
    pub(crate) close_on_exec: bool,
    pub(crate) unlink_on_exit: bool,
    pub(crate) follow_symlinks: bool,
    pub(crate) owner_uid: Option<u32>,
    pub(crate) manner: Manner,
}

/// A lock's place: its terms, and the directory that its path is taken from.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    terms: Arc<Terms>,
    /// Absent for the working directory, whichever that is.
    dir: Option<Arc<OwnedFd>>,
    /// The process that asks for the lock, once it is pinned.
    pid: u32,
}

impl Site {
    pub(crate) fn new(path: &Path, dir: Option<OwnedFd>) -> Site {
        let terms = Terms {
            path: path.to_owned(),
            c_path: CString::new(path.as_os_str().as_bytes()).ok(),
            kind: Kind::default(),
            mode: Mode::Exclusive,
            message: None,
            permissions: LOCK_FILE_MODE,
            close_on_exec: true,
            unlink_on_exit: false,
            follow_symlinks: false,
            owner_uid: None,
            manner: Manner::default(),
        };
        Site { terms: Arc::new(terms), dir: dir.map(Arc::new), pid: 0 }
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) fn terms_mut(&mut self) -> &mut Terms {
        Arc::make_mut(&mut self.terms)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn path(&self) -> &Path {
        &self.terms.path
    }

    /// The same place wherever the process goes; refuses terms that no try can fulfil.
    pub(crate) fn pinned(&self) -> Result<Site, LockError> {
        let terms = self.terms();
        if terms.kind.is_existence() {
            return Err(self.invalid("this kind is an existence lock; use ExistenceLock"));
        }
        self.check_path()?;
        if terms.mode == Mode::Shared {
            self.check_shared()?;
        }
        if let Some(Err(TooLong)) = terms.message {
            let kind = FaultKind::TooLong;
            return Err(self.fault(Fault { call: Call::Pwrite, node: Node::Lock, kind, errno: 0 }));
        }
        let mut pinned = Site { pid: process::id(), ..self.clone() };
        if self.dir.is_none() && terms.path.is_relative() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let dir = openat(CWD, c".", flags, rustix::fs::Mode::empty()).map_err(|errno| {
                self.fault(lock_rustix::fault::fault(Call::Open, Node::Directory, errno))
            })?;
            pinned.dir = Some(Arc::new(dir));
        }
        Ok(pinned)
    }

    /// Fails if the path can name no file.
    pub(crate) fn check_path(&self) -> Result<(), LockError> {
        if self.terms.c_path.is_some() {
            return Ok(());
        }
        Err(self.invalid("a path cannot contain a NUL; correct it"))
    }

    /// Fails if the lock cannot be held in common on these terms.
    pub(crate) fn check_shared(&self) -> Result<(), LockError> {
        let terms = self.terms();
        if !terms.kind.can_be_shared() {
            return Err(self.invalid("this kind cannot be shared; use flock, lockf or ofd"));
        }
        if terms.unlink_on_exit {
            let why = "the file of a shared lock must stay while others hold it; keep it";
            return Err(self.invalid(why));
        }
        Ok(())
    }

    /// The operating system, seen from this place.
    pub(crate) fn sys(&self) -> Sys<'_> {
        let terms = self.terms();
        // A path that is none is refused before this; an empty one names no file.
        let path = terms.c_path.as_deref().unwrap_or_default();
        let place = match &self.dir {
            Some(dir) => Place::in_directory(dir.as_fd(), path),
            None => Place::path(path),
        };
        let place = if terms.follow_symlinks { place.follow_symlinks() } else { place };
        Sys::new(place).with_mode(terms.permissions)
    }

    pub(crate) fn request(&self) -> Request<'_> {
        let terms = self.terms();
        let message = terms.message.as_ref().and_then(|message| message.as_ref().ok());
        Request { kind: terms.kind, mode: terms.mode, message }
    }

    /// Who holds the lock now, as far as can be told.
    pub(crate) fn owner(&self) -> Box<Owner> {
        match look(&self.sys(), self.terms.kind) {
            Ok(Standing::Held(owner)) => Box::new(owner),
            _ => Box::default(),
        }
    }

    pub(crate) fn refusal(&self, error: local::LockError) -> LockError {
        let (path, kind) = self.name();
        match error {
            local::LockError::Held => {
                LockError::Held { path, kind, owner: self.owner(), doubt: None }
            }
            local::LockError::HeldByThisProcess => LockError::HeldByThisProcess { path, kind },
            local::LockError::Interrupted => LockError::Interrupted { path, kind },
            local::LockError::Fault(fault) => LockError::Fault { path, kind, fault },
            _ => LockError::Invalid { path, kind, why: "it was refused for an unknown reason" },
        }
    }

    pub(crate) fn fault(&self, fault: Fault) -> LockError {
        self.refusal(local::LockError::Fault(fault))
    }

    pub(crate) fn invalid(&self, why: &'static str) -> LockError {
        let (path, kind) = self.name();
        LockError::Invalid { path, kind, why }
    }

    /// What errors call the lock.
    pub(crate) fn name(&self) -> (PathBuf, Kind) {
        (self.terms.path.clone(), self.terms.kind)
    }
}
