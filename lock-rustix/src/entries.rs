//! The entries of a directory, by `getdents64(2)`: shown one after the other, by name.
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

/// Shows the name of each entry, `.` and `..` too, until `see` fails. The buffer must hold an entry
/// with the longest name, 280 bytes; a larger one makes for fewer calls.
pub(crate) fn for_each_entry(
    directory: BorrowedFd<'_>,
    buffer: &mut [u8],
    see: &mut dyn FnMut(&CStr) -> Result<(), Errno>,
) -> Result<(), Errno> {
    loop {
        let fd = directory.as_raw_fd().unsigned_abs() as usize;
        let arguments = [fd, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
        // SAFETY: writes no more than the buffer holds.
        let answer = unsafe { syscall(GETDENTS64, arguments) };
        let filled = usize::try_from(answer).map_err(|_| errno(answer))?;
        if filled == 0 {
            return Ok(());
        }
        let mut rest = buffer.get(..filled).unwrap_or_default();
        while let Some(entry) = first(rest) {
            let name = entry.get(NAME_AT..).unwrap_or_default();
            CStr::from_bytes_until_nul(name).map_or(Ok(()), &mut *see)?;
            rest = rest.get(entry.len()..).unwrap_or_default();
        }
    }
}

/// The first of these entries, as long as it says it is.
fn first(entries: &[u8]) -> Option<&[u8]> {
    let [low, high] = *entries.get(LENGTH_AT..)?.first_chunk()?;
    let len = usize::from(u16::from_ne_bytes([low, high]));
    entries.get(..len).filter(|entry| !entry.is_empty())
}
