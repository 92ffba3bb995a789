//! S-expressions.
#![no_main]

use lock_tests::fuzz::sexp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sexp(bytes));
