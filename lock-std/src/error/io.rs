//! What a program that knows only `io::Error` gets.

use std::io;

use lock_core::fault::{Fault, FaultKind};

use super::LockError;

impl LockError {
    /// The kind of [`io::Error`] that this becomes.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    ///
    /// # let path = format!("/tmp/lock-std-doc-io-kind-{}", std::process::id());
    /// let lock = lock_std::Lock::at(&path);
    /// let _guard = lock.try_lock()?;
    /// assert_eq!(lock.try_lock().unwrap_err().io_kind(), ErrorKind::WouldBlock);
    /// let error = lock.lock_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.io_kind(), ErrorKind::TimedOut);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), lock_std::LockError>(())
    /// ```
    pub fn io_kind(&self) -> io::ErrorKind {
        match self {
            LockError::Held { .. } | LockError::HeldByThisProcess { .. } => {
                io::ErrorKind::WouldBlock
            }
            LockError::TimedOut { .. } => io::ErrorKind::TimedOut,
            LockError::Interrupted { .. } => io::ErrorKind::Interrupted,
            LockError::Lost { .. } | LockError::HeldByParent { .. } => io::ErrorKind::Other,
            LockError::Invalid { .. } => io::ErrorKind::InvalidInput,
            LockError::Fault { fault, .. } | LockError::StaleButNotPermitted { fault, .. } => {
                fault_io_kind(*fault)
            }
        }
    }
}

impl From<LockError> for io::Error {
    /// ```
    /// use std::io;
    /// use lock_std::{Lock, LockError};
    ///
    /// fn start() -> io::Result<()> {
    ///     let _guard = Lock::at("/no such directory/lock").try_lock()?;
    ///     Ok(())
    /// }
    ///
    /// let error = start().unwrap_err();
    /// assert_eq!(error.kind(), io::ErrorKind::NotFound);
    /// let cause = error.get_ref().unwrap().downcast_ref::<LockError>().unwrap();
    /// assert_eq!(cause.raw_os_error(), Some(2));
    /// ```
    fn from(error: LockError) -> io::Error {
        io::Error::new(error.io_kind(), error)
    }
}

fn fault_io_kind(fault: Fault) -> io::ErrorKind {
    match fault.kind {
        FaultKind::CrossDevice => io::ErrorKind::CrossesDevices,
        FaultKind::Deadlock => io::ErrorKind::Deadlock,
        FaultKind::Denied => io::ErrorKind::PermissionDenied,
        FaultKind::Exists => io::ErrorKind::AlreadyExists,
        FaultKind::Interrupted => io::ErrorKind::Interrupted,
        FaultKind::IsDirectory => io::ErrorKind::IsADirectory,
        FaultKind::Missing => io::ErrorKind::NotFound,
        FaultKind::NameTooLong
        | FaultKind::Linked
        | FaultKind::NotRegular
        | FaultKind::Symlink
        | FaultKind::TooLong => io::ErrorKind::InvalidInput,
        FaultKind::NoSpace => io::ErrorKind::StorageFull,
        FaultKind::NotDirectory => io::ErrorKind::NotADirectory,
        FaultKind::NotEmpty => io::ErrorKind::DirectoryNotEmpty,
        FaultKind::Quota => io::ErrorKind::QuotaExceeded,
        FaultKind::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
        FaultKind::StaleHandle => io::ErrorKind::StaleNetworkFileHandle,
        FaultKind::TooManyLinks => io::ErrorKind::TooManyLinks,
        FaultKind::Unsupported => io::ErrorKind::Unsupported,
        FaultKind::WouldBlock => io::ErrorKind::WouldBlock,
        _ if fault.errno != 0 => io::Error::from_raw_os_error(i32::from(fault.errno)).kind(),
        _ => io::ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::error::Error;
    use core::time::Duration;
    use lock_core::fault::Call;
    use lock_core::kind::Kind;
    use lock_core::os::Node;
    use lock_core::owner::Owner;
    use std::path::{Path, PathBuf};

    fn fault(kind: FaultKind, errno: u16) -> LockError {
        let fault = Fault { call: Call::Open, node: Node::Lock, kind, errno };
        LockError::Fault { path: "/run/lock/a".into(), kind: Kind::File, fault }
    }

    fn held(owner: Owner) -> LockError {
        let (path, kind) = ("/run/lock/a".into(), Kind::File);
        LockError::Held { path, kind, owner: Box::new(owner), doubt: None }
    }

    #[test]
    fn becomes_an_io_error_of_the_same_kind_as_the_systems_own() {
        use rustix::io::Errno;

        for (errno, kind) in [
            (Errno::INTR, FaultKind::Interrupted),
            (Errno::NOENT, FaultKind::Missing),
            (Errno::ACCESS, FaultKind::Denied),
            (Errno::NOSPC, FaultKind::NoSpace),
            (Errno::DQUOT, FaultKind::Quota),
            (Errno::ROFS, FaultKind::ReadOnly),
            (Errno::DEADLK, FaultKind::Deadlock),
            (Errno::STALE, FaultKind::StaleHandle),
            (Errno::NOTDIR, FaultKind::NotDirectory),
            (Errno::ISDIR, FaultKind::IsDirectory),
            (Errno::NOTEMPTY, FaultKind::NotEmpty),
            (Errno::EXIST, FaultKind::Exists),
            (Errno::XDEV, FaultKind::CrossDevice),
            (Errno::MLINK, FaultKind::TooManyLinks),
            (Errno::OPNOTSUPP, FaultKind::Unsupported),
            (Errno::AGAIN, FaultKind::WouldBlock),
            (Errno::NOMEM, FaultKind::Other),
            (Errno::NOLCK, FaultKind::NoLocks),
            (Errno::BADF, FaultKind::BadDescriptor),
            (Errno::MFILE, FaultKind::TooManyFiles),
            (Errno::IO, FaultKind::Io),
        ] {
            let error = fault(kind, u16::try_from(errno.raw_os_error()).unwrap());
            assert_eq!(error.io_kind(), io::Error::from(errno).kind(), "{errno:?}");
            assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
            assert!(error.source().unwrap().to_string().contains("errno"), "{errno:?}");
        }
        assert_eq!(fault(FaultKind::TableFull, 0).io_kind(), io::ErrorKind::Other);
        assert_eq!(fault(FaultKind::TooLong, 0).raw_os_error(), None);
    }

    #[test]
    fn an_io_error_gives_the_owner_back() {
        let error = io::Error::from(held(Owner::from_pid(7)));
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let inner = error.into_inner().unwrap().downcast::<LockError>().unwrap();
        assert_eq!(inner.owner(), Some(&Owner::from_pid(7)));
        assert!(inner.is_held());
        assert_eq!((inner.path(), inner.kind()), (Path::new("/run/lock/a"), Kind::File));
    }

    #[test]
    fn says_what_kind_of_io_error_each_is() {
        let (path, kind) = (PathBuf::from("a"), Kind::Ofd);
        let owner = Box::new(Owner::default());
        let waited = Duration::ZERO;
        for (error, io_kind, held) in [
            (
                LockError::TimedOut { path: path.clone(), kind, owner, waited },
                io::ErrorKind::TimedOut,
                true,
            ),
            (
                LockError::HeldByThisProcess { path: path.clone(), kind },
                io::ErrorKind::WouldBlock,
                true,
            ),
            (
                LockError::Interrupted { path: path.clone(), kind },
                io::ErrorKind::Interrupted,
                false,
            ),
            (
                LockError::Lost { path: path.clone(), kind, cause: None },
                io::ErrorKind::Other,
                false,
            ),
            (LockError::HeldByParent { path: path.clone(), kind }, io::ErrorKind::Other, false),
            (LockError::Invalid { path, kind, why: "no" }, io::ErrorKind::InvalidInput, false),
        ] {
            assert_eq!((error.io_kind(), error.is_held()), (io_kind, held), "{error}");
            assert!(error.source().is_none());
        }
    }
}
