//! Lines of the kernel's list of a lockspace's locks, `NAME_locks` in debugfs: looking there asks
//! nobody for anything.
//!
//! A node lists its own locks, and all locks on the resources that it is master of. Of a resource
//! that another node is master of it does not know who else holds it.
//! Source: `print_format2_lock` in `fs/dlm/debug_fs.c` of Linux 6.1, and its output.

use super::mode::Mode;

/// One lock, or one request that waits for it.
///
/// ```
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::table::{Row, parse};
///
/// let held = |row: &Row| row.held == Some(Mode::EX);
/// // The second waits to become the writer that the first is.
/// let rows = [
///     parse(b"1 0 0 731 0 0 0 2 5 -1 1200 0 5 \"disk1\"").unwrap(),
///     parse(b"2 0 0 732 0 0 0 3 3 5 900 0 5 \"disk1\"").unwrap(),
/// ];
/// assert_eq!(rows.iter().filter(|row| held(row)).count(), 1);
/// assert_eq!((rows[1].held, rows[1].wanted), (Some(Mode::PR), Some(Mode::EX)));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Row<'a> {
    /// The resource's name; what follows a NUL in it is not listed.
    pub resource: &'a [u8],
    /// The node whose process it is; `None` for the one that the list was read on.
    pub node: Option<u32>,
    /// The thread that asked for it, counted on its node.
    pub pid: u32,
    /// How it is held; `None` while it waits to be granted at all.
    pub held: Option<Mode>,
    /// What it waits for.
    pub wanted: Option<Mode>,
    /// Whether the list shows every lock on this resource.
    pub is_complete: bool,
}

const WAITING: i64 = 1;
const GRANTED: i64 = 2;
const CONVERTING: i64 = 3;

/// Reads one line, without its newline. `None` for the heading and for what is no lock.
///
/// ```
/// use lock_core::dlm::mode::Mode;
/// use lock_core::dlm::table::parse;
///
/// let row = parse(b"1 2 1 731 0 0 0 2 5 -1 1200 0 5 \"disk1\"").unwrap();
/// assert_eq!((row.resource, row.node, row.pid), (&b"disk1"[..], Some(2), 731));
/// assert_eq!((row.held, row.wanted, row.is_complete), (Some(Mode::EX), None, true));
/// ```
pub fn parse(line: &[u8]) -> Option<Row<'_>> {
    let quote = line.iter().position(|&byte| byte == b'"')?;
    let (numbers, quoted) = line.split_at_checked(quote)?;
    let resource = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut words = numbers.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    // id nodeid remid pid xid exflags flags status grmode rqmode time r_nodeid r_len
    words.next()?;
    let node = decimal(words.next()?)?;
    words.next()?;
    let pid = u32::try_from(decimal(words.next()?)?).ok()?;
    let mut words = words.skip(3);
    let status = decimal(words.next()?)?;
    let [held, wanted] = [decimal(words.next()?)?, decimal(words.next()?)?];
    let modes = -1..=i64::from(Mode::EX.to_raw());
    if !modes.contains(&held) || !modes.contains(&wanted) {
        return None;
    }
    words.next()?;
    let is_complete = decimal(words.next()?)? == 0;
    words.next()?;
    if !(WAITING..=CONVERTING).contains(&status) {
        return None;
    }
    // A copy of another node's lock is where the master is; else the number is the master's.
    let node = u32::try_from(node).ok().filter(|&node| is_complete && node != 0);
    Some(Row {
        resource,
        node,
        pid,
        held: mode(held).filter(|_| status != WAITING),
        wanted: mode(wanted).filter(|_| status != GRANTED),
        is_complete,
    })
}

/// A mode; the kernel writes -1 for none.
fn mode(raw: i64) -> Option<Mode> {
    Mode::from_raw(u8::try_from(raw).ok()?)
}

fn decimal(word: &[u8]) -> Option<i64> {
    let (digits, negative) = match word.strip_prefix(b"-") {
        Some(digits) => (digits, true),
        None => (word, false),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0i64, |sum, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(i64::from(digit))
    })?;
    Some(if negative { value.checked_neg()? } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_line() {
        let row = |node, held, wanted, is_complete| {
            Some(Row { resource: b"a b", node, pid: 7, held, wanted, is_complete })
        };
        let (ex, pr) = (Some(Mode::EX), Some(Mode::PR));
        for (line, expected) in [
            ("1 0 0 7 0 4 10000 2 5 -1 99 0 3 \"a b\"", row(None, ex, None, true)),
            (
                "3f 3 2a 7 18446744073709551615 0 0 2 3 -1 99 0 3 \"a b\"",
                row(Some(3), pr, None, true),
            ),
            ("1 2 5 7 0 0 0 2 5 -1 99 2 3 \"a b\"", row(None, ex, None, false)),
            ("1 0 0 7 0 0 0 1 -1 5 99 0 3 \"a b\"", row(None, None, ex, true)),
            ("1 0 0 7 0 0 0 3 3 5 99 0 3 \"a b\"", row(None, pr, ex, true)),
            ("id nodeid remid pid xid exflags flags sts grmode rqmode time_us r_nodeid", None),
            ("1 0 0 7 0 4 0 4 5 -1 99 0 3 \"a b\"", None),
            ("1 0 0 7 0 4 0 2 6 -1 99 0 3 \"a b\"", None),
            ("1 0 0 - 0 4 0 2 5 -1 99 0 3 \"a b\"", None),
            ("1 0 0 7 0 4 0 2 5 -1 99 0 3 \"a b", None),
            ("\"\"", None),
            ("", None),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }
}
