//! By path: open, lock, close; and with a message.

use std::path::Path;

use lock_core::os::Mode;
use lock_core::payload::message::Message;
use lock_rustix::local::{Request, try_lock};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;
use lock_std::{Kind, Lock};

use crate::open_file::open;
use crate::raw::{self, c_path};
use crate::{Timed, Way, cycles};

pub const WAYS: &[Way] = &[
    Way { name: "open, flock(2), close", run: raw_flock },
    Way { name: "the same, and is it still the file of that name", run: raw_checked },
    Way { name: "std", run: std_lock },
    Way { name: "rustix", run: rustix_flock },
    Way { name: "nix", run: nix_flock },
    Way { name: "fd-lock", run: fd_lock },
    Way { name: "fslock", run: fslock },
    Way { name: "named-lock", run: named_lock },
    Way { name: "**lock-rustix, flock**", run: |path, times| ours(Kind::Flock, path, times) },
    Way { name: "**lock-std, flock**", run: |path, times| face(Kind::Flock, path, times) },
    Way { name: "open, fcntl(2), close", run: raw_posix },
    Way { name: "file-lock", run: file_lock },
    Way { name: "**lock-rustix, OFD**", run: |path, times| ours(Kind::Ofd, path, times) },
    Way { name: "**lock-rustix, POSIX**", run: |path, times| ours(Kind::Lockf, path, times) },
    Way { name: "open, flock(2), fcntl(2), close", run: raw_both },
    Way { name: "**lock-rustix, file**", run: |path, times| ours(Kind::File, path, times) },
    Way { name: "**lock-std, file**", run: |path, times| face(Kind::File, path, times) },
];

pub const ON_DISK: &[Way] = &[
    Way { name: "open, flock(2), close", run: raw_flock },
    Way { name: "fslock", run: fslock },
    Way { name: "**lock-rustix, flock**", run: |path, times| ours(Kind::Flock, path, times) },
    Way { name: "**lock-std, flock**", run: |path, times| face(Kind::Flock, path, times) },
    Way { name: "**lock-std, file**", run: |path, times| face(Kind::File, path, times) },
];

pub const WITH_MESSAGE: &[Way] = &[
    Way { name: "ftruncate(2) to nothing, then written, as the original", run: rewritten },
    Way { name: "written over, and cut only if it was longer", run: written_over },
    Way { name: "fslock with a pid", run: fslock_pid },
    Way { name: "**lock-rustix, file with a message**", run: ours_message },
    Way { name: "**lock-std, file with a message**", run: face_message },
];

fn raw_flock(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        let file = raw::open(&path, 0);
        assert_eq!(raw::try_flock(file), 0);
        raw::close(file);
    })
}

fn raw_checked(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        let file = raw::open(&path, 0);
        assert_eq!(raw::try_flock(file), 0);
        assert_eq!(raw::fstat(file).1, raw::stat(&path).0);
        raw::close(file);
    })
}

fn raw_posix(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        let file = raw::open(&path, 0);
        assert_eq!(raw::setlk(file), 0);
        raw::close(file);
    })
}

fn raw_both(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        let file = raw::open(&path, 0);
        assert_eq!((raw::try_flock(file), raw::setlk(file)), (0, 0));
        raw::close(file);
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

fn file_lock(path: &Path, times: u32) -> Timed {
    use file_lock::{FileLock, FileOptions};
    cycles(times, || {
        let options = FileOptions::new().write(true).create(true);
        drop(FileLock::lock(path, false, options).expect("free"));
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
    let path = c_path(path);
    cycles(times, || {
        let file = raw::open(&path, 0);
        assert_eq!((raw::try_flock(file), raw::setlk(file)), (0, 0));
        raw::truncate(file, 0);
        raw::pwrite(file, MESSAGE.as_bytes());
        raw::close(file);
    })
}

fn written_over(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    let len = i64::try_from(MESSAGE.len()).expect("it is short");
    cycles(times, || {
        let file = raw::open(&path, 0);
        assert_eq!((raw::try_flock(file), raw::setlk(file)), (0, 0));
        raw::pwrite(file, MESSAGE.as_bytes());
        if raw::fstat(file).0 > len {
            raw::truncate(file, len);
        }
        raw::close(file);
    })
}

fn fslock_pid(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        let mut lock = fslock::LockFile::open(path).expect("it opens");
        assert!(lock.try_lock_with_pid().expect("no error"));
        lock.unlock().expect("ours");
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
