//! The records of nfs locks.
#![no_main]

use lock_tests::fuzz::nfs_info;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nfs_info(bytes));
