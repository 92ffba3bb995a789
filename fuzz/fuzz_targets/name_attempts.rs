//! Attempts at locks that are links or directories, on a system that answers anything.
#![no_main]

use lock_tests::fuzz::name_attempts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| name_attempts(bytes));
