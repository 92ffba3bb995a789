//! A POSIX file system, as far as locks can tell: inodes, names, open files and their locks.
//!
//! Calls are atomic and never fail for want of space. An inode lives as long as it has a name or
//! is open, and its number is the lowest that is free, as on ext4: a number means the same file
//! only while the file is open. Power loss is not modelled: what was done stays done.

use std::collections::BTreeMap;

use lock_core::fault::FaultKind;
use lock_core::os::{FileType, Inode, Mode, ProcessState, Stat};
use lock_core::owner::StartTime;

/// A process, by its place in the world; not its pid.
pub type Who = u8;

/// A name on the disk, in the lock's directory or in a lock directory.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Name {
    /// The lock's.
    Lock,
    /// The readers' file beside it.
    Companion,
    /// The breakers' file beside it.
    Guard,
    /// The waiters' file beside it.
    Queue,
    /// A private one: of this process in its so-manieth life.
    Private(Who, u8),
    /// The owner link in the directory with this inode number.
    Owner(u8),
}

/// The inode number of the directory that the lock is in.
const DIRECTORY: u8 = 0;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Body {
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Directory,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Node {
    body: Body,
    links: u8,
    /// Made without a name, and to get its first.
    linkable: bool,
}

/// An open file: what a descriptor refers to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Open {
    ino: u8,
    who: Who,
    flock: Option<Mode>,
    ofd: Option<Mode>,
}

/// The disk, with what the kernel keeps of open files and processes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Disk {
    nodes: BTreeMap<u8, Node>,
    names: BTreeMap<Name, u8>,
    opens: BTreeMap<u8, Open>,
    posix: BTreeMap<(u8, Who), Mode>,
    /// The running processes: pid and start time.
    running: BTreeMap<u8, u8>,
    /// Whether it knows only the rename that replaces, as NFS does.
    only_replaces: bool,
}

/// What a call answers.
pub type Answer<T> = Result<T, FaultKind>;

impl Default for Disk {
    fn default() -> Disk {
        let directory = Node { body: Body::Directory, links: 1, linkable: false };
        Disk {
            nodes: BTreeMap::from([(DIRECTORY, directory)]),
            names: BTreeMap::new(),
            opens: BTreeMap::new(),
            posix: BTreeMap::new(),
            running: BTreeMap::new(),
            only_replaces: false,
        }
    }
}

impl Disk {
    /// The same disk, on NFS: it knows only the rename that replaces.
    #[must_use]
    pub fn that_only_replaces(self) -> Disk {
        Disk { only_replaces: true, ..self }
    }

    /// Starts a process.
    pub fn start(&mut self, pid: u8, start: u8) {
        self.running.insert(pid, start);
    }

    /// Ends a process: its files close, and its locks go.
    pub fn kill(&mut self, who: Who, pid: u8) {
        self.running.remove(&pid);
        let open: Vec<u8> =
            self.opens.iter().filter(|(_, open)| open.who == who).map(|(&at, _)| at).collect();
        for at in open {
            self.close(at);
        }
    }

    /// What has become of a process.
    pub fn process(&self, pid: u64) -> ProcessState {
        match u8::try_from(pid).ok().and_then(|pid| self.running.get(&pid)) {
            Some(&start) => ProcessState::Running {
                start: Some(StartTime(u64::from(start))),
                started_at_us: None,
            },
            None => ProcessState::Gone,
        }
    }

    /// Whether a name is there.
    pub fn has(&self, name: Name) -> bool {
        self.names.contains_key(&name)
    }

    /// All names, to see what was left behind.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.names.keys().copied()
    }

    /// Whether a process has a file open, or a lock.
    pub fn has_open(&self, who: Who) -> bool {
        self.opens.values().any(|open| open.who == who)
            || self.posix.keys().any(|&(_, owner)| owner == who)
    }

    /// Whether only its opener can reach an open file: it has no name but a private one, and nobody
    /// else has it open.
    pub fn is_private(&self, at: u8) -> bool {
        let Some(open) = self.opens.get(&at) else { return false };
        let public = |(name, &ino): (&Name, &u8)| {
            ino == open.ino && !matches!(name, Name::Private(who, _) if *who == open.who)
        };
        open.ino != DIRECTORY
            && !self.names.iter().any(public)
            && !self.opens.values().any(|other| other.ino == open.ino && other.who != open.who)
    }

    /// The inode number of an open file.
    pub fn ino(&self, open: u8) -> u8 {
        self.opens[&open].ino
    }

    /// The inode number that a name means.
    pub fn find(&self, name: Name) -> Answer<u8> {
        self.names.get(&name).copied().ok_or(FaultKind::Missing)
    }

    /// `open(2)`.
    pub fn open(&mut self, who: Who, name: Name) -> Answer<u8> {
        let ino = self.find(name)?;
        match self.nodes[&ino].body {
            Body::Symlink(_) => Err(FaultKind::Symlink),
            Body::Directory => Err(FaultKind::IsDirectory),
            Body::File(_) => Ok(self.describe(who, ino)),
        }
    }

    /// `open(2)` of a directory: the lock's own, or one in it.
    pub fn open_directory(&mut self, who: Who, name: Option<Name>) -> Answer<u8> {
        let ino = name.map_or(Ok(DIRECTORY), |name| self.find(name))?;
        match self.nodes[&ino].body {
            Body::Directory => Ok(self.describe(who, ino)),
            Body::File(_) | Body::Symlink(_) => Err(FaultKind::NotDirectory),
        }
    }

    /// `open(2)` with `O_CREAT`, and with `O_EXCL` if `new`.
    pub fn create(&mut self, who: Who, name: Name, new: bool) -> Answer<u8> {
        if self.has(name) {
            return if new { Err(FaultKind::Exists) } else { self.open(who, name) };
        }
        let ino = self.make(Body::File(Vec::new()), 1);
        self.names.insert(name, ino);
        Ok(self.describe(who, ino))
    }

    /// `open(2)` with `O_TMPFILE`.
    pub fn open_unnamed(&mut self, who: Who) -> u8 {
        let ino = self.make(Body::File(Vec::new()), 0);
        self.describe(who, ino)
    }

    /// `close(2)`: drops the process's POSIX locks on the file, whichever descriptor this is.
    pub fn close(&mut self, at: u8) {
        if let Some(open) = self.opens.remove(&at) {
            self.posix.remove(&(open.ino, open.who));
            self.free_if_unused(open.ino);
        }
    }

    /// `fstat(2)`.
    pub fn fstat(&self, at: u8) -> Stat {
        self.stat_ino(self.opens[&at].ino)
    }

    /// `lstat(2)`.
    pub fn stat(&self, name: Name) -> Answer<Stat> {
        self.find(name).map(|ino| self.stat_ino(ino))
    }

    /// `pread(2)` of a whole file.
    pub fn read(&self, at: u8) -> Answer<Vec<u8>> {
        match &self.nodes[&self.opens[&at].ino].body {
            Body::File(bytes) => Ok(bytes.clone()),
            Body::Symlink(_) | Body::Directory => Err(FaultKind::IsDirectory),
        }
    }

    /// `pwrite(2)` at the start.
    pub fn write(&mut self, at: u8, text: &[u8]) -> Answer<usize> {
        let bytes = self.bytes(at)?;
        if bytes.len() < text.len() {
            bytes.resize(text.len(), 0);
        }
        bytes[..text.len()].copy_from_slice(text);
        Ok(text.len())
    }

    /// `ftruncate(2)`.
    pub fn truncate(&mut self, at: u8, len: usize) -> Answer<()> {
        self.bytes(at)?.resize(len, 0);
        Ok(())
    }

    /// `unlink(2)`.
    pub fn unlink(&mut self, name: Name) -> Answer<()> {
        let ino = self.find(name)?;
        if self.nodes[&ino].body == Body::Directory {
            return Err(FaultKind::IsDirectory);
        }
        self.names.remove(&name);
        self.drop_link(ino);
        Ok(())
    }

    /// `link(2)`.
    pub fn link(&mut self, from: Name, to: Name) -> Answer<()> {
        let ino = self.find(from)?;
        if self.has(to) {
            return Err(FaultKind::Exists);
        }
        if self.nodes[&ino].body == Body::Directory {
            return Err(FaultKind::Denied);
        }
        self.name(ino, to)
    }

    /// `linkat(2)` of an open file; one that lost its last name cannot get another.
    pub fn link_open(&mut self, at: u8, to: Name) -> Answer<()> {
        let ino = self.opens[&at].ino;
        self.name(ino, to)
    }

    /// `rename(2)`. Two names of one file stay as they are, as POSIX has it.
    pub fn rename(&mut self, from: Name, to: Name) -> Answer<()> {
        let ino = self.find(from)?;
        if let Ok(old) = self.find(to) {
            if old == ino {
                return Ok(());
            }
            let is_directory = |ino: &u8| self.nodes[ino].body == Body::Directory;
            match (is_directory(&ino), is_directory(&old)) {
                (false, true) => return Err(FaultKind::IsDirectory),
                (true, false) => return Err(FaultKind::NotDirectory),
                _ if !self.is_empty(old) => return Err(FaultKind::NotEmpty),
                _ => {}
            }
            self.names.remove(&to);
            self.drop_link(old);
        }
        self.names.remove(&from);
        self.names.insert(to, ino);
        Ok(())
    }

    /// `renameat2(2)` with `RENAME_NOREPLACE`.
    pub fn rename_noreplace(&mut self, from: Name, to: Name) -> Answer<()> {
        self.find(from)?;
        if self.only_replaces {
            return Err(FaultKind::Unsupported);
        }
        if self.has(to) { Err(FaultKind::Exists) } else { self.rename(from, to) }
    }

    /// `renameat2(2)` with `RENAME_EXCHANGE`.
    pub fn rename_exchange(&mut self, one: Name, other: Name) -> Answer<()> {
        let (a, b) = (self.find(one)?, self.find(other)?);
        if self.only_replaces {
            return Err(FaultKind::Unsupported);
        }
        self.names.insert(one, b);
        self.names.insert(other, a);
        Ok(())
    }

    /// `symlink(2)`.
    pub fn symlink(&mut self, target: &[u8], name: Name) -> Answer<()> {
        if self.has(name) {
            return Err(FaultKind::Exists);
        }
        let ino = self.make(Body::Symlink(target.to_vec()), 1);
        self.names.insert(name, ino);
        Ok(())
    }

    /// `readlink(2)`.
    pub fn readlink(&self, name: Name) -> Answer<Vec<u8>> {
        match &self.nodes[&self.find(name)?].body {
            Body::Symlink(target) => Ok(target.clone()),
            Body::File(_) | Body::Directory => Err(FaultKind::NotSymlink),
        }
    }

    /// `mkdir(2)`.
    pub fn mkdir(&mut self, name: Name) -> Answer<()> {
        if self.has(name) {
            return Err(FaultKind::Exists);
        }
        let ino = self.make(Body::Directory, 1);
        self.names.insert(name, ino);
        Ok(())
    }

    /// `rmdir(2)`.
    pub fn rmdir(&mut self, name: Name) -> Answer<()> {
        let ino = self.find(name)?;
        if self.nodes[&ino].body != Body::Directory {
            return Err(FaultKind::NotDirectory);
        }
        if !self.is_empty(ino) {
            return Err(FaultKind::NotEmpty);
        }
        self.names.remove(&name);
        self.drop_link(ino);
        Ok(())
    }

    /// The owner link in an open directory, if the directory still has a name.
    pub fn owner_of(&self, at: u8) -> Answer<Name> {
        let ino = self.opens[&at].ino;
        if self.nodes[&ino].links == 0 { Err(FaultKind::Missing) } else { Ok(Name::Owner(ino)) }
    }

    /// `flock(2)`: converts in two steps, so that a refused conversion loses the old lock.
    pub fn flock(&mut self, at: u8, mode: Option<Mode>) -> Answer<()> {
        let ino = self.opens[&at].ino;
        if let Some(open) = self.opens.get_mut(&at) {
            open.flock = None;
        }
        let others = self.opens.values().filter(|open| open.ino == ino).filter_map(|it| it.flock);
        check(mode, others)?;
        if let Some(open) = self.opens.get_mut(&at) {
            open.flock = mode;
        }
        Ok(())
    }

    /// `fcntl(F_OFD_SETLK)`.
    pub fn ofd_setlk(&mut self, at: u8, mode: Option<Mode>) -> Answer<()> {
        check(mode, self.records(self.opens[&at].ino, Some(at), None))?;
        if let Some(open) = self.opens.get_mut(&at) {
            open.ofd = mode;
        }
        Ok(())
    }

    /// `fcntl(F_SETLK)`.
    pub fn setlk(&mut self, at: u8, mode: Option<Mode>) -> Answer<()> {
        let (ino, who) = (self.opens[&at].ino, self.opens[&at].who);
        check(mode, self.records(ino, None, Some(who)))?;
        match mode {
            Some(mode) => self.posix.insert((ino, who), mode),
            None => self.posix.remove(&(ino, who)),
        };
        Ok(())
    }

    /// The record lock, or the flock, of somebody else that keeps others from writing.
    pub fn blocker(&self, at: u8, posix_of: Option<Who>) -> Option<Mode> {
        self.records(self.opens[&at].ino, Some(at), posix_of).next()
    }

    /// Any flock on the file.
    pub fn flocked(&self, ino: u8) -> Option<Mode> {
        self.opens.values().filter(|open| open.ino == ino).find_map(|open| open.flock)
    }

    /// Record locks on the file but this open file's and this process's.
    fn records(
        &self,
        ino: u8,
        but: Option<u8>,
        but_who: Option<Who>,
    ) -> impl Iterator<Item = Mode> + '_ {
        let ofd = self.opens.iter().filter(move |&(&at, open)| open.ino == ino && Some(at) != but);
        let posix = self.posix.iter();
        let posix = posix.filter(move |&(&(it, who), _)| it == ino && Some(who) != but_who);
        ofd.filter_map(|(_, open)| open.ofd).chain(posix.map(|(_, &mode)| mode))
    }

    fn make(&mut self, body: Body, links: u8) -> u8 {
        let ino =
            (1..u8::MAX).find(|ino| !self.nodes.contains_key(ino)).expect("a free inode number");
        self.nodes.insert(ino, Node { body, links, linkable: links == 0 });
        ino
    }

    fn describe(&mut self, who: Who, ino: u8) -> u8 {
        let at = (0..u8::MAX).find(|at| !self.opens.contains_key(at)).expect("a free place");
        self.opens.insert(at, Open { ino, who, flock: None, ofd: None });
        at
    }

    fn name(&mut self, ino: u8, to: Name) -> Answer<()> {
        if self.has(to) {
            return Err(FaultKind::Exists);
        }
        let node = self.nodes.get_mut(&ino).ok_or(FaultKind::Missing)?;
        if node.links == 0 && !node.linkable {
            return Err(FaultKind::Missing);
        }
        node.links += 1;
        node.linkable = false;
        self.names.insert(to, ino);
        Ok(())
    }

    fn bytes(&mut self, at: u8) -> Answer<&mut Vec<u8>> {
        let ino = self.opens[&at].ino;
        match self.nodes.get_mut(&ino).map(|node| &mut node.body) {
            Some(Body::File(bytes)) => Ok(bytes),
            _ => Err(FaultKind::IsDirectory),
        }
    }

    fn is_empty(&self, ino: u8) -> bool {
        !self.has(Name::Owner(ino))
    }

    fn drop_link(&mut self, ino: u8) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.links -= 1;
        }
        self.free_if_unused(ino);
    }

    fn free_if_unused(&mut self, ino: u8) {
        let open = self.opens.values().any(|open| open.ino == ino);
        if !open && self.nodes.get(&ino).is_some_and(|node| node.links == 0) {
            self.nodes.remove(&ino);
        }
    }

    fn stat_ino(&self, ino: u8) -> Stat {
        let node = &self.nodes[&ino];
        let (file_type, len) = match &node.body {
            Body::File(bytes) => (FileType::Regular, bytes.len() as u64),
            Body::Symlink(target) => (FileType::Symlink, target.len() as u64),
            Body::Directory => (FileType::Directory, 0),
        };
        let inode = Inode { dev: 1, ino: u64::from(ino) };
        Stat { inode, file_type, len, links: u64::from(node.links), modified_ms: 0 }
    }
}

/// Whether a lock in `mode` can stand beside the others.
fn check(mode: Option<Mode>, mut others: impl Iterator<Item = Mode>) -> Answer<()> {
    let conflict = match mode {
        None => false,
        Some(Mode::Exclusive) => others.next().is_some(),
        Some(Mode::Shared) => others.any(|other| other == Mode::Exclusive),
    };
    if conflict { Err(FaultKind::WouldBlock) } else { Ok(()) }
}
