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
use lock_core::os::{
    Access, Blocker, Contents, CreateNew, Dirs, Files, Flock, Inode, Links, LockTable, Mode, Names,
    Node, OfdLocks, PosixLocks, ProcessState, Processes, Stat, Symlinks, Unnamed,
};
use lock_core::owner::Pid;

use super::disk::{Answer, Disk, Name, Who};

/// An answer that a process has had, with the call it asked.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Past {
    call: Call,
    node: Node,
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
        let (call, node) = (self.call.name(), self.node.name());
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
    life: u8,
    past: Vec<Past>,
    /// How many calls are answered from the past.
    known: usize,
    /// How many new ones go through.
    budget: usize,
    at: usize,
    /// Whether the program has what it wanted, and nothing after the crash told it so.
    holding: bool,
    mutant: Mutant,
    seen: Seen,
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
        let (at, holding) = (0, false);
        Sim(RefCell::new(State { disk, who, life, past, known, budget, at, holding, mutant, seen }))
    }

    /// The process holds the lock from here until [`leave`](Self::leave).
    pub fn enter(&self) {
        let state = &mut *self.0.borrow_mut();
        state.holding = state.at <= state.known + state.budget;
    }

    /// A step that does nothing: it comes at any time after the lock was taken.
    pub fn leave(&self) {
        let _ = self.done(Call::Pread, Node::LockTable, |_, _| Ok(()));
        let state = &mut *self.0.borrow_mut();
        if state.at <= state.known + state.budget {
            state.holding = false;
        }
    }

    /// What the step did.
    pub fn finish(self) -> Step {
        let state = self.0.into_inner();
        let ended = state.at <= state.known + state.budget;
        Step { past: state.past, holding: state.holding, ended }
    }

    /// Answers one call.
    fn call(
        &self,
        call: Call,
        node: Node,
        crashed: Reply,
        real: impl FnOnce(&mut Disk, Who) -> Reply,
    ) -> Reply {
        let state = &mut *self.0.borrow_mut();
        let at = state.at;
        state.at += 1;
        if let Some(past) = state.past.get(at).filter(|_| at < state.known) {
            assert_eq!((past.call, past.node), (call, node), "a program with hidden input");
            return past.answer.clone();
        }
        if at >= state.known + state.budget {
            return crashed;
        }
        let answer = real(&mut state.disk.borrow_mut(), state.who);
        state.past.push(Past { call, node, answer: answer.clone() });
        answer
    }

    fn done(
        &self,
        call: Call,
        node: Node,
        real: impl FnOnce(&mut Disk, Who) -> Answer<()>,
    ) -> Answer<()> {
        match self.call(call, node, Reply::Done(Err(CRASHED)), |d, w| Reply::Done(real(d, w))) {
            Reply::Done(answer) => answer,
            other => unreachable!("{call:?} is not answered by {other:?}"),
        }
    }

    fn opened(
        &self,
        node: Node,
        real: impl FnOnce(&mut Disk, Who) -> Answer<u8>,
    ) -> Result<File<'_, 'd>, Fault> {
        let crashed = Reply::Open(Err(CRASHED));
        match self.call(Call::Open, node, crashed, |d, w| Reply::Open(real(d, w))) {
            Reply::Open(answer) => {
                answer.map(|at| File { sim: self, at }).map_err(fault(Call::Open, node))
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
        let Reply::Stat(answer) = self.call(call, node, crashed, |d, w| Reply::Stat(real(d, w)))
        else {
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
        let Reply::Bytes(answer) = self.call(call, node, crashed, |d, w| Reply::Bytes(real(d, w)))
        else {
            unreachable!("a read is answered by bytes")
        };
        let bytes = answer.map_err(fault(call, node))?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// What a role is called on the disk.
    fn name(&self, node: Node) -> Name {
        let state = self.0.borrow();
        match node {
            Node::Lock => Name::Lock,
            Node::Companion => Name::Companion,
            Node::Guard => Name::Guard,
            Node::Private => Name::Private(state.who, state.life),
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

fn fault(call: Call, node: Node) -> impl Fn(FaultKind) -> Fault {
    move |kind| Fault { call, node, kind, errno: 0 }
}

/// An open file of a simulated process. Closing it is a call of its own.
#[derive(Debug)]
pub struct File<'s, 'd> {
    sim: &'s Sim<'d>,
    at: u8,
}

impl Drop for File<'_, '_> {
    fn drop(&mut self) {
        let at = self.at;
        let _ = self.sim.done(Call::Fcntl, Node::LockTable, |disk, _| {
            disk.close(at);
            Ok(())
        });
    }
}

impl<'s, 'd> Files for &'s Sim<'d> {
    type File = File<'s, 'd>;

    fn open(&self, node: Node, _: Access) -> Result<File<'s, 'd>, Fault> {
        if node == Node::Directory {
            return self.opened(node, |disk, who| disk.open_directory(who, None));
        }
        let name = self.name(node);
        self.opened(node, |disk, who| disk.open(who, name))
    }

    fn open_or_create(&self, node: Node, _: Access) -> Result<File<'s, 'd>, Fault> {
        let name = self.name(node);
        self.opened(node, |disk, who| disk.create(who, name, false))
    }

    fn fstat(&self, file: &File<'s, 'd>) -> Result<Stat, Fault> {
        let at = file.at;
        self.stat_by(Call::Fstat, Node::Lock, |disk, _| Ok(disk.fstat(at)))
    }

    fn stat(&self, node: Node) -> Result<Stat, Fault> {
        let name = self.name(node);
        if self.left_out(|seen| &mut seen.stats, self.mutant().stat) {
            let last = self.0.borrow().seen.last_stat;
            return last.ok_or(fault(Call::Stat, node)(FaultKind::Missing));
        }
        self.stat_by(Call::Stat, node, |disk, _| disk.stat(name))
    }
}

impl Contents for &Sim<'_> {
    fn pread(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> Result<usize, Fault> {
        if offset > 0 {
            return Ok(0);
        }
        let at = file.at;
        self.bytes(Call::Pread, Node::Lock, buffer, |disk, _| disk.read(at))
    }

    fn pwrite(&self, file: &Self::File, bytes: &[u8], _: u64) -> Result<usize, Fault> {
        let at = file.at;
        self.done(Call::Pwrite, Node::Lock, |disk, _| disk.write(at, bytes).map(drop))
            .map(|()| bytes.len())
            .map_err(fault(Call::Pwrite, Node::Lock))
    }

    fn ftruncate(&self, file: &Self::File, len: u64) -> Result<(), Fault> {
        let (at, len) = (file.at, usize::try_from(len).unwrap_or(usize::MAX));
        self.done(Call::Ftruncate, Node::Lock, |disk, _| disk.truncate(at, len))
            .map_err(fault(Call::Ftruncate, Node::Lock))
    }
}

impl Names for &Sim<'_> {
    fn unlink(&self, node: Node) -> Result<(), Fault> {
        let name = self.name(node);
        self.done(Call::Unlink, node, |disk, _| disk.unlink(name))
            .map_err(fault(Call::Unlink, node))
    }
}

impl CreateNew for &Sim<'_> {
    fn create_new(&self, node: Node) -> Result<Self::File, Fault> {
        let name = self.name(node);
        self.opened(node, |disk, who| disk.create(who, name, true))
    }
}

impl Links for &Sim<'_> {
    fn link(&self, from: Node, to: Node) -> Result<(), Fault> {
        let names = (self.name(from), self.name(to));
        self.done(Call::Link, to, |disk, _| disk.link(names.0, names.1))
            .map_err(fault(Call::Link, to))
    }

    fn rename(&self, from: Node, to: Node) -> Result<(), Fault> {
        let names = (self.name(from), self.name(to));
        self.done(Call::Rename, to, |disk, _| disk.rename(names.0, names.1))
            .map_err(fault(Call::Rename, to))
    }

    fn rename_noreplace(&self, from: Node, to: Node) -> Result<(), Fault> {
        let names = (self.name(from), self.name(to));
        self.done(Call::Rename, to, |disk, _| disk.rename_noreplace(names.0, names.1))
            .map_err(fault(Call::Rename, to))
    }

    fn rename_exchange(&self, one: Node, other: Node) -> Result<(), Fault> {
        let names = (self.name(one), self.name(other));
        self.done(Call::Rename, other, |disk, _| disk.rename_exchange(names.0, names.1))
            .map_err(fault(Call::Rename, other))
    }
}

impl Unnamed for &Sim<'_> {
    fn open_unnamed(&self) -> Result<Self::File, Fault> {
        self.opened(Node::Private, |disk, who| Ok(disk.open_unnamed(who)))
    }

    fn link_unnamed(&self, file: &Self::File, to: Node) -> Result<(), Fault> {
        let (at, name) = (file.at, self.name(to));
        self.done(Call::Link, to, |disk, _| disk.link_open(at, name)).map_err(fault(Call::Link, to))
    }
}

impl Symlinks for &Sim<'_> {
    fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault> {
        let name = self.name(node);
        self.done(Call::Symlink, node, |disk, _| disk.symlink(target, name))
            .map_err(fault(Call::Symlink, node))
    }

    fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault> {
        if self.left_out(|seen| &mut seen.readlinks, self.mutant().readlink) {
            let last = self.0.borrow().seen.last_target.clone();
            buffer[..last.len()].copy_from_slice(&last);
            return Ok(last.len());
        }
        let name = self.name(node);
        let len = self.bytes(Call::Readlink, node, buffer, |disk, _| disk.readlink(name))?;
        self.0.borrow_mut().seen.last_target = buffer[..len].to_vec();
        Ok(len)
    }
}

impl Dirs for &Sim<'_> {
    fn mkdir(&self, node: Node) -> Result<(), Fault> {
        let name = self.name(node);
        self.done(Call::Mkdir, node, |disk, _| disk.mkdir(name)).map_err(fault(Call::Mkdir, node))
    }

    fn rmdir(&self, node: Node) -> Result<(), Fault> {
        let name = self.name(node);
        self.done(Call::Rmdir, node, |disk, _| disk.rmdir(name)).map_err(fault(Call::Rmdir, node))
    }

    fn open_directory(&self, node: Node) -> Result<Self::File, Fault> {
        let name = self.name(node);
        self.opened(node, |disk, who| disk.open_directory(who, Some(name)))
    }

    fn symlink_in(&self, target: &[u8], directory: &Self::File) -> Result<(), Fault> {
        let at = directory.at;
        self.done(Call::Symlink, Node::Owner, |disk, _| {
            let name = disk.owner_of(at)?;
            disk.symlink(target, name)
        })
        .map_err(fault(Call::Symlink, Node::Owner))
    }

    fn readlink_in(&self, directory: &Self::File, buffer: &mut [u8]) -> Result<usize, Fault> {
        let at = directory.at;
        self.bytes(Call::Readlink, Node::Owner, buffer, |disk, _| {
            disk.owner_of(at).and_then(|name| disk.readlink(name))
        })
    }

    fn unlink_in(&self, directory: &Self::File) -> Result<(), Fault> {
        let at = directory.at;
        self.done(Call::Unlink, Node::Owner, |disk, _| {
            let name = disk.owner_of(at)?;
            disk.unlink(name)
        })
        .map_err(fault(Call::Unlink, Node::Owner))
    }
}

impl Flock for &Sim<'_> {
    fn flock(&self, file: &Self::File, mode: Mode) -> Result<(), Fault> {
        if self.left_out(|seen| &mut seen.flocks, self.mutant().flock) {
            return Ok(());
        }
        let at = file.at;
        self.done(Call::Flock, Node::Lock, |disk, _| disk.flock(at, Some(mode)))
            .map_err(fault(Call::Flock, Node::Lock))
    }

    fn flock_un(&self, file: &Self::File) -> Result<(), Fault> {
        let at = file.at;
        self.done(Call::Flock, Node::Lock, |disk, _| disk.flock(at, None))
            .map_err(fault(Call::Flock, Node::Lock))
    }
}

impl PosixLocks for &Sim<'_> {
    fn setlk(&self, file: &Self::File, mode: Mode) -> Result<(), Fault> {
        let at = file.at;
        self.done(Call::Fcntl, Node::Lock, |disk, _| disk.setlk(at, Some(mode)))
            .map_err(fault(Call::Fcntl, Node::Lock))
    }

    fn setlk_un(&self, file: &Self::File) -> Result<(), Fault> {
        let at = file.at;
        self.done(Call::Fcntl, Node::Lock, |disk, _| disk.setlk(at, None))
            .map_err(fault(Call::Fcntl, Node::Lock))
    }

    fn getlk(&self, file: &Self::File, _: Mode) -> Result<Option<Blocker>, Fault> {
        let at = file.at;
        Ok(self.blocker(|disk, who| disk.blocker(at, Some(who))))
    }
}

impl OfdLocks for &Sim<'_> {
    fn ofd_setlk(&self, file: &Self::File, mode: Mode) -> Result<(), Fault> {
        let at = file.at;
        self.done(Call::Fcntl, Node::Lock, |disk, _| disk.ofd_setlk(at, Some(mode)))
            .map_err(fault(Call::Fcntl, Node::Lock))
    }

    fn ofd_setlk_un(&self, file: &Self::File) -> Result<(), Fault> {
        let at = file.at;
        self.done(Call::Fcntl, Node::Lock, |disk, _| disk.ofd_setlk(at, None))
            .map_err(fault(Call::Fcntl, Node::Lock))
    }

    fn ofd_getlk(&self, file: &Self::File, _: Mode) -> Result<Option<Blocker>, Fault> {
        let at = file.at;
        Ok(self.blocker(|disk, _| disk.blocker(at, None)))
    }
}

impl Sim<'_> {
    fn blocker(&self, real: impl FnOnce(&mut Disk, Who) -> Option<Mode>) -> Option<Blocker> {
        let crashed = Reply::Blocker(None);
        match self.call(Call::Fcntl, Node::Lock, crashed, |d, w| Reply::Blocker(real(d, w))) {
            Reply::Blocker(mode) => mode.map(|mode| Blocker { mode, pid: None }),
            other => unreachable!("a look is not answered by {other:?}"),
        }
    }
}

impl LockTable for &Sim<'_> {
    fn flock_listed(&self, file: &Self::File, _: Inode) -> Result<Option<Blocker>, Fault> {
        let at = file.at;
        Ok(self.blocker(|disk, _| disk.flocked(disk.ino(at))))
    }
}

impl Processes for &Sim<'_> {
    fn process(&self, pid: Pid) -> ProcessState {
        let crashed = Reply::Process(ProcessState::Running { start: None, started_at_us: None });
        let call = Call::Pread;
        match self.call(call, Node::LockTable, crashed, |d, _| Reply::Process(d.process(pid.get())))
        {
            Reply::Process(state) => state,
            other => unreachable!("a process is not {other:?}"),
        }
    }
}
