//! Existence locks on the real file system, with a payload of just a pid.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lock_core::fault::FaultKind;
use lock_core::kind::Kind;
use lock_core::owner::Owner;
use lock_core::payload::message::parse_pid;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError, if_stale};
use lock_core::scheme::hardlink::Unlocked;
use lock_core::staleness::{Claim, Policy, Stale, Unknown, Verdict};
use lock_rustix::existence::{Spot, Taken, remove, sweep, try_lock};
use lock_rustix::identity::{Identity, is_local, myself, nonce};
use lock_rustix::rustix::fd::OwnedFd;

const KINDS: [Kind; 4] = [Kind::Nfs, Kind::Pidfile, Kind::Symlink, Kind::Mkdir];

/// A directory of its own for each test, on disk and in memory.
struct Scratch(PathBuf);

impl Scratch {
    fn new(base: &str, test: &str) -> Scratch {
        let path = Path::new(base).join(format!("lock-rustix-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn spot(&self, kind: Kind) -> Spot {
        Spot::open(kind, &CString::new(self.0.join("lock").as_os_str().as_bytes()).unwrap())
            .unwrap()
    }

    fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One test at a time: a child that another thread forks has copies of our flocked descriptors
/// until it execs.
static ALONE: Mutex<()> = Mutex::new(());

fn both(test: &str, run: impl Fn(&Scratch)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for base in ["/dev/shm", env!("CARGO_TARGET_TMPDIR")] {
        run(&Scratch::new(base, test));
    }
}

fn decode(bytes: &[u8]) -> Option<Claim> {
    let pid = parse_pid(bytes.split(|&byte| byte == b'/').next()?)?;
    let owner = Owner { pid: Some(pid), ..myself().observer.owner };
    Some(Claim { owner: Owner { start: None, ..owner }, ..Claim::default() })
}

fn attempt(spot: &Spot, me: &Identity, pid: u32) -> Result<Taken, TryLockError<OwnedFd>> {
    let nonce = nonce().unwrap();
    // Two acquisitions never have the same payload.
    let payload = format!("{pid}/{nonce:x?}");
    let terms = terms(&payload, me, spot);
    try_lock(spot, &terms, &nonce)
}

fn terms<'a>(payload: &'a str, me: &'a Identity, spot: &Spot) -> Terms<'a> {
    Terms {
        payload: payload.as_bytes(),
        decode,
        observer: &me.observer,
        rule: Rule::Strict(Policy::default()),
        local: is_local(spot),
    }
}

/// A pid that no process has: of a child that was waited for.
fn dead_pid() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn held_once_and_given_back_without_a_trace() {
    both("once", |scratch| {
        let me = myself();
        for kind in KINDS {
            let spot = scratch.spot(kind);
            let taken = attempt(&spot, &me, std::process::id()).unwrap();
            assert!(taken.still_held(&spot).unwrap());
            let refused = attempt(&spot, &me, std::process::id()).unwrap_err();
            assert!(matches!(refused, TryLockError::Held { .. }), "{kind:?}: {refused:?}");
            assert_eq!(taken.unlock(&spot).unwrap(), Unlocked::Released);
            assert_eq!(scratch.entries(), [""; 0], "{kind:?}");
        }
    });
}

#[test]
fn a_dead_holders_lock_is_taken_over() {
    both("dead", |scratch| {
        let me = myself();
        for kind in KINDS {
            let spot = scratch.spot(kind);
            attempt(&spot, &me, dead_pid()).unwrap().leave(&spot);
            let taken = loop {
                match attempt(&spot, &me, std::process::id()) {
                    Err(TryLockError::Again) => {}
                    outcome => break outcome.unwrap(),
                }
            };
            assert!(taken.still_held(&spot).unwrap());
            assert_eq!(taken.unlock(&spot).unwrap(), Unlocked::Released);
            assert_eq!(scratch.entries(), [""; 0], "{kind:?}");
        }
    });
}

#[test]
fn a_lock_left_for_a_living_process_stays() {
    both("left", |scratch| {
        let me = myself();
        for kind in KINDS {
            let spot = scratch.spot(kind);
            attempt(&spot, &me, std::process::id()).unwrap().leave(&spot);
            assert!(matches!(
                attempt(&spot, &me, std::process::id()),
                Err(TryLockError::Held { verdict: Some(Verdict::Live(_)), .. })
            ));
            let terms = terms("", &me, &spot);
            let nonce = nonce().unwrap();
            assert!(matches!(
                remove(&spot, &terms, &nonce, 0, &if_stale),
                Err(TryLockError::Held { .. })
            ));
            let ours = &|_: Option<&Claim>, _| Verdict::Stale(Stale::GivenUp);
            assert_eq!(remove(&spot, &terms, &nonce, 0, ours).unwrap(), Stale::GivenUp);
            assert_eq!(scratch.entries(), [""; 0], "{kind:?}");
        }
    });
}

#[test]
fn a_lock_that_was_replaced_is_lost_and_not_removed() {
    both("lost", |scratch| {
        let me = myself();
        for kind in KINDS {
            let spot = scratch.spot(kind);
            let lost = attempt(&spot, &me, std::process::id()).unwrap();
            for name in scratch.entries() {
                let path = scratch.0.join(name);
                std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path)).unwrap();
            }
            let next = attempt(&spot, &me, std::process::id()).unwrap();
            assert!(!lost.still_held(&spot).unwrap());
            assert_eq!(lost.unlock(&spot).unwrap(), Unlocked::WasBroken, "{kind:?}");
            assert!(next.still_held(&spot).unwrap());
            assert_eq!(next.unlock(&spot).unwrap(), Unlocked::Released);
        }
    });
}

#[test]
fn foreign_objects_are_not_touched() {
    both("foreign", |scratch| {
        let me = myself();
        let plain = |kind| attempt(&scratch.spot(kind), &me, std::process::id()).unwrap_err();
        std::fs::create_dir(scratch.0.join("lock")).unwrap();
        assert!(matches!(
            plain(Kind::Mkdir),
            TryLockError::Held { verdict: Some(Verdict::Unknown(Unknown::Unreadable)), .. }
        ));
        for kind in [Kind::Pidfile, Kind::Symlink] {
            assert!(matches!(plain(kind), TryLockError::Fault(_)), "{kind:?}");
        }
        std::fs::remove_dir(scratch.0.join("lock")).unwrap();
        std::fs::write(scratch.0.join("lock"), "").unwrap();
        assert!(matches!(plain(Kind::Pidfile), TryLockError::Held { .. }));
        assert!(matches!(plain(Kind::Symlink), TryLockError::Fault(_)));
        let TryLockError::Fault(fault) = plain(Kind::Mkdir) else {
            panic!("a file is no directory")
        };
        assert_eq!(fault.kind, FaultKind::NotDirectory);
        assert_eq!(scratch.entries(), ["lock"]);
    });
}

#[test]
fn leftovers_of_the_dead_are_swept_and_those_in_use_stay() {
    both("sweep", |scratch| {
        let spot = scratch.spot(Kind::Pidfile);
        let dead = scratch.0.join(".lock.00000000000000000000000000000000.lk");
        let used = scratch.0.join(".lock.11111111111111111111111111111111.lk");
        std::fs::write(&dead, "").unwrap();
        let holder = std::fs::File::create(&used).unwrap();
        holder.lock().unwrap();
        std::fs::write(scratch.0.join(".lock.unrelated.lk"), "").unwrap();
        assert_eq!(sweep(&spot).unwrap(), 1);
        assert!(!dead.exists() && used.exists());
        drop(holder);
        assert_eq!(sweep(&spot).unwrap(), 1);
        assert_eq!(scratch.entries(), [".lock.unrelated.lk"]);

        let spot = scratch.spot(Kind::Mkdir);
        let dead = scratch.0.join(".lock.22222222222222222222222222222222.lk");
        std::fs::create_dir(&dead).unwrap();
        std::os::unix::fs::symlink("1", dead.join("owner")).unwrap();
        assert_eq!(sweep(&spot).unwrap(), 1);
        assert_eq!(scratch.entries(), [".lock.unrelated.lk"]);
    });
}
