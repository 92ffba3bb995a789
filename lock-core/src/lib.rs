//! What a file lock is, apart from any operating system.
//!
//! An *attempt* is one non-blocking try at a lock: a short function that calls the few methods of
//! [`os`] named in its bounds and always ends. Nothing here sleeps, allocates, panics, reads a
//! clock or knows a path: time and facts come in as values, names are [`os::Node`]s.
//!
//! | room | what it holds |
//! |---|---|
//! | [`os`] | the waist: traits named after system calls |
//! | [`fault`] | why a call failed: call, node, kind, errno |
//! | [`scheme`] | the attempts, one module per family of locks |
//! | [`owner`] | who holds a lock |
//! | [`payload`] | the bytes in lock files, one codec per format |
//! | [`held`] | what this process holds already |
//! | [`staleness`] | whether the holder of a lock in the way is gone |
//! | [`refresh`] | when to touch a held lock |
//! | [`dlm`] | the Linux distributed lock manager: layouts, modes, the conversation about a lock |
//! | [`wait`] | when to try again for a lock that is held |
//! | [`kind`] | the table of lock kinds and their names |
//!
//! What it does not do: wait (the faces drive attempts), open paths (a back end does), or decide
//! for the caller that a lock may be broken.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(test)]
extern crate std;

pub mod dlm;
pub mod fault;
pub mod held;
pub mod kind;
pub mod os;
pub mod owner;
pub mod payload;
pub mod refresh;
pub mod scheme;
pub mod staleness;
pub mod wait;

/// Runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
