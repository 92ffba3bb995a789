//! A lock between processes by `futex(2)`, in memory that they share: what handing over costs where
//! there is no file. Nothing in it survives a killed holder; it is here to be measured against.
#![allow(unsafe_code)]

use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicU32, Ordering};
use std::fs::File;

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use rustix::thread::futex;

const FREE: u32 = 0;
const HELD: u32 = 1;
const WANTED: u32 = 2;

/// The word in the file, for as long as the process lives.
#[derive(Clone, Copy, Debug)]
pub struct Word(&'static AtomicU32);

impl Word {
    /// Maps the file, which becomes long enough.
    ///
    /// # Panics
    ///
    /// If it cannot be mapped.
    pub fn map(file: &File) -> Word {
        const BYTES: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
        file.set_len(BYTES.get() as u64).expect("room");
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping of a file that is never cut short, never unmapped; any bits are a
        // number.
        let word = unsafe {
            let at = mmap(None, BYTES, access, MapFlags::MAP_SHARED, file, 0).expect("a mapping");
            at.cast::<AtomicU32>().as_ref()
        };
        Word(word)
    }

    /// Waits for it.
    pub fn lock(self) {
        let swap =
            |from, to| self.0.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed);
        if swap(FREE, HELD).is_ok() {
            return;
        }
        while self.0.swap(WANTED, Ordering::Acquire) != FREE {
            let _ = futex::wait(self.0, futex::Flags::empty(), WANTED, None);
        }
    }

    /// Gives it back, and wakes one who waits.
    pub fn unlock(self) {
        if self.0.swap(FREE, Ordering::Release) == WANTED {
            let _ = futex::wake(self.0, futex::Flags::empty(), 1);
        }
    }
}
