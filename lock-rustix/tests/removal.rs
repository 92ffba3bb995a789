//! Looking at existence locks, giving them back for another process, and removing them by force.

use core::time::Duration;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lock_core::fault::FaultKind;
use lock_core::kind::Kind;
use lock_core::owner::Pid;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError};
use lock_core::scheme::hardlink::Unlocked;
use lock_core::staleness::{Alive, Policy, Stale, Unknown, Verdict};
use lock_rustix::existence::{
    Spot, Taken, look, release_for, remove_by_force, touch_for, try_lock,
};
use lock_rustix::identity::{Identity, is_local, myself, nonce, of};
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::signature::{Signer, decode};

/// A directory of its own for a test, and the right to be the only test that runs: a child that
/// another thread forks has copies of our flocked descriptors until it execs.
struct Scratch(PathBuf, #[allow(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

static ALONE: Mutex<()> = Mutex::new(());

impl Scratch {
    fn new(test: &str) -> Scratch {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("removal-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path, alone)
    }

    fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    fn spot(&self, kind: Kind) -> Spot {
        Spot::open(kind, &CString::new(self.lock().as_os_str().as_bytes()).unwrap()).unwrap()
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process to take locks for; it ends when its standard input does.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Sleeper {
        Sleeper(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }

    fn identity(&self) -> Identity {
        of(&myself(), Pid::new(u64::from(self.0.id())).unwrap()).unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn with_terms<T>(
    spot: &Spot,
    holder: &Identity,
    flocked: bool,
    run: impl FnOnce(&Terms<'_>, &[u8; 16]) -> T,
) -> T {
    let (me, nonce) = (myself(), nonce().unwrap());
    let signer = Signer { holder, message: b"", nonce: &nonce, flocked };
    let payload = signer.payload(spot.kind()).unwrap();
    let terms = Terms {
        payload: payload.as_bytes(),
        decode: decode(spot.kind()),
        observer: &me.observer,
        rule: Rule::Strict(Policy::default()),
        local: is_local(spot),
    };
    run(&terms, &nonce)
}

fn take(spot: &Spot, holder: &Identity, flocked: bool) -> Taken {
    with_terms(spot, holder, flocked, |terms, nonce| try_lock(spot, terms, nonce)).unwrap()
}

fn verdict(spot: &Spot) -> Option<Verdict> {
    with_terms(spot, &myself(), false, |terms, _| look(spot, terms))
        .unwrap()
        .map(|found| found.verdict)
}

fn release(spot: &Spot, holder: &Identity) -> Result<(), TryLockError<OwnedFd>> {
    with_terms(spot, holder, false, |terms, nonce| release_for(spot, terms, nonce, 0, holder))
}

#[test]
fn a_look_tells_who_holds_and_takes_nothing() {
    let scratch = Scratch::new("look");
    for kind in Kind::EXISTENCE {
        let spot = scratch.spot(kind);
        assert_eq!(verdict(&spot), None, "{kind:?}");
        let sleeper = Sleeper::new();
        let pid = sleeper.identity().observer.owner.pid;
        take(&spot, &sleeper.identity(), false).leave(&spot);
        let found = with_terms(&spot, &myself(), false, |terms, _| look(&spot, terms));
        let found = found.unwrap().unwrap();
        assert_eq!(found.claim.unwrap().owner.pid, pid, "{kind:?}");
        assert_eq!(found.verdict, Verdict::Live(Alive::Runs), "{kind:?}");
        drop(sleeper);
        assert_eq!(verdict(&spot), Some(Verdict::Stale(Stale::NoProcess)), "{kind:?}");
        with_terms(&spot, &myself(), false, |_, nonce| remove_by_force(&spot, nonce)).unwrap();
        assert!(scratch.is_empty(), "{kind:?}");
    }
}

#[test]
fn a_flocked_lock_is_seen_to_be_held_and_then_not() {
    let scratch = Scratch::new("flocked");
    for kind in [Kind::Nfs, Kind::Mkdir] {
        let spot = scratch.spot(kind);
        let taken = take(&spot, &myself(), true);
        assert_eq!(verdict(&spot), Some(Verdict::Live(Alive::Runs)), "{kind:?}");
        // Closed without being released, as by a process that was killed.
        drop(taken);
        assert_eq!(verdict(&spot), Some(Verdict::Stale(Stale::KernelReleased)), "{kind:?}");
        assert!(
            with_terms(&spot, &myself(), true, |_, nonce| remove_by_force(&spot, nonce)).unwrap()
        );
    }
}

#[test]
fn what_is_no_lock_of_ours_is_unknown() {
    let scratch = Scratch::new("unknown");
    let unreadable = Some(Verdict::Unknown(Unknown::Unreadable));
    std::fs::write(scratch.0.join("lock.nfs_lock"), "not a lock").unwrap();
    assert_eq!(verdict(&scratch.spot(Kind::Nfs)), unreadable);
    std::os::unix::fs::symlink("anything", scratch.lock()).unwrap();
    assert_eq!(verdict(&scratch.spot(Kind::Symlink)), unreadable);
    std::fs::remove_file(scratch.lock()).unwrap();
    std::fs::create_dir(scratch.lock()).unwrap();
    assert_eq!(verdict(&scratch.spot(Kind::Mkdir)), unreadable);
}

#[test]
fn only_the_holders_lock_is_given_back_for_him() {
    let scratch = Scratch::new("release");
    for kind in Kind::EXISTENCE {
        let spot = scratch.spot(kind);
        let (sleeper, other) = (Sleeper::new(), Sleeper::new());
        assert!(matches!(release(&spot, &sleeper.identity()), Err(TryLockError::Again)));
        take(&spot, &sleeper.identity(), false).leave(&spot);
        let refused = release(&spot, &other.identity());
        assert!(matches!(refused, Err(TryLockError::Held { .. })), "{kind:?}");
        assert!(release(&spot, &sleeper.identity()).is_ok(), "{kind:?}");
        assert!(scratch.is_empty(), "{kind:?}");
    }
}

#[test]
fn a_stale_lock_of_another_is_not_given_back() {
    let scratch = Scratch::new("stale");
    for kind in Kind::EXISTENCE {
        let spot = scratch.spot(kind);
        let sleeper = Sleeper::new();
        take(&spot, &sleeper.identity(), false).leave(&spot);
        drop(sleeper);
        let refused = release(&spot, &myself());
        assert!(matches!(refused, Err(TryLockError::Held { .. })), "{kind:?}");
        with_terms(&spot, &myself(), false, |_, nonce| remove_by_force(&spot, nonce)).unwrap();
    }
}

#[test]
fn the_holders_lock_is_touched_and_no_other() {
    let scratch = Scratch::new("touch");
    let past = SystemTime::now() - Duration::from_secs(1000);
    for kind in [Kind::Nfs, Kind::Mkdir, Kind::Pidfile] {
        let spot = scratch.spot(kind);
        let path = scratch.0.join(if kind == Kind::Nfs { "lock.nfs_lock" } else { "lock" });
        let modified = || std::fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(touch_for(&spot, decode(kind), &myself()), Ok(false));
        let sleeper = Sleeper::new();
        take(&spot, &sleeper.identity(), false).leave(&spot);
        std::fs::File::open(&path).unwrap().set_modified(past).unwrap();
        let before = modified();
        assert_eq!(touch_for(&spot, decode(kind), &myself()), Ok(false), "{kind:?}");
        assert_eq!(modified(), before);
        assert_eq!(touch_for(&spot, decode(kind), &sleeper.identity()), Ok(true), "{kind:?}");
        assert!(modified() > before, "{kind:?}");
        with_terms(&spot, &myself(), false, |_, nonce| remove_by_force(&spot, nonce)).unwrap();
    }
    let spot = scratch.spot(Kind::Symlink);
    let fault = touch_for(&spot, decode(Kind::Symlink), &myself()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
}

#[test]
fn force_removes_a_living_holders_lock_and_he_notices() {
    let scratch = Scratch::new("force");
    for kind in Kind::EXISTENCE {
        let spot = scratch.spot(kind);
        let taken = take(&spot, &myself(), true);
        let force = || with_terms(&spot, &myself(), true, |_, nonce| remove_by_force(&spot, nonce));
        assert_eq!(force(), Ok(true), "{kind:?}");
        assert!(!taken.still_held(&spot).unwrap(), "{kind:?}");
        assert_eq!(force(), Ok(false), "{kind:?}");
        assert!(scratch.is_empty(), "{kind:?}");
    }
}

#[test]
fn force_keeps_what_is_no_lock() {
    let scratch = Scratch::new("force-foreign");
    std::fs::create_dir(scratch.lock()).unwrap();
    std::fs::write(scratch.lock().join("precious"), "").unwrap();
    let force = |kind| {
        let spot = scratch.spot(kind);
        with_terms(&spot, &myself(), true, |_, nonce| remove_by_force(&spot, nonce))
    };
    assert_eq!(force(Kind::Mkdir).unwrap_err().kind, FaultKind::NotEmpty);
    assert!(scratch.lock().join("precious").exists());
    for kind in [Kind::Symlink, Kind::Pidfile] {
        force(kind).unwrap_err();
    }
    std::fs::remove_dir_all(scratch.lock()).unwrap();
    std::fs::write(scratch.lock(), "").unwrap();
    for kind in [Kind::Symlink, Kind::Mkdir] {
        force(kind).unwrap_err();
    }
    assert!(scratch.lock().exists());
}

/// The name that readers of an nfs lock look at may be somebody's file: it stays, and the lock is
/// held without it. What an earlier holder left there is replaced.
#[test]
fn a_foreign_file_at_the_readers_name_survives() {
    let scratch = Scratch::new("companion");
    let read = || std::fs::read(scratch.lock()).ok();
    let cycle = |written: &[u8]| {
        std::fs::write(scratch.lock(), written).unwrap();
        let spot = scratch.spot(Kind::Nfs);
        let taken = take(&spot, &myself(), true);
        let while_held = read();
        assert_eq!(taken.unlock(&spot).unwrap(), Unlocked::Released);
        take(&spot, &myself(), true).leave(&spot);
        with_terms(&spot, &myself(), true, |_, nonce| remove_by_force(&spot, nonce)).unwrap();
        (while_held, read())
    };
    let precious = b"precious\n".to_vec();
    assert_eq!(cycle(&precious), (Some(precious.clone()), Some(precious)));
    for written in [&b""[..], b"((host gone)(pid 5)(message m))"] {
        let (while_held, after) = cycle(written);
        assert!(while_held.unwrap().starts_with(b"; lk1"), "{written:?}");
        assert_eq!(after, None, "{written:?}");
    }
}
