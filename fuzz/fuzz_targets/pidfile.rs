//! The lock files of Pidfile.jl.
#![no_main]

use lock_tests::fuzz::pidfile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pidfile(bytes));
