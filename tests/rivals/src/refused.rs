//! Refused, because another has it: on an open file, by path, and what exists.

use std::os::unix::process::parent_id;
use std::path::Path;

use lock_core::os::{Flock, Mode};
use lock_rustix::existence::{self, Contender};
use lock_rustix::local::{Request, try_lock};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;
use lock_std::{ExistenceLock, Kind};

use crate::liblockfile::Liblockfile;
use crate::open_file::open;
use crate::raw::{self, c_path};
use crate::{Timed, Way, cycles};

pub const OPEN: &[Way] = &[
    Way { name: "flock(2)", run: raw_flock },
    Way { name: "std", run: std_flock },
    Way { name: "**lock-rustix, flock**", run: ours_flock },
];

pub const BY_PATH: &[Way] = &[
    Way { name: "open, flock(2), close", run: raw_by_path },
    Way { name: "std", run: std_by_path },
    Way { name: "fslock", run: fslock },
    Way { name: "**lock-rustix, flock**", run: ours_by_path },
];

pub const EXISTING: &[Way] = &[
    Way { name: "open(2) with O_EXCL", run: raw_exclusive },
    Way { name: "pidlock", run: pidlock },
    Way { name: "liblockfile", run: liblockfile },
    Way { name: "**lock-rustix, symlink**", run: |path, times| ours(Kind::Symlink, path, times) },
    Way { name: "**lock-rustix, mkdir**", run: |path, times| ours(Kind::Mkdir, path, times) },
    Way { name: "**lock-rustix, pidfile**", run: |path, times| ours(Kind::Pidfile, path, times) },
    Way { name: "**lock-rustix, nfs**", run: |path, times| ours(Kind::Nfs, path, times) },
];

/// Another open file has it meanwhile.
fn held(path: &Path) -> i32 {
    let holder = raw::open(&c_path(path), 0);
    assert_eq!(raw::try_flock(holder), 0);
    holder
}

fn raw_flock(path: &Path, times: u32) -> Timed {
    held(path);
    let file = raw::open(&c_path(path), 0);
    cycles(times, || assert_eq!(raw::try_flock(file), -1))
}

fn std_flock(path: &Path, times: u32) -> Timed {
    held(path);
    let file = open(path);
    cycles(times, || assert!(file.try_lock().is_err()))
}

fn ours_flock(path: &Path, times: u32) -> Timed {
    held(path);
    let (sys, file) = (Sys::new(Place::path(c"/")), open(path).into());
    cycles(times, || assert!(sys.flock(&file, Mode::Exclusive).is_err()))
}

fn raw_by_path(path: &Path, times: u32) -> Timed {
    held(path);
    let path = c_path(path);
    cycles(times, || {
        let file = raw::open(&path, 0);
        assert_eq!(raw::try_flock(file), -1);
        raw::close(file);
    })
}

fn std_by_path(path: &Path, times: u32) -> Timed {
    held(path);
    cycles(times, || assert!(open(path).try_lock().is_err()))
}

fn fslock(path: &Path, times: u32) -> Timed {
    held(path);
    cycles(times, || {
        let mut lock = fslock::LockFile::open(path).expect("it opens");
        assert!(!lock.try_lock().expect("no error"));
    })
}

fn ours_by_path(path: &Path, times: u32) -> Timed {
    held(path);
    let path = c_path(path);
    let sys = Sys::new(Place::path(&path));
    let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    cycles(times, || assert!(try_lock(&sys, &request).is_err()))
}

/// A file of that name with the pid of a living process, which is not ours; removed by dropping.
struct Stranger<'a>(&'a Path);

impl Stranger<'_> {
    fn holding(path: &Path) -> Stranger<'_> {
        std::fs::write(path, parent_id().to_string()).expect("room");
        Stranger(path)
    }
}

impl Drop for Stranger<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

fn raw_exclusive(path: &Path, times: u32) -> Timed {
    let _holder = Stranger::holding(path);
    let path = c_path(path);
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: the path ends with a zero.
    cycles(times, || assert_eq!(unsafe { libc::open(path.as_ptr(), flags, 0o664) }, -1))
}

fn pidlock(path: &Path, times: u32) -> Timed {
    let _holder = Stranger::holding(path);
    cycles(times, || {
        let mut lock = pidlock::Pidlock::new_validated(path).expect("a path");
        assert!(lock.acquire().is_err());
    })
}

fn liblockfile(path: &Path, times: u32) -> Timed {
    let _holder = Stranger::holding(path);
    let (library, path) = (Liblockfile::load(), c_path(path));
    cycles(times, || assert!(!library.create(&path)))
}

/// Another contender of this process has it.
fn ours(kind: Kind, path: &Path, times: u32) -> Timed {
    let holder = ExistenceLock::at(path, kind).try_lock().expect("free");
    let path = c_path(path);
    let contender = Contender::new(kind, &path).expect("the directory");
    let request = existence::Request::once(&contender.me);
    let timed = cycles(times, || assert!(contender.lock(&request, &mut |_| {}).is_err()));
    holder.unlock().expect("ours");
    timed
}
