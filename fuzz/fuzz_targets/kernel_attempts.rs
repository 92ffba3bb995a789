//! Attempts at kernel locks, on a system that answers anything.
#![no_main]

use lock_tests::fuzz::kernel_attempts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kernel_attempts(bytes));
