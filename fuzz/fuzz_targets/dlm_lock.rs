//! One DLM lock, with everybody saying anything.
#![no_main]

use lock_tests::fuzz::dlm_lock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dlm_lock(bytes));
