//! Many locks, and many who want one.

use core::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use lock_std::dlm::{Guard, Lockspace, Mode};

use crate::common::report;

fn open(name: &str) -> Lockspace {
    Lockspace::open(name).unwrap_or_else(|error| panic!("{error}"))
}

/// So many threads wait for a lock at once. Each gets it once, alone.
pub(crate) fn all(name: &str, resource: &str, waiters: u32) {
    let lockspace = open(name);
    let inside = AtomicU32::new(0);
    let served = AtomicU32::new(0);
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..waiters {
            scope.spawn(|| {
                let guard = lockspace.resource(resource).lock().unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                inside.fetch_sub(1, Ordering::SeqCst);
                guard.unlock().unwrap();
                served.fetch_add(1, Ordering::SeqCst);
            });
        }
        println!("ASKED");
    });
    assert_eq!(served.into_inner(), waiters);
    report(&format!("{waiters} waiters of one lock, until the last is served"), begin);
    lockspace.close();
}

/// Takes so many locks, says so, and holds them until it is killed.
pub(crate) fn fill(name: &str, prefix: &str, count: u32) {
    let lockspace = open(name);
    let begin = Instant::now();
    let take = |number| lockspace.resource(format!("{prefix} {number}")).mode(Mode::EX).lock();
    let guards: Vec<Guard> = (0..count).map(|number| take(number).unwrap()).collect();
    report(&format!("{count} locks taken one after the other"), begin);
    println!("HELD {}", guards.len());
    until_killed();
}

/// Does nothing, for ever.
pub(crate) fn until_killed() -> ! {
    loop {
        thread::park();
    }
}
