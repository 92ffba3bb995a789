//! The schemes: ways to take a lock, each a few functions over the traits of [`os`](crate::os).
//!
//! | module | a lock is | dies with its holder |
//! |---|---|---|
//! | [`kernel`] | a kernel lock on an open file | yes |
//! | [`hardlink`] | a name for a complete file that its holder keeps flocked | shown by the flock |
//! | [`lease`] | a name for a file that its holder keeps touching | shown by time |
//! | [`symlink`] | a symbolic link that names its holder | shown by its process |
//! | [`mkdir`] | a directory, with its holder named inside | shown by flock and process |
//!
//! [`breaking`] has what the latter four share: how a dead holder's lock is broken. [`look`] tells
//! who holds one of these without touching it.

pub mod breaking;
pub mod hardlink;
pub mod kernel;
pub mod lease;
pub mod look;
pub mod mkdir;
pub mod symlink;
