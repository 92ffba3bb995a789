//! A lock manager of one node in memory: what the kernel does with requests, so that the threads
//! above it can be tested without one. It can stand still, and hold answers back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use super::LONG;

use lock_core::dlm::answer::{Answer, Completion, Event};
use lock_core::dlm::flags::{AnswerFlags, LockFlags};
use lock_core::dlm::mode::{Mode, ValueMove};
use lock_core::dlm::name::{LockId, Token, ValueBlock};
use lock_core::dlm::request::{LockRequest, Request, UnlockRequest};
use lock_core::dlm::status::Status;
use lock_std::dlm::{DlmFault, Lockspace, Reason, Step, Transport};

const ENOENT: u16 = 2;
const EAGAIN: u16 = 11;
const EBUSY: u16 = 16;

/// A node, whose lockspace any number of programs have open.
#[derive(Clone, Default)]
pub(crate) struct Node(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    locks: BTreeMap<u32, Held>,
    values: HashMap<Vec<u8>, (ValueBlock, bool)>,
    answers: HashMap<usize, VecDeque<Answer>>,
    stopped: HashMap<usize, bool>,
    opened: usize,
    still: bool,
    /// Answers wait while this is set.
    mute: bool,
    broken: bool,
}

struct Held {
    /// Which open device it belongs to; none: an orphan.
    owner: Option<usize>,
    token: Token,
    blocking: bool,
    persistent: bool,
    name: Vec<u8>,
    granted: Option<Mode>,
    wanted: Option<Mode>,
    /// Whether the operation under way wants the value.
    valued: bool,
}

struct Device {
    node: Node,
    number: usize,
}

impl Node {
    /// One more program that has the lockspace open.
    pub(crate) fn open(&self) -> Lockspace {
        let number = {
            let mut state = self.state();
            state.opened += 1;
            state.opened
        };
        let device = Device { node: self.clone(), number };
        Lockspace::over("fake", Box::new(device)).unwrap()
    }

    /// Has every write block, or go on.
    pub(crate) fn stand_still(&self, still: bool) {
        self.change(|state| state.still = still);
    }

    /// Holds all answers back, or lets them go.
    pub(crate) fn mute(&self, mute: bool) {
        self.change(|state| state.mute = mute);
    }

    /// Has every read fail from now on.
    pub(crate) fn break_reads(&self) {
        self.change(|state| state.broken = true);
    }

    /// How many locks there are, waiting ones and orphans included.
    pub(crate) fn lock_count(&self) -> usize {
        self.state().locks.len()
    }

    /// How many wait for a lock or a conversion.
    pub(crate) fn waiting_count(&self) -> usize {
        self.state().locks.values().filter(|lock| lock.wanted.is_some()).count()
    }

    /// Waits until this is so.
    pub(crate) fn until(&self, is_so: impl Fn(&Node) -> bool) {
        let begin = Instant::now();
        while !is_so(self) {
            assert!(begin.elapsed() < LONG, "what is waited for does not come");
            std::thread::yield_now();
        }
    }

    /// Somebody else ends a lock by its id.
    pub(crate) fn unlock_by_stranger(&self, id: LockId) {
        self.change(|state| state.remove(id.get(), Some(Token::new(77).unwrap())));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state());
        self.0.1.notify_all();
        result
    }
}

impl Transport for Device {
    fn write(&self, request: &Request) -> Result<Option<LockId>, u16> {
        let mut state = self.node.state();
        while state.still {
            state = self.node.0.1.wait(state).unwrap();
        }
        let result = match request {
            Request::Lock(lock) if lock.flags.contains(LockFlags::ORPHAN) => {
                state.adopt(self.number, lock)
            }
            Request::Lock(lock) if lock.flags.contains(LockFlags::CONVERT) => state.convert(lock),
            Request::Lock(lock) => Ok(Some(state.request(self.number, lock))),
            Request::Unlock(unlock) => state.unlock(unlock),
            Request::Purge { .. } => {
                let orphans = state.locks.iter().filter(|(_, lock)| lock.owner.is_none());
                let orphans: Vec<u32> = orphans.map(|(id, _)| *id).collect();
                for id in orphans {
                    state.remove(id, None);
                }
                Ok(None)
            }
            other => panic!("{other:?} is not for a lockspace"),
        };
        drop(state);
        self.node.0.1.notify_all();
        result
    }

    fn read(&self) -> Result<Option<Answer>, DlmFault> {
        let mut state = self.node.state();
        loop {
            if state.stopped.contains_key(&self.number) {
                return Ok(None);
            }
            if state.broken {
                return Err(DlmFault { step: Step::Read, reason: Reason::Invalid, errno: 5 });
            }
            let muted = state.mute;
            let answers = state.answers.entry(self.number).or_default();
            if let (Some(answer), false) = (answers.front().copied(), muted) {
                answers.pop_front();
                return Ok(Some(answer));
            }
            state = self.node.0.1.wait(state).unwrap();
        }
    }

    fn stop(&self) {
        self.node.change(|state| state.stopped.insert(self.number, true));
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.node.change(|state| {
            for lock in state.locks.values_mut().filter(|lock| lock.persistent) {
                lock.owner = lock.owner.filter(|owner| *owner != self.number);
            }
            let mine = |lock: &Held| lock.owner == Some(self.number);
            let ended = state.locks.iter().filter(|(_, lock)| mine(lock)).map(|(id, _)| *id);
            for id in ended.collect::<Vec<u32>>() {
                state.remove(id, None);
            }
        });
    }
}

impl State {
    fn request(&mut self, owner: usize, request: &LockRequest) -> LockId {
        // The lowest that is free, as the kernel does: an id comes back at once.
        let id = (1..=u32::MAX).find(|id| !self.locks.contains_key(id)).unwrap();
        let held = Held {
            owner: Some(owner),
            token: request.token,
            blocking: request.blocking,
            persistent: request.flags.contains(LockFlags::PERSISTENT),
            name: request.name.as_bytes().to_vec(),
            granted: None,
            wanted: Some(request.mode),
            valued: request.flags.contains(LockFlags::VALBLK),
        };
        self.locks.insert(id, held);
        self.decide(id, request.flags);
        LockId::new(id).unwrap()
    }

    fn adopt(&mut self, owner: usize, request: &LockRequest) -> Result<Option<LockId>, u16> {
        let name = request.name.as_bytes();
        let mut orphans = self.locks.iter_mut();
        let orphan = orphans.find(|(_, lock)| lock.owner.is_none() && lock.name == name);
        let Some((id, lock)) = orphan else { return Err(ENOENT) };
        if lock.granted != Some(request.mode) {
            return Err(EAGAIN);
        }
        lock.owner = Some(owner);
        lock.token = request.token;
        Ok(LockId::new(*id))
    }

    fn convert(&mut self, request: &LockRequest) -> Result<Option<LockId>, u16> {
        let id = request.id.unwrap().get();
        let Some(lock) = self.locks.get_mut(&id) else { return Err(ENOENT) };
        if lock.wanted.is_some() {
            return Err(EBUSY);
        }
        let from = lock.granted.unwrap();
        lock.wanted = Some(request.mode);
        lock.valued = request.flags.contains(LockFlags::VALBLK);
        if lock.valued && from.value_move(request.mode) == ValueMove::Write {
            let name = lock.name.clone();
            self.values.insert(name, (request.value, true));
        }
        self.decide(id, request.flags);
        Ok(None)
    }

    fn unlock(&mut self, request: &UnlockRequest) -> Result<Option<LockId>, u16> {
        let id = request.id.get();
        let Some(lock) = self.locks.get_mut(&id) else { return Err(ENOENT) };
        if request.flags.contains(LockFlags::CANCEL) {
            if lock.wanted.take().is_some() {
                self.answer(id, Status::Cancelled);
                self.locks.retain(|other, lock| *other != id || lock.granted.is_some());
                self.wake();
            }
            return Ok(None);
        }
        if lock.wanted.is_some() && !request.flags.contains(LockFlags::FORCEUNLOCK) {
            return Err(EBUSY);
        }
        let writes = matches!(lock.granted, Some(Mode::PW | Mode::EX));
        let name = lock.name.clone();
        if writes && request.flags.contains(LockFlags::VALBLK) {
            self.values.insert(name, (request.value, true));
        } else if writes && request.flags.contains(LockFlags::IVVALBLK) {
            self.values.entry(name).or_default().1 = false;
        }
        self.remove(id, Some(request.token));
        Ok(None)
    }

    /// Ends a lock, and tells its owner if anybody is to be named as the reason.
    fn remove(&mut self, id: u32, by: Option<Token>) {
        if let (Some(token), Some(lock)) = (by, self.locks.get_mut(&id)) {
            lock.token = token;
            self.answer(id, Status::Unlocked);
        }
        self.locks.remove(&id);
        self.wake();
    }

    /// Grants, refuses, or lets wait and tells those in the way.
    fn decide(&mut self, id: u32, flags: LockFlags) {
        if self.grant(id) {
            return self.wake();
        }
        let lock = &self.locks[&id];
        let (granted, name) = (lock.granted, lock.name.clone());
        let Some(wanted) = lock.wanted else { return };
        let deadlock = granted.is_some()
            && self.locks.iter().any(|(other, lock)| {
                let converts = lock.granted.is_some() && lock.wanted.is_some();
                *other != id && lock.name == name && converts
            });
        let refusal = if flags.contains(LockFlags::NOQUEUE) {
            Some(Status::WouldBlock)
        } else {
            deadlock.then_some(Status::Deadlock)
        };
        if let Some(status) = refusal {
            self.locks.get_mut(&id).unwrap().wanted = None;
            self.answer(id, status);
            self.locks.retain(|other, lock| *other != id || lock.granted.is_some());
            return;
        }
        for other in self.in_the_way(id, wanted) {
            let lock = &self.locks[&other];
            if lock.blocking {
                self.tell(other, Event::Blocking(wanted));
            }
        }
    }

    fn in_the_way(&self, id: u32, wanted: Mode) -> Vec<u32> {
        let name = &self.locks[&id].name;
        let others = self.locks.iter().filter(|(other, lock)| **other != id && lock.name == *name);
        let excluding = others
            .filter(|(_, lock)| lock.granted.is_some_and(|granted| !granted.is_compatible(wanted)));
        excluding.map(|(other, _)| *other).collect()
    }

    /// Grants what this lock waits for, if nobody excludes it.
    fn grant(&mut self, id: u32) -> bool {
        let Some(wanted) = self.locks[&id].wanted else { return false };
        if !self.in_the_way(id, wanted).is_empty() {
            return false;
        }
        let lock = self.locks.get_mut(&id).unwrap();
        (lock.granted, lock.wanted) = (Some(wanted), None);
        self.answer(id, Status::Granted);
        true
    }

    /// Grants what can be granted now, conversions first.
    fn wake(&mut self) {
        for converts in [true, false] {
            let ids: Vec<u32> = self.locks.keys().copied().collect();
            for id in ids {
                let lock = &self.locks[&id];
                if lock.wanted.is_some() && lock.granted.is_some() == converts {
                    self.grant(id);
                }
            }
        }
    }

    fn answer(&mut self, id: u32, status: Status) {
        let lock = &self.locks[&id];
        let (value, valid) = self.values.get(&lock.name).copied().unwrap_or(([0; 32], true));
        let value = (lock.valued && status == Status::Granted).then_some(value);
        let flags = if valid { AnswerFlags::empty() } else { AnswerFlags::VALNOTVALID };
        self.tell(id, Event::Completion(Completion { status, flags, value }));
    }

    fn tell(&mut self, id: u32, event: Event) {
        let lock = &self.locks[&id];
        let Some(owner) = lock.owner else { return };
        let answer = Answer { token: Some(lock.token), id: LockId::new(id).unwrap(), event };
        self.answers.entry(owner).or_default().push_back(answer);
    }
}
