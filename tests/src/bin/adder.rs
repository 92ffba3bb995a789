//! One of several processes that count under a lock: `adder KIND LOCK COUNTER TIMES`.
//!
//! Each time it takes the lock, reads the number in COUNTER, and writes the next one: plain file
//! access that only the lock protects.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_rustix::local::{Request, lock};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let mut next = || args.next().expect("KIND LOCK COUNTER TIMES");
    let kind = Kind::from_name(next().as_encoded_bytes()).expect("a kernel lock's kind");
    let path = CString::new(next().into_vec()).expect("a path");
    let counter = File::options().read(true).write(true).open(next()).expect("the counter");
    let times: u32 = next().to_str().and_then(|times| times.parse().ok()).expect("a number");
    let sys = Sys::new(Place::path(&path));
    let request = Request { kind, mode: Mode::Exclusive, message: None };
    for _ in 0..times {
        let guard = lock(&sys, &request, || true).expect("the lock comes");
        let mut number = [0; 8];
        counter.read_exact_at(&mut number, 0).expect("the counter can be read");
        let next = u64::from_le_bytes(number) + 1;
        counter.write_all_at(&next.to_le_bytes(), 0).expect("the counter can be written");
        drop(guard);
    }
}
