//! Locks that exist: made and removed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lock_rustix::existence::{Contender, Request};
use lock_std::lock_file_blocking as original;
use lock_std::{ExistenceLock, Kind};

use crate::liblockfile::Liblockfile;
use crate::raw::{self, c_path};
use crate::{Timed, Way, cycles};

pub const WAYS: &[Way] = &[
    Way { name: "symlink(2), unlink(2)", run: raw_symlink },
    Way { name: "**lock-std, Lock_file_blocking's symlink**", run: plain_symlink },
    Way { name: "**lock-rustix, symlink**", run: |path, times| ours(Kind::Symlink, path, times) },
    Way { name: "**lock-std, symlink**", run: |path, times| face(Kind::Symlink, path, times) },
    Way { name: "mkdir(2), rmdir(2)", run: raw_mkdir },
    Way { name: "**lock-std, Lock_file_blocking's mkdir**", run: plain_mkdir },
    Way {
        name: "**lock-rustix, mkdir with owner**",
        run: |path, times| ours(Kind::Mkdir, path, times),
    },
    Way {
        name: "**lock-std, mkdir with owner**",
        run: |path, times| face(Kind::Mkdir, path, times),
    },
    Way { name: "open(2) with O_EXCL, unlink(2)", run: raw_exclusive },
    Way { name: "the same with a pid", run: raw_pid },
    Way { name: "lockfile", run: lockfile },
    Way { name: "pidlock", run: pidlock },
    Way { name: "pidfile-rs", run: pidfile_rs },
    Way { name: "**lock-rustix, pidfile**", run: |path, times| ours(Kind::Pidfile, path, times) },
    Way { name: "**lock-std, pidfile**", run: |path, times| face(Kind::Pidfile, path, times) },
    Way { name: "open, write, link(2), stat, unlink, close; unlink", run: raw_link },
    Way { name: "link, unlink; its own file is kept for the next time", run: kept_link },
    Way { name: "liblockfile", run: liblockfile },
    Way { name: "**lock-rustix, nfs**", run: |path, times| ours(Kind::Nfs, path, times) },
    Way { name: "**lock-std, nfs**", run: |path, times| face(Kind::Nfs, path, times) },
];

pub const ON_DISK: &[Way] = &[
    Way { name: "open(2) with O_EXCL, unlink(2)", run: raw_exclusive },
    Way { name: "the same with a pid", run: raw_pid },
    Way { name: "pidfile-rs", run: pidfile_rs },
    Way { name: "**lock-rustix, pidfile**", run: |path, times| ours(Kind::Pidfile, path, times) },
];

fn own_pid() -> String {
    std::process::id().to_string()
}

fn raw_symlink(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        assert_eq!(raw::symlink(c"host:1234", &path), 0);
        raw::unlink(&path);
    })
}

fn plain_symlink(path: &Path, times: u32) -> Timed {
    use original::symlink::{Outcome, lock_exn, unlock_exn};
    cycles(times, || {
        let Outcome::WeTookIt(held) = lock_exn(path, b"host:1234").expect("no error") else {
            panic!("it is free");
        };
        unlock_exn(held).expect("ours");
    })
}

fn raw_mkdir(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        assert_eq!(raw::mkdir(&path), 0);
        raw::rmdir(&path);
    })
}

fn plain_mkdir(path: &Path, times: u32) -> Timed {
    use original::mkdir::{Outcome, lock_exn, unlock_exn};
    cycles(times, || {
        let Outcome::WeTookIt(held) = lock_exn(path).expect("no error") else {
            panic!("it is free");
        };
        unlock_exn(held).expect("ours");
    })
}

fn raw_exclusive(path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    cycles(times, || {
        raw::close(raw::open(&path, libc::O_EXCL));
        raw::unlink(&path);
    })
}

fn raw_pid(path: &Path, times: u32) -> Timed {
    let (path, pid) = (c_path(path), own_pid());
    cycles(times, || {
        let file = raw::open(&path, libc::O_EXCL);
        raw::pwrite(file, pid.as_bytes());
        raw::close(file);
        raw::unlink(&path);
    })
}

fn raw_link(path: &Path, times: u32) -> Timed {
    let (unique, path) = (c_path(&path.with_extension("unique")), c_path(path));
    cycles(times, || {
        let file = raw::open(&unique, libc::O_EXCL);
        raw::pwrite(file, b"host 1234");
        assert_eq!(raw::link(&unique, &path), 0);
        assert_eq!(raw::stat(&unique).1, 2);
        raw::unlink(&unique);
        raw::close(file);
        raw::unlink(&path);
    })
}

/// Its own file has been written before: the first cycle is not counted.
fn kept_link(path: &Path, times: u32) -> Timed {
    let (unique, path) = (c_path(&path.with_extension("kept")), c_path(path));
    let file = raw::open(&unique, 0);
    raw::pwrite(file, b"host 1234");
    raw::close(file);
    cycles(times, || {
        let _ = raw::link(&unique, &path);
        // What link(2) says may be wrong on NFS: two names are the proof.
        assert_eq!(raw::stat(&unique).1, 2);
        raw::unlink(&path);
    })
}

fn liblockfile(path: &Path, times: u32) -> Timed {
    let (library, path) = (Liblockfile::load(), c_path(path));
    cycles(times, || {
        assert!(library.create(&path));
        library.remove(&path);
    })
}

fn lockfile(path: &Path, times: u32) -> Timed {
    cycles(times, || drop(lockfile::Lockfile::create(path).expect("free")))
}

fn pidlock(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        let mut lock = pidlock::Pidlock::new_validated(path).expect("a path");
        lock.acquire().expect("free");
        lock.release().expect("ours");
    })
}

fn pidfile_rs(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        let permissions = Permissions::from_mode(0o644);
        let mut lock = pidfile_rs::Pidfile::new(path, permissions).expect("free");
        lock.write().expect("room");
    })
}

fn ours(kind: Kind, path: &Path, times: u32) -> Timed {
    let path = c_path(path);
    let contender = Contender::new(kind, &path).expect("the directory");
    let request = Request::once(&contender.me);
    cycles(times, || {
        let taken = contender.lock(&request, &mut |_| {}).expect("free");
        taken.unlock(&contender.spot).expect("ours");
    })
}

fn face(kind: Kind, path: &Path, times: u32) -> Timed {
    let lock = ExistenceLock::at(path, kind);
    cycles(times, || lock.try_lock().expect("free").unlock().map(drop).expect("ours"))
}
