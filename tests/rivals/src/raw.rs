//! System calls by the C library, for the rows that the others are compared with: paths are ready,
//! and nothing is built or converted in a cycle.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path")
}

pub fn open(path: &CStr, flags: i32) -> i32 {
    // SAFETY: the path ends with a zero.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CREAT | flags, 0o664) };
    assert!(file >= 0, "it opens");
    file
}

pub fn close(file: i32) {
    // SAFETY: it was opened here, and is used no more.
    unsafe { libc::close(file) };
}

pub fn flock(file: i32, operation: i32) -> i32 {
    // SAFETY: takes no pointers.
    unsafe { libc::flock(file, operation) }
}

/// Without waiting, for itself alone.
pub fn try_flock(file: i32) -> i32 {
    flock(file, libc::LOCK_EX | libc::LOCK_NB)
}

pub fn fcntl(file: i32, command: i32, kind: i32) -> i32 {
    // SAFETY: a structure of numbers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(kind).expect("it is small");
    // SAFETY: reads the structure.
    unsafe { libc::fcntl(file, command, &raw const lock) }
}

/// A POSIX lock of the whole file, without waiting, for itself alone.
pub fn setlk(file: i32) -> i32 {
    fcntl(file, libc::F_SETLK, libc::F_WRLCK)
}

/// How long the open file is, and its number.
pub fn fstat(file: i32) -> (i64, u64) {
    // SAFETY: a structure of numbers.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: writes the structure.
    assert_eq!(unsafe { libc::fstat(file, &raw mut stat) }, 0, "it is open");
    (stat.st_size, stat.st_ino)
}

/// The number of the file of that name, and how many names it has.
pub fn stat(path: &CStr) -> (u64, u64) {
    // SAFETY: a structure of numbers.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero; writes the structure.
    assert_eq!(unsafe { libc::stat(path.as_ptr(), &raw mut stat) }, 0, "it is there");
    (stat.st_ino, stat.st_nlink)
}

pub fn pwrite(file: i32, text: &[u8]) {
    // SAFETY: reads as many bytes as there are.
    let written = unsafe { libc::pwrite(file, text.as_ptr().cast(), text.len(), 0) };
    assert!(written > 0, "room");
}

pub fn truncate(file: i32, len: i64) {
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::ftruncate(file, len) }, 0, "it is ours");
}

pub fn symlink(target: &CStr, path: &CStr) -> i32 {
    // SAFETY: both end with a zero.
    unsafe { libc::symlink(target.as_ptr(), path.as_ptr()) }
}

pub fn link(from: &CStr, to: &CStr) -> i32 {
    // SAFETY: both end with a zero.
    unsafe { libc::link(from.as_ptr(), to.as_ptr()) }
}

pub fn unlink(path: &CStr) {
    // SAFETY: the path ends with a zero.
    assert_eq!(unsafe { libc::unlink(path.as_ptr()) }, 0, "it is ours");
}

pub fn mkdir(path: &CStr) -> i32 {
    // SAFETY: the path ends with a zero.
    unsafe { libc::mkdir(path.as_ptr(), 0o775) }
}

pub fn rmdir(path: &CStr) {
    // SAFETY: the path ends with a zero.
    assert_eq!(unsafe { libc::rmdir(path.as_ptr()) }, 0, "it is ours");
}
