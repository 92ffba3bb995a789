//! Looking at a kernel lock without taking it.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::{Access, Contents, FileType, Files, Node, Stat};
use lock_core::owner::{Owner, Pid, Text};
use lock_core::payload::message::{MESSAGE_MAX, parse_pid};
use lock_core::scheme::kernel::{self, ByBoth, ByFlock, ByOfd, Probe};
use rustix::fd::OwnedFd;

use crate::descriptor::lend;
use crate::held;
use crate::holders;
use crate::identity;
use crate::process;
use crate::sys::Sys;

/// Whether a lock is held, and by whom as far as can be told.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::look::{Standing, look};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-standing"));
/// let file = std::fs::File::create("/tmp/lock-rustix-doc-standing").unwrap();
/// file.lock().unwrap();
/// assert!(matches!(look(&sys, Kind::Flock), Ok(Standing::Held(_))));
/// // Of record locks there are none: the kinds do not see each other.
/// assert_eq!(look(&sys, Kind::Ofd), Ok(Standing::Free));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-standing").unwrap();
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
// Without allocation the owner stays where it is, however large.
#[allow(clippy::large_enum_variant)]
pub enum Standing {
    /// There is no such file.
    Missing,
    /// Nobody that can be seen from here holds it.
    Free,
    /// Somebody does.
    Held(Owner),
}

/// Looks at the lock without taking it, not for an instant.
///
/// Record locks are seen exactly, on NFS too, and so is an flock where it is one: Linux's NFS makes
/// it a record lock of the server's. Elsewhere an flock is seen only if `/proc/locks` shows it,
/// which leaves out pid namespaces that cannot be seen into. The owner of a [`Kind::File`] lock
/// is who its file names, else the process that the kernel names; if that is gone, one that has the
/// locked descriptor.
///
/// Fails if the file can neither be opened for reading nor be missing, and with
/// [`Unsupported`](FaultKind::Unsupported) for existence kinds: see
/// [`existence::look`](crate::existence::look()).
///
/// ```
/// use lock_core::{kind::Kind, os::Mode};
/// use lock_rustix::local::{Request, try_lock};
/// use lock_rustix::look::{Standing, look};
/// use lock_rustix::{place::Place, process, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-look"));
/// assert_eq!(look(&sys, Kind::File), Ok(Standing::Missing));
/// let request = Request { kind: Kind::File, mode: Mode::Exclusive, message: None };
/// let guard = try_lock(&sys, &request).unwrap();
/// let Ok(Standing::Held(owner)) = look(&sys, Kind::File) else { panic!("held") };
/// assert_eq!(owner.pid.unwrap().get(), u64::from(process::id()));
/// drop(guard);
/// assert_eq!(look(&sys, Kind::File), Ok(Standing::Free));
/// # std::fs::remove_file("/tmp/lock-rustix-doc-look").unwrap();
/// ```
pub fn look(sys: &Sys<'_>, kind: Kind) -> Result<Standing, Fault> {
    if held::by_process(sys).is_some() {
        // Opening and closing the file to ask the kernel would drop our own lock.
        return Ok(Standing::Held(Owner::from_pid(process::id())));
    }
    // Another thread may hold it with a POSIX lock by now.
    look_and(sys, kind, |stat, file| held::dispose(stat.inode, file))
}

/// [`look`], for a program that knows that it holds no POSIX lock on the file.
pub(crate) fn look_and(
    sys: &Sys<'_>,
    kind: Kind,
    close: impl FnOnce(Stat, OwnedFd),
) -> Result<Standing, Fault> {
    let file = match sys.open(Node::Lock, Access::Read) {
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(Standing::Missing),
        opened => opened?,
    };
    let stat = sys.fstat(&file)?;
    let standing = standing(sys, kind, &file, stat);
    close(stat, file);
    standing
}

/// What the lock file says of its holder, present or past: Jane Street's `get_pid`, and the text.
///
/// `None` if there is no such file, if it cannot be read, or if it is longer than any message.
///
/// ```
/// use lock_rustix::{look::signature, place::Place, sys::Sys};
///
/// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-signature"));
/// assert!(signature(&sys).is_none());
/// std::fs::write("/tmp/lock-rustix-doc-signature", "4711\n").unwrap();
/// // Whether he still holds it is another question: see `look`.
/// assert_eq!(signature(&sys).unwrap().pid.unwrap().get(), 4711);
/// # std::fs::remove_file("/tmp/lock-rustix-doc-signature").unwrap();
/// ```
pub fn signature(sys: &Sys<'_>) -> Option<Owner> {
    if held::by_process(sys).is_some() {
        return None;
    }
    let file = sys.open(Node::Lock, Access::Read).ok()?;
    let inode = sys.fstat(&file).ok()?.inode;
    let mut owner = Owner::default();
    let read = read_signature(sys, &file, &mut owner);
    held::dispose(inode, file);
    read.then_some(owner)
}

fn standing(sys: &Sys<'_>, kind: Kind, file: &OwnedFd, stat: Stat) -> Result<Standing, Fault> {
    let mut probe = match kind {
        Kind::File => kernel::probe_opened::<ByBoth, _>(sys, file, stat)?,
        Kind::Flock => kernel::probe_opened::<ByFlock, _>(sys, file, stat)?,
        Kind::Lockf | Kind::Ofd => Probe::Free,
        _ => {
            let kind = FaultKind::Unsupported;
            return Err(Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 });
        }
    };
    // This way of asking sees the locks of both owners, and what a server makes of an flock.
    let ask_for_record = match kind {
        Kind::File => false,
        Kind::Flock => {
            probe == Probe::Free
                && stat.file_type == FileType::Regular
                && !identity::is_local(lend(file))
        }
        _ => true,
    };
    if ask_for_record {
        probe = kernel::probe_opened::<ByOfd, _>(sys, file, stat)?;
    }
    let mut owner = Owner::default();
    match probe {
        Probe::Missing => return Ok(Standing::Missing),
        Probe::Free => {
            // A pid namespace of its own hides the locks that ended processes took for others.
            if kind == Kind::Flock && !identity::is_in_first_pid_namespace() {
                owner.pid = holders::holder(stat.inode);
            }
            if owner.pid.is_none() {
                return Ok(Standing::Free);
            }
        }
        Probe::Held(blocker) => {
            if kind == Kind::File {
                read_signature(sys, file, &mut owner);
            }
            owner.pid = owner.pid.or(blocker.pid.and_then(|pid| Pid::new(u64::from(pid))));
            if owner.pid.is_some_and(|pid| !process::exists(pid)) {
                // It took the lock, and another has the descriptor: a child, or whom it stood for.
                owner.pid = holders::holder(stat.inode).or(owner.pid);
            }
        }
    }
    Ok(Standing::Held(owner))
}

/// Notes what the file says of its holder; answers whether that could be read.
fn read_signature(sys: &Sys<'_>, file: &OwnedFd, owner: &mut Owner) -> bool {
    let mut buffer = [0; MESSAGE_MAX + 2];
    let mut len = 0;
    // A regular file gives all it has at once, but a signal can cut that short.
    while let Some(space) = buffer.get_mut(len..).filter(|space| !space.is_empty()) {
        match sys.pread(file, space, len as u64) {
            Ok(0) => {
                let bytes = buffer.get(..len).unwrap_or_default();
                let message = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                owner.pid = parse_pid(bytes);
                owner.message = Text::try_from(message).ok();
                return true;
            }
            Ok(read) => len += read,
            Err(fault) if fault.kind == FaultKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    false
}
