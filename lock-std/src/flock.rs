//! `flock(2)` on a descriptor of the caller's own: the OCaml library `flock`.
//!
//! The lock belongs to the open file, whatever it was opened for: duplicates and forked children
//! share it, programs started with the descriptor keep it, and a second `open` of the same file
//! conflicts with it, in the same process too. It ends with the last descriptor, or by
//! [`Operation::Unlock`] through any of them. NFS makes it a record lock, which wants a file open
//! for writing to lock it exclusively and one open for reading to share it.

use core::error::Error;
use core::fmt;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// What to do with the lock.
///
/// ```
/// use lock_std::flock::{Operation, flock};
///
/// # let path = format!("/tmp/lock-std-doc-operation-{}", std::process::id());
/// let file = std::fs::File::create(&path)?;
/// flock(&file, Operation::Shared, false)?;
/// flock(&file, Operation::Exclusive, true)?; // converted: nobody else shares it
/// flock(&file, Operation::Unlock, false)?;
/// assert_eq!(flock(&file, Operation::Unlock, false), Ok(()), "nothing happens");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// `LOCK_SH`: hold it beside other shared holders.
    Shared,
    /// `LOCK_EX`: hold it alone.
    Exclusive,
    /// `LOCK_UN`: release it. Nothing happens if it is not held.
    Unlock,
}

/// Why [`flock`] failed: the errors of flock(2).
///
/// ```
/// use lock_std::flock::{FlockError, Operation, flock};
///
/// # let path = format!("/tmp/lock-std-doc-flock-error-{}", std::process::id());
/// let (one, other) = (std::fs::File::create(&path)?, std::fs::File::open(&path)?);
/// flock(&one, Operation::Exclusive, false)?;
/// assert_eq!(flock(&other, Operation::Exclusive, true), Err(FlockError::WouldBlock));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FlockError {
    /// `EBADF`: the descriptor is not of an open file, or NFS wants the file open for something
    /// else.
    BadDescriptor,
    /// `EINTR`: a signal was handled while waiting. The lock was not taken.
    Interrupted,
    /// `ENOLCK`: the kernel or the file server has no room for locks.
    NoLocks,
    /// `EWOULDBLOCK`, which is `EAGAIN`: another open file has the lock, and `nonblocking` was
    /// asked for.
    WouldBlock,
    /// Another error number: `EIO`, or what a file system makes up.
    Other(i32),
}

/// Applies the operation to the open file. If the lock is held elsewhere it waits, unless
/// `nonblocking` says to fail with [`WouldBlock`](FlockError::WouldBlock).
///
/// A lock that is held already is converted, which is not atomic: the old one goes first, so
/// another can come between, and a conversion that fails without blocking loses it.
/// Nothing is tried again: a wait that a signal ends is [`Interrupted`](FlockError::Interrupted).
///
/// ```
/// use lock_std::flock::{FlockError, Operation, flock};
/// use std::fs::File;
///
/// # let path = format!("/tmp/lock-std-doc-flock-{}", std::process::id());
/// let file = File::create(&path)?;
/// flock(&file, Operation::Exclusive, false)?;
/// let other = File::open(&path)?;
/// assert_eq!(flock(&other, Operation::Shared, true), Err(FlockError::WouldBlock));
/// flock(&file, Operation::Unlock, false)?;
/// assert_eq!(flock(&other, Operation::Shared, true), Ok(()));
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn flock(fd: impl AsFd, operation: Operation, nonblocking: bool) -> Result<(), FlockError> {
    let operation = match (operation, nonblocking) {
        (Operation::Shared, false) => FlockOperation::LockShared,
        (Operation::Shared, true) => FlockOperation::NonBlockingLockShared,
        (Operation::Exclusive, false) => FlockOperation::LockExclusive,
        (Operation::Exclusive, true) => FlockOperation::NonBlockingLockExclusive,
        (Operation::Unlock, false) => FlockOperation::Unlock,
        (Operation::Unlock, true) => FlockOperation::NonBlockingUnlock,
    };
    rustix::fs::flock(fd, operation).map_err(|errno| match errno {
        Errno::BADF => FlockError::BadDescriptor,
        Errno::INTR => FlockError::Interrupted,
        Errno::NOLCK => FlockError::NoLocks,
        Errno::WOULDBLOCK => FlockError::WouldBlock,
        _ => FlockError::Other(errno.raw_os_error()),
    })
}

impl FlockError {
    /// The error number.
    ///
    /// ```
    /// use lock_std::flock::FlockError;
    ///
    /// assert_eq!(FlockError::WouldBlock.raw_os_error(), 11);
    /// assert_eq!(FlockError::Other(5).raw_os_error(), 5);
    /// ```
    pub fn raw_os_error(self) -> i32 {
        let errno = match self {
            FlockError::BadDescriptor => Errno::BADF,
            FlockError::Interrupted => Errno::INTR,
            FlockError::NoLocks => Errno::NOLCK,
            FlockError::WouldBlock => Errno::WOULDBLOCK,
            FlockError::Other(errno) => return errno,
        };
        errno.raw_os_error()
    }
}

impl fmt::Display for FlockError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "flock: {}", io::Error::from(*self))
    }
}

impl Error for FlockError {}

impl From<FlockError> for io::Error {
    /// With the error number, and so the right kind.
    fn from(error: FlockError) -> io::Error {
        io::Error::from_raw_os_error(error.raw_os_error())
    }
}
