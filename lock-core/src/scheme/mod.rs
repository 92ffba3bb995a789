//! The schemes: ways to take a lock, each a few functions over the traits of [`os`](crate::os).
//!
//! | module | a lock is | dies with its holder |
//! |---|---|---|
//! | [`kernel`] | a kernel lock on an open file | yes |

pub mod kernel;
