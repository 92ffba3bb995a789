//! What an error number means to a lock: the one table from errno to [`FaultKind`].

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::Node;
use rustix::io::Errno;

/// The fault that `call` on `node` failed with.
///
/// ```
/// use lock_core::fault::{Call, FaultKind};
/// use lock_core::os::Node;
/// use lock_rustix::rustix::io::Errno;
///
/// let fault = lock_rustix::fault::fault(Call::Flock, Node::Lock, Errno::NOLCK);
/// assert_eq!((fault.kind, fault.errno), (FaultKind::NoLocks, 37));
/// ```
pub fn fault(call: Call, node: Node, errno: Errno) -> Fault {
    let number = u16::try_from(errno.raw_os_error()).unwrap_or_default();
    Fault { call, node, kind: kind(call, errno), errno: number }
}

/// The part of an error number's meaning that changes what to do next.
fn kind(call: Call, errno: Errno) -> FaultKind {
    match (call, errno) {
        // POSIX allows a record lock to be refused with EACCES.
        (Call::Fcntl, Errno::ACCESS) => FaultKind::WouldBlock,
        (Call::Readlink, Errno::INVAL) => FaultKind::NotSymlink,
        // A socket, or a device without a driver, at the lock's path.
        (Call::Open, Errno::NXIO | Errno::NODEV) => FaultKind::NotRegular,
        _ => {
            MEANINGS.iter().find(|(it, _)| *it == errno).map_or(FaultKind::Other, |(_, kind)| *kind)
        }
    }
}

/// What the numbers mean to most calls.
const MEANINGS: [(Errno, FaultKind); 26] = [
    (Errno::ACCESS, FaultKind::Denied),
    (Errno::PERM, FaultKind::Denied),
    (Errno::WOULDBLOCK, FaultKind::WouldBlock),
    (Errno::BADF, FaultKind::BadDescriptor),
    (Errno::DEADLK, FaultKind::Deadlock),
    (Errno::XDEV, FaultKind::CrossDevice),
    (Errno::DQUOT, FaultKind::Quota),
    (Errno::EXIST, FaultKind::Exists),
    (Errno::INTR, FaultKind::Interrupted),
    (Errno::INVAL, FaultKind::Unsupported),
    (Errno::NOSYS, FaultKind::Unsupported),
    (Errno::OPNOTSUPP, FaultKind::Unsupported),
    (Errno::IO, FaultKind::Io),
    (Errno::ISDIR, FaultKind::IsDirectory),
    (Errno::LOOP, FaultKind::Symlink),
    (Errno::MFILE, FaultKind::TooManyFiles),
    (Errno::NFILE, FaultKind::TooManyFiles),
    (Errno::MLINK, FaultKind::TooManyLinks),
    (Errno::NAMETOOLONG, FaultKind::NameTooLong),
    (Errno::NOENT, FaultKind::Missing),
    (Errno::NOLCK, FaultKind::NoLocks),
    (Errno::NOSPC, FaultKind::NoSpace),
    (Errno::NOTDIR, FaultKind::NotDirectory),
    (Errno::NOTEMPTY, FaultKind::NotEmpty),
    (Errno::ROFS, FaultKind::ReadOnly),
    (Errno::STALE, FaultKind::StaleHandle),
];
