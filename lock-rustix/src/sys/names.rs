//! Names, links and directories: the calls of existence locks.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use lock_core::fault::{Call, Fault};
use lock_core::os::{
    CreateNew, Dirs, Links, Names, Node, ProcessState, Processes, Symlinks, Unnamed,
};
use lock_core::owner::Pid;
use lock_core::payload::message::Message;
use lock_core::scheme::symlink;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, OFlags, RenameFlags};
use rustix::io::Errno;

use super::Sys;
use crate::descriptor::{lend, openat};
use crate::fault::fault;
use crate::place::FileName;

/// What the owner link inside a lock directory is called.
const OWNER: &CStr = c"owner";

/// Mode of a lock directory, before the umask: never writable for the world.
const DIRECTORY_MODE: fs::RawMode = 0o775;

impl Names for Sys<'_> {
    fn unlink(&self, node: Node) -> Result<(), Fault> {
        fs::unlinkat(self.place.dir(), self.name(Call::Unlink, node)?, AtFlags::empty())
            .map_err(|errno| fault(Call::Unlink, node, errno))
    }
}

impl CreateNew for Sys<'_> {
    fn create_new(&self, node: Node) -> Result<OwnedFd, Fault> {
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::CLOEXEC
            | OFlags::NOFOLLOW
            | OFlags::NOCTTY;
        let name = self.name(Call::Open, node)?;
        openat(self.place.dir(), name, flags, self.mode.into())
            .map_err(|errno| fault(Call::Open, node, errno))
    }
}

impl Links for Sys<'_> {
    fn link(&self, from: Node, to: Node) -> Result<(), Fault> {
        let dir = self.place.dir();
        let names = (self.name(Call::Link, from)?, self.name(Call::Link, to)?);
        fs::linkat(dir, names.0, dir, names.1, AtFlags::empty())
            .map_err(|errno| fault(Call::Link, to, errno))
    }

    fn rename(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.renameat2(from, to, RenameFlags::empty())
    }

    fn rename_noreplace(&self, from: Node, to: Node) -> Result<(), Fault> {
        self.renameat2(from, to, RenameFlags::NOREPLACE)
    }

    fn rename_exchange(&self, one: Node, other: Node) -> Result<(), Fault> {
        self.renameat2(one, other, RenameFlags::EXCHANGE)
    }
}

impl Sys<'_> {
    fn renameat2(&self, from: Node, to: Node, flags: RenameFlags) -> Result<(), Fault> {
        let dir = self.place.dir();
        let names = (self.name(Call::Rename, from)?, self.name(Call::Rename, to)?);
        let renamed = if flags.is_empty() {
            fs::renameat(dir, names.0, dir, names.1)
        } else {
            fs::renameat_with(dir, names.0, dir, names.1, flags)
        };
        renamed.map_err(|errno| fault(Call::Rename, to, errno))
    }
}

impl Unnamed for Sys<'_> {
    fn open_unnamed(&self) -> Result<OwnedFd, Fault> {
        // Not with O_EXCL, which would forbid ever naming it.
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        openat(self.place.dir(), c".", flags, self.mode.into())
            .map_err(|errno| fault(Call::Open, Node::Private, errno))
    }

    fn link_unnamed(&self, file: &OwnedFd, to: Node) -> Result<(), Fault> {
        let name = self.name(Call::Link, to)?;
        let linked = fs::linkat(lend(file), c"", self.place.dir(), name, AtFlags::EMPTY_PATH);
        let linked = match linked {
            // Before Linux 6.10 only CAP_DAC_READ_SEARCH may link a descriptor; everybody may link
            // what /proc calls it.
            Err(Errno::NOENT) => link_by_proc(file, self.place.dir(), name),
            linked => linked,
        };
        linked.map_err(|errno| fault(Call::Link, to, errno))
    }
}

fn link_by_proc(file: &OwnedFd, dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    use rustix::fd::AsRawFd;

    // The message of a pid is its digits and a newline.
    let digits = Message::from_pid(file.as_raw_fd().unsigned_abs());
    let path = FileName::new(&[b"/proc/self/fd/", digits.text()]);
    let path = path.map_err(|_| Errno::NAMETOOLONG)?;
    fs::linkat(fs::CWD, path.as_c_str(), dir, name, AtFlags::SYMLINK_FOLLOW)
}

impl Symlinks for Sys<'_> {
    fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault> {
        symlinkat(target, self.place.dir(), self.name(Call::Symlink, node)?)
            .map_err(|errno| fault(Call::Symlink, node, errno))
    }

    fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault> {
        fs::readlinkat_raw(self.place.dir(), self.name(Call::Readlink, node)?, buffer)
            .map_err(|errno| fault(Call::Readlink, node, errno))
    }
}

/// As long as can be read back. Not by rustix's own way from bytes to a string with an end, which
/// takes more room than this, and without allocation only 255 bytes.
fn symlinkat(target: &[u8], dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let mut whole = ArrayVec::<u8, { symlink::TARGET_MAX }>::new();
    let filled =
        whole.try_extend_from_slice(target).and_then(|()| whole.try_extend_from_slice(&[0]));
    filled.map_err(|_| Errno::NAMETOOLONG)?;
    let whole = CStr::from_bytes_with_nul(&whole).map_err(|_| Errno::INVAL)?;
    fs::symlinkat(whole, dir, name)
}

impl Dirs for Sys<'_> {
    fn mkdir(&self, node: Node) -> Result<(), Fault> {
        fs::mkdirat(self.place.dir(), self.name(Call::Mkdir, node)?, DIRECTORY_MODE.into())
            .map_err(|errno| fault(Call::Mkdir, node, errno))
    }

    fn rmdir(&self, node: Node) -> Result<(), Fault> {
        fs::unlinkat(self.place.dir(), self.name(Call::Rmdir, node)?, AtFlags::REMOVEDIR)
            .map_err(|errno| fault(Call::Rmdir, node, errno))
    }

    fn open_directory(&self, node: Node) -> Result<OwnedFd, Fault> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(self.place.dir(), self.name(Call::Open, node)?, flags, fs::Mode::empty())
            .map_err(|errno| fault(Call::Open, node, errno))
    }

    fn symlink_in(&self, target: &[u8], directory: &OwnedFd) -> Result<(), Fault> {
        symlinkat(target, lend(directory), OWNER)
            .map_err(|errno| fault(Call::Symlink, Node::Owner, errno))
    }

    fn readlink_in(&self, directory: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Fault> {
        fs::readlinkat_raw(lend(directory), OWNER, buffer)
            .map_err(|errno| fault(Call::Readlink, Node::Owner, errno))
    }

    fn unlink_in(&self, directory: &OwnedFd) -> Result<(), Fault> {
        fs::unlinkat(lend(directory), OWNER, AtFlags::empty())
            .map_err(|errno| fault(Call::Unlink, Node::Owner, errno))
    }
}

impl Processes for Sys<'_> {
    fn process(&self, pid: Pid) -> ProcessState {
        crate::process::state(pid)
    }
}
