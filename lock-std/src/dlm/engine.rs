//! What the users of an open lockspace ask of it: each operation of a lock, waited for with a
//! limit.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::lock::{Change, End, LastValue, Lock, State};
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{LockId, ResourceName, Token, ValueBlock};
use lock_core::dlm::request::Request;
use lock_rustix::dlm::fault::{DlmFault, Reason, Step};

use super::error::DlmErrorKind;
use super::table::{Callback, Entry, Job};
use super::threads::{Outcome, Shared, unpoisoned, wait, wait_for, wait_on};
use super::transport::Transport;

/// An open lockspace and its threads. When it is dropped, they go on until everything is given
/// back, and then close it.
pub(super) struct Engine {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What a new lock shall be.
pub(super) struct Wanted {
    pub(super) name: ResourceName,
    pub(super) mode: Mode,
    pub(super) flags: LockFlags,
    pub(super) blocking: bool,
    pub(super) on_blocking: Option<Callback>,
}

impl Engine {
    pub(super) fn new(transport: Box<dyn Transport>) -> Result<Engine, DlmFault> {
        let shared = Arc::new(Shared {
            transport,
            table: Mutex::default(),
            jobs: Condvar::new(),
            calls: Condvar::new(),
            replies: Condvar::new(),
        });
        let engine = Engine { shared, threads: Mutex::default() };
        // The writer first: it is the one that ends the reader.
        engine.spawn("dlm-write", Shared::write)?;
        engine.spawn("dlm-read", Shared::read)?;
        Ok(engine)
    }

    /// Starts the thread that calls back. Said once for every lockspace that has callbacks.
    pub(super) fn spawn_caller(&self) -> Result<(), DlmFault> {
        self.spawn("dlm-call", Shared::call)
    }

    /// Asks for a lock and waits for it. `NeverAsked` is no outcome.
    pub(super) fn request(
        &self,
        wanted: Wanted,
        until: Option<Instant>,
    ) -> Result<(Token, Change), DlmErrorKind> {
        let lock = Lock::request(wanted.mode, wanted.flags);
        let mut table = self.shared.lock();
        let token = table.free_token();
        table.insert(token, wanted.entry(lock));
        self.shared.transmit(&mut table, token, None);
        let waits =
            |lock: &Lock| matches!(lock.state(), State::Asking { .. } | State::Requested { .. });
        match wait(table, token, until, waits) {
            Ok(change @ Change::Granted { .. }) => Ok((token, change)),
            Ok(Change::Ended(end)) => {
                self.abandon(token, LastValue::Keep);
                Err(DlmErrorKind::from_end(end))
            }
            Ok(_) => Err(DlmErrorKind::Lost),
            Err(kind) => {
                self.abandon(token, LastValue::Keep);
                Err(kind)
            }
        }
    }

    /// Converts a held lock and waits for it.
    pub(super) fn convert(
        &self,
        token: Token,
        to: Mode,
        flags: LockFlags,
        value: Option<ValueBlock>,
        until: Option<Instant>,
    ) -> Outcome {
        let waits =
            |lock: &Lock| matches!(lock.state(), State::Asked { .. } | State::Converting { .. });
        // What an earlier call gave up may still be under way.
        if self.look(token, |entry| waits(&entry.lock)) == Some(true) {
            wait(self.shared.lock(), token, until, waits)?;
        }
        let mut table = self.shared.lock();
        let entry = table.entry(token).ok_or(DlmErrorKind::Lost)?;
        entry.outcome = None;
        entry.lock.convert(to, flags, value).map_err(|_| DlmErrorKind::Lost)?;
        self.shared.transmit(&mut table, token, None);
        match wait(table, token, until, waits) {
            Err(DlmErrorKind::TimedOut) => {
                let mut table = self.shared.lock();
                let change = table.entry(token).and_then(|entry| entry.lock.cancel());
                self.shared.transmit(&mut table, token, change);
                Err(DlmErrorKind::TimedOut)
            }
            Ok(Change::Kept { why, .. }) => Err(DlmErrorKind::from_refusal(why)),
            Ok(Change::Ended(_)) => Err(DlmErrorKind::Lost),
            other => other,
        }
    }

    /// Gives a lock back and waits until that is done. If the time is over before, it is done
    /// nevertheless.
    pub(super) fn unlock(
        &self,
        token: Token,
        value: LastValue,
        until: Option<Instant>,
    ) -> Result<(), DlmErrorKind> {
        let mut table = self.shared.lock();
        let Some(entry) = table.entry(token) else { return Err(DlmErrorKind::Lost) };
        if let State::Ended(end) = entry.lock.state() {
            drop(table);
            self.abandon(token, value);
            return Err(DlmErrorKind::from_end(end));
        }
        entry.outcome = None;
        let change = entry.lock.unlock(value);
        self.shared.transmit(&mut table, token, change);
        let waits = |lock: &Lock| !lock.is_ended();
        let outcome = wait_for(table, token, until, |entry| {
            let refused = matches!(entry.outcome, Some(Change::NotUnlocked(_)));
            waits(&entry.lock) && !refused
        });
        self.abandon(token, value);
        match outcome? {
            Change::NotUnlocked(errno) => Err(DlmErrorKind::from_errno(errno)),
            Change::Ended(End::Lost) => Err(DlmErrorKind::Lost),
            _ => Ok(()),
        }
    }

    /// Gives a lock back without waiting.
    pub(super) fn abandon(&self, token: Token, value: LastValue) {
        let mut table = self.shared.lock();
        let Some(entry) = table.entry(token) else { return };
        entry.abandoned = true;
        let change = entry.lock.unlock(value);
        self.shared.transmit(&mut table, token, change);
    }

    /// Leaves a lock to what the kernel makes of it when the lockspace is closed.
    pub(super) fn leave(&self, token: Token) {
        self.shared.lock().forget(token);
        self.shared.jobs.notify_all();
    }

    /// What is known of a lock.
    pub(super) fn look<T>(&self, token: Token, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.shared.lock().entry(token).map(|entry| look(entry))
    }

    /// Waits until somebody wants this lock, or it is no more.
    pub(super) fn wait_wanted(&self, token: Token, until: Option<Instant>) -> Option<Mode> {
        let nobody = |entry: &Entry| {
            entry.lock.wanted().is_none() && !matches!(entry.lock.state(), State::Ended(_))
        };
        let table = self.shared.lock();
        let _ = wait_for(table, token, until, nobody);
        self.look(token, |entry| entry.lock.wanted()).flatten()
    }

    /// Writes a request that is about no lock yet, and waits for what it returns.
    pub(super) fn write(
        &self,
        step: Step,
        request: Request,
        until: Option<Instant>,
    ) -> Result<Option<LockId>, DlmErrorKind> {
        let mut table = self.shared.lock();
        table.last_reply += 1;
        let number = table.last_reply;
        table.replies.insert(number, None);
        table.jobs.push_back(Job::Write(number, request));
        self.shared.jobs.notify_all();
        loop {
            if let Some(Some(result)) = table.replies.get(&number).copied() {
                table.replies.remove(&number);
                let fault = |errno| DlmErrorKind::Fault(DlmFault::from_number(step, errno));
                return result.map_err(fault);
            }
            let over = until.is_some_and(|until| until <= Instant::now());
            let failed = table.failed.map(DlmErrorKind::Fault);
            if let Some(kind) = failed.or(over.then_some(DlmErrorKind::TimedOut)) {
                table.replies.remove(&number);
                return Err(kind);
            }
            table = wait_on(&self.shared.replies, table, until);
        }
    }

    /// The number of the thread that writes.
    pub(super) fn owner(&self) -> u32 {
        let mut table = self.shared.lock();
        while table.writer == 0 {
            table = wait_on(&self.shared.replies, table, None);
        }
        table.writer
    }

    /// A lock that the kernel has already.
    pub(super) fn insert(&self, token: Token, wanted: Wanted, id: LockId) {
        let lock = Lock::adopted(id, wanted.mode);
        self.shared.lock().insert(token, wanted.entry(lock));
    }

    /// A number that no lock has.
    pub(super) fn free_token(&self) -> Token {
        self.shared.lock().free_token()
    }

    /// Waits until everything is given back and the lockspace closed.
    pub(super) fn close(self) {
        let threads = core::mem::take(&mut *unpoisoned(self.threads.lock()));
        drop(self);
        let this = thread::current().id();
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != this) {
            let _ = thread.join();
        }
    }

    fn spawn(&self, name: &str, run: fn(&Shared)) -> Result<(), DlmFault> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&shared))
            .map_err(|error| DlmFault {
                step: Step::OpenLockspace,
                reason: Reason::NoResources,
                errno: error.raw_os_error().and_then(|raw| raw.try_into().ok()).unwrap_or(0),
            })?;
        unpoisoned(self.threads.lock()).push(thread);
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.jobs.notify_all();
        self.shared.calls.notify_all();
    }
}

impl Wanted {
    fn entry(self, lock: Lock) -> Entry {
        let Wanted { name, blocking, on_blocking, .. } = self;
        let changed = Arc::new(Condvar::new());
        Entry { lock, name, blocking, on_blocking, outcome: None, abandoned: false, changed }
    }
}
