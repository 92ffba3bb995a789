//! The links of Emacs, Mercurial, Chromium and Firefox.
#![no_main]

use lock_tests::fuzz::link_target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| link_target(bytes));
