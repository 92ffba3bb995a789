//! What the DLM's kernel part writes.
#![no_main]

use lock_tests::fuzz::dlm_answer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dlm_answer(bytes));
