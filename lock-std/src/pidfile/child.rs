//! A lock for a child: given back as soon as the child has ended.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use lock_core::owner::Pid;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::error::LockError;
use crate::existence::ExistenceGuard;

/// A thread that waits for the child. Dropping this ends it and gives the lock back.
#[derive(Debug)]
pub(super) struct Watcher {
    guard: Arc<Mutex<Option<ExistenceGuard>>>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// A forked child has no such thread.
    pid: u32,
}

impl Watcher {
    /// Waits for this process. The guard comes back if that is not possible.
    pub(super) fn start(pid: Pid, guard: ExistenceGuard) -> Result<Watcher, ExistenceGuard> {
        let raw = i32::try_from(pid.get()).ok().and_then(rustix::process::Pid::from_raw);
        let ended = raw.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let (Some(ended), Ok(stop)) = (ended, eventfd(0, EventfdFlags::CLOEXEC)) else {
            return Err(guard);
        };
        let (guard, stop) = (Arc::new(Mutex::new(Some(guard))), Arc::new(stop));
        let (held, stopped) = (Arc::clone(&guard), Arc::clone(&stop));
        let wait = move || {
            let mut events = [ended.as_fd(), stopped.as_fd()]
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            // A signal is for others.
            while poll(&mut events, None) == Err(rustix::io::Errno::INTR) {}
            // The last guard is not dropped under the lock: giving back takes time.
            let guard = lock(&held).take();
            drop(guard);
        };
        match thread::Builder::new().name("pid file of a child".into()).spawn(wait) {
            Ok(thread) => {
                Ok(Watcher { guard, stop, thread: Some(thread), pid: std::process::id() })
            }
            Err(_) => match lock(&guard).take() {
                Some(guard) => Err(guard),
                None => unreachable!("nobody else has it"),
            },
        }
    }

    pub(super) fn touch(&self) -> Result<(), LockError> {
        lock(&self.guard).as_ref().map_or(Ok(()), ExistenceGuard::touch)
    }

    /// Gives the lock back; `false` if it was not held any more.
    pub(super) fn close(self) -> bool {
        let guard = lock(&self.guard).take();
        guard.is_some_and(|guard| guard.unlock().is_ok())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(lock(&self.guard).take());
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            if self.pid == std::process::id() {
                let _ = thread.join();
            }
        }
    }
}

fn lock(guard: &Mutex<Option<ExistenceGuard>>) -> MutexGuard<'_, Option<ExistenceGuard>> {
    // Nothing in between can panic halfway.
    guard.lock().unwrap_or_else(PoisonError::into_inner)
}
