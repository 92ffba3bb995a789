//! The entries of a directory, by `getdents64(2)`: one after the other, by name.
#![allow(unsafe_code)]

use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::arch::syscall;
use crate::descriptor::errno;

#[cfg(target_arch = "x86_64")]
const GETDENTS64: usize = 217;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const GETDENTS64: usize = 61;
#[cfg(target_arch = "arm")]
const GETDENTS64: usize = 217;
#[cfg(target_arch = "x86")]
const GETDENTS64: usize = 220;

/// Where `struct linux_dirent64` has its length, and its name.
const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// The directory's entries, as far as they were read. They are asked for one by one, not shown to a
/// function: that might go through another directory, and no function here calls itself.
#[derive(Debug)]
pub(crate) struct Entries<'d> {
    directory: BorrowedFd<'d>,
    /// Room for seven entries with the longest names at least.
    buffer: [u8; 2048],
    at: usize,
    filled: usize,
}

impl<'d> Entries<'d> {
    pub(crate) fn of(directory: BorrowedFd<'d>) -> Entries<'d> {
        Entries { directory, buffer: [0; 2048], at: 0, filled: 0 }
    }

    /// The name of the next entry, `.` and `..` too; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<&CStr>, Errno> {
        if self.at >= self.filled {
            let fd = self.directory.as_raw_fd().unsigned_abs() as usize;
            let buffer = self.buffer.as_mut_ptr() as usize;
            let arguments = [fd, buffer, self.buffer.len(), 0, 0, 0];
            // SAFETY: writes no more than the buffer holds.
            let answer = unsafe { syscall(GETDENTS64, arguments) };
            self.filled = usize::try_from(answer).map_err(|_| errno(answer))?;
            self.at = 0;
        }
        let Some(entry) = self.buffer.get(self.at..self.filled).and_then(first) else {
            return Ok(None);
        };
        self.at += entry.len();
        let name = entry.get(NAME_AT..).unwrap_or_default();
        Ok(Some(CStr::from_bytes_until_nul(name).unwrap_or(c".")))
    }
}

/// The first of these entries, as long as it says it is.
fn first(entries: &[u8]) -> Option<&[u8]> {
    let [low, high] = *entries.get(LENGTH_AT..)?.first_chunk()?;
    let len = usize::from(u16::from_ne_bytes([low, high]));
    entries.get(..len).filter(|entry| !entry.is_empty())
}
