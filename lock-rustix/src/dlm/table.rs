//! The kernel's list of a lockspace's locks, read without allocation: who holds what, as far as
//! this node knows, and nobody is asked for anything.
//!
//! It is in debugfs, which root alone can read, and which must be mounted.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use lock_core::dlm::name::{LockspaceName, NAME_MAX};
use lock_core::dlm::table::{Row, parse};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::descriptor::{lend, openat};
use crate::entries::Entries;
use crate::lines::for_each_line;

use super::fault::{DlmFault, Step};

/// Where the kernel's DLM puts a file for each lockspace, if debugfs is mounted where it should be.
const DIRECTORY: &CStr = c"/sys/kernel/debug/dlm";

/// What the name of such a file has after the lockspace's.
const SUFFIX: &[u8] = b"_locks";

/// A line has 13 numbers of some 120 bytes at most, and a name. What a longer one would say is cut
/// off, and it is no lock's.
const LINE_MAX: usize = 1024;

/// Shows each lock of the list to `see`, as long as it answers that it wants more.
///
/// Fails with [`NoList`](super::fault::Reason::NoList) or
/// [`Denied`](super::fault::Reason::Denied).
///
/// ```no_run
/// use lock_core::dlm::name::LockspaceName;
/// use lock_rustix::dlm::table::for_each;
///
/// let mut held = 0;
/// for_each(&LockspaceName::new(b"cluster1").unwrap(), &mut |row| {
///     held += u32::from(row.resource == b"disk1" && row.held.is_some());
///     true
/// })
/// .unwrap();
/// ```
pub fn for_each(
    lockspace: &LockspaceName,
    see: &mut dyn FnMut(&Row<'_>) -> bool,
) -> Result<(), DlmFault> {
    let fault = |errno| DlmFault::from_errno(Step::List, errno);
    let mut path = ArrayVec::<u8, { "/sys/kernel/debug/dlm/_locks".len() + NAME_MAX + 1 }>::new();
    for part in [DIRECTORY.to_bytes(), b"/", lockspace.as_bytes(), SUFFIX, b"\0"] {
        path.try_extend_from_slice(part).map_err(|_| fault(Errno::NAMETOOLONG))?;
    }
    let path = CStr::from_bytes_with_nul(&path).map_err(|_| fault(Errno::INVAL))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty()).map_err(fault)?;
    for_each_line(&file, &mut [0; LINE_MAX], &mut |line| parse(line).is_none_or(|row| see(&row)))
        .map_err(fault)
}

/// Shows each lockspace that this node has joined and the list can be read of.
///
/// Fails as [`for_each`] does.
///
/// ```
/// use lock_rustix::dlm::fault::{Reason, Step};
/// use lock_rustix::dlm::table::for_each_lockspace;
///
/// let mut names = 0;
/// match for_each_lockspace(&mut |_| names += 1) {
///     Ok(()) => println!("{names} lockspaces"),
///     Err(fault) => {
///         assert_eq!(fault.step, Step::List);
///         assert!(matches!(fault.reason, Reason::NoList | Reason::Denied));
///     }
/// }
/// ```
pub fn for_each_lockspace(see: &mut dyn FnMut(&LockspaceName)) -> Result<(), DlmFault> {
    let fault = |errno| DlmFault::from_errno(Step::List, errno);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let directory = openat(CWD, DIRECTORY, flags, Mode::empty()).map_err(fault)?;
    let mut entries = Entries::of(lend(&directory));
    while let Some(name) = entries.next().map_err(fault)? {
        let lockspace = name.to_bytes().strip_suffix(SUFFIX);
        if let Some(Ok(lockspace)) = lockspace.map(LockspaceName::new) {
            see(&lockspace);
        }
    }
    Ok(())
}
