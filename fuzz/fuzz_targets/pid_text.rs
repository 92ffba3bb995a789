//! Plain pid files.
#![no_main]

use lock_tests::fuzz::pid_text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pid_text(bytes));
