//! The workspace's test library: what several suites share.

pub mod fuzz;
pub mod lockbox;
pub mod model;
pub mod originals;
pub mod random;
pub mod source;

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
#[cfg(target_arch = "x86_64")]
pub mod syscalls;
