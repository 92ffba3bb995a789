//! Which convention wrote a lock.
#![no_main]

use lock_tests::fuzz::identify_lock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| identify_lock(bytes));
