//! What a child has found out, in memory that it shares with its parent: what was written is there
//! whether the child ends, is killed or hangs.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use lock_core::fault::Fault;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::Flaw;
use super::child::Gate;
use super::file_system::FileSystem;

/// What a self-test found: whether others see the lock, or what is wrong.
pub(super) type Outcome = Result<bool, Flaw>;

/// The steps of the examination, in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Step {
    /// Opening the directory and asking for its file system.
    Surroundings,
    /// Making and writing to it, clock and events.
    Writing,
    /// The self-test of a kind, by its place among all.
    Kind(u8),
    /// Removing what was made.
    Cleaning,
}

/// All that is to be found out. Each slot is filled at most once.
pub(super) struct Sheet {
    step: AtomicU8,
    pub(super) opened: Slot<Result<(), Fault>>,
    pub(super) guessed: Slot<FileSystem>,
    pub(super) file_system: Slot<FileSystem>,
    pub(super) made: Slot<Result<(), Fault>>,
    pub(super) clock_skew_ms: Slot<i64>,
    pub(super) events: Slot<bool>,
    pub(super) refuses_both: Slot<bool>,
    pub(super) outcomes: [Slot<Outcome>; 8],
    pub(super) cleaned: Slot<bool>,
    pub(super) gates: [Gate; 8],
}

impl Sheet {
    /// What the child is about to do.
    pub(super) fn enter(&self, step: Step) {
        let number = match step {
            Step::Surroundings => 0,
            Step::Writing => 1,
            Step::Kind(kind) => kind.saturating_add(2),
            Step::Cleaning => u8::MAX,
        };
        self.step.store(number, Ordering::Release);
    }

    /// What it was about to do last.
    pub(super) fn step(&self) -> Step {
        match self.step.load(Ordering::Acquire) {
            0 => Step::Surroundings,
            1 => Step::Writing,
            u8::MAX => Step::Cleaning,
            number => Step::Kind(number.saturating_sub(2)),
        }
    }
}

/// A place for one value, written by one process and read by another.
pub(super) struct Slot<T> {
    ready: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T: Clone> Slot<T> {
    /// Fills the slot; only one process does, once.
    pub(super) fn put(&self, value: T) {
        if !self.ready.load(Ordering::Acquire) {
            // SAFETY: nobody reads it before it is said to be ready, and this is its only writer.
            unsafe { (*self.value.get()).write(value) };
            self.ready.store(true, Ordering::Release);
        }
    }

    /// What it was filled with.
    pub(super) fn take(&self) -> Option<T> {
        let ready = self.ready.load(Ordering::Acquire);
        // SAFETY: what is ready was written, and is not written again. The values have no pointers.
        ready.then(|| unsafe { (*self.value.get()).assume_init_ref().clone() })
    }
}

/// A sheet that children write on.
pub(super) struct Shared(NonNull<Sheet>);

impl Shared {
    pub(super) fn new() -> Result<Shared, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: new memory, at an address of the kernel's choice; pages are aligned enough.
        let memory = unsafe {
            mmap_anonymous(null_mut(), size_of::<Sheet>(), protection, MapFlags::SHARED)?
        };
        let sheet = NonNull::new(memory.cast::<Sheet>()).ok_or(Errno::NOMEM)?;
        // Fresh memory is zeros: no slot is ready, no step was made, nobody stands at a gate.
        Ok(Shared(sheet))
    }
}

impl Deref for Shared {
    type Target = Sheet;

    fn deref(&self) -> &Sheet {
        // SAFETY: mapped in `new`, where zeros are a sheet, until this is dropped. What children
        // write is atomic or behind a slot.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, with this size; a child has a mapping of its own.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), size_of::<Sheet>()) };
    }
}
