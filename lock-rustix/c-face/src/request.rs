//! What a C program asks for, read and checked before anything is done.

use core::ffi::CStr;

use lock_core::fault::Fault;
use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_core::scheme::breaking::Rule;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::existence::{Contender, LIVE_FACTOR};
use lock_rustix::rustix::fd::BorrowedFd;
use lock_rustix::sys::LOCK_FILE_MODE;

use crate::report::Report;
use crate::types::{
    LOCKBOX_CANCELLABLE, LOCKBOX_FOLLOW_SYMLINKS, LOCKBOX_FORCE, LOCKBOX_FOREVER, LOCKBOX_SHARED,
    lockbox_request,
};

/// A request that makes sense.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The lock's name.
    pub path: &'a CStr,
    /// Its kind.
    pub kind: Kind,
    /// How to hold it.
    pub mode: Mode,
    /// Whether a symbolic link at the path is followed.
    pub follow: bool,
    /// Whether a lock may be removed though its holder may live.
    pub force: bool,
    /// The holder's words.
    pub message: Option<&'a CStr>,
    /// Permissions of new files, less the umask.
    pub file_mode: u32,
    /// Ends a wait when it can be read.
    pub cancel: Option<BorrowedFd<'a>>,
    timeout_ns: u64,
    stale_age_ms: u64,
    lease_ms: u64,
}

/// The kind that a number of `enum lockbox_kind` means.
pub fn kind(number: u32) -> Option<Kind> {
    Some(match number {
        0 => Kind::File,
        1 => Kind::Flock,
        2 => Kind::Lockf,
        3 => Kind::Ofd,
        4 => Kind::Nfs,
        5 => Kind::Symlink,
        6 => Kind::Mkdir,
        7 => Kind::Pidfile,
        _ => return None,
    })
}

impl<'a> Request<'a> {
    /// Reads what C said; the pointers and the descriptor in it have become what they point to.
    pub fn read(
        asked: &lockbox_request,
        path: Option<&'a CStr>,
        message: Option<&'a CStr>,
        cancel: Option<BorrowedFd<'a>>,
    ) -> Result<Request<'a>, Report> {
        const KNOWN: u32 =
            LOCKBOX_SHARED | LOCKBOX_FOLLOW_SYMLINKS | LOCKBOX_CANCELLABLE | LOCKBOX_FORCE;
        let flag = |flag| asked.flags & flag != 0;
        let path = path.ok_or(Report::wrong("the path is null"))?;
        let kind = kind(asked.kind).ok_or(Report::wrong("there is no kind of this number"))?;
        let aged = asked.stale_age_ms != 0 || asked.lease_ms != 0;
        let wrong = if asked.flags & !KNOWN != 0 {
            "there is no such flag"
        } else if flag(LOCKBOX_SHARED) && !kind.can_be_shared() {
            "a lock of this kind cannot be shared"
        } else if flag(LOCKBOX_FOLLOW_SYMLINKS) && kind.is_existence() {
            "a lock of this kind never follows a symbolic link"
        } else if message.is_some() && !matches!(kind, Kind::File | Kind::Nfs) {
            "a lock of this kind has no message"
        } else if aged && kind != Kind::Pidfile {
            "a lock of this kind is not judged by age"
        } else if asked.stale_age_ms != 0 && asked.lease_ms != 0 {
            "a pid file is judged by its lease or by its age, not by both"
        } else if flag(LOCKBOX_CANCELLABLE) && cancel.is_none() {
            "the descriptor that cancels the wait is negative"
        } else {
            return Ok(Request {
                path,
                kind,
                mode: if flag(LOCKBOX_SHARED) { Mode::Shared } else { Mode::Exclusive },
                follow: flag(LOCKBOX_FOLLOW_SYMLINKS),
                force: flag(LOCKBOX_FORCE),
                message,
                file_mode: if asked.mode == 0 { LOCK_FILE_MODE } else { asked.mode & 0o7777 },
                cancel,
                timeout_ns: asked.timeout_ns,
                stale_age_ms: asked.stale_age_ms,
                lease_ms: asked.lease_ms,
            });
        };
        Err(Report::wrong(wrong))
    }

    /// When to give up, by the monotonic clock; the largest number for never. `None`: do not wait.
    pub fn deadline_ns(&self) -> Option<u64> {
        match self.timeout_ns {
            0 => None,
            LOCKBOX_FOREVER => Some(u64::MAX),
            timeout_ns => Some(monotonic_ns().saturating_add(timeout_ns)),
        }
    }

    /// This process as one who asks for the lock.
    pub fn contender(&self) -> Result<Contender, Fault> {
        let contender = Contender::new(self.kind, self.path)?.with_mode(self.file_mode);
        Ok(match self.kind {
            Kind::Pidfile if self.lease_ms != 0 => {
                contender.with_rule(Rule::Lease { ttl_ms: self.lease_ms })
            }
            Kind::Pidfile => contender.with_rule(Rule::Pidfile {
                stale_age_ms: self.stale_age_ms,
                live_factor: LIVE_FACTOR,
            }),
            _ => contender,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[allow(clippy::enum_glob_use, reason = "names of C, with a prefix of their own")]
    use crate::types::lockbox_kind::{self, *};
    use core::ptr;

    fn asked(kind: lockbox_kind) -> lockbox_request {
        lockbox_request {
            path: ptr::null(),
            kind: kind as u32,
            flags: 0,
            timeout_ns: 0,
            message: ptr::null(),
            mode: 0,
            cancel_fd: 0,
            stale_age_ms: 0,
            lease_ms: 0,
        }
    }

    #[test]
    fn every_kind_has_its_number() {
        for (number, expected) in [
            (LOCKBOX_KIND_FILE, Kind::File),
            (LOCKBOX_KIND_FLOCK, Kind::Flock),
            (LOCKBOX_KIND_LOCKF, Kind::Lockf),
            (LOCKBOX_KIND_OFD, Kind::Ofd),
            (LOCKBOX_KIND_NFS, Kind::Nfs),
            (LOCKBOX_KIND_SYMLINK, Kind::Symlink),
            (LOCKBOX_KIND_MKDIR, Kind::Mkdir),
            (LOCKBOX_KIND_PIDFILE, Kind::Pidfile),
        ] {
            assert_eq!(kind(number as u32), Some(expected));
        }
    }

    #[test]
    fn zeros_are_one_try_at_an_exclusive_file_lock() {
        let request = Request::read(&asked(LOCKBOX_KIND_FILE), Some(c"lock"), None, None).unwrap();
        assert_eq!((request.kind, request.mode), (Kind::File, Mode::Exclusive));
        assert_eq!((request.deadline_ns(), request.file_mode), (None, 0o664));
    }

    #[test]
    fn what_does_not_suit_is_refused() {
        let wrong = |asked: lockbox_request, path, message| {
            let report = Request::read(&asked, path, message, None).unwrap_err();
            assert_eq!(report.code(), crate::types::lockbox_code::LOCKBOX_WRONG_ARGUMENT);
        };
        let path = Some(c"lock");
        wrong(asked(LOCKBOX_KIND_FILE), None, None);
        wrong(asked(LOCKBOX_KIND_FLOCK), path, Some(c"words"));
        wrong(lockbox_request { kind: 8, ..asked(LOCKBOX_KIND_FILE) }, path, None);
        wrong(lockbox_request { lease_ms: 1, ..asked(LOCKBOX_KIND_NFS) }, path, None);
        wrong(
            lockbox_request { lease_ms: 1, stale_age_ms: 1, ..asked(LOCKBOX_KIND_PIDFILE) },
            path,
            None,
        );
        for (kind, flags) in [
            (LOCKBOX_KIND_FILE, LOCKBOX_SHARED),
            (LOCKBOX_KIND_MKDIR, LOCKBOX_FOLLOW_SYMLINKS),
            (LOCKBOX_KIND_FLOCK, LOCKBOX_CANCELLABLE),
            (LOCKBOX_KIND_FLOCK, 1 << 31),
        ] {
            wrong(lockbox_request { flags, ..asked(kind) }, path, None);
        }
    }
}
