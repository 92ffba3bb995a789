//! The links of this library.
#![no_main]

use lock_tests::fuzz::link_identity;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| link_identity(bytes));
