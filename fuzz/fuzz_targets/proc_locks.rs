//! Lines of the kernel's list of locks.
#![no_main]

use lock_tests::fuzz::proc_locks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| proc_locks(bytes));
