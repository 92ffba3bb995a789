//! Exit statuses, from sysexits.h, and which one a fault has.

use lock_core::fault::{Call, Fault, FaultKind};

/// The command line is wrong.
pub const USAGE: u8 = 64;
/// The lock's directory or file does not exist, or is no such thing.
pub const NO_INPUT: u8 = 66;
/// The system failed us: no process, no memory.
pub const OS_ERROR: u8 = 71;
/// The lock file cannot be created.
pub const CANNOT_CREATE: u8 = 73;
/// An I/O error on the way.
pub const IO_ERROR: u8 = 74;
/// The lock is held by another, or the wait ran out.
pub const HELD: u8 = 75;
/// No permission.
pub const NO_PERMISSION: u8 = 77;
/// The command cannot be run.
pub const CANNOT_RUN: u8 = 126;
/// The command is not found.
pub const NOT_FOUND: u8 = 127;

/// The status that says what went wrong.
///
/// ```
/// use lock_core::fault::{Call, Fault, FaultKind};
/// use lock_core::os::Node;
///
/// let fault = Fault { call: Call::Open, node: Node::Lock, kind: FaultKind::ReadOnly, errno: 30 };
/// assert_eq!(lockbox_tool::status::of(fault), 73);
/// ```
pub fn of(fault: Fault) -> u8 {
    match fault.kind {
        FaultKind::Missing
        | FaultKind::NotDirectory
        | FaultKind::IsDirectory
        | FaultKind::Linked
        | FaultKind::NotRegular
        | FaultKind::NotSymlink
        | FaultKind::Symlink
        | FaultKind::NameTooLong => NO_INPUT,
        FaultKind::ReadOnly | FaultKind::NoSpace | FaultKind::Quota => CANNOT_CREATE,
        FaultKind::Denied => NO_PERMISSION,
        FaultKind::TooLong if fault.call == Call::Pwrite => USAGE,
        _ => IO_ERROR,
    }
}
