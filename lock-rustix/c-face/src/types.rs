//! What C programs see of the library besides its functions: `include/lockbox.h` is made from here.
//!
//! Names are C's. Numbers that come from C are plain integers, so that a wrong one is an error and
//! nothing worse.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_int};

/// How many words a lock has.
pub const LOCKBOX_LOCK_WORDS: usize = 320;

/// Room for the name of a host and its end.
pub const LOCKBOX_HOST_SIZE: usize = 65;

/// Room for the longest message and its end.
pub const LOCKBOX_MESSAGE_SIZE: usize = 1024;

/// Room for a sentence and its end.
pub const LOCKBOX_SENTENCE_SIZE: usize = 256;

/// A timeout: as long as it takes.
pub const LOCKBOX_FOREVER: u64 = u64::MAX;

/// A flag: beside others who hold the lock shared. Kinds flock, lockf and ofd.
pub const LOCKBOX_SHARED: u32 = 1;

/// A flag: a symbolic link at the path is followed; else it is an error. Kernel locks only.
pub const LOCKBOX_FOLLOW_SYMLINKS: u32 = 2;

/// A flag: `cancel_fd` ends the wait when it can be read.
pub const LOCKBOX_CANCELLABLE: u32 = 4;

/// A flag of `lockbox_break`: whoever holds the lock, and though he may live.
pub const LOCKBOX_FORCE: u32 = 8;

/// A held lock, or room for one. All zeros, as a static variable or by `= {0}`, is an empty one.
/// While it holds a lock it must not be copied. One lock is for one thread at a time; different
/// locks are independent.
#[repr(C)]
#[derive(Debug)]
pub struct lockbox_lock {
    /// The library's own.
    pub opaque: [u64; LOCKBOX_LOCK_WORDS],
}

/// The kinds of locks, by the conventions that other programs know.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum lockbox_kind {
    /// flock and record lock together, the holder named in the file: Jane Street's
    /// `Lock_file_blocking`.
    LOCKBOX_KIND_FILE = 0,
    /// `flock(2)`.
    LOCKBOX_KIND_FLOCK = 1,
    /// POSIX record lock on the whole file, as `lockf(3)` takes it. It belongs to the process.
    LOCKBOX_KIND_LOCKF = 2,
    /// Record lock of an open file description on the whole file.
    LOCKBOX_KIND_OFD = 3,
    /// Hard link PATH`.nfs_lock`: Jane Street's `Lock_file_blocking.Nfs`.
    LOCKBOX_KIND_NFS = 4,
    /// Symbolic link whose target names the holder.
    LOCKBOX_KIND_SYMLINK = 5,
    /// Directory with its holder named inside.
    LOCKBOX_KIND_MKDIR = 6,
    /// File with pid and host in it: Pidfile.jl.
    LOCKBOX_KIND_PIDFILE = 7,
}

/// What became of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum lockbox_code {
    /// Done.
    LOCKBOX_OK = 0,
    /// Another holds the lock, or may; if there was a timeout, it is over.
    LOCKBOX_HELD = 1,
    /// This process holds the lock already, in another `lockbox_lock`.
    LOCKBOX_HELD_BY_THIS_PROCESS = 2,
    /// `cancel_fd` could be read before the lock was ours.
    LOCKBOX_CANCELLED = 3,
    /// The lock is no longer ours: somebody removed or replaced it.
    LOCKBOX_LOST = 4,
    /// There is no lock.
    LOCKBOX_NO_LOCK = 5,
    /// A null pointer, a number that means nothing, or what does not suit the kind.
    LOCKBOX_WRONG_ARGUMENT = 6,
    /// The `lockbox_lock` holds a lock where it should be empty, is empty where it should hold
    /// one, belongs to the process that this one was forked from, or was never set to zeros.
    LOCKBOX_WRONG_LOCK = 7,
    /// The directory or file does not exist.
    LOCKBOX_MISSING = 8,
    /// No permission.
    LOCKBOX_DENIED = 9,
    /// The file system is full or read-only, or a quota is used up.
    LOCKBOX_CANNOT_CREATE = 10,
    /// What is at the path is no lock of this kind: a directory, a device, a symbolic link, a file
    /// with another name.
    LOCKBOX_NOT_A_LOCK = 11,
    /// The path or the message is too long.
    LOCKBOX_TOO_LONG = 12,
    /// The path was given to another file again and again.
    LOCKBOX_REPLACED = 13,
    /// Too many open files, links or locks.
    LOCKBOX_TOO_MANY = 14,
    /// Not with this kind, file system or kernel.
    LOCKBOX_UNSUPPORTED = 15,
    /// Anything else that the system said: see `os_errno`.
    LOCKBOX_FAILED = 16,
}

/// How a lock was found.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum lockbox_state {
    /// Nobody holds it that can be seen from here.
    LOCKBOX_STATE_FREE = 0,
    /// Somebody does.
    LOCKBOX_STATE_HELD = 1,
    /// It stands, and its holder is gone: whoever takes it next removes it.
    LOCKBOX_STATE_STALE = 2,
    /// It stands, and whether its holder lives cannot be told from here.
    LOCKBOX_STATE_UNKNOWN = 3,
}

/// Which lock is meant, and how. What is zero is not asked for: a path alone is one try at an
/// exclusive lock of kind file.
#[repr(C)]
#[derive(Debug)]
pub struct lockbox_request {
    /// The lock's name.
    pub path: *const c_char,
    /// One of `enum lockbox_kind`.
    pub kind: u32,
    /// Any of the flags.
    pub flags: u32,
    /// How long to wait, in nanoseconds; 0 for one try.
    pub timeout_ns: u64,
    /// Words of the holder, kinds file (in place of the pid) and nfs; or null.
    pub message: *const c_char,
    /// Permissions of new files, less the umask; 0 for 0664.
    pub mode: u32,
    /// See `LOCKBOX_CANCELLABLE`.
    pub cancel_fd: c_int,
    /// Kind pidfile: takes a lock so old, in milliseconds, for abandoned; 0 for none.
    pub stale_age_ms: u64,
    /// Kind pidfile: holds the lock so long after each refresh and no longer, in milliseconds; 0
    /// for as long as it takes. All who use the lock must say the same.
    pub lease_ms: u64,
}

/// Why a call did not do what was asked.
#[repr(C)]
#[derive(Debug)]
pub struct lockbox_error {
    /// What the call answered.
    pub code: lockbox_code,
    /// The number of the system's error; 0 if no system call failed.
    pub os_errno: c_int,
    /// All that is known, for a person to read; cut if it is too long.
    pub sentence: [c_char; LOCKBOX_SENTENCE_SIZE],
}

/// What can be seen of a lock.
#[repr(C)]
#[derive(Debug)]
pub struct lockbox_status {
    /// How it was found.
    pub state: lockbox_state,
    /// The holder's process; 0 if it is not known.
    pub pid: u64,
    /// When that process started, in clock ticks since the machine did; 0 if it is not known.
    pub start_ticks: u64,
    /// When the lock was written or refreshed, in milliseconds since 1970; 0 if it is not known.
    pub modified_ms: i64,
    /// The holder's host; empty if it is not known.
    pub host: [c_char; LOCKBOX_HOST_SIZE],
    /// The holder's words; empty if there are none.
    pub message: [c_char; LOCKBOX_MESSAGE_SIZE],
    /// Why the lock is stale or unknown; empty if it is neither.
    pub why: [c_char; LOCKBOX_SENTENCE_SIZE],
}
