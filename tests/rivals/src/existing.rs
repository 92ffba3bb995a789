//! Locks that exist: made and removed.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use lock_rustix::existence::{Contender, Request};
use lock_std::{ExistenceLock, Kind};

use crate::{Timed, Way, cycles};

pub const WAYS: &[Way] = &[
    Way { name: "symlink(2), unlink(2)", run: raw_symlink },
    Way { name: "**lock-rustix, symlink**", run: |path, times| ours(Kind::Symlink, path, times) },
    Way { name: "**lock-std, symlink**", run: |path, times| face(Kind::Symlink, path, times) },
    Way { name: "mkdir(2), rmdir(2)", run: raw_mkdir },
    Way {
        name: "**lock-rustix, mkdir with owner**",
        run: |path, times| ours(Kind::Mkdir, path, times),
    },
    Way { name: "open(2) with O_EXCL, unlink(2)", run: raw_exclusive },
    Way { name: "the same with a pid", run: raw_pid },
    Way { name: "lockfile", run: lockfile },
    Way { name: "pidlock", run: pidlock },
    Way { name: "**lock-rustix, pidfile**", run: |path, times| ours(Kind::Pidfile, path, times) },
    Way { name: "**lock-std, pidfile**", run: |path, times| face(Kind::Pidfile, path, times) },
    Way { name: "open, write, link(2), stat, unlink, close; unlink", run: raw_link },
    Way { name: "**lock-rustix, nfs**", run: |path, times| ours(Kind::Nfs, path, times) },
    Way { name: "**lock-std, nfs**", run: |path, times| face(Kind::Nfs, path, times) },
];

fn raw_symlink(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        symlink("host:1234", path).expect("free");
        std::fs::remove_file(path).expect("ours");
    })
}

fn raw_mkdir(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        std::fs::create_dir(path).expect("free");
        std::fs::remove_dir(path).expect("ours");
    })
}

fn raw_exclusive(path: &Path, times: u32) -> Timed {
    cycles(times, || {
        drop(File::create_new(path).expect("free"));
        std::fs::remove_file(path).expect("ours");
    })
}

fn raw_pid(path: &Path, times: u32) -> Timed {
    let pid = std::process::id().to_string();
    cycles(times, || {
        File::create_new(path).expect("free").write_all(pid.as_bytes()).expect("room");
        std::fs::remove_file(path).expect("ours");
    })
}

fn raw_link(path: &Path, times: u32) -> Timed {
    let unique = path.with_extension("unique");
    cycles(times, || {
        let mut file = File::create_new(&unique).expect("free");
        file.write_all(b"host 1234").expect("room");
        std::fs::hard_link(&unique, path).expect("free");
        assert!(file.metadata().is_ok());
        std::fs::remove_file(&unique).expect("ours");
        drop(file);
        std::fs::remove_file(path).expect("ours");
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

fn ours(kind: Kind, path: &Path, times: u32) -> Timed {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path");
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
