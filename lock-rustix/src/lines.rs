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
        loop {
            let text = buffer.get(start..filled).unwrap_or_default();
            let Some(end) = text.iter().position(|&byte| byte == b'\n') else { break };
            if !skipping && !see(text.get(..end).unwrap_or_default()) {
                return Ok(());
            }
            skipping = false;
            start += end + 1;
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
