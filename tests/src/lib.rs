//! The workspace's test library: what several suites share.

pub mod bench;
#[cfg(target_arch = "x86_64")]
pub mod call_graph;
pub mod fuzz;
#[cfg(target_arch = "x86_64")]
pub mod inject;
pub mod lockbox;
pub mod model;
pub mod originals;
#[cfg(target_arch = "x86_64")]
pub mod painted;
pub mod picture;
pub mod random;
pub mod source;
#[cfg(target_arch = "x86_64")]
pub mod syscalls;
#[cfg(target_arch = "x86_64")]
pub mod vm;

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles what the guide shows.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
struct Guide;

/// Compiles what the porting notes show.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
struct Porting;
