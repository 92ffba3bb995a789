//! Options on the command line.
#![no_main]

use lock_tests::fuzz::options;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| options(bytes));
