//! What the board has for an operating system: tasks, open files and their flocks, over the store.
//!
//! There is one, in a critical section: each call is whole before an interrupt or another task can
//! come between. Tasks and open files are in memory, and gone with the power; records stay.

use core::cell::RefCell;

use critical_section::Mutex;
use lock_core::fault::FaultKind;
use lock_core::os::{FileType, Inode, Mode, ProcessState, Stat};
use lock_core::owner::{BootId, StartTime};

use crate::fram::Fram;
use crate::store::{CONTENT_MAX, Name, ROOT, Store};

const OPEN_MAX: usize = 16;
const TASKS_MAX: usize = 8;

static KERNEL: Mutex<RefCell<Option<Kernel>>> = Mutex::new(RefCell::new(None));

/// What a call answers.
pub type Answer<T> = Result<T, FaultKind>;

/// An open file: what a handle refers to.
#[derive(Clone, Copy)]
struct Open {
    slot: u8,
    flock: Option<Mode>,
    pid: u32,
    /// Made without a name, and to get its first.
    linkable: bool,
}

/// A task that runs.
#[derive(Clone, Copy)]
struct Running {
    pid: u32,
    start: StartTime,
}

/// All of it.
pub struct Kernel {
    store: Store<Fram>,
    opens: [Option<Open>; OPEN_MAX],
    tasks: [Option<Running>; TASKS_MAX],
    boots: u8,
    clock_ms: i64,
}

/// Works on the kernel, which must have been started.
pub fn with<T>(work: impl FnOnce(&mut Kernel) -> T) -> T {
    critical_section::with(|cs| {
        let mut kernel = KERNEL.borrow(cs).borrow_mut();
        work(kernel.as_mut().expect("a started kernel"))
    })
}

/// Starts on an empty store: nothing was ever run.
pub fn start() {
    critical_section::with(|cs| {
        *KERNEL.borrow(cs).borrow_mut() = Some(Kernel::on(Fram::new(), 1, 0));
    });
}

/// Takes power away and gives it back: what is open and what runs is gone, the store stays.
pub fn restart() {
    critical_section::with(|cs| {
        let mut place = KERNEL.borrow(cs).borrow_mut();
        let old = place.take().expect("a started kernel");
        let mut device = old.store.into_device();
        device.fail_after(None);
        *place = Some(Kernel::on(device, old.boots + 1, old.clock_ms));
    });
}

impl Kernel {
    fn on(device: Fram, boots: u8, clock_ms: i64) -> Kernel {
        let store = Store::mount(device).expect("a device with power");
        Kernel { store, opens: [None; OPEN_MAX], tasks: [None; TASKS_MAX], boots, clock_ms }
    }

    /// Which run this is.
    pub fn boot(&self) -> BootId {
        BootId([self.boots; 16])
    }

    /// The time.
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// Lets time pass.
    pub fn pass_ms(&mut self, ms: i64) {
        self.clock_ms += ms;
    }

    /// The device under the store.
    pub fn device(&mut self) -> &mut Fram {
        self.store.device()
    }

    /// How many names there are.
    pub fn names(&self) -> usize {
        self.store.len()
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        self.opens.iter().flatten().count()
    }

    /// Starts a task, whose pid nobody has, and tells when it was started.
    pub fn spawn(&mut self, pid: u32) -> StartTime {
        self.clock_ms += 1;
        let start = StartTime(self.clock_ms.unsigned_abs());
        assert!(!self.tasks.iter().flatten().any(|task| task.pid == pid), "two tasks of one pid");
        let place = self.tasks.iter_mut().find(|task| task.is_none()).expect("room for a task");
        *place = Some(Running { pid, start });
        start
    }

    /// Ends a task: its files close, and its flocks go.
    pub fn kill(&mut self, pid: u32) {
        for task in self.tasks.iter_mut().filter(|it| it.is_some_and(|it| it.pid == pid)) {
            *task = None;
        }
        for open in self.opens.iter_mut().filter(|it| it.is_some_and(|it| it.pid == pid)) {
            *open = None;
        }
    }

    /// What has become of a task.
    pub fn process(&self, pid: u64) -> ProcessState {
        match self.tasks.iter().flatten().find(|task| u64::from(task.pid) == pid) {
            Some(task) => ProcessState::Running { start: Some(task.start), started_at_us: None },
            None => ProcessState::Gone,
        }
    }

    /// Opens what a name means, if it is of this type.
    pub fn open(&mut self, pid: u32, name: Name, wanted: FileType) -> Answer<usize> {
        let slot = self.store.find(name)?;
        let found = self.store.header(slot)?.file_type;
        if found == wanted {
            return self.describe(pid, slot, false);
        }
        Err(match found {
            FileType::Regular => FaultKind::NotDirectory,
            FileType::Directory => FaultKind::IsDirectory,
            FileType::Symlink => FaultKind::Symlink,
            FileType::Special => FaultKind::NotRegular,
        })
    }

    /// Opens the directory that everything is in.
    pub fn open_root(&mut self, pid: u32) -> Answer<usize> {
        self.describe(pid, ROOT, false)
    }

    /// Makes a file and opens it; without a name if none is given.
    pub fn create(&mut self, pid: u32, name: Option<Name>) -> Answer<usize> {
        if name.is_some_and(|name| self.store.find(name).is_ok()) {
            return Err(FaultKind::Exists);
        }
        let slot = self.make(FileType::Regular, &[])?;
        if let Some(name) = name {
            self.store.bind(name, slot)?;
        }
        self.describe(pid, slot, name.is_none())
    }

    /// Makes a symbolic link.
    pub fn symlink(&mut self, target: &[u8], name: Name) -> Answer<()> {
        if target.len() > CONTENT_MAX {
            return Err(FaultKind::NameTooLong);
        }
        self.make_named(FileType::Symlink, target, name)
    }

    /// Makes a directory.
    pub fn mkdir(&mut self, name: Name) -> Answer<()> {
        self.make_named(FileType::Directory, &[], name)
    }

    /// Reads where a symbolic link points.
    pub fn readlink(&mut self, name: Name, buffer: &mut [u8]) -> Answer<usize> {
        let slot = self.store.find(name)?;
        match self.store.header(slot)?.file_type {
            FileType::Symlink => self.store.read(slot, buffer, 0),
            _ => Err(FaultKind::NotSymlink),
        }
    }

    /// Closes an open file. One that was closed with its task is closed already.
    pub fn close(&mut self, at: usize, pid: u32) {
        if let Some(open) = self.opens.get_mut(at).filter(|it| it.is_some_and(|it| it.pid == pid)) {
            *open = None;
        }
    }

    /// What an open file is.
    pub fn fstat(&mut self, at: usize) -> Answer<Stat> {
        let slot = self.opened(at)?.slot;
        self.stat_slot(slot)
    }

    /// What a name means; `None`: the directory itself.
    pub fn stat(&mut self, name: Option<Name>) -> Answer<Stat> {
        let slot = name.map_or(Ok(ROOT), |name| self.store.find(name))?;
        self.stat_slot(slot)
    }

    /// Reads an open file.
    pub fn read(&mut self, at: usize, buffer: &mut [u8], offset: usize) -> Answer<usize> {
        let slot = self.regular(at)?;
        self.store.read(slot, buffer, offset)
    }

    /// Writes an open file.
    pub fn write(&mut self, at: usize, bytes: &[u8], offset: usize) -> Answer<usize> {
        let slot = self.regular(at)?;
        self.clock_ms += 1;
        self.store.write(slot, bytes, offset, self.clock_ms)
    }

    /// Cuts an open file.
    pub fn set_len(&mut self, at: usize, len: usize) -> Answer<()> {
        let slot = self.regular(at)?;
        self.clock_ms += 1;
        self.store.set_len(slot, len, self.clock_ms)
    }

    /// Removes the name of what is no directory.
    pub fn unlink(&mut self, name: Name) -> Answer<()> {
        if self.is_directory(name)? {
            return Err(FaultKind::IsDirectory);
        }
        self.store.unbind(name)
    }

    /// Removes an empty directory.
    pub fn rmdir(&mut self, name: Name) -> Answer<()> {
        if !self.is_directory(name)? {
            return Err(FaultKind::NotDirectory);
        }
        if !self.store.is_empty(self.store.find(name)?) {
            return Err(FaultKind::NotEmpty);
        }
        self.store.unbind(name)
    }

    /// Gives what is no directory another name.
    pub fn link(&mut self, from: Name, to: Name) -> Answer<()> {
        let slot = self.store.find(from)?;
        if self.store.find(to).is_ok() {
            return Err(FaultKind::Exists);
        }
        if self.is_directory(from)? {
            return Err(FaultKind::Denied);
        }
        self.store.bind(to, slot)
    }

    /// Gives an open file that never had a name its first.
    pub fn link_open(&mut self, at: usize, to: Name) -> Answer<()> {
        let open = self.opened(at)?;
        if !open.linkable && self.store.links(open.slot) == 0 {
            return Err(FaultKind::Missing);
        }
        self.store.bind(to, open.slot)?;
        self.opens[at] = Some(Open { linkable: false, ..open });
        Ok(())
    }

    /// Gives what has one name another instead, and replaces what had that.
    pub fn rename(&mut self, from: Name, to: Name, replace: bool) -> Answer<()> {
        let moves_directory = self.is_directory(from)?;
        if let Ok(old) = self.store.find(to) {
            match (moves_directory, self.is_directory(to)?) {
                _ if !replace => return Err(FaultKind::Exists),
                (false, true) => return Err(FaultKind::IsDirectory),
                (true, false) => return Err(FaultKind::NotDirectory),
                (true, true) if !self.store.is_empty(old) => return Err(FaultKind::NotEmpty),
                _ => {}
            }
        }
        self.store.rename(from, to)
    }

    /// Exchanges what two names mean.
    pub fn exchange(&mut self, one: Name, other: Name) -> Answer<()> {
        self.store.exchange(one, other)
    }

    /// The slot of an open directory that still has a name.
    pub fn directory(&mut self, at: usize) -> Answer<u8> {
        let slot = self.opened(at)?.slot;
        if self.store.header(slot)?.file_type != FileType::Directory {
            return Err(FaultKind::NotDirectory);
        }
        if self.store.links(slot) == 0 { Err(FaultKind::Missing) } else { Ok(slot) }
    }

    /// Takes, converts or gives up the flock of an open file.
    pub fn flock(&mut self, at: usize, mode: Option<Mode>) -> Answer<()> {
        let mine = self.opened(at)?;
        self.opens[at] = Some(Open { flock: None, ..mine });
        let others = self.opens.iter().flatten().filter(|open| open.slot == mine.slot);
        let conflict = others.filter_map(|open| open.flock).any(|other| match mode {
            Some(Mode::Exclusive) => true,
            Some(Mode::Shared) => other == Mode::Exclusive,
            None => false,
        });
        if conflict {
            return Err(FaultKind::WouldBlock);
        }
        self.opens[at] = Some(Open { flock: mode, ..mine });
        Ok(())
    }

    /// A flock on the file: how it is held, and by whom.
    pub fn flock_of(&self, inode: Inode) -> Option<(Mode, u32)> {
        let mut opens = self.opens.iter().flatten().filter(|it| u64::from(it.slot) == inode.ino);
        opens.find_map(|open| open.flock.map(|mode| (mode, open.pid)))
    }

    fn make_named(&mut self, file_type: FileType, content: &[u8], name: Name) -> Answer<()> {
        if self.store.find(name).is_ok() {
            return Err(FaultKind::Exists);
        }
        let slot = self.make(file_type, content)?;
        self.store.bind(name, slot)
    }

    fn make(&mut self, file_type: FileType, content: &[u8]) -> Answer<u8> {
        self.clock_ms += 1;
        let is_open = |slot| self.opens.iter().flatten().any(|open| open.slot == slot);
        self.store.create(file_type, content, self.clock_ms, is_open)
    }

    fn describe(&mut self, pid: u32, slot: u8, linkable: bool) -> Answer<usize> {
        let at = self.opens.iter().position(Option::is_none).ok_or(FaultKind::TooManyFiles)?;
        self.opens[at] = Some(Open { slot, flock: None, pid, linkable });
        Ok(at)
    }

    fn opened(&self, at: usize) -> Answer<Open> {
        self.opens.get(at).copied().flatten().ok_or(FaultKind::BadDescriptor)
    }

    fn regular(&mut self, at: usize) -> Answer<u8> {
        let slot = self.opened(at)?.slot;
        match self.store.header(slot)?.file_type {
            FileType::Regular => Ok(slot),
            _ => Err(FaultKind::IsDirectory),
        }
    }

    fn is_directory(&mut self, name: Name) -> Answer<bool> {
        let slot = self.store.find(name)?;
        Ok(self.store.header(slot)?.file_type == FileType::Directory)
    }

    fn stat_slot(&mut self, slot: u8) -> Answer<Stat> {
        let header = self.store.header(slot)?;
        Ok(Stat {
            inode: Inode { dev: 1, ino: u64::from(slot) },
            file_type: header.file_type,
            len: u64::from(header.len),
            links: self.store.links(slot),
            modified_ms: header.modified_ms,
        })
    }
}
