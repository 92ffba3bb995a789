//! Dates and times of day in s-expressions.
#![no_main]

use lock_tests::fuzz::date_time;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| date_time(bytes));
