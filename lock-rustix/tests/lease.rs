//! Leases: held for as long as they are touched, lost by holders who stop.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lock_core::fault::FaultKind;
use lock_core::kind::Kind;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError};
use lock_core::scheme::hardlink::Unlocked;
use lock_core::staleness::{Alive, Verdict};
use lock_rustix::existence::{Spot, Taken, try_lock};
use lock_rustix::identity::{is_local, myself, nonce};
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::signature::{Signer, decode};

const TTL_MS: u64 = 10_000;

struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let name = format!("lease-{test}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn spot(&self, kind: Kind) -> Spot {
        let path = CString::new(self.0.join("lock").as_os_str().as_bytes()).unwrap();
        Spot::open(kind, &path).unwrap().with_lease()
    }

    /// Makes the lock look as if it was touched so long ago.
    fn age(&self, age_ms: u64) {
        let then = SystemTime::now() - Duration::from_millis(age_ms);
        File::open(self.0.join("lock")).unwrap().set_modified(then).unwrap();
    }

    fn names(&self) -> Vec<std::ffi::OsString> {
        std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn attempt(spot: &Spot) -> Result<Taken, TryLockError<OwnedFd>> {
    let (me, nonce) = (myself(), nonce().unwrap());
    let signer = Signer { holder: &me, message: b"", nonce: &nonce, flocked: false };
    let payload = signer.payload(Kind::Pidfile).unwrap();
    let terms = Terms {
        payload: payload.as_bytes(),
        decode: decode(Kind::Pidfile),
        observer: &me.observer,
        rule: Rule::Lease { ttl_ms: TTL_MS },
        local: is_local(spot),
    };
    try_lock(spot, &terms, &nonce)
}

#[test]
fn a_fresh_lease_is_held_and_says_until_when() {
    let scratch = Scratch::new("fresh");
    let spot = scratch.spot(Kind::Pidfile);
    let taken = attempt(&spot).unwrap();
    let refused = attempt(&spot).unwrap_err();
    let verdict = Some(Verdict::Live(Alive::Fresh(TTL_MS + 1)));
    assert_eq!(
        verdict,
        match refused {
            TryLockError::Held { verdict, .. } => verdict,
            other => panic!("{other:?}"),
        }
    );
    assert_eq!(taken.unlock(&spot).unwrap(), Unlocked::Released);
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
fn an_expired_lease_falls_to_the_next_and_its_holder_finds_out() {
    let scratch = Scratch::new("expired");
    let spot = scratch.spot(Kind::Pidfile);
    let late = attempt(&spot).unwrap();
    scratch.age(TTL_MS + 1_000);
    let next = attempt(&spot).unwrap();
    assert!(!late.still_held(&spot).unwrap());
    assert_eq!(late.unlock(&spot).unwrap(), Unlocked::WasBroken);
    assert!(next.still_held(&spot).unwrap());
    assert_eq!(next.unlock(&spot).unwrap(), Unlocked::Released);
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
fn a_touch_renews_the_lease() {
    let scratch = Scratch::new("touch");
    let spot = scratch.spot(Kind::Pidfile);
    let taken = attempt(&spot).unwrap();
    scratch.age(TTL_MS + 1_000);
    taken.touch().unwrap();
    assert!(matches!(attempt(&spot), Err(TryLockError::Held { .. })));
    assert_eq!(taken.unlock(&spot).unwrap(), Unlocked::Released);
}

/// Of many who find the same lease expired, one gets it: the counter has no lost update.
#[test]
fn of_many_breakers_one_gets_it() {
    let scratch = Scratch::new("many");
    drop(attempt(&scratch.spot(Kind::Pidfile)).unwrap());
    scratch.age(TTL_MS + 1_000);
    let holders = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let spot = scratch.spot(Kind::Pidfile);
                loop {
                    match attempt(&spot) {
                        Ok(taken) => {
                            holders.fetch_add(1, Ordering::SeqCst);
                            taken.leave(&spot);
                            break;
                        }
                        Err(TryLockError::Held { queue: None, .. }) => break,
                        Err(TryLockError::Held { .. } | TryLockError::Again) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
    });
    assert_eq!(holders.into_inner(), 1);
}

#[test]
fn other_kinds_are_no_leases() {
    let scratch = Scratch::new("kinds");
    for kind in [Kind::Nfs, Kind::Symlink, Kind::Mkdir] {
        let Err(TryLockError::Fault(fault)) = attempt(&scratch.spot(kind)) else {
            panic!("{kind:?}");
        };
        assert_eq!(fault.kind, FaultKind::Unsupported);
    }
    assert_eq!(scratch.names(), [""; 0]);
}
