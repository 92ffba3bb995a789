//! Lock and unlock on a file that stays open.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use lock_core::os::{Flock, Mode, OfdLocks, PosixLocks};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

use crate::{Timed, Way, cycles};

pub const WAYS: &[Way] = &[
    Way { name: "flock(2)", run: raw_flock },
    Way { name: "std", run: std_lock },
    Way { name: "rustix", run: rustix_flock },
    Way { name: "nix", run: nix_flock },
    Way { name: "fs2", run: fs2 },
    Way { name: "fs4", run: fs4 },
    Way { name: "fd-lock", run: fd_lock },
    Way { name: "advisory-lock", run: advisory_lock },
    Way { name: "**lock-rustix, flock**", run: ours_flock },
    Way { name: "fcntl(2), POSIX", run: raw_posix },
    Way { name: "file-guard (POSIX)", run: file_guard },
    Way { name: "**lock-rustix, POSIX**", run: ours_posix },
    Way { name: "fcntl(2), OFD", run: raw_ofd },
    Way { name: "**lock-rustix, OFD**", run: ours_ofd },
    Way { name: "flock(2) and fcntl(2)", run: raw_both },
    Way { name: "**lock-rustix, both**", run: ours_both },
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

fn flock(file: &File, operation: i32) {
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::flock(file.as_raw_fd(), operation) }, 0);
}

fn fcntl(file: &File, command: i32, kind: i32) {
    // SAFETY: a structure of numbers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(kind).expect("it is small");
    // SAFETY: reads the structure.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const lock) }, 0);
}

fn raw_flock(path: &Path, times: u32) -> Timed {
    let file = open(path);
    cycles(times, || {
        flock(&file, libc::LOCK_EX | libc::LOCK_NB);
        flock(&file, libc::LOCK_UN);
    })
}

fn std_lock(path: &Path, times: u32) -> Timed {
    let file = open(path);
    cycles(times, || {
        file.try_lock().expect("free");
        file.unlock().expect("ours");
    })
}

fn rustix_flock(path: &Path, times: u32) -> Timed {
    use rustix::fs::{FlockOperation, flock};
    let file = open(path);
    cycles(times, || {
        flock(&file, FlockOperation::NonBlockingLockExclusive).expect("free");
        flock(&file, FlockOperation::Unlock).expect("ours");
    })
}

fn nix_flock(path: &Path, times: u32) -> Timed {
    use nix::fcntl::{Flock, FlockArg};
    let mut file = Some(open(path));
    cycles(times, || {
        let lock = Flock::lock(file.take().expect("back"), FlockArg::LockExclusiveNonblock);
        file = Some(lock.expect("free").unlock().expect("ours"));
    })
}

fn fs2(path: &Path, times: u32) -> Timed {
    use fs2::FileExt;
    let file = open(path);
    cycles(times, || {
        FileExt::try_lock_exclusive(&file).expect("free");
        FileExt::unlock(&file).expect("ours");
    })
}

fn fs4(path: &Path, times: u32) -> Timed {
    use fs4::fs_std::FileExt;
    let file = open(path);
    cycles(times, || {
        assert!(FileExt::try_lock_exclusive(&file).expect("no error"));
        FileExt::unlock(&file).expect("ours");
    })
}

fn fd_lock(path: &Path, times: u32) -> Timed {
    let mut lock = fd_lock::RwLock::new(open(path));
    cycles(times, || drop(lock.try_write().expect("free")))
}

fn advisory_lock(path: &Path, times: u32) -> Timed {
    use advisory_lock::{AdvisoryFileLock, FileLockMode};
    let file = open(path);
    cycles(times, || {
        AdvisoryFileLock::try_lock(&file, FileLockMode::Exclusive).expect("free");
        AdvisoryFileLock::unlock(&file).expect("ours");
    })
}

fn raw_posix(path: &Path, times: u32) -> Timed {
    let file = open(path);
    cycles(times, || {
        fcntl(&file, libc::F_SETLK, libc::F_WRLCK);
        fcntl(&file, libc::F_SETLK, libc::F_UNLCK);
    })
}

fn file_guard(path: &Path, times: u32) -> Timed {
    let file = open(path);
    cycles(times, || {
        drop(file_guard::try_lock(&file, file_guard::Lock::Exclusive, 0, 1).expect("free"));
    })
}

fn raw_ofd(path: &Path, times: u32) -> Timed {
    let file = open(path);
    cycles(times, || {
        fcntl(&file, libc::F_OFD_SETLK, libc::F_WRLCK);
        fcntl(&file, libc::F_OFD_SETLK, libc::F_UNLCK);
    })
}

fn raw_both(path: &Path, times: u32) -> Timed {
    let file = open(path);
    cycles(times, || {
        flock(&file, libc::LOCK_EX | libc::LOCK_NB);
        fcntl(&file, libc::F_SETLK, libc::F_WRLCK);
        fcntl(&file, libc::F_SETLK, libc::F_UNLCK);
        flock(&file, libc::LOCK_UN);
    })
}

/// Ours: the traits that protocols are written against. The place is not looked at.
fn sys() -> Sys<'static> {
    Sys::new(Place::path(c"/"))
}

fn ours_flock(path: &Path, times: u32) -> Timed {
    let (sys, file) = (sys(), open(path).into());
    cycles(times, || {
        sys.flock(&file, Mode::Exclusive).expect("free");
        sys.flock_un(&file).expect("ours");
    })
}

fn ours_posix(path: &Path, times: u32) -> Timed {
    let (sys, file) = (sys(), open(path).into());
    cycles(times, || {
        sys.setlk(&file, Mode::Exclusive).expect("free");
        sys.setlk_un(&file).expect("ours");
    })
}

fn ours_ofd(path: &Path, times: u32) -> Timed {
    let (sys, file) = (sys(), open(path).into());
    cycles(times, || {
        sys.ofd_setlk(&file, Mode::Exclusive).expect("free");
        sys.ofd_setlk_un(&file).expect("ours");
    })
}

fn ours_both(path: &Path, times: u32) -> Timed {
    let (sys, file) = (sys(), open(path).into());
    cycles(times, || {
        sys.flock(&file, Mode::Exclusive).expect("free");
        sys.setlk(&file, Mode::Exclusive).expect("free");
        sys.setlk_un(&file).expect("ours");
        sys.flock_un(&file).expect("ours");
    })
}
