//! A task of the board, and the traits of lock-core as its system calls.

use core::cell::Cell;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::{
    Access, Blocker, Contents, CreateNew, Dirs, FileType, Files, Flock, Inode, Links, LockTable,
    Mode, Names, Node, ProcessState, Processes, Stat, Symlinks, Unnamed,
};
use lock_core::owner::{Pid, StartTime};

use crate::kernel::{self, Answer, Kernel};
use crate::store::{Name, ROOT};

/// A task. Its private name is its own by its pid.
pub struct Task {
    pid: u32,
    start: StartTime,
    calls_left: Cell<u32>,
}

/// An open file. Dropping it closes it.
#[derive(Debug)]
pub struct OpenFile {
    at: usize,
    pid: u32,
}

impl Task {
    /// Starts a task with a pid that nobody has.
    pub fn spawn(pid: u32) -> Task {
        let start = kernel::with(|kernel| kernel.spawn(pid));
        Task { pid, start, calls_left: Cell::new(u32::MAX) }
    }

    /// Lets the task make only so many more calls: all after that fail and change nothing, as if
    /// it had ended there.
    pub fn end_after(self, calls: u32) -> Task {
        self.calls_left.set(calls);
        self
    }

    /// Whether it wanted to make more calls than it was allowed.
    pub fn was_ended(&self) -> bool {
        self.calls_left.get() == 0
    }

    /// Ends the task, with whatever it holds.
    pub fn kill(self) {
        kernel::with(|kernel| kernel.kill(self.pid));
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it was started.
    pub fn start(&self) -> StartTime {
        self.start
    }

    fn call<T>(
        &self,
        call: Call,
        node: Node,
        work: impl FnOnce(&mut Kernel) -> Answer<T>,
    ) -> Result<T, Fault> {
        let kind = match self.calls_left.get().checked_sub(1) {
            Some(left) => {
                self.calls_left.set(left);
                match kernel::with(work) {
                    Ok(answer) => return Ok(answer),
                    Err(kind) => kind,
                }
            }
            None => FaultKind::Io,
        };
        Err(Fault { call, node, kind, errno: 0 })
    }

    fn opened(
        &self,
        node: Node,
        work: impl FnOnce(&mut Kernel) -> Answer<usize>,
    ) -> Result<OpenFile, Fault> {
        self.call(Call::Open, node, work).map(|at| OpenFile { at, pid: self.pid })
    }

    /// What a role is called; `None`: it is the directory.
    fn find(&self, node: Node) -> Answer<Option<Name>> {
        let code = match node {
            Node::Directory => return Ok(None),
            Node::Lock => 1,
            Node::Companion => 2,
            Node::Guard => 3,
            Node::Token => 4,
            Node::Private => u8::try_from(0x10 + self.pid).map_err(|_| FaultKind::NameTooLong)?,
            // The owner is in a directory of its own, the table nowhere.
            _ => return Err(FaultKind::Unsupported),
        };
        Ok(Some(Name { directory: ROOT, code }))
    }

    fn name(&self, node: Node) -> Answer<Name> {
        self.find(node)?.ok_or(FaultKind::IsDirectory)
    }
}

fn owner(kernel: &mut Kernel, directory: &OpenFile) -> Answer<Name> {
    Ok(Name { directory: kernel.directory(directory.at)?, code: 1 })
}

fn offset(offset: u64) -> Answer<usize> {
    usize::try_from(offset).map_err(|_| FaultKind::TooLong)
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        kernel::with(|kernel| kernel.close(self.at, self.pid));
    }
}

impl Files for Task {
    type File = OpenFile;

    fn open(&self, node: Node, _: Access) -> Result<OpenFile, Fault> {
        self.opened(node, |kernel| match self.find(node)? {
            Some(name) => kernel.open(self.pid, name, FileType::Regular),
            None => kernel.open_root(self.pid),
        })
    }

    fn open_or_create(&self, node: Node, _: Access) -> Result<OpenFile, Fault> {
        self.opened(node, |kernel| {
            let name = self.name(node)?;
            match kernel.create(self.pid, Some(name)) {
                Err(FaultKind::Exists) => kernel.open(self.pid, name, FileType::Regular),
                opened => opened,
            }
        })
    }

    fn fstat(&self, file: &OpenFile) -> Result<Stat, Fault> {
        self.call(Call::Fstat, Node::Lock, |kernel| kernel.fstat(file.at))
    }

    fn stat(&self, node: Node) -> Result<Stat, Fault> {
        self.call(Call::Stat, node, |kernel| kernel.stat(self.find(node)?))
    }
}

impl Contents for Task {
    fn pread(&self, file: &OpenFile, buffer: &mut [u8], from: u64) -> Result<usize, Fault> {
        self.call(Call::Pread, Node::Lock, |kernel| kernel.read(file.at, buffer, offset(from)?))
    }

    fn pwrite(&self, file: &OpenFile, bytes: &[u8], from: u64) -> Result<usize, Fault> {
        self.call(Call::Pwrite, Node::Lock, |kernel| kernel.write(file.at, bytes, offset(from)?))
    }

    fn ftruncate(&self, file: &OpenFile, len: u64) -> Result<(), Fault> {
        self.call(Call::Ftruncate, Node::Lock, |kernel| kernel.set_len(file.at, offset(len)?))
    }
}

impl Names for Task {
    fn unlink(&self, node: Node) -> Result<(), Fault> {
        self.call(Call::Unlink, node, |kernel| kernel.unlink(self.name(node)?))
    }
}

impl CreateNew for Task {
    fn create_new(&self, node: Node) -> Result<OpenFile, Fault> {
        self.opened(node, |kernel| kernel.create(self.pid, Some(self.name(node)?)))
    }
}

impl Links for Task {
    fn link(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.call(Call::Link, to, |kernel| kernel.link(self.name(from)?, self.name(to)?))
    }

    fn rename(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.call(Call::Rename, to, |kernel| kernel.rename(self.name(from)?, self.name(to)?, true))
    }

    fn rename_noreplace(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.call(Call::Rename, to, |kernel| kernel.rename(self.name(from)?, self.name(to)?, false))
    }

    fn rename_exchange(&self, one: Node, other: Node) -> Result<(), Fault> {
        self.call(Call::Rename, other, |kernel| kernel.exchange(self.name(one)?, self.name(other)?))
    }
}

impl Unnamed for Task {
    fn open_unnamed(&self) -> Result<OpenFile, Fault> {
        self.opened(Node::Private, |kernel| kernel.create(self.pid, None))
    }

    fn link_unnamed(&self, file: &OpenFile, to: Node) -> Result<(), Fault> {
        self.call(Call::Link, to, |kernel| kernel.link_open(file.at, self.name(to)?))
    }
}

impl Symlinks for Task {
    fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault> {
        self.call(Call::Symlink, node, |kernel| kernel.symlink(target, self.name(node)?))
    }

    fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.call(Call::Readlink, node, |kernel| kernel.readlink(self.name(node)?, buffer))
    }
}

impl Dirs for Task {
    fn mkdir(&self, node: Node) -> Result<(), Fault> {
        self.call(Call::Mkdir, node, |kernel| kernel.mkdir(self.name(node)?))
    }

    fn rmdir(&self, node: Node) -> Result<(), Fault> {
        self.call(Call::Rmdir, node, |kernel| kernel.rmdir(self.name(node)?))
    }

    fn open_directory(&self, node: Node) -> Result<OpenFile, Fault> {
        self.opened(node, |kernel| match self.find(node)? {
            Some(name) => kernel.open(self.pid, name, FileType::Directory),
            None => kernel.open_root(self.pid),
        })
    }

    fn symlink_in(&self, target: &[u8], directory: &OpenFile) -> Result<(), Fault> {
        self.call(Call::Symlink, Node::Owner, |kernel| {
            let owner = owner(kernel, directory)?;
            kernel.symlink(target, owner)
        })
    }

    fn readlink_in(&self, directory: &OpenFile, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.call(Call::Readlink, Node::Owner, |kernel| {
            let owner = owner(kernel, directory)?;
            kernel.readlink(owner, buffer)
        })
    }

    fn unlink_in(&self, directory: &OpenFile) -> Result<(), Fault> {
        self.call(Call::Unlink, Node::Owner, |kernel| {
            let owner = owner(kernel, directory)?;
            kernel.unlink(owner)
        })
    }
}

impl Processes for Task {
    fn process(&self, pid: Pid) -> ProcessState {
        kernel::with(|kernel| kernel.process(pid.get()))
    }
}

impl Flock for Task {
    fn flock(&self, file: &OpenFile, mode: Mode) -> Result<(), Fault> {
        self.call(Call::Flock, Node::Lock, |kernel| kernel.flock(file.at, Some(mode)))
    }

    fn flock_un(&self, file: &OpenFile) -> Result<(), Fault> {
        self.call(Call::Flock, Node::Lock, |kernel| kernel.flock(file.at, None))
    }
}

impl LockTable for Task {
    fn flock_listed(&self, _: &OpenFile, inode: Inode) -> Result<Option<Blocker>, Fault> {
        let listed = self.call(Call::Open, Node::LockTable, |kernel| Ok(kernel.flock_of(inode)))?;
        Ok(listed.map(|(mode, pid)| Blocker { mode, pid: Some(pid) }))
    }
}
