//! The lines of a file, read without allocation.

use rustix::fd::OwnedFd;
use rustix::io::{Errno, read};

use crate::descriptor::lend;

/// Shows each line, cut to the buffer, as long as `see` answers that it wants more.
pub(crate) fn for_each_line(
    file: &OwnedFd,
    buffer: &mut [u8],
    see: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), Errno> {
    let (mut filled, mut skipping) = (0, false);
    loop {
        let len = match read(lend(file), buffer.get_mut(filled..).unwrap_or_default()) {
            Err(Errno::INTR) => continue,
            Ok(0) => return Ok(()),
            len => len?,
        };
        filled += len;
        let mut start = 0;
        for end in 0..filled {
            if buffer.get(end) == Some(&b'\n') {
                if !skipping && !see(buffer.get(start..end).unwrap_or_default()) {
                    return Ok(());
                }
                (start, skipping) = (end + 1, false);
            }
        }
        filled = keep_from(buffer, start, filled);
        if filled == buffer.len() {
            if !skipping && !see(buffer) {
                return Ok(());
            }
            (filled, skipping) = (0, true);
        }
    }
}

/// Moves what stands between both places to the front; answers how much that is.
fn keep_from(buffer: &mut [u8], start: usize, end: usize) -> usize {
    let len = end.saturating_sub(start);
    for at in 0..len {
        let byte = buffer.get(start + at).copied();
        if let (Some(byte), Some(to)) = (byte, buffer.get_mut(at)) {
            *to = byte;
        }
    }
    len
}
