//! What this library tells of a holder beyond what a format has fields for.
//!
//! It travels in the first line of an s-expression file, as a comment that the format's own readers
//! skip: `; lk1 boot=… pidns=… timens=… start=… nonce=… flock=1`. With it a lock can be judged by
//! facts that do not depend on clocks: the run of the kernel, the namespaces, the start time in
//! ticks.

use super::parse::{decimal, hex};
use super::write::Out;
use crate::owner::{BootId, PidNamespace, StartTime};
use crate::staleness::{Claim, TimeNamespace};

/// The longest line that [`Identity`] makes, its newline included; in bytes.
pub const IDENTITY_LINE_MAX: usize = 173;

/// What makes the first line ours and not somebody's comment.
const MARK: &[u8] = b"; lk1 ";

/// Facts about a holder. Any may be missing.
///
/// ```
/// use lock_core::payload::identity::Identity;
/// use lock_core::payload::pid_text::PidText;
///
/// let identity = Identity::parse(b"; lk1 start=4711 flock=1").unwrap();
/// let mut claim = PidText::parse(b"7").unwrap().claim();
/// identity.complete(&mut claim);
/// assert!(claim.flocked && claim.owner.start == identity.start);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Identity {
    /// The run of the kernel it lives in.
    pub boot: Option<BootId>,
    /// The namespace its pid is counted in.
    pub pid_namespace: Option<PidNamespace>,
    /// The namespace its start time is counted in.
    pub time_namespace: Option<TimeNamespace>,
    /// When it started, in ticks since boot.
    pub start: Option<StartTime>,
    /// Random bits of this acquisition, to tell it from every other.
    pub nonce: Option<[u8; 16]>,
    /// Whether the holder keeps the lock's own file flocked for as long as it lives.
    pub flocked: bool,
}

impl Identity {
    /// Reads the first line of a file. `None` if it is not such a line.
    ///
    /// Never fails: to the format this is a comment, so whatever cannot be understood counts as
    /// not said, and so does the second of two equal names. Names that later versions may add are
    /// skipped.
    ///
    /// ```
    /// use lock_core::owner::StartTime;
    /// use lock_core::payload::identity::Identity;
    ///
    /// let file = b"; lk1 start=4711 colour=red flock=1\n((host vm)(pid 7)(message m))";
    /// let identity = Identity::parse(file).unwrap();
    /// assert_eq!(identity.start, Some(StartTime(4711)));
    /// assert!(identity.flocked && identity.boot.is_none());
    /// assert_eq!(Identity::parse(b"; a comment\n"), None);
    /// ```
    pub fn parse(file: &[u8]) -> Option<Identity> {
        let line = file.split(|&byte| byte == b'\n').next()?.strip_prefix(MARK)?;
        Some(Identity {
            boot: bytes(line, b"boot=").map(BootId),
            pid_namespace: number(line, b"pidns=").map(PidNamespace),
            time_namespace: number(line, b"timens=").map(TimeNamespace),
            start: number(line, b"start=").map(StartTime),
            nonce: bytes(line, b"nonce="),
            flocked: words(line).any(|word| word == b"flock=1"),
        })
    }

    /// Adds these facts to what a format's own fields say of a holder.
    pub fn complete(&self, claim: &mut Claim) {
        claim.owner.boot = self.boot;
        claim.owner.pid_namespace = self.pid_namespace;
        claim.owner.start = self.start;
        claim.time_namespace = self.time_namespace;
        claim.flocked = self.flocked;
    }

    /// The line, with its newline.
    pub(super) fn write(&self, out: &mut Out<'_>) {
        // The mark ends in the space that the first field starts with.
        out.bytes(MARK.strip_suffix(b" ").unwrap_or_default());
        let mark_end = out.len();
        write_hex(out, b" boot=", self.boot.map(|BootId(id)| id));
        write_number(out, b" pidns=", self.pid_namespace.map(|PidNamespace(number)| number));
        write_number(out, b" timens=", self.time_namespace.map(|TimeNamespace(number)| number));
        write_number(out, b" start=", self.start.map(|StartTime(ticks)| ticks));
        write_hex(out, b" nonce=", self.nonce);
        if self.flocked {
            out.bytes(b" flock=1");
        }
        if out.len() == mark_end {
            // The mark alone would lack its space.
            out.bytes(b" ");
        }
        out.bytes(b"\n");
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ')
}

/// The first number that this name says.
fn number(line: &[u8], name: &[u8]) -> Option<u64> {
    words(line).find_map(|word| decimal(word.strip_prefix(name)?))
}

/// The first sixteen bytes that this name says.
fn bytes(line: &[u8], name: &[u8]) -> Option<[u8; 16]> {
    words(line).find_map(|word| parse_hex(word.strip_prefix(name)?))
}

/// Sixteen bytes in lower-case hexadecimal.
fn parse_hex(digits: &[u8]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(hex(pair)?).ok()?;
    }
    Some(bytes)
}

fn write_number(out: &mut Out<'_>, name: &[u8], number: Option<u64>) {
    if let Some(number) = number {
        out.bytes(name);
        out.decimal(number);
    }
}

fn write_hex(out: &mut Out<'_>, name: &[u8], bytes: Option<[u8; 16]>) {
    if let Some(bytes) = bytes {
        out.bytes(name);
        for byte in bytes {
            out.digits(u64::from(byte), 16, 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::write::build;

    fn full() -> Identity {
        Identity {
            boot: Some(BootId([0x0a; 16])),
            pid_namespace: Some(PidNamespace(u64::MAX)),
            time_namespace: Some(TimeNamespace(u64::MAX)),
            start: Some(StartTime(u64::MAX)),
            nonce: Some([0xff; 16]),
            flocked: true,
        }
    }

    #[test]
    fn the_longest_line_fits_exactly() {
        let line = build::<IDENTITY_LINE_MAX>(|out| full().write(out)).unwrap();
        assert!(line.is_full());
        assert_eq!(Identity::parse(&line), Some(full()));
    }

    #[test]
    fn every_fact_can_be_missing() {
        for identity in [
            Identity { boot: None, ..full() },
            Identity { pid_namespace: None, ..full() },
            Identity { time_namespace: None, ..full() },
            Identity { start: None, ..full() },
            Identity { nonce: None, ..full() },
            Identity { flocked: false, ..full() },
            Identity::default(),
        ] {
            let line = build::<IDENTITY_LINE_MAX>(|out| identity.write(out)).unwrap();
            assert_eq!(Identity::parse(&line), Some(identity), "{}", line.escape_ascii());
            assert!(line.ends_with(b"\n"));
        }
    }

    #[test]
    fn what_is_not_understood_is_not_said() {
        for (line, identity) in [
            ("; lk1 ", Some(Identity::default())),
            ("; lk1 boot=0A pidns= timens=-1 start=0x1 nonce=zz flock=2 x", {
                Some(Identity::default())
            }),
            ("; lk1 start=1 start=2", {
                Some(Identity { start: Some(StartTime(1)), ..Identity::default() })
            }),
            ("; lk1 start=1\n; lk1 flock=1", {
                Some(Identity { start: Some(StartTime(1)), ..Identity::default() })
            }),
            ("; lk1", None),
            (" ; lk1 flock=1", None),
            ("; lk2 flock=1", None),
            ("\n; lk1 flock=1", None),
            ("", None),
        ] {
            assert_eq!(Identity::parse(line.as_bytes()), identity, "{line}");
        }
    }
}
