//! The workspace's test library: what several suites share.

pub mod originals;
pub mod random;
