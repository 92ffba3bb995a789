//! Pidfile.jl 1.3: a file made with `O_EXCL` and then written, removed when it looks stale.
//! Source: `Pidfile.jl`, `open_exclusive` and `close`.

use lock_core::fault::FaultKind;
use lock_core::os::{Contents, CreateNew, Files, Names, Node, Processes};

use super::{Decode, Refused, is_alive, read_by_name};

/// What the lock calls.
pub trait Calls: Contents + CreateNew + Names + Processes {}
impl<O: Contents + CreateNew + Names + Processes> Calls for O {}

/// Who asks: what it writes, and how it judges others.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Its pid and host, as they stand in the file.
    pub info: &'a [u8],
    /// Reads an info.
    pub decode: Decode,
    /// How old the file looks: so old that one without a living process is stale, or so old that
    /// any is.
    pub age: Age,
}

/// See [`Caller::age`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    /// Past `stale_age`.
    Old,
    /// Past 25 times that: a living holder was paused, or its refresh failed.
    VeryOld,
}

/// `open_exclusive` with `wait = false`, then the write of `mkpidlock`. Keeps the file open.
pub fn mkpidlock<O: Calls>(os: &O, caller: &Caller<'_>) -> Result<O::File, Refused> {
    let file = match os.create_new(Node::Lock) {
        Err(fault) if fault.kind == FaultKind::Exists => {
            if !is_stale(os, caller) {
                return Err(Refused::Busy);
            }
            let _ = os.unlink(Node::Lock);
            os.create_new(Node::Lock).map_err(|_| Refused::Busy)?
        }
        opened => opened.map_err(Refused::Fault)?,
    };
    os.pwrite(&file, caller.info, 0).map_err(Refused::Fault)?;
    Ok(file)
}

/// `close`: removes the file if the path still means it.
pub fn close<O: Files + Names>(os: &O, file: O::File) -> Result<(), Refused> {
    let mine = os.fstat(&file).map_err(Refused::Fault)?.inode;
    if os.stat(Node::Lock).is_ok_and(|named| named.inode == mine) {
        os.unlink(Node::Lock).map_err(Refused::Fault)?;
    }
    drop(file);
    Ok(())
}

/// An unreadable or empty file has pid 0, which is never valid.
fn is_stale<O: Calls>(os: &O, caller: &Caller<'_>) -> bool {
    let Ok(info) = read_by_name(os, Node::Lock) else { return false };
    match (caller.decode)(&info) {
        Some(pid) => caller.age == Age::VeryOld || !is_alive(os, pid),
        None => true,
    }
}
