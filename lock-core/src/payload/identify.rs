//! Which convention wrote a lock, told from what it is, how it is called and what is in it.
//!
//! Often several fit: `1234\n` in `x.lock` may be liblockfile's, a daemon's or git's new content.
//! All of them are named, the likeliest first, each with what it would say about the holder.
//! A table over the codecs; nothing is known here that a codec does not know.

mod packed;
mod read;
mod table;

use super::parse::{ParseError, split_first};
use crate::os::FileType;
use crate::staleness::Claim;
use packed::{Conventions, Head};
use table::Names;

/// A way to write down a lock.
///
/// ```
/// use lock_core::os::FileType;
/// use lock_core::payload::identify::{Convention, identify};
///
/// let found = identify(FileType::Symlink, b".#notes.txt", b"david@vm.2199").next().unwrap();
/// let Convention { name, rule, .. } = found.convention;
/// assert_eq!(name, "Emacs");
/// assert_eq!(rule, "free if the host is this one and was restarted, or has no such process");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// What the convention, or the program, is called.
    pub name: &'static str,
    /// When its own programs take such a lock for free, as a sentence.
    pub rule: &'static str,
    patterns: &'static str,
    head: &'static Head,
}

/// A convention that may have written a lock.
///
/// ```
/// use lock_core::os::FileType;
/// use lock_core::payload::identify::{Finding, identify};
///
/// // Whatever is in it, only Emacs calls a lock so.
/// let finding: Finding = identify(FileType::Symlink, b".#notes.txt", b"hello").next().unwrap();
/// assert_eq!(finding.convention.name, "Emacs");
/// assert_eq!(finding.claim.unwrap_err().to_string(), "expected '@' at byte 5");
/// ```
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which.
    pub convention: Convention,
    /// What the lock then says about its holder; an error if only its name is the convention's.
    pub claim: Result<Claim, ParseError>,
}

/// How good a guess is; the best first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Likelihood {
    /// Name and content are this convention's, the name nobody else's.
    OwnName,
    /// Nobody else writes such content.
    OwnContent,
    /// Name and content are this convention's, and perhaps another's.
    SharedName,
    /// The name is nobody else's, but the content is wrong.
    OnlyName,
    /// Any name and this content are possible.
    Possible,
}

/// The conventions that may have written a lock, the likeliest first.
///
/// `name` is the last part of its path. `content` is what is in the file, where the link points,
/// or, for a directory, where the link `owner` inside it points, if there is one.
///
/// ```
/// use lock_core::os::FileType;
/// use lock_core::payload::identify::identify;
///
/// let mut found = identify(FileType::Symlink, b".#notes.txt", b"david@vm.2199:1697969899");
/// let finding = found.next().unwrap();
/// assert_eq!(finding.convention.name, "Emacs");
/// assert_eq!(finding.claim.unwrap().owner.to_string(), "pid 2199 on vm (\"david\")");
/// ```
pub fn identify<'a>(
    carrier: FileType,
    name: &'a [u8],
    content: &'a [u8],
) -> impl Iterator<Item = Finding> + use<'a> {
    Findings { carrier, name, content, wanted: Likelihood::OwnName, rest: Conventions::all() }
}

/// The conventions on their way, those of one likelihood after those of the other.
struct Findings<'a> {
    carrier: FileType,
    name: &'a [u8],
    content: &'a [u8],
    wanted: Likelihood,
    /// Those not tried yet for this likelihood.
    rest: Conventions,
}

impl Iterator for Findings<'_> {
    type Item = Finding;

    #[inline(never)]
    fn next(&mut self) -> Option<Finding> {
        loop {
            let Some(convention) = self.rest.next() else {
                self.wanted = self.wanted.less()?;
                self.rest = Conventions::all();
                continue;
            };
            if convention.head.carriers.contains(&self.carrier) {
                let mut claim = Claim::default();
                let read = convention.head.format.read(self.content, &mut claim);
                let likelihood = convention.likelihood(self.name, self.content, read.is_ok());
                if likelihood == Some(self.wanted) {
                    return Some(Finding { convention, claim: read.map(|()| claim) });
                }
            }
        }
    }
}

impl Likelihood {
    /// The next best.
    fn less(self) -> Option<Likelihood> {
        match self {
            Likelihood::OwnName => Some(Likelihood::OwnContent),
            Likelihood::OwnContent => Some(Likelihood::SharedName),
            Likelihood::SharedName => Some(Likelihood::OnlyName),
            Likelihood::OnlyName => Some(Likelihood::Possible),
            Likelihood::Possible => None,
        }
    }
}

impl Convention {
    fn likelihood(&self, name: &[u8], content: &[u8], readable: bool) -> Option<Likelihood> {
        let fits = self.fits(name);
        Some(match self.head.names {
            Names::Own if fits && readable => Likelihood::OwnName,
            Names::Own if fits => Likelihood::OnlyName,
            _ if !readable => return None,
            _ if self.head.telling.applies(content) => Likelihood::OwnContent,
            Names::Shared if fits => Likelihood::SharedName,
            Names::Own | Names::Shared => return None,
            Names::Any => Likelihood::Possible,
        })
    }

    /// Whether a name fits one of the patterns.
    #[inline(never)]
    fn fits(&self, name: &[u8]) -> bool {
        let mut patterns = self.patterns.as_bytes().split(|&byte| byte == b' ');
        patterns.any(|pattern| match split_first(pattern, b'*') {
            Some((start, end)) => name.strip_prefix(start).is_some_and(|it| it.ends_with(end)),
            None => name == pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn names(carrier: FileType, name: &str, content: &[u8]) -> Vec<&'static str> {
        identify(carrier, name.as_bytes(), content).map(|finding| finding.convention.name).collect()
    }

    #[test]
    fn the_likeliest_comes_first() {
        use FileType::{Directory, Regular, Symlink};
        let ours = b"lk1:paWlpaWlpaWlpaWlpaWlpf__________8AAAAfAAAAL_______6___8";
        let info = b"((host vm)(pid 1)(message m))";
        for (carrier, name, content, first) in [
            (Symlink, "x", &ours[..], "lockbox, symlink"),
            (Directory, "x", ours, "lockbox, mkdir"),
            (Directory, "x", b"", "mkdir"),
            (Directory, "x.lock", b"", "npm proper-lockfile"),
            (Regular, "x.nfs_lock", info, "Lock_file_blocking.Nfs"),
            (Regular, "x", info, "Lock_file_blocking.Nfs"),
            (Regular, "x.nfs_lock", b"", "Lock_file_blocking.Nfs"),
            (Regular, "x", b"18229\n", "Lock_file_blocking"),
            (Regular, "x", b"backup of /home\n", "Lock_file_blocking"),
            (Regular, "x", b"", "flock or lockf"),
            (Symlink, ".#x", b"u@h.1", "Emacs"),
            (Regular, ".#x", b"u@h.1", "Emacs"),
            (Regular, ".#x.lck", b"", "systemd"),
            (Symlink, "wlock", b"vm/effffffc:5", "Mercurial"),
            (Symlink, "wlock", b"vm:5", "Mercurial"),
            (Symlink, "lock", b"127.0.1.1:+5", "Firefox"),
            (Symlink, "SingletonLock", b"vm-5", "Chromium"),
            (Symlink, "x", b"999999", "a pid"),
            (Symlink, "x", b"anything", "Lock_file_blocking.Symlink"),
            (Regular, "x.pidfile", b"1234 vm", "Pidfile.jl"),
            (Regular, "x.pid", b"1234 vm", "Pidfile.jl"),
            (Regular, "x.pid", b"1234", "BSD pidfile(3)"),
            (Regular, "x.pid", b"1234\n", "a daemon's pid file"),
            (Regular, ".X0-lock", b"      1234\n", "X11"),
            (Regular, ".X0-lock", b"1234\n", "X11"),
            (Regular, "LCK..ttyS0", b"      1234\n", "UUCP"),
            (Regular, "LCK..ttyS0", b"\xce\x04\0\0", "UUCP"),
            (Regular, "postmaster.pid", b"1234\n/var/lib/pg\n", "PostgreSQL"),
            (Regular, ".s.PGSQL.5432.lock", b"1234\n/var/lib/pg\n", "PostgreSQL"),
            (Regular, "x.lock", b"1234\nvm\n", "Python filelock, soft"),
            (Regular, "x.lock", b"1234\nvm\n1\n2\n", "git"),
            (Regular, "x", b"/tmp/x|vm|1234|99", "Python flufl.lock"),
            (Regular, "x.lock", b"0\n", "liblockfile"),
            (Regular, "x.lock", b"1234\n", "liblockfile"),
            (Regular, "x.lock", b"0", "procmail"),
            (Regular, "index~pid.lock", b"pid 1234\n", "git, core.lockfilePid"),
            (Regular, "index.lock", b"DIRC\0\0\0\x02", "git"),
        ] {
            let names = names(carrier, name, content);
            assert_eq!(names.first(), Some(&first), "{name} {} {names:?}", content.escape_ascii());
        }
    }

    #[test]
    fn a_right_name_with_wrong_content_says_where_it_is_wrong() {
        let mut found = identify(FileType::Regular, b".X0-lock", b"1234\n");
        assert_eq!(found.next().unwrap().claim.unwrap_err().at, 5);
        // The second guess is what the content alone looks like.
        assert!(found.next().unwrap().claim.is_ok());
    }

    #[test]
    fn whatever_can_carry_a_lock_may_be_one() {
        use FileType::{Directory, Regular, Special, Symlink};
        let long = [b'x'; 9000];
        for (carrier, content, found) in [
            (Regular, &b""[..], true),
            (Regular, b"\n", true),
            (Regular, b"\0\xff", true),
            (Regular, &long, false),
            (Symlink, b"", false),
            (Symlink, b"\xff", true),
            (Symlink, &long, false),
            (Directory, b"", true),
            (Directory, b"not an owner", false),
            (Special, b"", false),
        ] {
            assert_eq!(!names(carrier, "x", content).is_empty(), found, "{carrier:?} {content:?}");
        }
    }
}
