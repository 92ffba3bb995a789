//! Emacs: `.#NAME` → `USER@HOST.PID:BOOT`.

use super::{Target, decimal, join, tell};
use crate::owner::Owner;
use crate::payload::parse::{self, Expected, ParseError, split_first, split_last};
use crate::payload::write::WriteError;
use crate::staleness::Claim;

/// U+F022 in UTF-8: what Linux's CIFS client makes of a colon.
const CIFS_COLON: &[u8] = b"\xef\x80\xa2";

/// The user who edits a file, and in which process.
///
/// Source: Emacs 29, `filelock.c`.
///
/// ```
/// use lock_core::payload::link_target::Emacs;
///
/// let lock = Emacs { user: b"david", host: b"a.example", pid: 2199, boot_s: Some(1_697_969_899) };
/// let target = lock.write().unwrap();
/// assert_eq!(target.as_slice(), b"david@a.example.2199:1697969899");
/// assert_eq!(Emacs::parse(&target), Ok(lock));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Emacs<'a> {
    /// The login name.
    pub user: &'a [u8],
    /// The host as Emacs calls it: `(system-name)`.
    pub host: &'a [u8],
    /// The process id.
    pub pid: u64,
    /// When the host was started, in seconds since 1970, if known: a guess of Emacs, which it
    /// compares with a second's tolerance. Not 0.
    pub boot_s: Option<u64>,
}

impl<'a> Emacs<'a> {
    /// Reads a target: the user ends at the last `@`, the host at the last dot. Errors: one of them
    /// is missing, or what should be a number is none.
    pub fn parse(target: &'a [u8]) -> Result<Emacs<'a>, ParseError> {
        let end = ParseError::new(target.len(), Expected::Byte(b'@'));
        let (user, rest) = split_last(target, b'@').ok_or(end)?;
        let (host, process) =
            split_last(rest, b'.').ok_or(ParseError { expected: Expected::Byte(b'.'), ..end })?;
        let at = target.len().saturating_sub(process.len());
        let (pid, boot) = match split_first(process, b':') {
            Some((pid, boot)) => (pid, Some(boot)),
            None => split_cifs_colon(process),
        };
        let pid = parse::decimal(pid).ok_or(ParseError::new(at, Expected::Pid))?;
        let boot_s = match boot {
            Some(boot) => {
                let at = target.len().saturating_sub(boot.len());
                parse::decimal(boot).ok_or(ParseError::new(at, Expected::BootTime))?
            }
            None => 0,
        };
        Ok(Emacs { user, host, pid, boot_s: Some(boot_s).filter(|&boot_s| boot_s != 0) })
    }

    /// The target. `Ambiguous`: an `@` in the host's name.
    pub fn write(&self) -> Result<Target, WriteError> {
        if self.host.contains(&b'@') {
            return Err(WriteError::Ambiguous);
        }
        let pid = decimal(self.pid);
        match self.boot_s {
            Some(boot_s) => join(&[self.user, b"@", self.host, b".", &pid, b":", &decimal(boot_s)]),
            None => join(&[self.user, b"@", self.host, b".", &pid]),
        }
    }

    /// What it says about the holder; the user's name as its message. The error is a host
    /// name longer than Linux has.
    ///
    /// ```
    /// use lock_core::payload::link_target::Emacs;
    ///
    /// let claim = Emacs::parse(b"ada@vm.4711:1697969899").unwrap().claim().unwrap();
    /// assert_eq!(claim.owner.to_string(), "pid 4711 on vm (\"ada\")");
    /// ```
    pub fn claim(&self) -> Result<Claim, ParseError> {
        parse::claim(|owner| self.tell(owner))
    }

    /// [`claim`](Emacs::claim), where the owner is.
    pub(crate) fn tell(&self, owner: &mut Owner) -> Result<(), ParseError> {
        owner.note_message(self.user);
        tell(owner, self.host, self.user.len().saturating_add(1), self.pid)
    }
}

fn split_cifs_colon(process: &[u8]) -> (&[u8], Option<&[u8]>) {
    let digits = process.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (pid, rest) = process.split_at_checked(digits).unwrap_or_default();
    match rest.strip_prefix(CIFS_COLON) {
        Some(boot) => (pid, Some(boot)),
        None => (process, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing_and_where() {
        for (target, at, expected) in [
            ("", 0, Expected::Byte(b'@')),
            ("h.1", 3, Expected::Byte(b'@')),
            ("u@h1", 4, Expected::Byte(b'.')),
            ("a.b@h1", 6, Expected::Byte(b'.')),
            ("u@h.", 4, Expected::Pid),
            ("u@h.:5", 4, Expected::Pid),
            ("u@h.1x", 4, Expected::Pid),
            ("u@h.1:", 6, Expected::BootTime),
            ("u@h.1:2x", 6, Expected::BootTime),
            ("u@h.1:-2", 6, Expected::BootTime),
            ("u@h.1\u{f022}", 8, Expected::BootTime),
            ("u@h.1\u{f021}2", 4, Expected::Pid),
        ] {
            let error = ParseError::new(at, expected);
            assert_eq!(Emacs::parse(target.as_bytes()), Err(error), "{target}");
        }
    }

    #[test]
    fn writes_only_what_is_read_back() {
        let lock = Emacs { user: b"u@x", host: b"h", pid: 1, boot_s: None };
        assert_eq!(Emacs::parse(&lock.write().unwrap()), Ok(lock));
        assert_eq!(Emacs { host: b"a@b", ..lock }.write(), Err(WriteError::Ambiguous));
        assert_eq!(Emacs { user: b"a\0b", ..lock }.write(), Err(WriteError::Ambiguous));
        assert_eq!(Emacs { user: &[b'u'; 1024], ..lock }.write(), Err(WriteError::TooLong));
    }
}
