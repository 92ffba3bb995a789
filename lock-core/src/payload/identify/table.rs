//! The conventions, one row each.

use super::Convention;
use super::read::{
    always, link_identity, local_message, names_pid_and_host, never, nothing_in_it, pid_column,
    pid_text, said,
};
use crate::os::FileType::{Directory, Regular, Symlink};
use crate::payload::link_target::{Chromium, Emacs, Firefox, Mercurial};
use crate::payload::nfs_info::NfsInfo;
use crate::payload::parse::{Expected, ParseError, split_first};
use crate::payload::pid_text::{ANONYMOUS, Dialect};
use crate::payload::pidfile::Pidfile;
use crate::payload::python;
use crate::staleness::Claim;

/// What a convention calls its locks.
#[derive(Debug)]
pub(super) enum Name {
    /// Anything.
    Any,
    /// One of these, as nobody else does: patterns with a star at most, between spaces.
    Own(&'static str),
    /// One of these, as others do too.
    Shared(&'static str),
}

/// Where several fit equally, the first is named first.
pub(super) static CONVENTIONS: [Convention; 27] = [
    Convention {
        name: "lockbox, symlink",
        rule: "free if its process is provably gone: by boot, namespaces, pid and start time",
        carriers: &[Symlink],
        file_name: Name::Any,
        is_telling: always,
        read: link_identity,
    },
    Convention {
        name: "lockbox, mkdir",
        rule: "free if the directory can be flocked, or its process is provably gone",
        carriers: &[Directory],
        file_name: Name::Any,
        is_telling: always,
        read: link_identity,
    },
    Convention {
        name: "Lock_file_blocking.Nfs",
        rule: "free if the host is this one and no process has the pid and start time",
        carriers: &[Regular],
        file_name: Name::Own("*.nfs_lock"),
        is_telling: always,
        read: |file| NfsInfo::parse(file).map(|info| info.claim()),
    },
    Convention {
        name: "systemd",
        rule: "held while somebody has a record lock on it",
        carriers: &[Regular],
        file_name: Name::Own(".#*.lck"),
        is_telling: never,
        read: nothing_in_it,
    },
    Convention {
        name: "Emacs",
        rule: "free if the host is this one and was restarted, or has no such process",
        carriers: &[Symlink, Regular],
        file_name: Name::Own(".#*"),
        is_telling: always,
        read: |text| Emacs::parse(text)?.claim(),
    },
    Convention {
        name: "Firefox",
        rule: "free if .parentlock can be locked, or the address is local and the process gone",
        carriers: &[Symlink],
        file_name: Name::Shared("lock"),
        is_telling: always,
        read: |target| Firefox::parse(target).map(|lock| lock.claim()),
    },
    Convention {
        name: "Mercurial",
        rule: "free if host and pid namespace are this process's and no process has the pid",
        carriers: &[Symlink, Regular],
        file_name: Name::Shared("lock wlock *.break"),
        is_telling: |text| text.contains(&b'/'),
        read: |text| Mercurial::parse(text)?.claim(),
    },
    Convention {
        name: "Chromium",
        rule: "free if the host is this one and the pid is not a browser's",
        carriers: &[Symlink],
        file_name: Name::Own("SingletonLock"),
        is_telling: never,
        read: |target| Chromium::parse(target)?.claim(),
    },
    Convention {
        name: "PostgreSQL",
        rule: "free if no process has the pid and nobody uses the shared memory of line 7",
        carriers: &[Regular],
        file_name: Name::Own("postmaster.pid .s.PGSQL.*.lock"),
        is_telling: never,
        read: |file| pid_text(file, |_| true),
    },
    Convention {
        name: "X11",
        rule: "free if no process has the pid, or the file is not of eleven bytes",
        carriers: &[Regular],
        file_name: Name::Own(".X*-lock"),
        is_telling: never,
        read: pid_column,
    },
    Convention {
        name: "UUCP",
        rule: "free if no process has the pid",
        carriers: &[Regular],
        file_name: Name::Own("LCK.*"),
        is_telling: never,
        read: |file| pid_text(file, |_| true),
    },
    Convention {
        name: "git, core.lockfilePid",
        rule: "names the holder of the lock beside it; git never breaks that",
        carriers: &[Regular],
        file_name: Name::Own("*~pid.lock"),
        is_telling: always,
        read: |file| pid_text(file, |dialect| dialect == Dialect::Tagged),
    },
    Convention {
        name: "Pidfile.jl",
        rule: "free if older than the taker's stale_age and its process gone, or 25 times as old",
        carriers: &[Regular],
        file_name: Name::Own("*.pidfile"),
        is_telling: names_pid_and_host,
        read: |file| Pidfile::parse(file).claim(),
    },
    Convention {
        name: "BSD pidfile(3)",
        rule: "held while somebody has it flocked",
        carriers: &[Regular],
        file_name: Name::Shared("*.pid"),
        is_telling: never,
        read: |file| pid_text(file, |dialect| dialect == Dialect::Bare),
    },
    Convention {
        name: "a daemon's pid file",
        rule: "free if no process has the pid, unless it is also locked",
        carriers: &[Regular],
        file_name: Name::Shared("*.pid"),
        is_telling: never,
        read: |file| pid_text(file, |dialect| dialect == Dialect::Line),
    },
    Convention {
        name: "Python filelock, soft",
        rule: "free if the host is this one and no process has the pid",
        carriers: &[Regular],
        file_name: Name::Shared("*.lock"),
        is_telling: never,
        read: python::filelock,
    },
    Convention {
        name: "Python flufl.lock",
        rule: "free ten seconds after the time of its last change, which lies in the future",
        carriers: &[Regular],
        file_name: Name::Any,
        is_telling: always,
        read: python::flufl,
    },
    Convention {
        name: "liblockfile",
        rule: "free if its process is gone or, where none is named, after five minutes",
        carriers: &[Regular],
        file_name: Name::Shared("*.lock"),
        is_telling: never,
        read: |file| pid_text(file, |dialect| matches!(dialect, Dialect::Line | Dialect::Nul)),
    },
    Convention {
        name: "procmail",
        rule: "held until its age exceeds what lockfile -l says",
        carriers: &[Regular],
        file_name: Name::Shared("*.lock"),
        is_telling: never,
        read: |file| match file {
            ANONYMOUS => Ok(Claim::default()),
            _ => Err(ParseError::new(0, Expected::Byte(b'0'))),
        },
    },
    Convention {
        name: "git",
        rule: "held until it is removed; its content is the new file",
        carriers: &[Regular],
        file_name: Name::Shared("*.lock"),
        is_telling: never,
        read: |_| Ok(Claim::default()),
    },
    Convention {
        name: "npm proper-lockfile",
        rule: "free if it was not touched for ten seconds",
        carriers: &[Directory],
        file_name: Name::Shared("*.lock"),
        is_telling: never,
        read: nothing_in_it,
    },
    Convention {
        name: "SQLite, unix-dotfile",
        rule: "held until it is removed",
        carriers: &[Directory],
        file_name: Name::Shared("*.lock"),
        is_telling: never,
        read: nothing_in_it,
    },
    Convention {
        name: "mkdir",
        rule: "held until it is removed",
        carriers: &[Directory],
        file_name: Name::Any,
        is_telling: never,
        read: nothing_in_it,
    },
    Convention {
        name: "a pid",
        rule: "free if no process has the pid",
        carriers: &[Symlink],
        file_name: Name::Any,
        is_telling: never,
        read: |target| pid_text(target, |dialect| dialect == Dialect::Bare),
    },
    Convention {
        name: "Lock_file_blocking.Symlink",
        rule: "held until it is removed",
        carriers: &[Symlink],
        file_name: Name::Any,
        is_telling: never,
        read: said,
    },
    Convention {
        name: "flock or lockf",
        rule: "held while somebody has it locked",
        carriers: &[Regular],
        file_name: Name::Any,
        is_telling: never,
        read: nothing_in_it,
    },
    Convention {
        name: "Lock_file_blocking",
        rule: "held while somebody has it flocked or record-locked",
        carriers: &[Regular],
        file_name: Name::Any,
        is_telling: never,
        read: local_message,
    },
];

/// Whether a name fits one of the patterns.
pub(super) fn fits_any(patterns: &str, name: &[u8]) -> bool {
    patterns.as_bytes().split(|&byte| byte == b' ').any(|pattern| fits(pattern, name))
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match split_first(pattern, b'*') {
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
        None => name == pattern,
    }
}
