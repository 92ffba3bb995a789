//! Ending waits from another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Ends every wait of the locks that were [given](crate::Lock::cancelled_by) a copy of it, those
/// that begin later too. Such a wait answers [`Interrupted`](crate::LockError::Interrupted), and
/// its request is gone: it will not take the lock later.
///
/// One descriptor, which all copies share.
///
/// ```
/// use std::thread;
/// use lock_std::{Cancel, Lock, LockError};
///
/// # let path = format!("/tmp/lock-std-doc-cancel-{}", std::process::id());
/// let cancel = Cancel::new()?;
/// let lock = Lock::at(&path).cancelled_by(&cancel);
/// let guard = lock.try_lock()?;
/// let waiter = thread::spawn(move || lock.lock());
/// cancel.cancel();
/// assert!(matches!(waiter.join().unwrap(), Err(LockError::Interrupted { .. })));
/// # drop(guard);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cancel {
    event: Arc<OwnedFd>,
}

impl Cancel {
    /// Ends nothing yet. Fails when there are no descriptors left. That is `EMFILE` or `ENFILE`.
    ///
    /// ```
    /// let cancel = lock_std::Cancel::new()?;
    /// assert!(!cancel.is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Cancel> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Cancel { event: Arc::new(event) })
    }

    /// Ends the waits. There is no way back. Can be said by any thread, and by a signal handler: it
    /// is one `write(2)`.
    ///
    /// ```
    /// let cancel = lock_std::Cancel::new()?;
    /// let copy = cancel.clone();
    /// std::thread::spawn(move || copy.cancel()).join().unwrap();
    /// assert!(cancel.is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&self) {
        // It can only fail when that has been said more often than there are numbers.
        let _ = rustix::io::write(&*self.event, &1u64.to_ne_bytes());
    }

    /// Whether the waits were ended.
    ///
    /// ```
    /// let cancel = lock_std::Cancel::new()?;
    /// assert!(!cancel.is_cancelled());
    /// cancel.cancel();
    /// assert!(cancel.is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        let mut event = [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::IN)];
        poll(&mut event, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Cancel {
    /// Can be read when the waits were ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
