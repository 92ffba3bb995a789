//! `Lock_file_blocking.Nfs` in its versions: `create` up to v0.17, the same with the flock-guarded
//! clean-up of 2024, and `create_v2`. Source: `core_unix`, `lock_file_blocking.ml`, `nfs_lock.ml`.

use lock_core::fault::FaultKind;
use lock_core::os::{Access, Contents, CreateNew, Flock, Links, Mode, Names, Node, Processes};

use super::{Decode, Refused, is_alive, read_by_name};

/// What the lock calls.
pub trait Calls: Contents + CreateNew + Flock + Links + Names + Processes {}
impl<O: Contents + CreateNew + Flock + Links + Names + Processes> Calls for O {}

/// Who asks: what it writes, and how it reads others.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Its info, as it stands in the files.
    pub info: &'a [u8],
    /// Reads an info.
    pub decode: Decode,
}

/// How a stale lock is cleaned up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CleanUp {
    /// Up to v0.17: read, judge, unlink, unlink.
    Unguarded,
    /// Since August 2024: under the flock of the stale file, and read again.
    Guarded,
}

/// `create`: links PATH to the lock's name, then writes into what it had opened as PATH.
pub fn create_v1<O: Calls>(os: &O, caller: &Caller<'_>, clean_up: CleanUp) -> Result<(), Refused> {
    prepare(os, caller, clean_up)?;
    let file = os.open_or_create(Node::Companion, Access::ReadWrite).map_err(Refused::Fault)?;
    os.link(Node::Companion, Node::Lock).map_err(|_| Refused::Busy)?;
    os.ftruncate(&file, 0).map_err(Refused::Fault)?;
    os.pwrite(&file, caller.info, 0).map_err(Refused::Fault)?;
    Ok(())
}

/// `create_v2`: writes a private file, links that, and copies the info to PATH for old readers.
pub fn create_v2<O: Calls>(os: &O, caller: &Caller<'_>) -> Result<(), Refused> {
    prepare(os, caller, CleanUp::Guarded)?;
    let file = os.create_new(Node::Private).map_err(|_| Refused::Busy)?;
    os.pwrite(&file, caller.info, 0).map_err(Refused::Fault)?;
    drop(file);
    let linked = os.link(Node::Private, Node::Lock);
    let _ = os.unlink(Node::Private);
    linked.map_err(|_| Refused::Busy)?;
    if let Ok(file) = os.open_or_create(Node::Companion, Access::ReadWrite) {
        let _ = os.ftruncate(&file, 0);
        let _ = os.pwrite(&file, caller.info, 0);
    }
    Ok(())
}

/// `unlock`: PATH first, then the lock, if the lock says that it is the caller's.
pub fn unlock<O: Calls>(os: &O, caller: &Caller<'_>) -> Result<(), Refused> {
    match read_by_name(os, Node::Lock) {
        Ok(info) if info == caller.info => {
            let _ = os.unlink(Node::Companion);
            os.unlink(Node::Lock).map_err(Refused::Fault)
        }
        Ok(_) => Err(Refused::Busy),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(()),
        Err(fault) => Err(Refused::Fault(fault)),
    }
}

/// Cleans up after a dead process, or refuses.
fn prepare<O: Calls>(os: &O, caller: &Caller<'_>, clean_up: CleanUp) -> Result<(), Refused> {
    match os.stat(Node::Lock) {
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(()),
        Err(fault) => return Err(Refused::Fault(fault)),
        Ok(_) => {}
    }
    let info = read_by_name(os, Node::Lock).map_err(|_| Refused::Busy)?;
    // An info that cannot be read is never cleaned up.
    let pid = (caller.decode)(&info).ok_or(Refused::Busy)?;
    if is_alive(os, pid) {
        return Err(Refused::Busy);
    }
    match clean_up {
        CleanUp::Unguarded => remove(os),
        CleanUp::Guarded => {
            if read_by_name(os, Node::Lock).map_err(|_| Refused::Busy)? != info {
                return Err(Refused::Busy);
            }
            let file = os.open(Node::Lock, Access::ReadWrite).map_err(|_| Refused::Busy)?;
            os.flock(&file, Mode::Exclusive).map_err(|_| Refused::Busy)?;
            if read_by_name(os, Node::Lock).map_err(|_| Refused::Busy)? != info {
                return Err(Refused::Busy);
            }
            remove(os)
        }
    }
}

fn remove<O: Calls>(os: &O) -> Result<(), Refused> {
    let _ = os.unlink(Node::Companion);
    os.unlink(Node::Lock).map_err(|_| Refused::Busy)
}
