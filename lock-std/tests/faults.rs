//! What is in the way besides other holders: paths, permissions, full disks, kernels that refuse.
//! Each is told apart, and none leaves a lock behind.

mod common;

use core::error::Error;
use core::time::Duration;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{Actor, KINDS, Scratch, alone, await_order, role as part, say, with_failing};
use lock_std::{FaultKind, Guard, Kind, Lock, LockError};
use nix::errno::Errno;
use nix::libc::{
    SYS_fchown, SYS_fcntl, SYS_flock, SYS_ftruncate, SYS_openat, SYS_pwrite64, SYS_timer_settime,
};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, mkfifo, setgid, setuid};

/// `nobody`, by convention.
const NOBODY: u32 = 65534;

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    if Uid::effective().is_root() {
        setgid(Gid::from_raw(NOBODY)).unwrap();
        setuid(Uid::from_raw(NOBODY)).unwrap();
    }
    for kind in KINDS {
        let lock = Lock::at(&path).kind(kind);
        let outcome = if role == "look" { lock.is_locked().map(drop) } else { take(&lock) };
        say(&match outcome {
            Err(error @ LockError::Fault { .. }) => format!("{:?}", error.io_kind()),
            outcome => format!("{outcome:?}"),
        });
    }
    await_order();
}

fn take(lock: &Lock) -> Result<(), LockError> {
    lock.try_lock().map(drop)
}

#[track_caller]
fn expect_fault(outcome: Result<Guard, LockError>, kind: FaultKind, io_kind: io::ErrorKind) {
    let error = outcome.unwrap_err();
    let LockError::Fault { fault, .. } = &error else { panic!("{error:?}") };
    assert_eq!((fault.kind, error.io_kind()), (kind, io_kind), "{error}");
    assert!(error.source().is_some() && error.to_string().contains(error.path().to_str().unwrap()));
}

#[test]
fn every_path_that_is_no_lock_file_is_told_apart() {
    let _alone = alone();
    let scratch = Scratch::new("paths");
    let dir = scratch.dir();
    fs::create_dir(dir.join("directory")).unwrap();
    fs::write(dir.join("file"), "").unwrap();
    mkfifo(&dir.join("fifo"), Mode::S_IRWXU).unwrap();
    symlink("nowhere", dir.join("dangling")).unwrap();
    symlink("file", dir.join("link")).unwrap();
    let long = "x".repeat(300);
    for kind in KINDS {
        for (name, fault, io_kind) in [
            ("missing/lock", FaultKind::Missing, io::ErrorKind::NotFound),
            ("file/lock", FaultKind::NotDirectory, io::ErrorKind::NotADirectory),
            ("fifo", FaultKind::NotRegular, io::ErrorKind::InvalidInput),
            ("dangling", FaultKind::Symlink, io::ErrorKind::InvalidInput),
            ("link", FaultKind::Symlink, io::ErrorKind::InvalidInput),
            (&long, FaultKind::NameTooLong, io::ErrorKind::InvalidInput),
            ("", FaultKind::IsDirectory, io::ErrorKind::IsADirectory),
            ("directory", FaultKind::IsDirectory, io::ErrorKind::IsADirectory),
        ] {
            let outcome = Lock::at(dir.join(name)).kind(kind).try_lock();
            if kind == Kind::Flock && fault == FaultKind::IsDirectory {
                outcome.unwrap().unlock().unwrap();
            } else {
                println!("{kind:?} {name}");
                expect_fault(outcome, fault, io_kind);
            }
        }
    }
}

#[test]
fn a_path_with_a_nul_is_invalid() {
    let _alone = alone();
    let lock = Lock::at("a\0b");
    for outcome in [lock.try_lock().map(drop), lock.is_locked().map(drop)] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, LockError::Invalid { .. }), "{error:?}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(lock.pid(), None);
}

#[test]
fn symbolic_links_are_followed_only_on_request() {
    let _alone = alone();
    let scratch = Scratch::new("links");
    symlink("target", scratch.path()).unwrap();
    for kind in KINDS {
        let lock = scratch.lock(kind).follow_symlinks(true);
        let guard = lock.try_lock().unwrap();
        let target = Lock::at(scratch.dir().join("target")).kind(kind);
        assert!(target.is_locked().unwrap() && guard.still_held().unwrap(), "{kind:?}");
        assert!(take(&target).unwrap_err().is_held());
        guard.unlock().unwrap();
    }
}

#[test]
fn no_permission_is_a_fault_to_try_and_to_look() {
    let _alone = alone();
    let scratch = Scratch::new("denied");
    let hear_denials = |role: &str, path: &Path| {
        let mut actor = Actor::start(role, path);
        for _ in KINDS {
            actor.expect("PermissionDenied");
        }
        actor.end_well();
    };
    fs::write(scratch.path(), "").unwrap();
    fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o000)).unwrap();
    hear_denials("try", &scratch.path());
    hear_denials("look", &scratch.path());
    let sealed = scratch.dir().join("sealed");
    fs::create_dir(&sealed).unwrap();
    fs::set_permissions(&sealed, PermissionsExt::from_mode(0o500)).unwrap();
    hear_denials("try", &sealed.join("lock"));
}

#[test]
fn a_file_that_can_only_be_read_can_be_looked_at() {
    let _alone = alone();
    let scratch = Scratch::new("read-only");
    fs::write(scratch.path(), "").unwrap();
    fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o444)).unwrap();
    let mut actor = Actor::start("look", &scratch.path());
    for _ in KINDS {
        actor.expect("Ok(())");
    }
    actor.end_well();
}

#[test]
fn a_message_that_does_not_fit_is_refused_before_anything_is_touched() {
    let _alone = alone();
    let scratch = Scratch::new("long");
    scratch.lock(Kind::File).message([b'x'; 1023]).try_lock().unwrap().unlock().unwrap();
    fs::remove_file(scratch.path()).unwrap();
    let outcome = scratch.lock(Kind::File).message([b'x'; 1024]).try_lock();
    expect_fault(outcome, FaultKind::TooLong, io::ErrorKind::InvalidInput);
    assert!(!scratch.path().exists());
}

#[test]
fn every_refusal_of_the_kernel_is_told_apart_and_leaves_no_lock() {
    use io::ErrorKind as Io;
    let _alone = alone();
    let scratch = Scratch::new("kernel");
    let other = |errno: Errno| io::Error::from(errno).kind();
    for (kind, call, errno, fault, io_kind) in [
        (Kind::Flock, SYS_flock, Errno::EBADF, FaultKind::BadDescriptor, other(Errno::EBADF)),
        (Kind::Flock, SYS_flock, Errno::ENOLCK, FaultKind::NoLocks, other(Errno::ENOLCK)),
        (Kind::Flock, SYS_flock, Errno::EIO, FaultKind::Io, other(Errno::EIO)),
        (Kind::Flock, SYS_flock, Errno::EOPNOTSUPP, FaultKind::Unsupported, Io::Unsupported),
        (Kind::File, SYS_flock, Errno::ENOLCK, FaultKind::NoLocks, other(Errno::ENOLCK)),
        (Kind::File, SYS_fcntl, Errno::ENOLCK, FaultKind::NoLocks, other(Errno::ENOLCK)),
        (Kind::Lockf, SYS_fcntl, Errno::ENOLCK, FaultKind::NoLocks, other(Errno::ENOLCK)),
        (Kind::Lockf, SYS_fcntl, Errno::EDEADLK, FaultKind::Deadlock, Io::Deadlock),
        (Kind::Ofd, SYS_fcntl, Errno::EINVAL, FaultKind::Unsupported, Io::Unsupported),
        (Kind::File, SYS_openat, Errno::EROFS, FaultKind::ReadOnly, Io::ReadOnlyFilesystem),
        (Kind::Flock, SYS_openat, Errno::ENOSPC, FaultKind::NoSpace, Io::StorageFull),
        (Kind::Ofd, SYS_openat, Errno::EMFILE, FaultKind::TooManyFiles, other(Errno::EMFILE)),
        (
            Kind::Lockf,
            SYS_openat,
            Errno::ESTALE,
            FaultKind::StaleHandle,
            Io::StaleNetworkFileHandle,
        ),
        (Kind::Lockf, SYS_openat, Errno::ENOMEM, FaultKind::Other, Io::OutOfMemory),
        (Kind::File, SYS_pwrite64, Errno::ENOSPC, FaultKind::NoSpace, Io::StorageFull),
        (Kind::File, SYS_pwrite64, Errno::EDQUOT, FaultKind::Quota, Io::QuotaExceeded),
        (Kind::File, SYS_pwrite64, Errno::EIO, FaultKind::Io, other(Errno::EIO)),
        (Kind::File, SYS_ftruncate, Errno::EIO, FaultKind::Io, other(Errno::EIO)),
    ] {
        println!("{kind:?} {errno:?}");
        // Longer than a pid, so that it must be cut.
        fs::write(scratch.path(), "an old and much longer message").unwrap();
        let lock = scratch.lock(kind);
        let error = with_failing(call, errno, || lock.try_lock().unwrap_err());
        assert_eq!(error.raw_os_error(), Some(errno as i32));
        expect_fault(Err(error), fault, io_kind);
        assert!(!lock.is_locked().unwrap());
        lock.try_lock().unwrap().unlock().unwrap();
    }
}

#[test]
fn held_and_interrupted_are_no_faults() {
    let _alone = alone();
    let scratch = Scratch::new("busy");
    for (kind, call, errno) in [
        (Kind::Flock, SYS_flock, Errno::EWOULDBLOCK),
        (Kind::Ofd, SYS_fcntl, Errno::EAGAIN),
        // POSIX allows either.
        (Kind::Lockf, SYS_fcntl, Errno::EACCES),
    ] {
        let error = with_failing(call, errno, || scratch.lock(kind).try_lock()).unwrap_err();
        assert!(matches!(error, LockError::Held { .. }), "{kind:?}: {error:?}");
    }
}

#[test]
fn the_file_is_given_to_its_owner() {
    let _alone = alone();
    let scratch = Scratch::new("owner");
    // Only root can give files away.
    let uid = if Uid::effective().is_root() { NOBODY } else { Uid::effective().as_raw() };
    for kind in KINDS {
        let lock = scratch.lock(kind).owner_uid(uid);
        let guard = lock.try_lock().unwrap();
        assert_eq!(fs::metadata(scratch.path()).unwrap().uid(), uid, "{kind:?}");
        guard.unlock().unwrap();
        let outcome = with_failing(SYS_fchown, Errno::EPERM, || lock.try_lock());
        expect_fault(outcome, FaultKind::Denied, io::ErrorKind::PermissionDenied);
        assert!(!lock.is_locked().unwrap(), "{kind:?}");
        fs::remove_file(scratch.path()).unwrap();
    }
}

#[test]
fn a_timer_that_cannot_be_set_makes_no_wait_endless() {
    let _alone = alone();
    let scratch = Scratch::new("timer");
    let held = scratch.lock(Kind::Flock).try_lock().unwrap();
    let lock = scratch.lock(Kind::Flock);
    let wait = || lock.lock_timeout(Duration::from_millis(50));
    // As where a filter of calls is older than those that tell time by 64 bits.
    let error = with_failing(SYS_timer_settime, Errno::EPERM, wait).unwrap_err();
    assert!(error.is_held(), "{error:?}");
    held.unlock().unwrap();
}
