//! One try at a lock, for all conventions alike.

use super::{Convention, TryLockError, open_for, still_named};
use crate::fault::{Fault, FaultKind};
use crate::os::{Access, Files, Mode, Node, Stat};

/// What a convention does in its own way, as values: so what is the same for all is there once.
pub(super) struct Ways<O: Files> {
    mode: Mode,
    access: Access,
    read_only_suffices: bool,
    directories: bool,
    lock: fn(&O, &O::File, Mode) -> Result<(), Fault>,
}

impl<O: Files> Ways<O> {
    pub(super) fn of<C: Convention<O>>(mode: Mode) -> Ways<O> {
        let (access, read_only_suffices) = (C::access(mode), C::read_only_suffices(mode));
        Ways { mode, access, read_only_suffices, directories: C::DIRECTORIES, lock: C::lock }
    }

    pub(super) fn try_lock(&self, os: &O) -> Result<(O::File, Stat), TryLockError<O::File>> {
        let file = open_for(os, self.access, self.read_only_suffices)?;
        match self.try_lock_opened(os, file) {
            // NFS turns an flock into a record lock, which asks for a descriptor open for writing.
            Err(TryLockError::Fault(Fault { kind: FaultKind::BadDescriptor, .. }))
                if self.access == Access::Read =>
            {
                self.try_lock_opened(os, os.open(Node::Lock, Access::ReadWrite)?)
            }
            outcome => outcome,
        }
    }

    pub(super) fn try_lock_opened(
        &self,
        os: &O,
        file: O::File,
    ) -> Result<(O::File, Stat), TryLockError<O::File>> {
        match (self.lock)(os, &file, self.mode) {
            Ok(()) => {
                let stat = os.fstat(&file)?;
                let named = still_named(os, stat, self.directories)?;
                named.map(|stat| (file, stat)).ok_or(TryLockError::Again)
            }
            Err(fault) if fault.kind == FaultKind::WouldBlock => Err(TryLockError::Held(file)),
            Err(fault) => Err(fault.into()),
        }
    }
}
