//! What Python's libraries keep in files that are locks.
//!
//! | library | content |
//! |---|---|
//! | filelock, soft | lines: pid, host and, by some versions, start time |
//! | flufl.lock | the name of another link to the file: lock, host, pid, number, between bars |
//!
//! Only read: a file of the first sort is written by
//! [`pid_text::with_host`](super::pid_text::with_host), one of the second is of no use without the
//! other link.

use super::parse::{self, Expected, ParseError, split_first};
use super::pid_text::{Dialect, PidText};
use crate::owner::{BootId, Owner, Pid, PidNamespace, StartTime};
use crate::staleness::Claim;

/// Reads what filelock's soft lock says of its holder.
///
/// The host may carry a pid namespace. The start time is a number of two parts: the boot, unless
/// that is not known or the system is not Linux, and then ticks. A file without its last newline is
/// being written.
/// Source: filelock 3.22 to 4.2, read; 4.2, run.
///
/// ```
/// use lock_core::payload::python::filelock;
///
/// let claim = filelock(b"1234\nvm\n").unwrap();
/// assert_eq!(claim.owner.to_string(), "pid 1234 on vm");
/// assert!(filelock(b"1234 vm").is_err());
/// ```
pub fn filelock(file: &[u8]) -> Result<Claim, ParseError> {
    parse::claim(|owner| tell_filelock(file, owner))
}

/// [`filelock`], where the owner is.
pub(crate) fn tell_filelock(file: &[u8], owner: &mut Owner) -> Result<(), ParseError> {
    let text = PidText::parse(file)?;
    let end = ParseError::new(file.len(), Expected::Byte(b'\n'));
    if text.dialect != Dialect::Lines || !file.ends_with(b"\n") {
        return Err(end);
    }
    let (host, token) = split_first(text.rest, b'\n').unwrap_or((text.rest, &[]));
    let (host, namespace) = match host.windows(7).position(|mark| mark == b"?pidns-") {
        Some(at) => (host.get(..at).unwrap_or_default(), host.get(at.saturating_add(7)..)),
        None => (host, None),
    };
    owner.pid = text.pid;
    if !token.is_empty() {
        let Some((boot, ticks)) = split_token(token) else {
            return Err(ParseError { expected: Expected::End, ..end });
        };
        if boot != [0; 16] {
            owner.boot = Some(BootId(boot));
            owner.start = Some(StartTime(ticks));
        }
    }
    if host.is_empty() || !owner.note_host(host) {
        return Err(ParseError { expected: Expected::Host, ..end });
    }
    owner.pid_namespace = namespace.and_then(parse::hex).map(PidNamespace);
    Ok(())
}

/// Reads what flufl.lock's lock says of its holder: the name of its claim, in which nothing else
/// may have a bar.
/// Source: flufl.lock 10.0, run.
///
/// ```
/// use lock_core::payload::python::flufl;
///
/// let claim = flufl(b"/run/lock/x|vm|1234|8872312").unwrap();
/// assert_eq!(claim.owner.to_string(), "pid 1234 on vm");
/// assert!(flufl(b"vm|1234").is_err());
/// ```
pub fn flufl(file: &[u8]) -> Result<Claim, ParseError> {
    parse::claim(|owner| tell_flufl(file, owner))
}

/// [`flufl`], where the owner is.
pub(crate) fn tell_flufl(file: &[u8], owner: &mut Owner) -> Result<(), ParseError> {
    let bar = ParseError::new(file.len(), Expected::Byte(b'|'));
    let mut parts = file.trim_ascii().split(|&byte| byte == b'|');
    let (lock, host, pid, _) = (|| {
        let parts = (parts.next()?, parts.next()?, parts.next()?, parse::decimal(parts.next()?)?);
        Some(parts)
    })()
    .ok_or(bar)?;
    if parts.next().is_some() {
        return Err(ParseError { expected: Expected::End, ..bar });
    }
    let at = lock.len().saturating_add(1);
    if !owner.note_host(host) {
        return Err(ParseError::new(at, Expected::Host));
    }
    let at = at.saturating_add(host.len()).saturating_add(1);
    owner.pid = parse::decimal(pid).and_then(Pid::new);
    if owner.pid.is_some() { Ok(()) } else { Err(ParseError::new(at, Expected::Pid)) }
}

/// The parts of a decimal number of up to 192 bits: the boot in the upper 128, and ticks.
fn split_token(digits: &[u8]) -> Option<([u8; 16], u64)> {
    let mut number = [0; 24];
    for &digit in digits {
        let mut carry = u16::try_from(char::from(digit).to_digit(10)?).ok()?;
        for byte in number.iter_mut().rev() {
            // At most 255 * 10 + 255.
            let [high, low] = u16::from(*byte).wrapping_mul(10).wrapping_add(carry).to_be_bytes();
            *byte = low;
            carry = u16::from(high);
        }
        if carry != 0 {
            return None;
        }
    }
    let (boot, ticks) = number.split_last_chunk()?;
    Some((boot.try_into().ok()?, u64::from_be_bytes(*ticks)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn filelock_adds_namespace_and_start_time() {
        let plain = filelock(b"12\nvm\n").unwrap();
        assert_eq!(plain.owner.to_string(), "pid 12 on vm");
        assert_eq!((plain.owner.pid_namespace, plain.owner.start), (None, None));
        // e4900ff3-6c22-4b72-8f76-686d1dad91c1 * 2^64 + 4711.
        let token = b"5604342160875076578083143937185531220986839961939895915111";
        let full = [&b"12\nvm?pidns-f0000001\n"[..], token, b"\n"].concat();
        let full = filelock(&full).unwrap();
        assert_eq!(full.owner.to_string(), "pid 12 on vm");
        assert_eq!(full.owner.pid_namespace, Some(PidNamespace(0xf000_0001)));
        assert_eq!(full.owner.start, Some(StartTime(4711)));
        let boot = 0xe490_0ff3_6c22_4b72_8f76_686d_1dad_91c1_u128;
        assert_eq!(full.owner.boot, Some(BootId(boot.to_be_bytes())));
        let (most, more) = ([b'9'; 57], [b'9'; 58]);
        assert!(split_token(&most).is_some() && split_token(&more).is_none());
        // Without a boot these may be another system's units.
        assert_eq!(filelock(b"12\nvm\n4711\n").unwrap().owner.start, None);
        for content in [&b"12\nvm"[..], b"12\nvm\nx\n", b"12\nvm\n1\n2\n", b"12\n?pidns-1\n"] {
            assert!(filelock(content).is_err(), "{content:?}");
        }
    }

    #[test]
    fn flufl_has_four_parts() {
        assert_eq!(flufl(b"lock|vm|12|0\n").unwrap().owner.to_string(), "pid 12 on vm");
        for (content, at) in [
            (&b""[..], 0),
            (b"12\n", 3),
            (b"lock|vm|12", 10),
            (b"lock|vm|12|x", 12),
            (b"lock|vm|12|0|0", 14),
            (b"lock|vm||0", 8),
            (b"lock|vm|0|0", 8),
            (b"lock|vm|-12|0", 8),
        ] {
            assert_eq!(flufl(content).unwrap_err().at, at, "{content:?}");
        }
        let long = [&b"lock|"[..], &[b'h'; 65], b"|12|0"].concat();
        assert_eq!(flufl(&long).unwrap_err(), ParseError::new(5, Expected::Host));
    }
}
