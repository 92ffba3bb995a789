//! One process on the modelled disk.
//!
//! A simulated process is nothing but the answers it has had. To step it, run its program from the
//! start: calls are answered from that list (and must be the same calls again, which proves that
//! the program has no hidden input), one new call goes through to the disk, and every later one is
//! answered with a fault that changes nothing: which is exactly what a crash after the new call
//! looks like. So ordinary functions are explored, crash points included, without any change.

use core::cell::RefCell;
use core::fmt;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::{Mode, Node, ProcessState, Stat};

use super::disk::{Answer, Disk, Name, Who};

mod asked;
mod calls;

use asked::{Asked, Flag};

pub use asked::Answered;

/// An answer that a process has had, with the call it asked.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Past {
    asked: Asked,
    answer: Reply,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Reply {
    Done(Answer<()>),
    Open(Answer<u8>),
    Stat(Answer<Stat>),
    Bytes(Answer<Vec<u8>>),
    Blocker(Option<Mode>),
    Process(ProcessState),
}

impl fmt::Display for Past {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (call, node) = (self.asked.call.name(), self.asked.node.name());
        match &self.answer {
            Reply::Done(Ok(())) => write!(out, "{call} {node}"),
            Reply::Open(Ok(at)) => write!(out, "{call} {node} as {at}"),
            Reply::Stat(Ok(stat)) => write!(out, "{call} {node}: inode {}", stat.inode.ino),
            Reply::Bytes(Ok(bytes)) => write!(out, "{call} {node}: {bytes:?}"),
            Reply::Blocker(mode) => write!(out, "look at {node}: {mode:?}"),
            Reply::Process(state) => write!(out, "look at a process: {state:?}"),
            Reply::Done(Err(kind))
            | Reply::Open(Err(kind))
            | Reply::Stat(Err(kind))
            | Reply::Bytes(Err(kind)) => write!(out, "{call} {node}: {}", kind.reason()),
        }
    }
}

/// What a call is answered with after the process has crashed.
const CRASHED: FaultKind = FaultKind::Io;

/// A verification step that is left out, to see that it is missed: its call, counted from 0 among
/// the calls of its sort in an attempt, is not made, and answered as if all were well.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mutant {
    /// The so-manieth `stat` of the lock's name says that it means the file looked at last.
    pub stat: Option<u8>,
    /// The so-manieth `readlink` of the lock says what the last one said.
    pub readlink: Option<u8>,
    /// The so-manieth `flock` is granted without being taken.
    pub flock: Option<u8>,
}

/// The process during one step. Its handle `&Sim` is the operating system that programs see.
#[derive(Debug)]
pub struct Sim<'d>(RefCell<State<'d>>);

#[derive(Debug)]
struct State<'d> {
    disk: &'d RefCell<Disk>,
    who: Who,
    past: Vec<Past>,
    /// How many calls are answered from the past.
    known: usize,
    /// How many new ones go through.
    budget: usize,
    at: usize,
    /// Whether the program has what it wanted, and nothing after the crash told it so.
    holding: bool,
    seen_by_others: bool,
    /// Whether the answer of the new call gets lost, as on NFS.
    lost: bool,
    mutant: Mutant,
    seen: Seen,
    /// Whose private name is meant.
    private: (Who, u8),
}

/// What the mutants count and repeat.
#[derive(Debug, Default)]
struct Seen {
    stats: u8,
    readlinks: u8,
    flocks: u8,
    last_stat: Option<Stat>,
    last_target: Vec<u8>,
}

/// What a step did.
#[derive(Debug)]
pub struct Step {
    /// The answers the process has had by now.
    pub past: Vec<Past>,
    /// Whether it holds the lock.
    pub holding: bool,
    /// Whether the program ended with real answers only.
    pub ended: bool,
    /// Whether what it did can matter to others, or theirs to it.
    pub seen_by_others: bool,
}

impl<'d> Sim<'d> {
    /// A process whose first calls are answered from the past and the next `budget` by the disk.
    pub fn new(
        disk: &'d RefCell<Disk>,
        who: Who,
        life: u8,
        past: Vec<Past>,
        budget: usize,
        mutant: Mutant,
    ) -> Sim<'d> {
        let known = past.len();
        let seen = Seen::default();
        let (at, holding, seen_by_others) = (0, false, true);
        Sim(RefCell::new(State {
            disk,
            who,
            past,
            known,
            budget,
            at,
            holding,
            seen_by_others,
            lost: false,
            mutant,
            seen,
            private: (who, life),
        }))
    }

    /// Loses the answer of the new call, if it is one that changes names and goes well: the server
    /// is asked again, and says that it cannot do what it has done.
    #[must_use]
    pub fn losing_the_answer(self) -> Self {
        self.0.borrow_mut().lost = true;
        self
    }

    /// Takes the private name of this process and life for a leftover from here on.
    pub fn sweep_after(&self, who: Who, life: u8) {
        self.0.borrow_mut().private = (who, life);
    }

    /// The process holds the lock from here until [`leave`](Self::leave).
    pub fn enter(&self) {
        let state = &mut *self.0.borrow_mut();
        state.holding = state.at <= state.known + state.budget;
    }

    /// A step that does nothing: it comes at any time after the lock was taken.
    pub fn leave(&self) {
        let _ = self.done(Asked::HOLDING, |_, _| Ok(()));
        let state = &mut *self.0.borrow_mut();
        if state.at <= state.known + state.budget {
            state.holding = false;
        }
    }

    /// Waits for the flock of an open file, as `flock(2)` without `LOCK_NB`: as long as another has
    /// it, the process stays where it is.
    pub fn wait_for(&self, file: &File<'_, '_>) {
        let at = file.at;
        let asked = Asked::of(Call::Flock, file.node).with(Flag::Waiting);
        let locked = self.done(asked, |disk, _| disk.flock(at, Some(Mode::Exclusive)));
        let state = &mut *self.0.borrow_mut();
        if locked == Err(FaultKind::WouldBlock) && state.past.len() > state.known {
            state.past.pop();
            // Nothing more happens in this step.
            state.budget = 0;
        }
    }

    /// What the step did.
    pub fn finish(self) -> Step {
        let state = self.0.into_inner();
        let ended = state.at <= state.known + state.budget;
        let State { past, holding, seen_by_others, .. } = state;
        Step { past, holding, ended, seen_by_others }
    }

    /// Answers one call.
    fn call(
        &self,
        asked: Asked,
        crashed: Reply,
        real: impl FnOnce(&mut Disk, Who) -> Reply,
    ) -> Reply {
        let state = &mut *self.0.borrow_mut();
        let at = state.at;
        state.at += 1;
        if let Some(past) = state.past.get(at).filter(|_| at < state.known) {
            assert_eq!(past.asked, asked, "a program with hidden input");
            return past.answer.clone();
        }
        if at >= state.known + state.budget {
            return crashed;
        }
        let answer = real(&mut state.disk.borrow_mut(), state.who);
        let answer = if state.lost { repeated(asked.call, answer) } else { answer };
        state.past.push(Past { asked, answer: answer.clone() });
        answer
    }

    fn done(&self, asked: Asked, real: impl FnOnce(&mut Disk, Who) -> Answer<()>) -> Answer<()> {
        match self.call(asked, Reply::Done(Err(CRASHED)), |d, w| Reply::Done(real(d, w))) {
            Reply::Done(answer) => answer,
            other => unreachable!("{asked:?} is not answered by {other:?}"),
        }
    }

    fn opened(
        &self,
        node: Node,
        flag: Flag,
        real: impl FnOnce(&mut Disk, Who) -> Answer<u8>,
    ) -> Result<File<'_, 'd>, Fault> {
        let crashed = Reply::Open(Err(CRASHED));
        let asked = Asked::of(Call::Open, node).with(flag);
        match self.call(asked, crashed, |d, w| Reply::Open(real(d, w))) {
            Reply::Open(answer) => {
                answer.map(|at| File { sim: self, at, node }).map_err(fault(Call::Open, node))
            }
            other => unreachable!("open is not answered by {other:?}"),
        }
    }

    fn stat_by(
        &self,
        call: Call,
        node: Node,
        real: impl FnOnce(&mut Disk, Who) -> Answer<Stat>,
    ) -> Result<Stat, Fault> {
        let crashed = Reply::Stat(Err(CRASHED));
        let asked = Asked::of(call, node);
        let Reply::Stat(answer) = self.call(asked, crashed, |d, w| Reply::Stat(real(d, w))) else {
            unreachable!("stat is answered by a stat")
        };
        if let Ok(stat) = answer {
            self.0.borrow_mut().seen.last_stat = Some(stat);
        }
        answer.map_err(fault(call, node))
    }

    fn bytes(
        &self,
        call: Call,
        node: Node,
        buffer: &mut [u8],
        real: impl FnOnce(&mut Disk, Who) -> Answer<Vec<u8>>,
    ) -> Result<usize, Fault> {
        let crashed = Reply::Bytes(Err(CRASHED));
        let asked = Asked::of(call, node);
        let Reply::Bytes(answer) = self.call(asked, crashed, |d, w| Reply::Bytes(real(d, w)))
        else {
            unreachable!("a read is answered by bytes")
        };
        let bytes = answer.map_err(fault(call, node))?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// Notes that the new call is about an open file, which perhaps nobody else can reach.
    fn about(&self, file: u8) {
        let state = &mut *self.0.borrow_mut();
        if state.at == state.known + 1 {
            state.seen_by_others = !state.disk.borrow().is_private(file);
        }
    }

    /// What a role is called on the disk.
    fn name(&self, node: Node) -> Name {
        let state = self.0.borrow();
        match node {
            Node::Lock => Name::Lock,
            Node::Companion => Name::Companion,
            Node::Guard => Name::Guard,
            Node::Queue => Name::Queue,
            Node::Private => Name::Private(state.private.0, state.private.1),
            node => unreachable!("{node:?} has no name here"),
        }
    }

    /// Whether the mutant leaves out this call of its sort.
    fn left_out(&self, count: impl Fn(&mut Seen) -> &mut u8, which: Option<u8>) -> bool {
        let state = &mut *self.0.borrow_mut();
        let count = count(&mut state.seen);
        *count += 1;
        which == Some(*count - 1)
    }

    /// Whether something is left out.
    pub fn is_mutated(&self) -> bool {
        self.mutant() != Mutant::default()
    }

    fn mutant(&self) -> Mutant {
        self.0.borrow().mutant
    }
}

/// What the server says to a request that it has fulfilled before.
fn repeated(call: Call, answer: Reply) -> Reply {
    match (call, &answer) {
        (Call::Link | Call::Symlink | Call::Mkdir, Reply::Done(Ok(()))) => {
            Reply::Done(Err(FaultKind::Exists))
        }
        (Call::Unlink | Call::Rename | Call::Rmdir, Reply::Done(Ok(()))) => {
            Reply::Done(Err(FaultKind::Missing))
        }
        _ => answer,
    }
}

fn fault(call: Call, node: Node) -> impl Fn(FaultKind) -> Fault {
    move |kind| Fault { call, node, kind, errno: 0 }
}

/// An open file of a simulated process. Closing it is a call of its own.
#[derive(Debug)]
pub struct File<'s, 'd> {
    sim: &'s Sim<'d>,
    at: u8,
    /// What it was opened as.
    node: Node,
}

impl Drop for File<'_, '_> {
    fn drop(&mut self) {
        let at = self.at;
        let closing = Asked::of(Call::Fcntl, self.node).with(Flag::Close);
        let _ = self.sim.done(closing, |disk, _| {
            disk.close(at);
            Ok(())
        });
    }
}
