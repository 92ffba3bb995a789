//! Attempts at locks by hard link, on a system that answers anything.
#![no_main]

use lock_tests::fuzz::link_attempts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| link_attempts(bytes));
