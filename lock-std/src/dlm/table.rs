//! What a lockspace's threads share: the locks by number, what is to be written, who waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar};

use lock_core::dlm::answer::{Answer, Event};
use lock_core::dlm::lock::{Change, Lock, State};
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{LockId, ResourceName, Token};
use lock_core::dlm::request::Request;
use lock_rustix::dlm::fault::DlmFault;

/// What a user wants to be told of those who wait for his lock.
pub(super) type Callback = Arc<dyn Fn(Mode) + Send + Sync>;

/// One lock, and its user.
pub(super) struct Entry {
    pub(super) lock: Lock,
    pub(super) name: ResourceName,
    /// Whether the kernel is to tell who waits for it.
    pub(super) blocking: bool,
    pub(super) on_blocking: Option<Callback>,
    /// How the last operation ended, until the next one begins.
    pub(super) outcome: Option<Change>,
    /// Nobody will ask for it again: it is forgotten at its end.
    pub(super) abandoned: bool,
    /// Whoever waits for this lock waits here.
    pub(super) changed: Arc<Condvar>,
}

/// What the writer has to do.
pub(super) enum Job {
    /// Whatever this lock has to say.
    Transmit(Token),
    /// A request that is about no lock yet; the answer is kept under this number.
    Write(u64, Request),
}

/// See the module.
#[derive(Default)]
pub(super) struct Table {
    entries: HashMap<Token, Entry>,
    by_id: HashMap<LockId, Token>,
    last: u32,
    pub(super) jobs: VecDeque<Job>,
    pub(super) calls: VecDeque<(Callback, Mode)>,
    /// What requests without a lock returned; `None` while they are under way.
    pub(super) replies: HashMap<u64, Option<Result<Option<LockId>, u16>>>,
    pub(super) last_reply: u64,
    /// The thread that writes, once it runs; 0 before.
    pub(super) writer: u32,
    /// No user is left.
    pub(super) closing: bool,
    /// No answer will come any more.
    pub(super) failed: Option<DlmFault>,
}

impl Table {
    /// A number that no lock has.
    pub(super) fn free_token(&mut self) -> Token {
        loop {
            self.last = self.last.wrapping_add(1);
            if let Some(token) = Token::new(self.last).filter(|t| !self.entries.contains_key(t)) {
                return token;
            }
        }
    }

    pub(super) fn insert(&mut self, token: Token, entry: Entry) {
        if let Some(id) = entry.lock.id() {
            self.by_id.insert(id, token);
        }
        self.entries.insert(token, entry);
    }

    pub(super) fn entry(&mut self, token: Token) -> Option<&mut Entry> {
        self.entries.get_mut(&token)
    }

    /// Forgets a lock, whatever the kernel has of it.
    pub(super) fn forget(&mut self, token: Token) {
        if let Some(id) = self.entries.remove(&token).and_then(|entry| entry.lock.id()) {
            self.forget_id(id, token);
        }
    }

    /// Whether nothing is left to be done for anybody.
    pub(super) fn is_done(&self) -> bool {
        self.closing && self.entries.is_empty() && self.jobs.is_empty() || self.failed.is_some()
    }

    /// Takes note of what an operation of this lock's user, or a write, brought about.
    pub(super) fn note(&mut self, token: Token, change: Option<Change>) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        match change {
            Some(Change::Blocking(mode)) => {
                let call = entry.on_blocking.clone();
                self.calls.extend(call.map(|callback| (callback, mode)));
            }
            Some(outcome) => entry.outcome = Some(outcome),
            None => {}
        }
        let (id, state) = (entry.lock.id(), entry.lock.state());
        // What could not be unlocked is the closing's to end.
        let unwanted = entry.abandoned && matches!(change, Some(Change::NotUnlocked(_)));
        let over = unwanted || entry.abandoned && entry.lock.is_ended();
        entry.changed.notify_all();
        if entry.lock.clone().poll_transmit().is_some() {
            self.jobs.push_back(Job::Transmit(token));
        }
        match (id, state) {
            (Some(id), State::Ended(_)) => self.forget_id(id, token),
            (Some(id), _) => _ = self.by_id.insert(id, token),
            (None, _) => {}
        }
        if over {
            self.forget(token);
        }
    }

    /// Hands an answer to the lock that it is about.
    pub(super) fn dispatch(&mut self, answer: Answer) {
        let Some(token) = self.addressee(answer) else { return };
        let Some(entry) = self.entries.get_mut(&token) else { return };
        let change = match answer.event {
            Event::Completion(completion) => entry.lock.handle_completion(answer.id, completion),
            Event::Blocking(mode) => entry.lock.handle_blocking(mode),
        };
        self.note(token, change);
    }

    /// Neither number suffices. The kernel gives a lock's id to the next lock as soon as its last
    /// answer was read, so the write for that one can return before we come to the answer; then
    /// the token tells which is meant. Who unlocks our lock by its id puts a token of his own in
    /// the answer; then the id does. And the id is not known before the write has returned.
    fn addressee(&self, answer: Answer) -> Option<Token> {
        let named = answer.token.and_then(|token| {
            let id = self.entries.get(&token)?.lock.id();
            Some((token, id))
        });
        match named {
            Some((token, Some(id))) if id == answer.id => Some(token),
            Some((token, None)) => Some(self.by_id.get(&answer.id).copied().unwrap_or(token)),
            _ => self.by_id.get(&answer.id).copied(),
        }
    }

    /// Keeps what a request without a lock returned, if anybody still waits for it.
    pub(super) fn answer(&mut self, number: u64, result: Result<Option<LockId>, u16>) {
        if let Some(reply) = self.replies.get_mut(&number) {
            *reply = Some(result);
        }
    }

    /// No answer will come any more.
    pub(super) fn fail(&mut self, fault: DlmFault) {
        self.failed = Some(fault);
        for entry in self.entries.values() {
            entry.changed.notify_all();
        }
    }

    /// Another lock may have got the same id meanwhile.
    fn forget_id(&mut self, id: LockId, token: Token) {
        if self.by_id.get(&id) == Some(&token) {
            self.by_id.remove(&id);
        }
    }
}
