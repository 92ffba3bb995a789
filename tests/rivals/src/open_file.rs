//! Lock and unlock on a file that stays open.

use std::fs::File;
use std::path::Path;

use lock_core::os::{Flock, Mode, OfdLocks, PosixLocks};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

use crate::{Timed, Way, cycles, raw};

pub const WAYS: &[Way] = &[
    Way { name: "flock(2)", run: raw_flock },
    Way { name: "std", run: std_lock },
    Way { name: "rustix", run: rustix_flock },
    Way { name: "nix", run: nix_flock },
    Way { name: "fs2", run: fs2 },
    Way { name: "fs4", run: fs4 },
    Way { name: "fd-lock", run: fd_lock },
    Way { name: "advisory-lock", run: advisory_lock },
    Way { name: "fslock", run: fslock },
    Way { name: "**lock-rustix, flock**", run: ours_flock },
    Way { name: "fcntl(2), POSIX", run: raw_posix },
    Way { name: "file-guard (POSIX)", run: file_guard },
    Way { name: "**lock-rustix, POSIX**", run: ours_posix },
    Way { name: "fcntl(2), OFD", run: raw_ofd },
    Way { name: "**lock-rustix, OFD**", run: ours_ofd },
    Way { name: "flock(2) and fcntl(2)", run: raw_both },
    Way { name: "**lock-rustix, both**", run: ours_both },
];

/// Where a cut file costs more.
pub const ON_DISK: &[Way] = &[
    Way { name: "flock(2)", run: raw_flock },
    Way { name: "fslock", run: fslock },
    Way { name: "**lock-rustix, flock**", run: ours_flock },
];

pub fn open(path: &Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .expect("it opens")
}

fn raw_open(path: &Path) -> i32 {
    raw::open(&raw::c_path(path), 0)
}

fn raw_flock(path: &Path, times: u32) -> Timed {
    let file = raw_open(path);
    cycles(times, || {
        assert_eq!(raw::try_flock(file), 0);
        assert_eq!(raw::flock(file, libc::LOCK_UN), 0);
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

fn fslock(path: &Path, times: u32) -> Timed {
    let mut lock = fslock::LockFile::open(path).expect("it opens");
    cycles(times, || {
        assert!(lock.try_lock().expect("no error"));
        lock.unlock().expect("ours");
    })
}

fn raw_posix(path: &Path, times: u32) -> Timed {
    let file = raw_open(path);
    cycles(times, || {
        assert_eq!(raw::setlk(file), 0);
        assert_eq!(raw::fcntl(file, libc::F_SETLK, libc::F_UNLCK), 0);
    })
}

fn file_guard(path: &Path, times: u32) -> Timed {
    let file = open(path);
    cycles(times, || {
        drop(file_guard::try_lock(&file, file_guard::Lock::Exclusive, 0, 1).expect("free"));
    })
}

fn raw_ofd(path: &Path, times: u32) -> Timed {
    let file = raw_open(path);
    cycles(times, || {
        assert_eq!(raw::fcntl(file, libc::F_OFD_SETLK, libc::F_WRLCK), 0);
        assert_eq!(raw::fcntl(file, libc::F_OFD_SETLK, libc::F_UNLCK), 0);
    })
}

fn raw_both(path: &Path, times: u32) -> Timed {
    let file = raw_open(path);
    cycles(times, || {
        assert_eq!(raw::try_flock(file), 0);
        assert_eq!(raw::setlk(file), 0);
        assert_eq!(raw::fcntl(file, libc::F_SETLK, libc::F_UNLCK), 0);
        assert_eq!(raw::flock(file, libc::LOCK_UN), 0);
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
