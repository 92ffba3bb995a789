//! Firefox and its relatives: `lock` → `IP:+PID`.

use core::net::Ipv4Addr;

use super::{Target, decimal, join};
use crate::owner::{Host, Owner, Pid};
use crate::payload::parse::{self, Expected, ParseError, split_first};
use crate::payload::write::{WriteError, build};
use crate::staleness::Claim;

/// The browser that uses a profile.
///
/// Source: Firefox, `nsProfileLock.cpp`.
///
/// ```
/// use core::net::Ipv4Addr;
/// use lock_core::payload::link_target::Firefox;
///
/// let address = Ipv4Addr::new(127, 0, 1, 1);
/// let lock = Firefox { address, fcntl_locked: true, pid: 1234 };
/// let target = lock.write().unwrap();
/// assert_eq!(target.as_slice(), b"127.0.1.1:+1234");
/// assert_eq!(Firefox::parse(&target), Ok(lock));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Firefox {
    /// An address of the host.
    pub address: Ipv4Addr,
    /// Whether the holder has a record lock on `.parentlock` too: then that lock decides.
    pub fcntl_locked: bool,
    /// The process id.
    pub pid: u32,
}

impl Firefox {
    /// Reads a target; the first colon ends the address. Errors: no colon, no IPv4 address, no pid.
    pub fn parse(target: &[u8]) -> Result<Firefox, ParseError> {
        let colon = ParseError::new(target.len(), Expected::Byte(b':'));
        let (address, process) = split_first(target, b':').ok_or(colon)?;
        let address = parse_address(address).ok_or(ParseError::new(0, Expected::IpAddress))?;
        let pid = process.strip_prefix(b"+").unwrap_or(process);
        let fcntl_locked = pid.len() < process.len();
        let pid = parse::pid(pid, target.len().saturating_sub(pid.len()))?;
        Ok(Firefox { address, fcntl_locked, pid })
    }

    /// The target. It always fits.
    pub fn write(&self) -> Result<Target, WriteError> {
        let sign = if self.fcntl_locked { &b":+"[..] } else { b":" };
        join(&[&self.address(), sign, &decimal(u64::from(self.pid))])
    }

    /// What it says about the holder; the address as its host, which no host is called.
    ///
    /// ```
    /// use lock_core::payload::link_target::Firefox;
    ///
    /// let claim = Firefox::parse(b"127.0.1.1:+4711").unwrap().claim();
    /// assert_eq!(claim.owner.to_string(), "pid 4711 on 127.0.1.1");
    /// ```
    pub fn claim(&self) -> Claim {
        let pid = Pid::new(u64::from(self.pid));
        let owner = Owner { host: Some(self.address()), pid, ..Owner::default() };
        Claim { owner, ..Claim::default() }
    }

    /// What a target says about the holder, where the owner is.
    #[inline(never)]
    pub(crate) fn tell(target: &[u8], owner: &mut Owner) -> Result<(), ParseError> {
        owner.pid = Pid::new(u64::from(Firefox::parse(target)?.pid));
        // An address is read only if it is written as `address` would.
        owner.note_host(split_first(target, b':').unwrap_or_default().0);
        Ok(())
    }

    fn address(&self) -> Host {
        let [first, rest @ ..] = self.address.octets();
        let address = build(|out| {
            out.decimal(u64::from(first));
            for part in rest {
                out.bytes(b".");
                out.decimal(u64::from(part));
            }
        });
        // Fifteen bytes at most.
        address.unwrap_or_default()
    }
}

/// Four numbers without zeros in front. Not by `str::parse`, which has IPv6 in mind.
fn parse_address(text: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = text;
    let mut octets = [0; 4];
    for (number, octet) in octets.iter_mut().enumerate() {
        if number > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let digits = rest.iter().position(|byte| *byte == b'.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at_checked(digits)?;
        *octet = u8::try_from(parse::decimal(digits)?).ok()?;
        if digits.len() > 1 && digits.starts_with(b"0") {
            return None;
        }
        rest = after;
    }
    rest.is_empty().then_some(Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn says_what_is_missing_and_where() {
        for (target, at, expected) in [
            ("junk", 4, Expected::Byte(b':')),
            ("vm:1", 0, Expected::IpAddress),
            ("1.2.3:1", 0, Expected::IpAddress),
            ("1.2.3.:1", 0, Expected::IpAddress),
            ("1.2.3.4.:1", 0, Expected::IpAddress),
            ("1.2.3.4.5:1", 0, Expected::IpAddress),
            ("1.2.3.256:1", 0, Expected::IpAddress),
            ("1.2.03.4:1", 0, Expected::IpAddress),
            (".1.2.3.4:1", 0, Expected::IpAddress),
            ("1.2.3.4:", 8, Expected::Pid),
            ("1.2.3.4:+x", 9, Expected::Pid),
            ("1.2.3.4:++1", 9, Expected::Pid),
        ] {
            let error = ParseError::new(at, expected);
            assert_eq!(Firefox::parse(target.as_bytes()), Err(error), "{target}");
        }
    }

    #[test]
    fn the_address_stands_for_the_host() {
        let lock = Firefox::parse(b"192.168.1.5:1234").unwrap();
        assert!(!lock.fcntl_locked);
        assert_eq!(lock.claim().owner.to_string(), "pid 1234 on 192.168.1.5");
        assert_eq!(lock.write().unwrap().as_slice(), b"192.168.1.5:1234");
    }
}
