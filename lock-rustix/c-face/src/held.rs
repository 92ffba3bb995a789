//! What a `lockbox_lock` holds, and what can be done with it.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use lock_core::fault::FaultKind;
use lock_core::os::Mode;
use lock_core::scheme::hardlink::Unlocked;
use lock_rustix::descriptor::lend;
use lock_rustix::existence::{Spot, Taken};
use lock_rustix::fencing::next_token;
use lock_rustix::guard::{ConvertError, Guard};
use lock_rustix::place::{FileName, Place};
use lock_rustix::process;
use lock_rustix::rustix::fd::{AsFd, AsRawFd, OwnedFd};
use lock_rustix::sys::Sys;

use crate::report::Report;
use crate::types::lockbox_code::{LOCKBOX_LOST, LOCKBOX_UNSUPPORTED, LOCKBOX_WRONG_LOCK};
use crate::types::lockbox_lock;

/// A held lock of any kind.
#[derive(Debug)]
// Without allocation it lies in C's own struct, which has room for the largest.
#[allow(clippy::large_enum_variant)]
pub enum Held {
    /// Ends with the process.
    Kernel(Kernel),
    /// A name, which stays until it is removed.
    Existence(Spot, Taken),
}

/// A held lock on an open file, and where that file is.
#[derive(Debug)]
pub struct Kernel {
    /// The file's directory and name, and whether the name may be a symbolic link.
    pub place: Named,
    /// The lock.
    pub guard: Guard,
    /// The process that took it.
    pub pid: u32,
}

/// A name in an open directory.
#[derive(Debug)]
pub struct Named {
    /// The directory.
    pub dir: OwnedFd,
    /// The name in it.
    pub name: FileName,
    /// Whether a symbolic link there is followed.
    pub follow: bool,
}

impl Named {
    /// The system around the name.
    pub fn sys(&self) -> Sys<'_> {
        let place = Place::in_directory(lend(&self.dir), self.name.as_c_str());
        Sys::new(if self.follow { place.follow_symlinks() } else { place })
    }
}

impl Held {
    /// Whether this process took the lock, and not the one that it was forked from.
    fn is_mine(&self) -> bool {
        match self {
            Held::Kernel(kernel) => kernel.pid == process::id(),
            Held::Existence(_, taken) => taken.is_mine(),
        }
    }

    /// Changes how the lock is held, without waiting; answers also what is held then.
    pub fn convert(self, mode: Mode) -> (Option<Held>, Result<(), Report>) {
        let Held::Kernel(Kernel { place, guard, pid }) = self else {
            return (Some(self), Err(Report::new(LOCKBOX_UNSUPPORTED)));
        };
        let (guard, outcome) = match guard.convert(&place.sys(), mode) {
            Ok(guard) => (guard, Ok(())),
            Err(ConvertError::Kept(guard, fault)) => (guard, Err(fault.into())),
            Err(ConvertError::Lost(fault)) if fault.kind == FaultKind::WouldBlock => {
                return (None, Err(Report::new(LOCKBOX_LOST)));
            }
            Err(ConvertError::Lost(fault)) => return (None, Err(fault.into())),
        };
        (Some(Held::Kernel(Kernel { place, guard, pid })), outcome)
    }

    /// Says that the holder lives: sets the lock's time to now, if the kind has one that anybody
    /// judges. Fails if the lock was lost.
    pub fn refresh(&self) -> Result<(), Report> {
        let still_held = match self {
            Held::Kernel(kernel) => kernel.guard.still_held(&kernel.place.sys())?,
            Held::Existence(spot, taken) => taken.still_held(spot)?,
        };
        if !still_held {
            return Err(Report::new(LOCKBOX_LOST));
        }
        match self {
            Held::Kernel(_) => Ok(()),
            Held::Existence(_, taken) => Ok(taken.touch()?),
        }
    }

    /// The next number of those that grow with every acquisition.
    pub fn next_token(&self) -> Result<u64, Report> {
        Ok(match self {
            Held::Kernel(Kernel { place, .. }) => {
                next_token(lend(&place.dir), place.name.as_c_str())?
            }
            Held::Existence(spot, _) => next_token(spot.as_fd(), spot.name())?,
        })
    }

    /// The number of the descriptor that carries the lock; a symbolic link has none.
    pub fn descriptor(&self) -> Option<c_int> {
        match self {
            Held::Kernel(kernel) => Some(kernel.guard.as_fd().as_raw_fd()),
            Held::Existence(_, taken) => taken.file().map(|file| file.as_raw_fd()),
        }
    }

    /// Gives the lock back. In a forked child, only the child's part of it.
    pub fn release(self) -> Result<(), Report> {
        if !self.is_mine() {
            return Ok(());
        }
        match self {
            Held::Kernel(kernel) => Ok(kernel.guard.unlock(&kernel.place.sys())?),
            Held::Existence(spot, taken) => match taken.unlock(&spot)? {
                Unlocked::Released => Ok(()),
                Unlocked::WasBroken => Err(Report::new(LOCKBOX_LOST)),
            },
        }
    }
}

/// What lies in a `lockbox_lock`.
#[repr(C)]
struct Slot {
    mark: u64,
    held: MaybeUninit<Held>,
}

/// All zeros: no lock.
const EMPTY: u64 = 0;
/// A number that does not stand in memory by chance: a lock follows.
const FULL: u64 = 0x6c6f_636b_626f_7821;

const _: () = assert!(
    size_of::<Slot>() <= size_of::<lockbox_lock>() && align_of::<Slot>() <= align_of::<u64>(),
    "a lock does not fit"
);

#[allow(unsafe_code)]
impl lockbox_lock {
    /// Nothing, if the lock is empty.
    pub fn expect_empty(&self) -> Result<(), Report> {
        if self.slot().mark == EMPTY { Ok(()) } else { Err(Report::new(LOCKBOX_WRONG_LOCK)) }
    }

    /// Keeps a held lock. To be called on an empty one: what was there is forgotten.
    pub fn put(&mut self, held: Held) {
        let slot = self.slot_mut();
        slot.held.write(held);
        slot.mark = FULL;
    }

    /// The held lock, which this process must have taken.
    pub fn held(&self) -> Result<&Held, Report> {
        let slot = self.slot();
        if slot.mark != FULL {
            return Err(Report::new(LOCKBOX_WRONG_LOCK));
        }
        // SAFETY: the mark is set after the lock was written, and taken away with it.
        let held = unsafe { slot.held.assume_init_ref() };
        if held.is_mine() { Ok(held) } else { Err(Report::new(LOCKBOX_WRONG_LOCK)) }
    }

    /// Takes the held lock out, and leaves this one empty.
    pub fn take(&mut self) -> Result<Held, Report> {
        let slot = self.slot_mut();
        if slot.mark != FULL {
            return Err(Report::new(LOCKBOX_WRONG_LOCK));
        }
        slot.mark = EMPTY;
        // SAFETY: as above; without its mark it is not read again.
        Ok(unsafe { slot.held.assume_init_read() })
    }

    fn slot(&self) -> &Slot {
        // SAFETY: it is at least as large and as aligned, and any bytes are a slot.
        unsafe { &*(&raw const *self).cast() }
    }

    fn slot_mut(&mut self) -> &mut Slot {
        // SAFETY: as above.
        unsafe { &mut *(&raw mut *self).cast() }
    }
}
