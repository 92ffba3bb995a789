//! A lock for a child: given back as soon as the child has ended, and never because of anything
//! that a forked copy of this process does.

use std::os::fd::AsFd;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::error::LockError;
use crate::existence::ExistenceGuard;

/// A child whose end can be waited for, and how to end that wait early.
#[derive(Debug)]
pub(super) struct Ending {
    ended: OwnedFd,
    stop: OwnedFd,
}

/// A thread that waits for the child. Dropping this ends it and gives the lock back.
#[derive(Debug)]
pub(super) struct Watcher {
    guard: Arc<Mutex<Option<ExistenceGuard>>>,
    ending: Arc<Ending>,
    thread: Option<JoinHandle<()>>,
    /// A forked child has no such thread, and may not end its parent's.
    pid: u32,
}

impl Ending {
    /// Fails with `ESRCH` if there is no such process any more.
    pub(super) fn of(child: &Child) -> Result<Ending, Errno> {
        let raw = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let ended = pidfd_open(raw.ok_or(Errno::SRCH)?, PidfdFlags::empty())?;
        Ok(Ending { ended, stop: eventfd(0, EventfdFlags::CLOEXEC)? })
    }

    /// Returns when the child has ended, or the wait is to stop.
    fn wait(&self) {
        let mut events =
            [&self.ended, &self.stop].map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
        while let Err(errno) = poll(&mut events, None) {
            // A signal is for others; a lack of memory passes. Neither ends the child.
            if errno != Errno::INTR {
                thread::yield_now();
            }
        }
    }
}

impl Watcher {
    /// Gives the lock back when the child has ended; at once if there can be no thread.
    pub(super) fn start(ending: Ending, guard: ExistenceGuard) -> Result<Watcher, std::io::Error> {
        let (guard, ending) = (Arc::new(Mutex::new(Some(guard))), Arc::new(ending));
        let (held, ends) = (Arc::clone(&guard), Arc::clone(&ending));
        let wait = move || {
            ends.wait();
            // Not dropped under the mutex: giving back takes time.
            let guard = lock(&held).take();
            drop(guard);
        };
        let thread = thread::Builder::new().name("pid file of a child".into()).spawn(wait)?;
        Ok(Watcher { guard, ending, thread: Some(thread), pid: std::process::id() })
    }

    pub(super) fn touch(&self) -> Result<(), LockError> {
        lock(&self.guard).as_ref().map_or(Ok(()), ExistenceGuard::touch)
    }

    pub(super) fn still_held(&self) -> Result<bool, LockError> {
        lock(&self.guard).as_ref().map_or(Ok(false), ExistenceGuard::still_held)
    }

    /// Gives the lock back; `false` if it was not held any more.
    pub(super) fn close(self) -> bool {
        if self.pid != std::process::id() {
            return false;
        }
        let guard = lock(&self.guard).take();
        guard.is_some_and(|guard| guard.unlock().is_ok())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            // The parent's thread waits on: this process shares its descriptors, and has a copy of
            // a mutex that the thread may just then have locked.
            if let Ok(mut guard) = self.guard.try_lock() {
                drop(guard.take());
            }
            return;
        }
        let guard = lock(&self.guard).take();
        drop(guard);
        let _ = rustix::io::write(&self.ending.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(guard: &Mutex<Option<ExistenceGuard>>) -> MutexGuard<'_, Option<ExistenceGuard>> {
    // Nothing in between can panic halfway.
    guard.lock().unwrap_or_else(PoisonError::into_inner)
}
