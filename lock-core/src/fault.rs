//! Why a system call failed, told so that a program can act on it.
//!
//! A back end turns its platform's error number into a [`FaultKind`] in one place; everything
//! above decides by kind and prints the number. A [`Fault`] is a value: 8 bytes, `Copy`.

use core::fmt;

use crate::os::Node;

/// A failed system call: which, on what, and why.
///
/// ```
/// use lock_core::fault::{Call, Fault, FaultKind};
/// use lock_core::os::Node;
///
/// let fault = Fault { call: Call::Open, node: Node::Lock, kind: FaultKind::Denied, errno: 13 };
/// assert_eq!(fault.to_string(), "open of the lock file: permission denied (errno 13)");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
// In one register. What is asked most stands first, where a comparison needs no mask: whether there
// is a fault at all, which a `Result` tells by the node, and the kind.
#[repr(C, align(8))]
pub struct Fault {
    /// What it was about.
    pub node: Node,
    /// The part of the reason that changes what to do next.
    pub kind: FaultKind,
    /// The step that failed.
    pub call: Call,
    /// The platform's own `errno`, for messages; 0 if the reason is ours.
    pub errno: u16,
}

/// A system call that an attempt can make, by the name its manual page has.
///
/// ```
/// use lock_core::fault::Call;
///
/// assert_eq!(Call::Flock.name(), "flock");
/// assert_eq!(Call::Pwrite.name(), "write", "by the name that people know");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// `fchown(2)` of an open file.
    Fchown,
    /// `fcntl(F_SETLK)`, `fcntl(F_OFD_SETLK)` and their waiting and asking forms.
    Fcntl,
    /// `flock(2)`.
    Flock,
    /// `fstat(2)` of an open file.
    Fstat,
    /// `ftruncate(2)`.
    Ftruncate,
    /// `link(2)`.
    Link,
    /// `mkdir(2)`.
    Mkdir,
    /// `open(2)`.
    Open,
    /// `pread(2)`.
    Pread,
    /// `pwrite(2)`.
    Pwrite,
    /// `readlink(2)`.
    Readlink,
    /// `rename(2)`, `renameat2(2)`.
    Rename,
    /// `rmdir(2)`.
    Rmdir,
    /// `stat(2)` or `lstat(2)` of a name.
    Stat,
    /// `symlink(2)`.
    Symlink,
    /// `unlink(2)`.
    Unlink,
    /// `utimensat(2)`.
    Utimens,
}

/// See [`Fault::kind`].
///
/// ```
/// use lock_core::fault::{Call, Fault, FaultKind};
/// use lock_core::os::Node;
///
/// let full =
///     Fault { call: Call::Pwrite, node: Node::Lock, kind: FaultKind::NoSpace, errno: 28 };
/// assert_eq!(full.kind.reason(), "no space left on device");
/// // What may pass by itself, and what will not.
/// assert!(matches!(full.kind, FaultKind::NoSpace | FaultKind::Quota | FaultKind::NoLocks));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// `EBADF`: no descriptor, or not open for what was asked (NFS wants write access for an
    /// exclusive flock).
    BadDescriptor,
    /// `EXDEV`: the two names are on different mounts.
    CrossDevice,
    /// `EDEADLK`: the kernel saw, or guessed, a cycle of waiting POSIX locks.
    Deadlock,
    /// `EACCES`, `EPERM`.
    Denied,
    /// `EEXIST`.
    Exists,
    /// `EINTR`: a signal came first.
    Interrupted,
    /// `EIO`.
    Io,
    /// `EISDIR`, or a directory where a file was expected.
    IsDirectory,
    /// `ENOENT`.
    Missing,
    /// The file has another name besides: it may be somebody's data, and is not written to.
    Linked,
    /// `ENAMETOOLONG`, or longer than this library's own buffers.
    NameTooLong,
    /// `ENOLCK`: no room for lock records, or no lock service.
    NoLocks,
    /// `ENOSPC`.
    NoSpace,
    /// `ENOTDIR`.
    NotDirectory,
    /// `ENOTEMPTY`.
    NotEmpty,
    /// Neither a regular file nor what the kind allows: a FIFO, a device, a socket.
    NotRegular,
    /// Not a symbolic link, where one was expected.
    NotSymlink,
    /// `EDQUOT`.
    Quota,
    /// `EROFS`.
    ReadOnly,
    /// The path was given to another file again and again while we tried.
    Replaced,
    /// `ESTALE`: the file server forgot the file.
    StaleHandle,
    /// `ELOOP`: a symbolic link where none is followed.
    Symlink,
    /// This process holds as many locks as it has room to remember.
    TableFull,
    /// The message does not fit a lock file, or a lock file is longer than any message.
    TooLong,
    /// `EMLINK`.
    TooManyLinks,
    /// `EMFILE`, `ENFILE`.
    TooManyFiles,
    /// `EOPNOTSUPP`, `ENOSYS`, `EINVAL`: not with this file system or kernel.
    Unsupported,
    /// `EWOULDBLOCK`, `EAGAIN`; `EACCES` from a record lock.
    WouldBlock,
    /// Everything else.
    Other,
}

impl Call {
    /// The call's own name.
    pub const fn name(self) -> &'static str {
        match self {
            Call::Fchown => "chown",
            Call::Fcntl => "fcntl",
            Call::Flock => "flock",
            Call::Fstat => "fstat",
            Call::Ftruncate => "ftruncate",
            Call::Link => "link",
            Call::Mkdir => "mkdir",
            Call::Open => "open",
            Call::Pread => "read",
            Call::Pwrite => "write",
            Call::Readlink => "readlink",
            Call::Rename => "rename",
            Call::Rmdir => "rmdir",
            Call::Stat => "stat",
            Call::Symlink => "symlink",
            Call::Unlink => "unlink",
            Call::Utimens => "touch",
        }
    }
}

impl FaultKind {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        line(REASONS, self as usize)
    }
}

/// The reasons in words, in the order of the kinds.
const REASONS: &str = "\
bad file descriptor
names on different mounts
deadlock avoided by the kernel
permission denied
already exists
interrupted by a signal
input/output error
is a directory
no such file or directory
the file has another name too, and may be another's data
name too long
no locks available
no space left on device
not a directory
directory not empty
not a regular file
not a symbolic link
disk quota exceeded
read-only file system
the file keeps being replaced
stale file handle
is a symbolic link
too many locks held by this process
too long for a lock file
too many links
too many open files
not supported here
held by another
failed
";

/// A line of a text, by its number: one text takes less than a table of many.
fn line(text: &str, number: usize) -> &str {
    let (mut line, mut start) = (0, 0);
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'\n' {
            if line == number {
                return text.get(start..at).unwrap_or_default();
            }
            (line, start) = (line.wrapping_add(1), at.wrapping_add(1));
        }
    }
    ""
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {}: {}", self.call.name(), self.node.name(), self.kind.reason())?;
        if self.errno == 0 { Ok(()) } else { write!(out, " (errno {})", self.errno) }
    }
}

impl core::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_that_of_its_kind() {
        for (kind, reason) in [
            (FaultKind::BadDescriptor, "bad file descriptor"),
            (FaultKind::CrossDevice, "names on different mounts"),
            (FaultKind::Deadlock, "deadlock avoided by the kernel"),
            (FaultKind::Denied, "permission denied"),
            (FaultKind::Exists, "already exists"),
            (FaultKind::Interrupted, "interrupted by a signal"),
            (FaultKind::Io, "input/output error"),
            (FaultKind::IsDirectory, "is a directory"),
            (FaultKind::Missing, "no such file or directory"),
            (FaultKind::Linked, "the file has another name too, and may be another's data"),
            (FaultKind::NameTooLong, "name too long"),
            (FaultKind::NoLocks, "no locks available"),
            (FaultKind::NoSpace, "no space left on device"),
            (FaultKind::NotDirectory, "not a directory"),
            (FaultKind::NotEmpty, "directory not empty"),
            (FaultKind::NotRegular, "not a regular file"),
            (FaultKind::NotSymlink, "not a symbolic link"),
            (FaultKind::Quota, "disk quota exceeded"),
            (FaultKind::ReadOnly, "read-only file system"),
            (FaultKind::Replaced, "the file keeps being replaced"),
            (FaultKind::StaleHandle, "stale file handle"),
            (FaultKind::Symlink, "is a symbolic link"),
            (FaultKind::TableFull, "too many locks held by this process"),
            (FaultKind::TooLong, "too long for a lock file"),
            (FaultKind::TooManyLinks, "too many links"),
            (FaultKind::TooManyFiles, "too many open files"),
            (FaultKind::Unsupported, "not supported here"),
            (FaultKind::WouldBlock, "held by another"),
            (FaultKind::Other, "failed"),
        ] {
            assert_eq!(kind.reason(), reason, "{kind:?}");
        }
    }
}
