//! What the schemes have in common whose lock is a regular file: opening, writing, reading and
//! judging it, and its names.

use crate::fault::{Call, Fault, FaultKind};
use crate::os::{
    Access, Contents, CreateNew, FileType, Files, Links, Names, Node, Processes, Stat,
};
use crate::scheme::breaking::{Decide, Terms, TryLockError, verdict};
use crate::scheme::hardlink::Unlocked;
use crate::staleness::{Claim, Unknown, Verdict};

/// The longest payload that is understood, in bytes.
pub const PAYLOAD_MAX: usize = 8192;

/// Makes a file under the private name.
pub(super) fn create_private<O: CreateNew>(os: &O) -> Result<O::File, TryLockError<O::File>> {
    os.create_new(Node::Private).map_err(|fault| match fault.kind {
        // A leftover of a process that had our nonce: impossible but for a broken random source.
        FaultKind::Exists => TryLockError::Again,
        _ => fault.into(),
    })
}

/// Gives the private file the lock's name, if that is free.
pub(super) fn name_private(os: &(impl Links + Names)) -> Result<(), Fault> {
    match os.rename_noreplace(Node::Private, Node::Lock) {
        // NFS and old kernels cannot rename like that. A second name does it too.
        Err(fault) if fault.kind == FaultKind::Unsupported => {
            os.link(Node::Private, Node::Lock).map(|()| unlink_private(os))
        }
        named => named,
    }
}

/// What is to be done about the lock's name, which our file was not given: nothing, if the server
/// did it and then denied having done it; else another's lock is there, and this is the time by
/// the clock that its age is counted in.
pub(super) fn taken_by_another<O: Files>(
    os: &O,
    mine: &O::File,
    fault: Fault,
) -> Result<Option<i64>, TryLockError<O::File>> {
    if !matches!(fault.kind, FaultKind::Exists | FaultKind::Missing) {
        return Err(fault.into());
    }
    // Our own file was written just now.
    let stat = os.fstat(mine)?;
    match os.stat(Node::Lock) {
        Ok(named) if named.inode == stat.inode => Ok(None),
        Ok(_) => Ok(Some(stat.modified_ms)),
        Err(fault) if fault.kind == FaultKind::Missing => Err(TryLockError::Again),
        Err(fault) => Err(fault.into()),
    }
}

/// Opens the file that the lock's name means, for its flock.
pub(super) fn open_lock<O: Files>(os: &O) -> Result<O::File, TryLockError<O::File>> {
    match os.open(Node::Lock, Access::ReadWrite) {
        Ok(file) => Ok(file),
        Err(fault) if fault.kind == FaultKind::Missing => Err(TryLockError::Again),
        // Only NFS needs a writable descriptor for the flock.
        Err(fault) if matches!(fault.kind, FaultKind::Denied | FaultKind::ReadOnly) => {
            os.open(Node::Lock, Access::Read).map_err(Into::into)
        }
        Err(fault) => Err(fault.into()),
    }
}

/// A lock that another user made unreadable to this one stands all the same: it is in the way, and
/// may be gone later.
pub(super) fn held_if_hidden<F>(error: TryLockError<F>) -> TryLockError<F> {
    match error {
        TryLockError::Fault(fault) if fault.kind == FaultKind::Denied => {
            TryLockError::Held { queue: None, verdict: Some(Verdict::Unknown(Unknown::Unreadable)) }
        }
        error => error,
    }
}

/// Reads who holds the lock and judges him. `now_ms` is the time by the file system's clock.
pub(super) fn read_verdict<O: Contents + Processes>(
    os: &O,
    terms: &Terms<'_>,
    file: &O::File,
    now_ms: i64,
    flock_obtained: bool,
    decide: Decide<'_>,
) -> Result<Verdict, TryLockError<O::File>> {
    let stat = regular(os, file)?;
    let age_ms = now_ms.saturating_sub(stat.modified_ms);
    let claim = read_claim(os, file, terms.decode)?;
    Ok(decide(claim.as_ref(), verdict(os, terms, claim.as_ref(), age_ms, flock_obtained)))
}

/// What is known of an open file, which must be a regular one: a FIFO or a device is no lock, and
/// reading from it might wait.
pub(super) fn regular<O: Files>(os: &O, file: &O::File) -> Result<Stat, Fault> {
    let stat = os.fstat(file)?;
    if stat.file_type == FileType::Regular {
        return Ok(stat);
    }
    Err(Fault { call: Call::Open, node: Node::Lock, kind: FaultKind::NotRegular, errno: 0 })
}

/// What a lock file says of its holder; `None` if that cannot be read.
pub(super) fn read_claim<O: Contents>(
    os: &O,
    file: &O::File,
    decode: fn(&[u8]) -> Option<Claim>,
) -> Result<Option<Claim>, Fault> {
    // One byte more than is understood shows that there is more: no part is taken for the whole.
    let mut buffer = [0; PAYLOAD_MAX + 1];
    let len = os.pread(file, &mut buffer, 0)?;
    Ok(buffer.get(..len).filter(|_| len <= PAYLOAD_MAX).and_then(decode))
}

/// Gives the private name, the second of a lock that is ours, to readers. Somebody's file that has
/// that name stays.
pub(super) fn name_companion<O: Contents + Links>(os: &O, terms: &Terms<'_>) -> Result<(), Fault> {
    match os.rename_noreplace(Node::Private, Node::Companion) {
        Err(fault) if matches!(fault.kind, FaultKind::Exists | FaultKind::Unsupported) => {
            if is_companion(os, terms.decode)? != Some(false) {
                return os.rename(Node::Private, Node::Companion);
            }
            Err(fault)
        }
        named => named,
    }
}

/// Removes what a holder left for readers, and nothing else.
pub(super) fn remove_companion<O: Contents + Names>(
    os: &O,
    decode: fn(&[u8]) -> Option<Claim>,
) -> Result<(), Fault> {
    match is_companion(os, decode) {
        Ok(Some(true)) => unlink_if_there(os, Node::Companion).map(|_| ()),
        _ => Ok(()),
    }
}

/// Whether what has the companion's name was written by a holder: it can be read as a payload, or
/// is empty, as Jane Street's first version makes it. `None`: there is nothing.
fn is_companion<O: Contents>(
    os: &O,
    decode: fn(&[u8]) -> Option<Claim>,
) -> Result<Option<bool>, Fault> {
    let file = match os.open(Node::Companion, Access::Read) {
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(None),
        opened => opened?,
    };
    let Ok(stat) = regular(os, &file) else { return Ok(Some(false)) };
    Ok(Some(stat.len == 0 || read_claim(os, &file, decode)?.is_some()))
}

pub(super) fn write_whole<O: Contents>(
    os: &O,
    file: &O::File,
    payload: &[u8],
) -> Result<(), Fault> {
    let written = os.pwrite(file, payload, 0)?;
    if written == payload.len() {
        return Ok(());
    }
    Err(Fault { call: Call::Pwrite, node: Node::Private, kind: FaultKind::NoSpace, errno: 0 })
}

/// Removes the private name, if it is still there. Whatever fails here a sweep mends.
pub(super) fn unlink_private(os: &impl Names) {
    let _ = os.unlink(Node::Private);
}

/// Removes the lock's name; tells whether it was there until now.
pub(super) fn unlink_lock(os: &impl Names) -> Result<Unlocked, Fault> {
    let there = unlink_if_there(os, Node::Lock)?;
    Ok(if there { Unlocked::Released } else { Unlocked::WasBroken })
}

pub(super) fn unlink_if_there(os: &impl Names, node: Node) -> Result<bool, Fault> {
    match os.unlink(node) {
        Ok(()) => Ok(true),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
        Err(fault) => Err(fault),
    }
}
