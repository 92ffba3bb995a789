//! Mercurial: `lock`, `wlock` → `HOST/NAMESPACE:PID` on Linux, `HOST:PID` elsewhere.

use super::{Target, decimal, join, tell};
use crate::owner::{Owner, PidNamespace};
use crate::payload::parse::{self, Expected, ParseError, split_first, split_last};
use crate::payload::write::{WriteError, build};
use crate::staleness::Claim;

/// The process that changes a repository.
///
/// Mercurial compares everything before the colon with its own at once, so a lock without a
/// namespace is another host's to one on Linux. Its oldest versions wrote the pid alone.
/// Source: Mercurial 6.3, run.
///
/// ```
/// use lock_core::owner::PidNamespace;
/// use lock_core::payload::link_target::Mercurial;
///
/// let pid_namespace = Some(PidNamespace(0xefff_fffc));
/// let lock = Mercurial { host: b"vm", pid_namespace, pid: 25539 };
/// let target = lock.write().unwrap();
/// assert_eq!(target.as_slice(), b"vm/effffffc:25539");
/// assert_eq!(Mercurial::parse(&target), Ok(lock));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Mercurial<'a> {
    /// The host, as `gethostname(3)` names it.
    pub host: &'a [u8],
    /// The namespace that the pid is counted in.
    pub pid_namespace: Option<PidNamespace>,
    /// The process id.
    pub pid: u32,
}

impl<'a> Mercurial<'a> {
    /// Reads a target; the first colon ends the host. Errors: no colon, no pid, a namespace that is
    /// no hexadecimal number.
    pub fn parse(target: &'a [u8]) -> Result<Mercurial<'a>, ParseError> {
        let colon = ParseError::new(target.len(), Expected::Byte(b':'));
        let (holder, pid) = split_first(target, b':').ok_or(colon)?;
        let (host, pid_namespace) = match split_last(holder, b'/') {
            Some((host, namespace)) => {
                let at = host.len().saturating_add(1);
                let number = parse::hex(namespace);
                let number = number.ok_or(ParseError::new(at, Expected::Namespace))?;
                (host, Some(PidNamespace(number)))
            }
            None => (holder, None),
        };
        let pid = parse::pid(pid, holder.len().saturating_add(1))?;
        Ok(Mercurial { host, pid_namespace, pid })
    }

    /// The target. `Ambiguous`: a colon or a slash in the host's name.
    pub fn write(&self) -> Result<Target, WriteError> {
        if self.host.iter().any(|byte| matches!(byte, b':' | b'/')) {
            return Err(WriteError::Ambiguous);
        }
        let namespace = build::<17>(|out| {
            if let Some(PidNamespace(number)) = self.pid_namespace {
                out.bytes(b"/");
                out.hex(number);
            }
        })?;
        join(&[self.host, &namespace, b":", &decimal(u64::from(self.pid))])
    }

    /// What it says about the holder. The error is a host name longer than Linux has.
    ///
    /// ```
    /// use lock_core::owner::PidNamespace;
    /// use lock_core::payload::link_target::Mercurial;
    ///
    /// let claim = Mercurial::parse(b"vm/effffffc:4711").unwrap().claim().unwrap();
    /// assert_eq!(claim.owner.pid_namespace, Some(PidNamespace(0xefff_fffc)));
    /// ```
    pub fn claim(&self) -> Result<Claim, ParseError> {
        parse::claim(|owner| self.tell(owner))
    }

    /// [`claim`](Mercurial::claim), where the owner is.
    pub(crate) fn tell(&self, owner: &mut Owner) -> Result<(), ParseError> {
        owner.pid_namespace = self.pid_namespace;
        tell(owner, self.host, 0, u64::from(self.pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing_and_where() {
        for (target, at, expected) in [
            ("999999", 6, Expected::Byte(b':')),
            ("", 0, Expected::Byte(b':')),
            ("vm:", 3, Expected::Pid),
            ("vm/effffffc:abc", 12, Expected::Pid),
            ("vm:1:2", 3, Expected::Pid),
            ("vm/xyz:1", 3, Expected::Namespace),
            ("vm/:1", 3, Expected::Namespace),
        ] {
            let error = ParseError::new(at, expected);
            assert_eq!(Mercurial::parse(target.as_bytes()), Err(error), "{target}");
        }
    }

    #[test]
    fn writes_only_what_is_read_back() {
        let lock = Mercurial { host: b"h", pid_namespace: None, pid: 1 };
        assert_eq!(Mercurial::parse(&lock.write().unwrap()), Ok(lock));
        let widest = Mercurial { pid_namespace: Some(PidNamespace(u64::MAX)), ..lock };
        assert_eq!(Mercurial::parse(&widest.write().unwrap()), Ok(widest));
        assert_eq!(Mercurial { host: b"a/b", ..lock }.write(), Err(WriteError::Ambiguous));
    }
}
