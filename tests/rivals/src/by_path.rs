//! By path: open, lock, close; with a message; and refused, because another has it.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lock_core::os::Mode;
use lock_core::payload::message::Message;
use lock_rustix::local::{Request, try_lock};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;
use lock_std::{Kind, Lock};

use crate::{Timed, Way, cycles};

pub const WAYS: &[Way] = &[
    Way { name: "open, flock(2), close", run: raw },
    Way { name: "the same, and is it still the file of that name", run: raw_checked },
    Way { name: "std", run: std_lock },
    Way { name: "rustix", run: rustix_flock },
    Way { name: "nix", run: nix_flock },
    Way { name: "fd-lock", run: fd_lock },
    Way { name: "fslock", run: fslock },
    Way { name: "named-lock", run: named_lock },
    Way { name: "**lock-rustix, flock**", run: |path, times| ours(Kind::Flock, path, times) },
    Way { name: "**lock-rustix, OFD**", run: |path, times| ours(Kind::Ofd, path, times) },
    Way { name: "**lock-std, flock**", run: |path, times| face(Kind::Flock, path, times) },
    Way { name: "open, flock(2), fcntl(2), close", run: raw_both },
    Way { name: "**lock-rustix, file**", run: |path, times| ours(Kind::File, path, times) },
    Way { name: "**lock-std, file**", run: |path, times| face(Kind::File, path, times) },
];

pub const WITH_MESSAGE: &[Way] = &[
    Way { name: "cut to nothing and written, as the original", run: rewritten },
    Way { name: "**lock-rustix, file with a message**", run: ours_message },
    Way { name: "**lock-std, file with a message**", run: face_message },
];

pub const REFUSED: &[Way] = &[
    Way { name: "open, flock(2), close", run: raw_refused },
    Way { name: "std", run: std_refused },
    Way { name: "fslock", run: fslock_refused },
    Way { name: "**lock-rustix, flock**", run: ours_refused },
];

fn open(path: &Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .expect("it opens")
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path")
}

fn raw_open(path: &CString) -> i32 {
    // SAFETY: the path ends with a zero.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o664) };
    assert!(file >= 0);
    file
}

fn raw_flock(file: i32) -> i32 {
    // SAFETY: takes no pointers.
    unsafe { libc::flock(file, libc::LOCK_EX | libc::LOCK_NB) }
}

fn raw_close(file: i32) {
    // SAFETY: it was opened here, and is used no more.
    unsafe { libc::close(file) };
}

fn raw(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        let file = raw_open(&path);
        assert_eq!(raw_flock(file), 0);
        raw_close(file);
    })
}

fn raw_checked(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    // SAFETY: structures of numbers.
    let (mut ours, mut named): (libc::stat, libc::stat) = unsafe { std::mem::zeroed() };
    cycles(times, || {
        let file = raw_open(&path);
        assert_eq!(raw_flock(file), 0);
        // SAFETY: write one structure each.
        let asked =
            unsafe { (libc::fstat(file, &mut ours), libc::stat(path.as_ptr(), &mut named)) };
        assert_eq!((asked, ours.st_ino), ((0, 0), named.st_ino));
        raw_close(file);
    })
}

fn raw_both(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    // SAFETY: a structure of numbers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(libc::F_WRLCK).expect("it is small");
    cycles(times, || {
        let file = raw_open(&path);
        assert_eq!(raw_flock(file), 0);
        // SAFETY: reads the structure.
        assert_eq!(unsafe { libc::fcntl(file, libc::F_SETLK, &raw const lock) }, 0);
        raw_close(file);
    })
}

fn std_lock(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        let file = open(path);
        file.try_lock().expect("free");
        drop(file);
    })
}

fn rustix_flock(path: &Path, times: u32) -> Timed {
    use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
    let path = c_path(path);
    cycles(times, || {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let file = openat(CWD, &*path, flags, Mode::from_raw_mode(0o664)).expect("it opens");
        flock(&file, FlockOperation::NonBlockingLockExclusive).expect("free");
    })
}

fn nix_flock(path: &Path, times: u32) -> Timed {
    use nix::fcntl::{Flock, FlockArg};
    cycles(times, || {
        drop(Flock::lock(open(path), FlockArg::LockExclusiveNonblock).expect("free"));
    })
}

fn fd_lock(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        let mut lock = fd_lock::RwLock::new(open(path));
        drop(lock.try_write().expect("free"));
    })
}

fn fslock(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        let mut lock = fslock::LockFile::open(path).expect("it opens");
        assert!(lock.try_lock().expect("no error"));
        lock.unlock().expect("ours");
    })
}

fn named_lock(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        let lock = named_lock::NamedLock::with_path(path).expect("it opens");
        drop(lock.try_lock().expect("free"));
    })
}

fn ours(kind: Kind, path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    let sys = Sys::new(Place::path(&path));
    let request = Request { kind, mode: Mode::Exclusive, message: None };
    cycles(times, || drop(try_lock(&sys, &request).expect("free")))
}

fn face(kind: Kind, path: &Path, times: u32) -> Timed {
    cycles(times, || drop(Lock::at(path).kind(kind).try_lock().expect("free")))
}

const MESSAGE: &str = "nightly backup of the east wing";

fn rewritten(path: &Path, times: u32) -> Timed {
    // SAFETY: a structure of numbers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(libc::F_WRLCK).expect("it is small");
    cycles(times, || {
        let mut file = open(path);
        assert_eq!(raw_flock(file.as_raw_fd()), 0);
        // SAFETY: reads the structure.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) }, 0);
        file.set_len(0).expect("ours");
        file.write_all(MESSAGE.as_bytes()).expect("room");
    })
}

fn ours_message(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    let sys = Sys::new(Place::path(&path));
    let message = Message::new(MESSAGE.as_bytes()).expect("it fits");
    let request = Request { kind: Kind::File, mode: Mode::Exclusive, message: Some(&message) };
    cycles(times, || drop(try_lock(&sys, &request).expect("free")))
}

fn face_message(path: &Path, times: u32) -> Timed {
    cycles(times, || drop(Lock::at(path).message(MESSAGE).try_lock().expect("free")))
}

/// Another open file has it meanwhile.
fn held(path: &Path) -> File {
    let holder = open(path);
    assert_eq!(raw_flock(holder.as_raw_fd()), 0);
    holder
}

fn raw_refused(path: &Path, times: u32) -> Timed {
    let (_holder, path) = (held(path), c_path(path));
    cycles(times, || {
        let file = raw_open(&path);
        assert_eq!(raw_flock(file), -1);
        raw_close(file);
    })
}

fn std_refused(path: &Path, times: u32) -> Timed {
    let _holder = held(path);
    cycles(times, || assert!(open(path).try_lock().is_err()))
}

fn fslock_refused(path: &Path, times: u32) -> Timed {
    let _holder = held(path);
    cycles(times, || {
        let mut lock = fslock::LockFile::open(path).expect("it opens");
        assert!(!lock.try_lock().expect("no error"));
    })
}

fn ours_refused(path: &Path, times: u32) -> Timed {
    let (_holder, path) = (held(path), c_path(path));
    let sys = Sys::new(Place::path(&path));
    let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    cycles(times, || assert!(try_lock(&sys, &request).is_err()))
}
