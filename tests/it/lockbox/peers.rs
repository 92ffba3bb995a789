//! Beside programs that lock by the system's own calls: they hold and we see it, we hold and they
//! are refused.

use std::fs::File;
use std::io::{Seek, Write};
use std::process::Child;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FlockOperation, fcntl_lock, flock};

use crate::run::start;
use crate::status::{Scratch, run};

/// What a peer holds on the file.
#[derive(Clone, Copy, Debug)]
enum Peer {
    FlockExclusive,
    FlockShared,
    PosixWrite,
    PosixRead,
    PosixOneByte,
}

const PEERS: [Peer; 5] = [
    Peer::FlockExclusive,
    Peer::FlockShared,
    Peer::PosixWrite,
    Peer::PosixRead,
    Peer::PosixOneByte,
];

impl Peer {
    fn lock(self, file: &File) -> bool {
        match self {
            Peer::FlockExclusive => flock(file, FlockOperation::NonBlockingLockExclusive).is_ok(),
            Peer::FlockShared => flock(file, FlockOperation::NonBlockingLockShared).is_ok(),
            Peer::PosixWrite => fcntl_lock(file, FlockOperation::NonBlockingLockExclusive).is_ok(),
            Peer::PosixRead => fcntl_lock(file, FlockOperation::NonBlockingLockShared).is_ok(),
            Peer::PosixOneByte => {
                let record = libc::flock {
                    l_type: i16::try_from(libc::F_WRLCK).unwrap(),
                    l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
                    l_start: 100,
                    l_len: 1,
                    l_pid: 0,
                };
                fcntl(file, FcntlArg::F_SETLK(&record)).is_ok()
            }
        }
    }

    /// Whether a lock of this kind stands in its way, and the other way round.
    fn excludes(self, kind: &str) -> bool {
        match (self, kind) {
            (_, "file") => true,
            (Peer::FlockExclusive | Peer::FlockShared, kind) => kind == "flock",
            (_, kind) => kind != "flock",
        }
    }
}

fn open(path: &str) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

/// Starts lockbox holding the lock, until its input ends.
fn hold(kind: &str, path: &str) -> Child {
    start(&["-k", kind, path], "echo; read line").0
}

#[test]
fn what_peers_hold_keeps_us_out_and_is_seen() {
    let scratch = Scratch::new("peers-hold");
    for peer in PEERS {
        for kind in ["file", "flock", "lockf", "ofd"] {
            let path = scratch.path("lock");
            let file = open(&path);
            assert!(peer.lock(&file));
            let expected =
                if peer.excludes(kind) { (Some(75), Some(0)) } else { (Some(0), Some(3)) };
            let taken = run(&["run", "-n", "-k", kind, &path, "true"]).0;
            assert_eq!((taken, run(&["status", "-k", kind, &path]).0), expected, "{peer:?} {kind}");
            // For all copies: a child that another test forks has one until it execs.
            flock(&file, FlockOperation::Unlock).unwrap();
            drop(file);
            assert_eq!(run(&["run", "-n", "-k", kind, &path, "true"]).0, Some(0));
        }
    }
}

#[test]
fn what_we_hold_keeps_peers_out_until_we_are_killed() {
    let scratch = Scratch::new("peers-wait");
    for peer in PEERS {
        for kind in ["file", "flock", "lockf", "ofd"] {
            let path = scratch.path("lock");
            let mut holder = hold(kind, &path);
            let file = open(&path);
            assert_eq!(peer.lock(&file), !peer.excludes(kind), "{peer:?} {kind}");
            drop(file);
            holder.kill().unwrap();
            holder.wait().unwrap();
            assert!(peer.lock(&open(&path)), "{peer:?} {kind}: the kernel released it");
        }
    }
}

/// `Lock_file_blocking.create`, call by call: the record lock is tried even if the flock is
/// refused, and both are needed.
fn jane_street_create(path: &str, message: &str) -> Option<File> {
    let mut file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    let flocked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    let locked = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    if !(flocked && locked) {
        return None;
    }
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    writeln!(file, "{message}").unwrap();
    let _ = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
    Some(file)
}

#[test]
fn lock_file_blocking_shares_the_file_with_us() {
    let scratch = Scratch::new("peers-jane-street");
    let path = scratch.path("lock");
    let theirs = jane_street_create(&path, &std::process::id().to_string()).unwrap();
    assert_eq!(run(&["run", "-n", &path, "true"]).0, Some(75));
    let (status, out, _) = run(&["status", &path]);
    assert_eq!(status, Some(0));
    assert!(out.contains(&format!("held by pid {}", std::process::id())), "{out}");
    drop(theirs);

    let mut holder = hold("file", &path);
    assert!(jane_street_create(&path, "theirs").is_none());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", holder.id()), "a loser leaves the holder's text alone");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let theirs = jane_street_create(&path, "a longer message than a pid");
    assert!(theirs.is_some());
    drop(theirs);
    assert_eq!(run(&["run", "-m", "short", &path, "true"]).0, Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "short\n");
}
