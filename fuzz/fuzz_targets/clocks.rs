//! The machines that are told the time.
#![no_main]

use lock_tests::fuzz::clocks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clocks(bytes));
