//! Random calls on the modelled disk and on real file systems: the answers are the same.
//!
//! `SEED` in the environment brings a run back, `STEPS` makes it longer. A difference is shown with
//! the shortest calls that were found to make it.

use core::cell::RefCell;
use core::fmt::Debug;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lock_core::fault::Fault;
use lock_core::os::{
    Access, Contents, CreateNew, Dirs, Files, Flock, Links, Mode, Names, Node, OfdLocks, Stat,
    Symlinks, Unnamed,
};
use lock_rustix::place::Place;
use lock_rustix::rustix::fd::{AsFd, OwnedFd};
use lock_rustix::rustix::fs::{CWD, OFlags, openat};
use lock_rustix::sys::Sys;
use lock_tests::model::disk::Disk;
use lock_tests::model::sim::{Mutant, Sim};
use lock_tests::random::Random;

const NODES: [Node; 3] = [Node::Lock, Node::Companion, Node::Private];

/// How many files a participant has open at most.
const SLOTS: usize = 3;

/// One call.
#[derive(Clone, Copy, Debug)]
enum Op {
    Open(usize, Node),
    OpenDirectory(usize, Node),
    CreateNew(usize, Node),
    OpenOrCreate(usize, Node),
    OpenUnnamed(usize),
    Close(usize),
    LinkUnnamed(usize, Node),
    Link(Node, Node),
    Rename(Node, Node),
    RenameNoreplace(Node, Node),
    RenameExchange(Node, Node),
    Unlink(Node),
    Symlink(Node, u8),
    Readlink(Node),
    Mkdir(Node),
    Rmdir(Node),
    SymlinkIn(usize, u8),
    ReadlinkIn(usize),
    UnlinkIn(usize),
    Write(usize, u8),
    Truncate(usize),
    Read(usize),
    Fstat(usize),
    Stat(Node),
    Names(usize, Node),
    Flock(usize, Mode),
    Unflock(usize),
    Ofd(usize, Mode),
    UnOfd(usize),
}

impl Op {
    fn draw(random: &mut Random) -> Op {
        let mut pick = |end: u64| usize::try_from(random.below(end)).unwrap();
        let (slot, node, other) = (pick(SLOTS as u64), NODES[pick(3)], NODES[pick(3)]);
        let byte = b'a' + u8::try_from(pick(3)).unwrap();
        let mode = if pick(2) == 0 { Mode::Shared } else { Mode::Exclusive };
        match pick(29) {
            0 => Op::Open(slot, node),
            1 => Op::OpenDirectory(slot, node),
            2 => Op::CreateNew(slot, node),
            3 => Op::OpenOrCreate(slot, node),
            4 => Op::OpenUnnamed(slot),
            5 => Op::Close(slot),
            6 => Op::LinkUnnamed(slot, node),
            7 => Op::Link(node, other),
            8 => Op::Rename(node, other),
            9 => Op::RenameNoreplace(node, other),
            10 => Op::RenameExchange(node, other),
            11 => Op::Unlink(node),
            12 => Op::Symlink(node, byte),
            13 => Op::Readlink(node),
            14 => Op::Mkdir(node),
            15 => Op::Rmdir(node),
            16 => Op::SymlinkIn(slot, byte),
            17 => Op::ReadlinkIn(slot),
            18 => Op::UnlinkIn(slot),
            19 => Op::Write(slot, byte),
            20 => Op::Truncate(slot),
            21 => Op::Read(slot),
            22 => Op::Fstat(slot),
            23 => Op::Stat(node),
            24 => Op::Names(slot, node),
            25 => Op::Flock(slot, mode),
            26 => Op::Unflock(slot),
            27 => Op::Ofd(slot, mode),
            _ => Op::UnOfd(slot),
        }
    }
}

/// A participant on either system.
struct Part<O: Files> {
    os: O,
    open: [Option<O::File>; SLOTS],
}

trait System:
    Contents + CreateNew + Dirs + Flock + Links + Names + OfdLocks + Symlinks + Unnamed
{
}
impl<O: Contents + CreateNew + Dirs + Flock + Links + Names + OfdLocks + Symlinks + Unnamed> System
    for O
{
}

fn told<T: Debug>(outcome: Result<T, Fault>) -> String {
    match outcome {
        Ok(answer) => format!("{answer:?}"),
        Err(fault) => format!("{:?}", fault.kind),
    }
}

/// What a `stat` says that does not depend on numbers.
fn facts(stat: Stat) -> String {
    let len = if stat.file_type == lock_core::os::FileType::Regular { stat.len } else { 0 };
    format!("{:?} {len}", stat.file_type)
}

impl<O: System> Part<O> {
    fn keep(&mut self, slot: usize, opened: Result<O::File, Fault>) -> String {
        match opened {
            Ok(file) => {
                self.open[slot] = Some(file);
                "opened".into()
            }
            Err(fault) => format!("{:?}", fault.kind),
        }
    }

    fn apply(&mut self, op: Op) -> String {
        match op {
            Op::Open(slot, node) => {
                let opened = self.os.open(node, Access::ReadWrite);
                self.keep(slot, opened)
            }
            Op::OpenDirectory(slot, node) => {
                let opened = self.os.open_directory(node);
                self.keep(slot, opened)
            }
            Op::CreateNew(slot, node) => {
                let opened = self.os.create_new(node);
                self.keep(slot, opened)
            }
            Op::OpenOrCreate(slot, node) => {
                let opened = self.os.open_or_create(node, Access::ReadWrite);
                self.keep(slot, opened)
            }
            Op::OpenUnnamed(slot) => {
                let opened = self.os.open_unnamed();
                self.keep(slot, opened)
            }
            Op::Close(slot) => {
                self.open[slot] = None;
                String::new()
            }
            Op::Link(from, to) => told(self.os.link(from, to)),
            Op::Rename(from, to) => told(self.os.rename(from, to)),
            Op::RenameNoreplace(from, to) => told(self.os.rename_noreplace(from, to)),
            Op::RenameExchange(one, other) => told(self.os.rename_exchange(one, other)),
            Op::Unlink(node) => told(self.os.unlink(node)),
            Op::Symlink(node, byte) => told(self.os.symlink(&[byte], node)),
            Op::Readlink(node) => {
                let mut buffer = [0; 8];
                told(self.os.readlink(node, &mut buffer).map(|len| buffer[..len].to_vec()))
            }
            Op::Mkdir(node) => told(self.os.mkdir(node)),
            Op::Rmdir(node) => told(self.os.rmdir(node)),
            Op::Stat(node) => told(self.os.stat(node).map(facts)),
            Op::LinkUnnamed(slot, _)
            | Op::SymlinkIn(slot, _)
            | Op::ReadlinkIn(slot)
            | Op::UnlinkIn(slot)
            | Op::Write(slot, _)
            | Op::Truncate(slot)
            | Op::Read(slot)
            | Op::Fstat(slot)
            | Op::Names(slot, _)
            | Op::Flock(slot, _)
            | Op::Unflock(slot)
            | Op::Ofd(slot, _)
            | Op::UnOfd(slot) => match &self.open[slot] {
                Some(file) => self.apply_to(file, op),
                None => String::new(),
            },
        }
    }

    fn apply_to(&self, file: &O::File, op: Op) -> String {
        use lock_core::os::FileType::{Directory, Regular};

        let os = &self.os;
        let kind = os.fstat(file).unwrap().file_type;
        match op {
            Op::LinkUnnamed(_, node) if kind == Regular => told(os.link_unnamed(file, node)),
            Op::SymlinkIn(_, byte) if kind == Directory => told(os.symlink_in(&[byte], file)),
            Op::ReadlinkIn(_) if kind == Directory => {
                let mut buffer = [0; 8];
                told(os.readlink_in(file, &mut buffer).map(|len| buffer[..len].to_vec()))
            }
            Op::UnlinkIn(_) if kind == Directory => told(os.unlink_in(file)),
            Op::Write(_, byte) if kind == Regular => told(os.pwrite(file, &[byte, byte], 0)),
            Op::Truncate(_) if kind == Regular => told(os.ftruncate(file, 1)),
            Op::Read(_) if kind == Regular => {
                let mut buffer = [0; 8];
                told(os.pread(file, &mut buffer, 0).map(|len| buffer[..len].to_vec()))
            }
            Op::Fstat(_) => told(os.fstat(file).map(facts)),
            Op::Names(_, node) => {
                let inode = os.fstat(file).unwrap().inode;
                told(os.stat(node).map(|stat| stat.inode == inode))
            }
            Op::Flock(_, mode) => told(os.flock(file, mode)),
            Op::Unflock(_) => told(os.flock_un(file)),
            Op::Ofd(_, mode) if kind == Regular => told(os.ofd_setlk(file, mode)),
            Op::UnOfd(_) if kind == Regular => told(os.ofd_setlk_un(file)),
            _ => String::new(),
        }
    }
}

/// A directory of its own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(base: &str) -> Scratch {
        let path = Path::new(base).join(format!("lock-parity-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn opened(&self) -> OwnedFd {
        let path = CString::new(self.0.as_os_str().as_bytes()).unwrap();
        openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, 0.into()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Plays the calls on both; the first difference, if there is one.
fn play(base: &str, ops: &[(usize, Op)]) -> Option<String> {
    let scratch = Scratch::new(base);
    let dir = scratch.opened();
    let disk = RefCell::new(Disk::default());
    let sims =
        [0, 1].map(|who| Sim::new(&disk, who, 0, Vec::new(), usize::MAX / 2, Mutant::default()));
    let mut model = [0, 1].map(|who| Part { os: &sims[who], open: Default::default() });
    let mut real = [c"private0", c"private1"].map(|private| {
        let place = Place::in_directory(dir.as_fd(), c"lock")
            .with_private(private)
            .with_companion(c"companion");
        Part { os: Sys::new(place), open: Default::default() }
    });
    for (at, &(who, op)) in ops.iter().enumerate() {
        // A number that is in use means nothing: let go of what would be replaced.
        if let Op::Open(slot, _)
        | Op::OpenDirectory(slot, _)
        | Op::CreateNew(slot, _)
        | Op::OpenOrCreate(slot, _)
        | Op::OpenUnnamed(slot) = op
        {
            model[who].open[slot] = None;
            real[who].open[slot] = None;
        }
        let (modelled, was) = (model[who].apply(op), real[who].apply(op));
        if modelled != was {
            return Some(format!("call {at}, {op:?} by {who}: model {modelled}, {base} {was}"));
        }
    }
    None
}

/// Leaves out what is not needed for a difference.
fn shrink(base: &str, mut ops: Vec<(usize, Op)>) -> Vec<(usize, Op)> {
    let mut at = 0;
    while at < ops.len() {
        let mut fewer = ops.clone();
        fewer.remove(at);
        if play(base, &fewer).is_some() {
            ops = fewer;
        } else {
            at += 1;
        }
    }
    ops
}

#[test]
fn the_modelled_disk_answers_as_real_ones_do() {
    let steps = std::env::var("STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(300_000);
    let seed = Random::seed_from_environment();
    let mut random = Random::new(seed);
    for base in ["/dev/shm", env!("CARGO_TARGET_TMPDIR")] {
        let mut compared = 0;
        while compared < steps {
            let ops: Vec<_> = (0..60)
                .map(|_| (usize::try_from(random.below(2)).unwrap(), Op::draw(&mut random)))
                .collect();
            if play(base, &ops).is_some() {
                let ops = shrink(base, ops);
                let difference = play(base, &ops).unwrap_or_default();
                panic!("SEED={seed}: {difference}, after {ops:#?}");
            }
            compared += ops.len();
        }
        println!("{base}: {compared} calls answered alike; SEED={seed}");
    }
}
