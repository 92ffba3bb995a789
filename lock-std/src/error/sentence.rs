//! What a person reads: which lock, who holds it, and what to do next.

use core::fmt;
use std::io;

use lock_core::fault::{Fault, FaultKind};
use lock_core::owner::Owner;

use super::LockError;

impl fmt::Display for LockError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            LockError::Held { owner, doubt: Some(doubt), .. } => write!(
                out,
                "{path} is locked by {owner}, and whether he lives cannot be told, because {}; \
                 find out, and remove the lock by force if he does not",
                doubt.reason()
            ),
            LockError::Held { owner, .. } => {
                write!(out, "{path} is locked by {owner}; {}", what_to_do(owner))
            }
            LockError::StaleButNotPermitted { why, fault, .. } => write!(
                out,
                "the lock {path} is stale, because {}, but it cannot be removed: {}; ask the owner \
                 of the file or of its directory",
                why.reason(),
                Reason(*fault)
            ),
            LockError::HeldByThisProcess { .. } => write!(
                out,
                "{path} is locked by this process already; release its other guard first"
            ),
            LockError::TimedOut { owner, waited, .. } => write!(
                out,
                "{path} is still locked by {owner} after {:.1} s; {}",
                waited.as_secs_f64(),
                what_to_do(owner)
            ),
            LockError::Interrupted { .. } => {
                write!(out, "the wait for the lock {path} was interrupted; it was not taken")
            }
            LockError::Lost { .. } => write!(
                out,
                "the lock {path} was lost; check what it protects, and find out who removes its \
                 file"
            ),
            LockError::HeldByParent { .. } => write!(
                out,
                "the lock {path} was taken before this process was forked; release it there"
            ),
            LockError::Invalid { why, .. } => write!(out, "cannot use the lock {path}: {why}"),
            LockError::Fault { fault, .. } => {
                write!(out, "cannot use the lock {path}: {}", Reason(*fault))?;
                advice(fault.kind).map_or(Ok(()), |advice| write!(out, "; {advice}"))
            }
        }
    }
}

/// A fault's reason in words, or the system's own where ours says nothing.
struct Reason(Fault);

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault { kind: FaultKind::Other, errno, .. } if errno != 0 => {
                io::Error::from_raw_os_error(i32::from(errno)).fmt(out)
            }
            Fault { kind, .. } => out.write_str(kind.reason()),
        }
    }
}

fn what_to_do(owner: &Owner) -> &'static str {
    match owner.pid {
        Some(_) => "wait for it, or stop it",
        None => "wait, or find out with `fuser` or `lslocks` who has it open",
    }
}

/// What a person can do about it.
fn advice(kind: FaultKind) -> Option<&'static str> {
    Some(match kind {
        FaultKind::Denied => "check the permissions of the file and its directory",
        FaultKind::Missing => "create its directory first",
        FaultKind::NotDirectory => "correct the path",
        FaultKind::IsDirectory => "name a file in it, or lock it with kind flock",
        FaultKind::Linked => "lock a file of its own",
        FaultKind::NotRegular => "name a regular file",
        FaultKind::Symlink => "name its target, or allow symbolic links to be followed",
        FaultKind::ReadOnly => "use a path that can be written, in /run/lock for example",
        FaultKind::NoSpace | FaultKind::Quota => "make room on its file system",
        FaultKind::NoLocks => "the kernel or the file server has no room for locks",
        FaultKind::Unsupported => "its file system may not have locks of this kind; try another",
        FaultKind::BadDescriptor => "its file system asks for write access to the file",
        FaultKind::Deadlock => "processes seem to wait for each other; take locks in one order",
        FaultKind::TooManyFiles => "close some, or raise the limit",
        FaultKind::TableFull => "release some of them first",
        FaultKind::TooLong => "shorten the message",
        FaultKind::Replaced => "find out who removes the file all the time",
        FaultKind::Io | FaultKind::StaleHandle => "check the disk or the file server",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use lock_core::fault::Call;
    use lock_core::kind::Kind;
    use lock_core::os::Node;
    use lock_core::owner::Text;

    fn fault(kind: FaultKind, errno: u16) -> LockError {
        let fault = Fault { call: Call::Open, node: Node::Lock, kind, errno };
        LockError::Fault { path: "/run/lock/a".into(), kind: Kind::File, fault }
    }

    fn held(owner: Owner) -> LockError {
        let (path, kind) = ("/run/lock/a".into(), Kind::File);
        LockError::Held { path, kind, owner: Box::new(owner), doubt: None }
    }

    #[test]
    fn is_one_sentence_with_path_holder_and_next_step() {
        let mut owner = Owner::from_pid(4711);
        owner.message = Some(Text::try_from(&b"nightly\x1b"[..]).unwrap());
        let timed_out = LockError::TimedOut {
            path: "/run/lock/a".into(),
            kind: Kind::File,
            owner: Box::new(owner.clone()),
            waited: Duration::from_millis(1500),
        };
        for (error, sentence) in [
            (
                held(owner),
                "/run/lock/a is locked by pid 4711 (\"nightly\\x1b\"); wait for it, or stop it",
            ),
            (
                held(Owner::default()),
                "/run/lock/a is locked by an unknown process; wait, or find out with `fuser` or \
                 `lslocks` who has it open",
            ),
            (
                timed_out,
                "/run/lock/a is still locked by pid 4711 (\"nightly\\x1b\") after 1.5 s; wait for \
                 it, or stop it",
            ),
            (
                fault(FaultKind::Denied, 13),
                "cannot use the lock /run/lock/a: permission denied; check the permissions of the \
                 file and its directory",
            ),
            (
                fault(FaultKind::Other, 12),
                "cannot use the lock /run/lock/a: Cannot allocate memory (os error 12)",
            ),
        ] {
            assert_eq!(error.to_string(), sentence);
        }
    }
}
