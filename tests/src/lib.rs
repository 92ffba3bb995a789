//! The workspace's test library: what several suites share.

pub mod fuzz;
pub mod originals;
pub mod random;
