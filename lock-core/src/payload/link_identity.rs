//! Who holds a lock, in the 59 bytes that a symbolic link holds without a disk block of its own.
//!
//! `lk1:` and 55 characters of base64url, which stand for 41 bytes, numbers with their high byte
//! first:
//!
//! ```text
//!  boot id 16 │ nonce 8 │ pid namespace 4 │ time namespace 4 │ start ticks 6 │ flags, pid 3
//! ```
//!
//! Nothing is shortened but the nonce, so a link is judged by the same facts as a file. There is
//! one spelling of each identity: two equal acquisitions are two equal links.

use arrayvec::ArrayVec;

use super::parse::{Expected, ParseError};
use super::write::{Out, WriteError, build};
use crate::owner::{BootId, Owner, Pid, PidNamespace, StartTime};
use crate::staleness::{Claim, TimeNamespace};

/// What every such link starts with. The number is the version.
pub const LINK_IDENTITY_PREFIX: &[u8] = b"lk1:";

/// Bytes in such a link, always. One more would cost a block on ext4, and with it the certainty
/// that a link which survives a power failure has its target.
pub const LINK_IDENTITY_LEN: usize = 59;

/// Bytes that the characters after the prefix stand for.
const PACKED_LEN: usize = 41;

/// A start time that is not known: more ticks than any machine will count.
const NO_START: u64 = 0xffff_ffff_ffff;

/// In the three bytes of the pid, which Linux keeps below 2²².
const PID_MASK: u64 = 0x3f_ffff;
const FLOCKED: u64 = 0x80_0000;

/// The holder of a lock and one acquisition of it.
///
/// ```
/// use lock_core::payload::link_identity::{LINK_IDENTITY_LEN, LinkIdentity};
/// use lock_core::payload::write::WriteError;
///
/// let me = LinkIdentity {
///     pid: 4711,
///     boot: None,
///     pid_namespace: None,
///     time_namespace: None,
///     start: None,
///     nonce: [7; 8],
///     flocked: false,
/// };
/// assert_eq!(me.write().unwrap().len(), LINK_IDENTITY_LEN);
/// assert_eq!(me.claim().owner.to_string(), "pid 4711");
/// assert_eq!(LinkIdentity { pid: 1 << 22, ..me }.write(), Err(WriteError::TooLong));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LinkIdentity {
    /// Its process id: not 0, below 2²².
    pub pid: u32,
    /// The run of the kernel it lives in: not all zeros.
    pub boot: Option<BootId>,
    /// The namespace its pid is counted in: not 0, below 2³².
    pub pid_namespace: Option<PidNamespace>,
    /// The namespace its start time is counted in: not 0, below 2³².
    pub time_namespace: Option<TimeNamespace>,
    /// When it started, in ticks since boot: below 2⁴⁸ − 1.
    pub start: Option<StartTime>,
    /// Random bits of this acquisition, to tell it from every other.
    pub nonce: [u8; 8],
    /// Whether the holder keeps what the link is part of flocked for as long as it lives: a
    /// directory can be, a link alone cannot.
    pub flocked: bool,
}

impl LinkIdentity {
    /// Reads the target of a link. Errors: another prefix or length, or another spelling than
    /// [`write`](LinkIdentity::write) has.
    ///
    /// ```
    /// use lock_core::payload::link_identity::LinkIdentity;
    ///
    /// let me = LinkIdentity {
    ///     pid: 4711,
    ///     boot: None,
    ///     pid_namespace: None,
    ///     time_namespace: None,
    ///     start: None,
    ///     nonce: [7; 8],
    ///     flocked: false,
    /// };
    /// let target = me.write().unwrap();
    /// assert_eq!(LinkIdentity::parse(&target), Ok(me));
    /// assert!(LinkIdentity::parse(b"lk1:4711").is_err());
    /// ```
    pub fn parse(target: &[u8]) -> Result<LinkIdentity, ParseError> {
        let misspelt = ParseError::new(0, Expected::Identity);
        let text = target.strip_prefix(LINK_IDENTITY_PREFIX).ok_or(misspelt)?;
        if target.len() != LINK_IDENTITY_LEN {
            return Err(ParseError::too_long(target.len(), LINK_IDENTITY_LEN));
        }
        let misspelt = misspelt.shifted(LINK_IDENTITY_PREFIX.len());
        let packed = unpack(text).ok_or(misspelt)?;
        let [fields @ .., p1, p2, p3] = packed;
        let identity = LinkIdentity::from_fields(&fields, number(&[p1, p2, p3])).ok_or(misspelt)?;
        // Spare bits that are set would make a second spelling of the same identity.
        match identity.write() {
            Ok(spelt) if *spelt == *target => Ok(identity),
            _ => Err(misspelt),
        }
    }

    /// The target of the link. `TooLong`: a number exceeds what its field says.
    pub fn write(&self) -> Result<ArrayVec<u8, LINK_IDENTITY_LEN>, WriteError> {
        let packed = self.pack().ok_or(WriteError::TooLong)?;
        build(|out| {
            out.bytes(LINK_IDENTITY_PREFIX);
            // 41 bytes make 55 characters, the last of which stands for four bits.
            let (mut bits, mut held) = (0u32, 0u32);
            for &byte in &packed {
                bits = bits.wrapping_shl(8) | u32::from(byte);
                held = held.wrapping_add(8);
                while held >= 6 {
                    held = held.wrapping_sub(6);
                    out.bytes(&[character(bits.wrapping_shr(held))]);
                }
            }
            out.bytes(&[character(bits.wrapping_shl(2))]);
        })
    }

    /// What it says about the holder. Not its host: a boot id is of one machine.
    pub fn claim(&self) -> Claim {
        Claim {
            owner: Owner {
                pid: Pid::new(u64::from(self.pid)),
                start: self.start,
                boot: self.boot,
                pid_namespace: self.pid_namespace,
                ..Owner::default()
            },
            started_at_us: None,
            time_namespace: self.time_namespace,
            flocked: self.flocked,
        }
    }

    fn from_fields(fields: &[u8; 38], pid_and_flags: u64) -> Option<LinkIdentity> {
        let (boot, rest) = fields.split_first_chunk::<16>()?;
        let (nonce, rest) = rest.split_first_chunk::<8>()?;
        let (pid_namespace, rest) = rest.split_first_chunk::<4>()?;
        let (time_namespace, start) = rest.split_first_chunk::<4>()?;
        let known = |number: u64| Some(number).filter(|&number| number != 0);
        Some(LinkIdentity {
            pid: u32::try_from(pid_and_flags & PID_MASK).ok().filter(|&pid| pid != 0)?,
            boot: Some(BootId(*boot)).filter(|_| *boot != [0; 16]),
            pid_namespace: known(number(pid_namespace)).map(PidNamespace),
            time_namespace: known(number(time_namespace)).map(TimeNamespace),
            start: Some(number(start)).filter(|&ticks| ticks != NO_START).map(StartTime),
            nonce: *nonce,
            flocked: pid_and_flags & FLOCKED != 0,
        })
    }

    fn pack(&self) -> Option<[u8; PACKED_LEN]> {
        let pid = u64::from(self.pid);
        if !(1..=PID_MASK).contains(&pid) {
            return None;
        }
        let pid_and_flags = if self.flocked { pid | FLOCKED } else { pid };
        let mut packed = [0; PACKED_LEN];
        let out = &mut Out::new(&mut packed);
        put(out, 16, 0, self.boot.map(|BootId(id)| u128::from_be_bytes(id)))?;
        out.bytes(&self.nonce);
        put(out, 4, 0, self.pid_namespace.map(|PidNamespace(number)| number.into()))?;
        put(out, 4, 0, self.time_namespace.map(|TimeNamespace(number)| number.into()))?;
        put(out, 6, NO_START.into(), self.start.map(|StartTime(ticks)| ticks.into()))?;
        put(out, 3, 0, Some(pid_and_flags.into()))?;
        Some(packed)
    }
}

/// Writes a fact in so many bytes, high byte first. Nothing if it does not fit, or is what stands
/// for one that is not known.
fn put(out: &mut Out<'_>, len: usize, unknown: u128, fact: Option<u128>) -> Option<()> {
    if fact == Some(unknown) {
        return None;
    }
    let bytes = fact.unwrap_or(unknown).to_be_bytes();
    let (zeros, field) = bytes.split_at_checked(bytes.len().checked_sub(len)?)?;
    out.bytes(field);
    zeros.iter().all(|&byte| byte == 0).then_some(())
}

/// A number with its high byte first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number.wrapping_shl(8) | u64::from(byte))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The character of the lowest six bits.
fn character(bits: u32) -> u8 {
    usize::try_from(bits & 0x3f).ok().and_then(|bits| ALPHABET.get(bits)).copied().unwrap_or(b'A')
}

/// The bytes that base64url characters stand for; bits left over are dropped.
fn unpack(text: &[u8]) -> Option<[u8; PACKED_LEN]> {
    let mut packed = [0; PACKED_LEN];
    let mut room = packed.iter_mut();
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text {
        let value = ALPHABET.iter().position(|character| character == byte)?;
        bits = bits.wrapping_shl(6) | u32::try_from(value).ok()?;
        held = held.wrapping_add(6);
        if held >= 8 {
            held = held.wrapping_sub(8);
            [*room.next()?, ..] = bits.wrapping_shr(held).to_le_bytes();
        }
    }
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> LinkIdentity {
        LinkIdentity {
            pid: 4_194_303,
            boot: Some(BootId([0xa5; 16])),
            pid_namespace: Some(PidNamespace(0xf000_0001)),
            time_namespace: Some(TimeNamespace(0xf000_0002)),
            start: Some(StartTime(NO_START - 1)),
            nonce: [0xff; 8],
            flocked: true,
        }
    }

    #[test]
    fn the_layout_stays_as_it_is() {
        assert_eq!(
            full().write().unwrap().as_slice(),
            b"lk1:paWlpaWlpaWlpaWlpaWlpf__________8AAAAfAAAAL_______6___8"
        );
    }

    #[test]
    fn every_fact_can_be_missing_but_the_pid() {
        for identity in [
            full(),
            LinkIdentity { pid: 1, ..full() },
            LinkIdentity { boot: None, ..full() },
            LinkIdentity { pid_namespace: None, ..full() },
            LinkIdentity { time_namespace: None, ..full() },
            LinkIdentity { start: None, ..full() },
            LinkIdentity { start: Some(StartTime(0)), ..full() },
            LinkIdentity { nonce: [0; 8], ..full() },
            LinkIdentity { flocked: false, ..full() },
        ] {
            let target = identity.write().unwrap();
            assert!(target.is_full());
            assert_eq!(LinkIdentity::parse(&target), Ok(identity));
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_not_cut() {
        for identity in [
            LinkIdentity { pid: 0, ..full() },
            LinkIdentity { pid: 1 << 22, ..full() },
            LinkIdentity { boot: Some(BootId([0; 16])), ..full() },
            LinkIdentity { pid_namespace: Some(PidNamespace(0)), ..full() },
            LinkIdentity { pid_namespace: Some(PidNamespace(1 << 32)), ..full() },
            LinkIdentity { time_namespace: Some(TimeNamespace(1 << 32)), ..full() },
            LinkIdentity { start: Some(StartTime(NO_START)), ..full() },
        ] {
            assert_eq!(identity.write(), Err(WriteError::TooLong), "{identity:?}");
        }
    }

    #[test]
    fn there_is_one_spelling_of_each_identity() {
        let target = full().write().unwrap();
        let mut other = target.clone();
        // The last character stands for four bits of six: these two set the spare ones.
        for last in [b"9", b"-"] {
            other.pop();
            other.push(last[0]);
            assert!(LinkIdentity::parse(&other).is_err());
        }
        for wrong in [
            &b""[..],
            b"lk1:",
            b"lk2:paWlpaWlpaWlpaWlpaWlpf__________8AAAAfAAAAL_______6___8",
            b"lk1:paWlpaWlpaWlpaWlpaWlpf__________8AAAAfAAAAL_______6___",
            b"lk1:paWlpaWlpaWlpaWlpaWlpf__________8AAAAfAAAAL_______6___8=",
            b"lk1:paWlpaWlpaWlpaWlpaWlpf__________8AAAAfAAAAL_______6__+8",
        ] {
            assert!(LinkIdentity::parse(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
