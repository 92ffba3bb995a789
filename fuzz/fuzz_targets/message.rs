//! Pids in local lock files.
#![no_main]

use lock_tests::fuzz::message;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| message(bytes));
