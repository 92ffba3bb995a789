//! Where the kernel has no timer for a process in the queue, a wait says that it cannot queue.
//! Alone in its program: the limit is the whole process's.

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::limit::{Limit, Tick};
use lock_rustix::local::{LockError, Request, lock_within, try_lock};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::CString;

#[test]
fn without_a_timer_there_is_no_place_in_the_queue() {
    let path = std::env::temp_dir().join(format!("lock-rustix-no-timer-{}", std::process::id()));
    let name = CString::new(path.to_str().unwrap()).unwrap();
    let sys = Sys::new(Place::path(&name));
    let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    let guard = try_lock(&sys, &request).unwrap();
    // A timer keeps one signal ready.
    let before = getrlimit(Resource::Sigpending);
    setrlimit(Resource::Sigpending, Rlimit { current: Some(0), ..before }).unwrap();
    let wait = |ms: u64| {
        let limit = Limit::until(monotonic_ns() + ms * 1_000_000);
        lock_within(&sys, &request, &limit, &mut Tick::never(&mut || {})).unwrap_err()
    };
    assert_eq!(wait(600_000), LockError::CannotQueue);
    setrlimit(Resource::Sigpending, before).unwrap();
    assert_eq!(wait(1), LockError::Held);
    drop(guard);
    std::fs::remove_file(path).unwrap();
}
