//! Chromium and its relatives: `SingletonLock` → `HOST-PID`.

use super::{Target, decimal, join, tell};
use crate::owner::Owner;
use crate::payload::parse::{self, Expected, ParseError, split_last};
use crate::payload::write::WriteError;
use crate::staleness::Claim;

/// The browser that uses a profile.
///
/// Source: Chromium, `process_singleton_posix.cc`.
///
/// ```
/// use lock_core::payload::link_target::Chromium;
///
/// let lock = Chromium { host: b"my-host", pid: Some(1234) };
/// let target = lock.write().unwrap();
/// assert_eq!(target.as_slice(), b"my-host-1234");
/// assert_eq!(Chromium::parse(&target), Ok(lock));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Chromium<'a> {
    /// The host, as `gethostname(3)` names it.
    pub host: &'a [u8],
    /// The process id. Chromium reads on if there is none, and takes the lock for another's.
    pub pid: Option<u32>,
}

impl<'a> Chromium<'a> {
    /// Reads a target; the last dash ends the host. The only error is that there is none.
    pub fn parse(target: &'a [u8]) -> Result<Chromium<'a>, ParseError> {
        let dash = ParseError::new(target.len(), Expected::Byte(b'-'));
        let (host, pid) = split_last(target, b'-').ok_or(dash)?;
        Ok(Chromium { host, pid: parse::pid(pid, 0).ok() })
    }

    /// The target. `Ambiguous`: a NUL in the host's name. `TooLong`: it is.
    pub fn write(&self) -> Result<Target, WriteError> {
        let pid = self.pid.map(|pid| decimal(u64::from(pid)));
        join(&[self.host, b"-", pid.as_deref().unwrap_or_default()])
    }

    /// What it says about the holder. The error is a host name longer than Linux has.
    ///
    /// ```
    /// use lock_core::payload::link_target::Chromium;
    ///
    /// let claim = Chromium::parse(b"my-laptop-4711").unwrap().claim().unwrap();
    /// assert_eq!(claim.owner.to_string(), "pid 4711 on my-laptop");
    /// ```
    pub fn claim(&self) -> Result<Claim, ParseError> {
        parse::claim(|owner| self.tell(owner))
    }

    /// [`claim`](Chromium::claim), where the owner is.
    pub(crate) fn tell(&self, owner: &mut Owner) -> Result<(), ParseError> {
        tell(owner, self.host, 0, u64::from(self.pid.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_all_it_takes() {
        assert_eq!(Chromium::parse(b"vm-abc"), Ok(Chromium { host: b"vm", pid: None }));
        assert_eq!(Chromium::parse(b"-"), Ok(Chromium { host: b"", pid: None }));
        assert_eq!(Chromium::parse(b"vm--5"), Ok(Chromium { host: b"vm-", pid: Some(5) }));
        let error = ParseError::new(6, Expected::Byte(b'-'));
        assert_eq!(Chromium::parse(b"vm1234"), Err(error));
    }

    #[test]
    fn writes_only_what_is_read_back() {
        for pid in [None, Some(1), Some(2_147_483_647)] {
            let lock = Chromium { host: b"a-b", pid };
            assert_eq!(Chromium::parse(&lock.write().unwrap()), Ok(lock));
        }
        assert_eq!(Chromium { host: b"a\0", pid: None }.write(), Err(WriteError::Ambiguous));
    }
}
