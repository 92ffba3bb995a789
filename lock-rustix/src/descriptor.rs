//! Descriptors opened and lent by calls of our own.
//!
//! rustix asserts of every descriptor that it makes or lends that it is not -1. What none can be
//! still costs code at each place, and a program that is to have no panic linked cannot use it.
#![allow(unsafe_code)]
// Registers are words; the kernel gives their bits its own meaning.
#![allow(clippy::cast_sign_loss)]

use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::arch::syscall;
use crate::fcntl::FCNTL;

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const OPENAT: usize = 257;
    pub(super) const INOTIFY_INIT1: usize = 294;
    pub(super) const EVENTFD2: usize = 290;
}
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod number {
    pub(super) const OPENAT: usize = 56;
    pub(super) const INOTIFY_INIT1: usize = 26;
    pub(super) const EVENTFD2: usize = 19;
}
#[cfg(target_arch = "arm")]
mod number {
    pub(super) const OPENAT: usize = 322;
    pub(super) const INOTIFY_INIT1: usize = 360;
    pub(super) const EVENTFD2: usize = 356;
}
#[cfg(target_arch = "x86")]
mod number {
    pub(super) const OPENAT: usize = 295;
    pub(super) const INOTIFY_INIT1: usize = 332;
    pub(super) const EVENTFD2: usize = 328;
}
/// The same on every architecture.
const PIDFD_OPEN: usize = 434;

/// Lends a descriptor.
///
/// ```
/// use lock_rustix::descriptor::{lend, openat};
/// use lock_rustix::rustix::fs::{CWD, Mode, OFlags};
/// use lock_rustix::rustix::io::read;
///
/// let file = openat(CWD, c"/proc/self/comm", OFlags::CLOEXEC, Mode::empty()).unwrap();
/// assert_ne!(read(lend(&file), &mut [0; 16]).unwrap(), 0);
/// ```
#[inline]
pub fn lend(file: &OwnedFd) -> BorrowedFd<'_> {
    // SAFETY: what is owned is open, and stays so while it is lent.
    unsafe { lend_raw(file.as_raw_fd()) }
}

/// Lends a descriptor that is known by its number.
///
/// ```
/// use lock_rustix::descriptor::lend_raw;
/// use lock_rustix::rustix::fd::AsRawFd;
///
/// // SAFETY: nobody here closes standard error.
/// assert_eq!(unsafe { lend_raw(2) }.as_raw_fd(), 2);
/// ```
///
/// # Safety
///
/// It must not be -1, and whoever has it must not close it meanwhile.
#[inline]
pub unsafe fn lend_raw<'a>(raw: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the caller vouches for the number; the type is documented to be laid out as one.
    unsafe { core::mem::transmute::<RawFd, BorrowedFd<'a>>(raw) }
}

/// `openat(2)`.
/// Answers with the kernel's error number. On 32-bit machines large files can be opened too.
///
/// ```
/// use lock_rustix::descriptor::openat;
/// use lock_rustix::rustix::fs::{CWD, Mode, OFlags};
/// use lock_rustix::rustix::io::Errno;
///
/// let flags = OFlags::RDONLY | OFlags::CLOEXEC;
/// assert!(openat(CWD, c"/dev/null", flags, Mode::empty()).is_ok());
/// let missing = openat(CWD, c"/tmp/lock-rustix-doc-never-made", flags, Mode::empty());
/// assert_eq!(missing.unwrap_err(), Errno::NOENT);
/// ```
pub fn openat(
    dir: BorrowedFd<'_>,
    name: &CStr,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    #[cfg(target_pointer_width = "32")]
    let flags = flags | OFlags::LARGEFILE;
    // AT_FDCWD is negative: its bits are what counts.
    let dir = dir.as_raw_fd() as usize;
    let arguments = [dir, name.as_ptr() as usize, flags.bits() as usize, mode.bits() as usize];
    // SAFETY: reads a string that ends. What it answers is a new descriptor.
    unsafe { own(syscall(number::OPENAT, arguments)) }
}

/// `inotify_init1(2)`, not blocking and closed on `exec`.
pub(crate) fn inotify_init() -> Result<OwnedFd, Errno> {
    let flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
    // SAFETY: takes no pointers. What it answers is a new descriptor.
    unsafe { own(syscall(number::INOTIFY_INIT1, [flags.bits() as usize])) }
}

/// `pidfd_open(2)`.
pub(crate) fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    let pid = pid.as_raw_nonzero().get().unsigned_abs() as usize;
    // SAFETY: takes no pointers. What it answers is a new descriptor.
    unsafe { own(syscall(PIDFD_OPEN, [pid, 0])) }
}

/// `eventfd2(2)` with a count of 0, not blocking and closed on `exec`.
///
/// ```
/// use lock_rustix::descriptor::{eventfd, lend};
/// use lock_rustix::rustix::io::write;
///
/// let told = eventfd().unwrap();
/// assert_eq!(write(lend(&told), &1u64.to_ne_bytes()), Ok(8));
/// ```
pub fn eventfd() -> Result<OwnedFd, Errno> {
    let flags = (OFlags::CLOEXEC | OFlags::NONBLOCK).bits() as usize;
    // SAFETY: takes no pointers. What it answers is a new descriptor.
    unsafe { own(syscall(number::EVENTFD2, [0, flags])) }
}

/// `fcntl(F_DUPFD_CLOEXEC)`.
pub(crate) fn duplicate(file: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const F_DUPFD_CLOEXEC: usize = 1030;
    // SAFETY: takes no pointers. What it answers is a new descriptor.
    unsafe { own(syscall(FCNTL, [file.as_raw_fd() as usize, F_DUPFD_CLOEXEC, 0])) }
}

/// Takes over the descriptor that a system call answered, if it is one.
///
/// # Safety
///
/// It must be nobody else's.
pub(crate) unsafe fn own(answer: isize) -> Result<OwnedFd, Errno> {
    match RawFd::try_from(answer) {
        // SAFETY: the caller gives it to us; the type is documented to be laid out as its number.
        Ok(raw) if raw >= 0 => Ok(unsafe { core::mem::transmute::<RawFd, OwnedFd>(raw) }),
        _ => Err(errno(answer)),
    }
}

/// Why a system call failed, by its answer.
///
/// ```
/// use lock_rustix::descriptor::errno;
/// use lock_rustix::rustix::io::Errno;
///
/// assert_eq!(errno(-2), Errno::NOENT);
/// // No error number: the kernel never says so.
/// assert_eq!(errno(7), Errno::IO);
/// ```
#[inline(never)]
pub fn errno(answer: isize) -> Errno {
    const LARGEST: i32 = 4095;
    match i32::try_from(answer.wrapping_neg()) {
        Ok(raw) if (1..=LARGEST).contains(&raw) => Errno::from_raw_os_error(raw),
        _ => Errno::IO,
    }
}
