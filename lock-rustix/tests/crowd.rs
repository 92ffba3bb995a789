//! Many waiters for one existence lock: what a hand-over costs does not grow with their number, and
//! everybody gets it.

use core::sync::atomic::{AtomicU32, Ordering};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use lock_core::kind::Kind;
use lock_core::scheme::breaking::Rule;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::existence::{Contender, Event, Request};

const WAITERS: u32 = 64;

/// How often all waiters together looked at a lock in their way, until each had it once.
fn looks(kind: Kind, lease_ms: u64, limited: bool) -> u32 {
    let name = format!("lock-rustix-crowd-{}-{lease_ms}-{}", kind.name(), std::process::id());
    let dir = PathBuf::from("/dev/shm").join(name);
    std::fs::create_dir(&dir).unwrap();
    let path = CString::new(dir.join("lock").as_os_str().as_bytes()).unwrap();
    let (looks, inside, started) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let contender = || {
        let contender = Contender::new(kind, &path).unwrap();
        match lease_ms {
            0 => contender,
            ttl_ms => contender.with_rule(Rule::Lease { ttl_ms }),
        }
    };
    let holder = contender();
    let taken = holder.lock(&Request::once(&holder.me), &mut |_| {}).unwrap();
    let barrier = Barrier::new(WAITERS as usize);
    thread::scope(|scope| {
        for _ in 0..WAITERS {
            scope.spawn(|| {
                barrier.wait();
                let contender = contender();
                let deadline_ns = if limited { monotonic_ns() + 600_000_000_000 } else { u64::MAX };
                let request = Request { deadline_ns, ..Request::once(&contender.me) };
                let mut first = true;
                let taken = contender.lock(&request, &mut |event| {
                    if let Event::Waiting { .. } = event {
                        looks.fetch_add(1, Ordering::Relaxed);
                        if core::mem::take(&mut first) {
                            started.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
                assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two hold it");
                inside.fetch_sub(1, Ordering::Relaxed);
                taken.unwrap().unlock(&contender.spot).unwrap();
            });
        }
        while started.load(Ordering::Relaxed) < WAITERS {
            thread::yield_now();
        }
        taken.unlock(&holder.spot).unwrap();
    });
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir(&dir).unwrap();
    looks.into_inner()
}

#[test]
fn waiters_sleep_behind_one_another() {
    let kinds = [Kind::Nfs, Kind::Symlink, Kind::Mkdir, Kind::Pidfile].map(|kind| (kind, 0));
    for (kind, lease_ms) in kinds.into_iter().chain([(Kind::Pidfile, 600_000)]) {
        for limited in [false, true] {
            let looks = looks(kind, lease_ms, limited);
            // All look once before they queue; a herd would look some 2,000 times.
            assert!(looks <= 5 * WAITERS, "{kind:?} {limited}: {looks} looks");
            println!("{kind:?}, limited {limited}: {looks} looks of {WAITERS} waiters");
        }
    }
}
