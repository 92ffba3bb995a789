//! The waist over the modelled disk: each method one call of the simulated process.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::{
    Access, Blocker, Contents, CreateNew, Dirs, Files, Flock, Inode, Links, LockTable, Mode, Names,
    Node, OfdLocks, PosixLocks, ProcessState, Processes, Stat, Symlinks, Unnamed,
};
use lock_core::owner::Pid;

use super::asked::{Asked, Flag};
use super::{Answer, Disk, File, Name, Reply, Sim, Who, fault};

impl<'s, 'd> Files for &'s Sim<'d> {
    type File = File<'s, 'd>;

    fn open(&self, node: Node, _: Access) -> Result<File<'s, 'd>, Fault> {
        if node == Node::Directory {
            return self.opened(node, Flag::None, |disk, who| disk.open_directory(who, None));
        }
        let name = self.name(node);
        self.opened(node, Flag::None, |disk, who| disk.open(who, name))
    }

    fn open_or_create(&self, node: Node, _: Access) -> Result<File<'s, 'd>, Fault> {
        let name = self.name(node);
        self.opened(node, Flag::Create, |disk, who| disk.create(who, name, false))
    }

    fn fstat(&self, file: &File<'s, 'd>) -> Result<Stat, Fault> {
        let at = file.at;
        let stat = self.stat_by(Call::Fstat, file.node, |disk, _| Ok(disk.fstat(at)));
        self.about(at);
        stat
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
        self.bytes(Call::Pread, file.node, buffer, |disk, _| disk.read(at))
    }

    fn pwrite(&self, file: &Self::File, bytes: &[u8], _: u64) -> Result<usize, Fault> {
        let at = file.at;
        let written = self
            .done(Asked::of(Call::Pwrite, file.node), |disk, _| disk.write(at, bytes).map(drop));
        self.about(at);
        written.map(|()| bytes.len()).map_err(fault(Call::Pwrite, Node::Lock))
    }

    fn ftruncate(&self, file: &Self::File, len: u64) -> Result<(), Fault> {
        let (at, len) = (file.at, usize::try_from(len).unwrap_or(usize::MAX));
        self.done(Asked::of(Call::Ftruncate, file.node), |disk, _| disk.truncate(at, len))
            .map_err(fault(Call::Ftruncate, Node::Lock))
    }
}

impl Names for &Sim<'_> {
    fn unlink(&self, node: Node) -> Result<(), Fault> {
        let name = self.name(node);
        self.done(Asked::of(Call::Unlink, node), |disk, _| disk.unlink(name))
            .map_err(fault(Call::Unlink, node))
    }
}

impl CreateNew for &Sim<'_> {
    fn create_new(&self, node: Node) -> Result<Self::File, Fault> {
        let name = self.name(node);
        self.opened(node, Flag::Exclusive, |disk, who| disk.create(who, name, true))
    }
}

impl Links for &Sim<'_> {
    fn link(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.names(Call::Link, Flag::None, from, to, Disk::link)
    }

    fn rename(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.names(Call::Rename, Flag::None, from, to, Disk::rename)
    }

    fn rename_noreplace(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.names(Call::Rename, Flag::NoReplace, from, to, Disk::rename_noreplace)
    }

    fn rename_exchange(&self, one: Node, other: Node) -> Result<(), Fault> {
        self.names(Call::Rename, Flag::Exchange, one, other, Disk::rename_exchange)
    }
}

impl Sim<'_> {
    /// A call with two names.
    fn names(
        &self,
        call: Call,
        flag: Flag,
        from: Node,
        to: Node,
        real: fn(&mut Disk, Name, Name) -> Answer<()>,
    ) -> Result<(), Fault> {
        let names = (self.name(from), self.name(to));
        let asked = Asked { call, node: to, from: Some(from), flag };
        self.done(asked, |disk, _| real(disk, names.0, names.1)).map_err(fault(call, to))
    }
}

impl Unnamed for &Sim<'_> {
    fn open_unnamed(&self) -> Result<Self::File, Fault> {
        self.opened(Node::Private, Flag::Unnamed, |disk, who| Ok(disk.open_unnamed(who)))
    }

    fn link_unnamed(&self, file: &Self::File, to: Node) -> Result<(), Fault> {
        let (at, name) = (file.at, self.name(to));
        let asked = Asked { from: Some(file.node), ..Asked::of(Call::Link, to) };
        self.done(asked, |disk, _| disk.link_open(at, name)).map_err(fault(Call::Link, to))
    }
}

impl Symlinks for &Sim<'_> {
    fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault> {
        let name = self.name(node);
        self.done(Asked::of(Call::Symlink, node), |disk, _| disk.symlink(target, name))
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
        self.done(Asked::of(Call::Mkdir, node), |disk, _| disk.mkdir(name))
            .map_err(fault(Call::Mkdir, node))
    }

    fn rmdir(&self, node: Node) -> Result<(), Fault> {
        let name = self.name(node);
        self.done(Asked::of(Call::Rmdir, node), |disk, _| disk.rmdir(name))
            .map_err(fault(Call::Rmdir, node))
    }

    fn open_directory(&self, node: Node) -> Result<Self::File, Fault> {
        let name = self.name(node);
        self.opened(node, Flag::None, |disk, who| disk.open_directory(who, Some(name)))
    }

    fn symlink_in(&self, target: &[u8], directory: &Self::File) -> Result<(), Fault> {
        let at = directory.at;
        self.done(Asked::of(Call::Symlink, Node::Owner), |disk, _| {
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
        self.done(Asked::of(Call::Unlink, Node::Owner), |disk, _| {
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
        let locked =
            self.done(Asked::of(Call::Flock, file.node), |disk, _| disk.flock(at, Some(mode)));
        self.about(at);
        locked.map_err(fault(Call::Flock, Node::Lock))
    }

    fn flock_un(&self, file: &Self::File) -> Result<(), Fault> {
        let at = file.at;
        self.done(Asked::of(Call::Flock, file.node), |disk, _| disk.flock(at, None))
            .map_err(fault(Call::Flock, Node::Lock))
    }
}

impl PosixLocks for &Sim<'_> {
    fn setlk(&self, file: &Self::File, mode: Mode) -> Result<(), Fault> {
        let at = file.at;
        self.done(Asked::of(Call::Fcntl, file.node).with(Flag::Posix), |disk, _| {
            disk.setlk(at, Some(mode))
        })
        .map_err(fault(Call::Fcntl, Node::Lock))
    }

    fn setlk_un(&self, file: &Self::File) -> Result<(), Fault> {
        let at = file.at;
        self.done(Asked::of(Call::Fcntl, file.node).with(Flag::Posix), |disk, _| {
            disk.setlk(at, None)
        })
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
        self.done(Asked::of(Call::Fcntl, file.node).with(Flag::Ofd), |disk, _| {
            disk.ofd_setlk(at, Some(mode))
        })
        .map_err(fault(Call::Fcntl, Node::Lock))
    }

    fn ofd_setlk_un(&self, file: &Self::File) -> Result<(), Fault> {
        let at = file.at;
        self.done(Asked::of(Call::Fcntl, file.node).with(Flag::Ofd), |disk, _| {
            disk.ofd_setlk(at, None)
        })
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
        let asked = Asked::of(Call::Fcntl, Node::Lock);
        match self.call(asked, crashed, |d, w| Reply::Blocker(real(d, w))) {
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
        let asked = Asked::of(Call::Pread, Node::LockTable);
        match self.call(asked, crashed, |d, _| Reply::Process(d.process(pid.get()))) {
            Reply::Process(state) => state,
            other => unreachable!("a process is not {other:?}"),
        }
    }
}
