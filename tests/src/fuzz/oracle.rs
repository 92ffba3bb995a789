//! An operating system that answers whatever the fuzzer's bytes say, and counts.
//!
//! When the bytes have run out every call fails for good, so that an attempt which does not end
//! then never ends.

use core::cell::{Cell, RefCell};

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::{
    Access, Blocker, Contents, CreateNew, Dirs, FileType, Files, Flock, Inode, Links, LockTable,
    Mode, Names, Node, OfdLocks, PosixLocks, ProcessState, Processes, Stat, Symlinks, Unnamed,
};
use lock_core::owner::{Pid, StartTime};

/// No attempt makes more calls after the answers have run out.
const CALLS_AFTER_THE_END: u32 = 64;

/// See the module.
#[derive(Debug)]
pub struct Oracle<'b> {
    bytes: Cell<&'b [u8]>,
    after_the_end: Cell<u32>,
    /// The calls that were answered with success, and on what.
    pub done: RefCell<Vec<(Call, Node)>>,
    open: Cell<usize>,
}

/// An open file; the oracle counts them.
#[derive(Debug)]
pub struct Opened<'o>(&'o Cell<usize>);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

const KINDS: [FaultKind; 12] = [
    FaultKind::Exists,
    FaultKind::Missing,
    FaultKind::WouldBlock,
    FaultKind::Denied,
    FaultKind::Unsupported,
    FaultKind::NotEmpty,
    FaultKind::Interrupted,
    FaultKind::Io,
    FaultKind::IsDirectory,
    FaultKind::NotDirectory,
    FaultKind::Symlink,
    FaultKind::StaleHandle,
];

impl<'b> Oracle<'b> {
    /// Answers with these bytes.
    pub fn new(bytes: &'b [u8]) -> Oracle<'b> {
        Oracle {
            bytes: Cell::new(bytes),
            after_the_end: Cell::new(0),
            done: RefCell::default(),
            open: Cell::new(0),
        }
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        self.open.get()
    }

    /// Whether one of these calls succeeded on one of these things.
    pub fn did(&self, wanted: &[(Call, Node)]) -> bool {
        self.done.borrow().iter().any(|done| wanted.contains(done))
    }

    /// The next byte of wisdom.
    pub fn byte(&self) -> Option<u8> {
        let (first, rest) = self.bytes.get().split_first()?;
        self.bytes.set(rest);
        Some(*first)
    }

    fn number(&self) -> u64 {
        // Small numbers, so that equal ones are frequent.
        u64::from(self.byte().unwrap_or(0) % 4)
    }

    fn answer(&self, call: Call, node: Node) -> Result<(), Fault> {
        let kind = match self.byte() {
            None => {
                self.after_the_end.set(self.after_the_end.get() + 1);
                assert!(self.after_the_end.get() < CALLS_AFTER_THE_END, "it does not end");
                FaultKind::Io
            }
            Some(byte) if byte < 160 => {
                self.done.borrow_mut().push((call, node));
                return Ok(());
            }
            Some(byte) => KINDS[usize::from(byte) % KINDS.len()],
        };
        Err(Fault { call, node, kind, errno: 0 })
    }

    fn opened(&self, node: Node) -> Result<Opened<'_>, Fault> {
        self.answer(Call::Open, node)?;
        self.open.set(self.open.get() + 1);
        Ok(Opened(&self.open))
    }

    fn facts(&self) -> Stat {
        let types = [FileType::Regular, FileType::Regular, FileType::Directory, FileType::Symlink];
        Stat {
            inode: Inode { dev: 1, ino: self.number() },
            file_type: types[usize::from(self.byte().unwrap_or(0)) % types.len()],
            len: self.number(),
            links: self.number(),
            modified_ms: i64::from(self.byte().unwrap_or(0)) * 100,
        }
    }

    fn fill(&self, buffer: &mut [u8]) -> usize {
        let len = usize::from(self.byte().unwrap_or(0)).min(buffer.len());
        for to in &mut buffer[..len] {
            *to = self.byte().unwrap_or(0);
        }
        len
    }

    fn blocker(&self) -> Option<Blocker> {
        let byte = self.byte()?;
        (byte > 128).then(|| Blocker { mode: Mode::Exclusive, pid: Some(u32::from(byte)) })
    }
}

/// One trait method that only succeeds or fails.
macro_rules! answers {
    ($($name:ident($($arg:ident: $kind:ty),*) => $call:ident, $node:expr;)*) => {
        $(fn $name(&self, $($arg: $kind),*) -> Result<(), Fault> {
            self.answer(Call::$call, $node)
        })*
    };
}

impl<'o> Files for &'o Oracle<'_> {
    type File = Opened<'o>;
    fn open(&self, node: Node, _: Access) -> Result<Opened<'o>, Fault> {
        self.opened(node)
    }
    fn open_or_create(&self, node: Node, _: Access) -> Result<Opened<'o>, Fault> {
        self.opened(node)
    }
    fn fstat(&self, _: &Opened<'o>) -> Result<Stat, Fault> {
        self.answer(Call::Fstat, Node::Lock).map(|()| self.facts())
    }
    fn stat(&self, node: Node) -> Result<Stat, Fault> {
        self.answer(Call::Stat, node).map(|()| self.facts())
    }
}

impl<'o> Contents for &'o Oracle<'_> {
    fn pread(&self, _: &Opened<'o>, buffer: &mut [u8], _: u64) -> Result<usize, Fault> {
        self.answer(Call::Pread, Node::Lock).map(|()| self.fill(buffer))
    }
    fn pwrite(&self, _: &Opened<'o>, bytes: &[u8], _: u64) -> Result<usize, Fault> {
        self.answer(Call::Pwrite, Node::Lock)?;
        // Short now and then.
        Ok(if self.byte().unwrap_or(0) < 200 { bytes.len() } else { bytes.len() / 2 })
    }
    answers! { ftruncate(_file: &Opened<'o>, _len: u64) => Ftruncate, Node::Lock; }
}

impl Names for &Oracle<'_> {
    answers! { unlink(node: Node) => Unlink, node; }
}

impl<'o> CreateNew for &'o Oracle<'_> {
    fn create_new(&self, node: Node) -> Result<Opened<'o>, Fault> {
        self.opened(node)
    }
}

impl Links for &Oracle<'_> {
    answers! {
        link(_from: Node, to: Node) => Link, to;
        rename(_from: Node, to: Node) => Rename, to;
        rename_noreplace(_from: Node, to: Node) => Rename, to;
        rename_exchange(_one: Node, other: Node) => Rename, other;
    }
}

impl<'o> Unnamed for &'o Oracle<'_> {
    fn open_unnamed(&self) -> Result<Opened<'o>, Fault> {
        self.opened(Node::Private)
    }
    answers! { link_unnamed(_file: &Opened<'o>, to: Node) => Link, to; }
}

impl Symlinks for &Oracle<'_> {
    answers! { symlink(_target: &[u8], node: Node) => Symlink, node; }
    fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.answer(Call::Readlink, node).map(|()| self.fill(buffer))
    }
}

impl<'o> Dirs for &'o Oracle<'_> {
    answers! {
        mkdir(node: Node) => Mkdir, node;
        rmdir(node: Node) => Rmdir, node;
        symlink_in(_target: &[u8], _directory: &Opened<'o>) => Symlink, Node::Owner;
        unlink_in(_directory: &Opened<'o>) => Unlink, Node::Owner;
    }
    fn open_directory(&self, node: Node) -> Result<Opened<'o>, Fault> {
        self.opened(node)
    }
    fn readlink_in(&self, _: &Opened<'o>, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.answer(Call::Readlink, Node::Owner).map(|()| self.fill(buffer))
    }
}

impl Processes for &Oracle<'_> {
    fn process(&self, _: Pid) -> ProcessState {
        match self.number() {
            0 => ProcessState::Gone,
            1 => ProcessState::Zombie,
            start => ProcessState::Running { start: Some(StartTime(start)), started_at_us: None },
        }
    }
}

impl<'o> Flock for &'o Oracle<'_> {
    answers! {
        flock(_file: &Opened<'o>, _mode: Mode) => Flock, Node::Lock;
        flock_un(_file: &Opened<'o>) => Flock, Node::Private;
    }
}

impl<'o> PosixLocks for &'o Oracle<'_> {
    answers! {
        setlk(_file: &Opened<'o>, _mode: Mode) => Fcntl, Node::Lock;
        setlk_un(_file: &Opened<'o>) => Fcntl, Node::Private;
    }
    fn getlk(&self, _: &Opened<'o>, _: Mode) -> Result<Option<Blocker>, Fault> {
        self.answer(Call::Fcntl, Node::Private).map(|()| self.blocker())
    }
}

impl<'o> OfdLocks for &'o Oracle<'_> {
    answers! {
        ofd_setlk(_file: &Opened<'o>, _mode: Mode) => Fcntl, Node::Lock;
        ofd_setlk_un(_file: &Opened<'o>) => Fcntl, Node::Private;
    }
    fn ofd_getlk(&self, _: &Opened<'o>, _: Mode) -> Result<Option<Blocker>, Fault> {
        self.answer(Call::Fcntl, Node::Private).map(|()| self.blocker())
    }
}

impl<'o> LockTable for &'o Oracle<'_> {
    fn flock_listed(&self, _: &Opened<'o>, _: Inode) -> Result<Option<Blocker>, Fault> {
        self.answer(Call::Open, Node::LockTable).map(|()| self.blocker())
    }
}
