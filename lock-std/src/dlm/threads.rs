//! The threads of an open lockspace: one writes, one reads, one calls back if anybody wants that.
//!
//! A write can block for as long as the lockspace stands still. Only the writing thread does then;
//! everybody else waits on a condition, with a limit.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lock_core::dlm::lock::{Change, Lock};
use lock_core::dlm::name::Token;

use super::error::DlmErrorKind;
use super::table::{Entry, Job, Table};
use super::transport::Transport;

/// What the threads and the users of a lockspace share.
pub(super) struct Shared {
    pub(super) transport: Box<dyn Transport>,
    pub(super) table: Mutex<Table>,
    /// The writer waits here.
    pub(super) jobs: Condvar,
    /// Whoever calls back waits here.
    pub(super) calls: Condvar,
    /// Whoever wrote about no lock, or must know who writes, waits here.
    pub(super) replies: Condvar,
}

/// What a conversion or request brought.
pub(super) type Outcome = Result<Change, DlmErrorKind>;

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        unpoisoned(self.table.lock())
    }

    /// Takes note of a change, and has written what follows.
    pub(super) fn transmit(&self, table: &mut Table, token: Token, change: Option<Change>) {
        table.note(token, change);
        self.jobs.notify_all();
    }

    /// The writing thread: the only one that ever blocks in the kernel.
    pub(super) fn write(&self) {
        let mut table = self.lock();
        table.writer = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        self.replies.notify_all();
        loop {
            let Some(job) = table.jobs.pop_front() else {
                if table.is_done() {
                    break;
                }
                table = wait_on(&self.jobs, table, None);
                continue;
            };
            table = match job {
                Job::Transmit(token) => self.write_for(table, token),
                Job::Write(number, request) => {
                    drop(table);
                    let result = self.transport.write(&request);
                    let mut table = self.lock();
                    table.answer(number, result);
                    self.replies.notify_all();
                    table
                }
            };
        }
        drop(table);
        self.transport.stop();
    }

    fn write_for<'a>(
        &'a self,
        mut table: MutexGuard<'a, Table>,
        token: Token,
    ) -> MutexGuard<'a, Table> {
        let Some(entry) = table.entry(token) else { return table };
        let Some(transmit) = entry.lock.poll_transmit() else { return table };
        let request = transmit.request(token, entry.name, entry.blocking);
        drop(table);
        let result = self.transport.write(&request);
        let mut table = self.lock();
        let change = table.entry(token).and_then(|entry| entry.lock.handle_written(result));
        table.note(token, change);
        table
    }

    /// The reading thread.
    pub(super) fn read(&self) {
        loop {
            match self.transport.read() {
                Ok(Some(answer)) => {
                    let mut table = self.lock();
                    table.dispatch(answer);
                    if !table.calls.is_empty() {
                        self.calls.notify_all();
                    }
                }
                Ok(None) => return,
                Err(fault) => {
                    self.lock().fail(fault);
                    self.jobs.notify_all();
                    self.replies.notify_all();
                    return;
                }
            }
            self.jobs.notify_all();
        }
    }

    /// The thread that calls back, so that a callback can wait for its own lock.
    pub(super) fn call(&self) {
        let mut table = self.lock();
        while !table.closing {
            if let Some((callback, mode)) = table.calls.pop_front() {
                drop(table);
                // The panic hook has reported it; the next callback is somebody else's.
                let _ = catch_unwind(AssertUnwindSafe(|| callback(mode)));
                table = self.lock();
            } else {
                table = wait_on(&self.calls, table, None);
            }
        }
    }
}

/// Waits for the outcome of a lock's operation.
pub(super) fn wait(
    table: MutexGuard<'_, Table>,
    token: Token,
    until: Option<Instant>,
    waits: impl Fn(&Lock) -> bool,
) -> Outcome {
    wait_for(table, token, until, |entry| waits(&entry.lock))
}

pub(super) fn wait_for(
    mut table: MutexGuard<'_, Table>,
    token: Token,
    until: Option<Instant>,
    waits: impl Fn(&Entry) -> bool,
) -> Outcome {
    loop {
        let failed = table.failed;
        let entry = table.entry(token).ok_or(DlmErrorKind::Lost)?;
        if !waits(entry) {
            return entry.outcome.ok_or(DlmErrorKind::Lost);
        }
        if let Some(fault) = failed {
            return Err(DlmErrorKind::Fault(fault));
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(DlmErrorKind::TimedOut);
        }
        let changed = Arc::clone(&entry.changed);
        table = wait_on(&changed, table, until);
    }
}

/// Waits on a condition, until this time.
pub(super) fn wait_on<'a>(
    condition: &Condvar,
    table: MutexGuard<'a, Table>,
    until: Option<Instant>,
) -> MutexGuard<'a, Table> {
    match until {
        None => unpoisoned(condition.wait(table)),
        Some(until) => {
            let left = until.saturating_duration_since(Instant::now());
            unpoisoned(condition.wait_timeout(table, left)).0
        }
    }
}

/// No code of a user's runs under the lock, so what a panic interrupted is whole.
pub(super) fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
