//! Waiters for a symbolic link sleep behind one another, but not behind somebody who does not wake
//! them.

use std::ffi::CString;
use std::fs::read_to_string;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_core::scheme::hardlink::Unlocked;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::existence::{Contender, Refused, Request};
use lock_rustix::local::{self, try_lock};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

/// A directory of the test's own, for a lock and what is beside it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let name = format!("lock-rustix-line-{test}-{}", std::process::id());
        let dir = PathBuf::from("/dev/shm").join(name);
        std::fs::create_dir(&dir).unwrap();
        Scratch(dir)
    }

    fn contender(&self) -> Contender {
        let path = CString::new(self.0.join("lock").as_os_str().as_bytes()).unwrap();
        Contender::new(Kind::Symlink, &path).unwrap()
    }

    fn queue(&self) -> PathBuf {
        self.0.join(".lock.queue")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits and gives the lock back.
fn wait(contender: &Contender) -> Unlocked {
    let deadline_ns = monotonic_ns() + 120_000_000_000;
    let request = Request { deadline_ns, ..Request::once(&contender.me) };
    let taken = contender.lock(&request, &mut |_| {}).unwrap();
    assert!(monotonic_ns() < deadline_ns, "nothing but the end of its patience woke it");
    taken.unlock(&contender.spot).unwrap()
}

/// Until the kernel says that somebody waits for the file's flock.
fn until_queued(file: &Path) {
    let here = format!(":{} ", file.metadata().unwrap().ino());
    let is_queued = |line: &str| line.contains("->") && line.contains(&here);
    while !read_to_string("/proc/locks").unwrap().lines().any(is_queued) {
        thread::yield_now();
    }
}

#[test]
fn nobody_waits_for_ever_behind_one_who_does_not_move() {
    let scratch = Scratch::new("shut");
    let holder = scratch.contender();
    let taken = holder.lock(&Request::once(&holder.me), &mut |_| {}).unwrap();
    // As a waiter at the head of the line who is stopped: he will never look at the lock.
    let name = CString::new(scratch.queue().as_os_str().as_bytes()).unwrap();
    let request = local::Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    let shut = try_lock(&Sys::new(Place::path(&name)), &request).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| wait(&scratch.contender()));
        until_queued(&scratch.queue());
        taken.unlock(&holder.spot).unwrap();
        assert_eq!(waiter.join().unwrap(), Unlocked::Released);
    });
    drop(shut);
}

#[test]
fn nobody_waits_for_a_holder_whose_lock_was_taken_from_him() {
    let scratch = Scratch::new("robbed");
    let first = scratch.contender();
    let taken = first.lock(&Request::once(&first.me), &mut |_| {}).unwrap();
    let holder = scratch.contender();
    let robbed = thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let request = Request { deadline_ns: u64::MAX, ..Request::once(&holder.me) };
            holder.lock(&request, &mut |_| {}).unwrap()
        });
        while !scratch.queue().exists() {
            thread::yield_now();
        }
        taken.unlock(&first.spot).unwrap();
        holder.join().unwrap()
    });
    thread::scope(|scope| {
        let waiter = scope.spawn(|| wait(&scratch.contender()));
        until_queued(&scratch.queue());
        assert_eq!(first.remove_by_force(), Ok(true));
        assert_eq!(waiter.join().unwrap(), Unlocked::Released);
    });
    assert_eq!(robbed.unlock(&holder.spot), Ok(Unlocked::WasBroken));
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0);
}

#[test]
fn a_file_that_happens_to_have_the_lines_name_stays() {
    let scratch = Scratch::new("name");
    std::fs::write(scratch.queue(), "somebody's").unwrap();
    let holder = scratch.contender();
    let taken = holder.lock(&Request::once(&holder.me), &mut |_| {}).unwrap();
    let request = Request { deadline_ns: monotonic_ns() + 5_000_000, ..Request::once(&holder.me) };
    assert!(matches!(holder.lock(&request, &mut |_| {}), Err(Refused::Held(_))));
    assert_eq!(holder.sweep(), Ok(0));
    taken.unlock(&holder.spot).unwrap();
    assert_eq!(std::fs::read(scratch.queue()).unwrap(), b"somebody's");
}
