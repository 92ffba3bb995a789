//! The locks of [`lock_rustix`] for programs written in C: no libc, no allocation, no std.
//!
//! What is public here is what `include/lockbox.h` declares, which is made from it. Every function
//! answers a [`lockbox_code`] and, where it is given one, fills a [`lockbox_error`]. Null pointers
//! and numbers that mean nothing are errors, and change nothing.
//!
//! | room | what it holds |
//! |---|---|
//! | [`face`] | the functions |
//! | [`types`] | the structs and numbers |
//! | [`request`] | what is asked for, read and checked |
//! | [`held`] | what a `lockbox_lock` holds, and what can be done with it |
//! | [`taking`] | taking a lock, of any kind |
//! | [`looking`] | who holds a lock |
//! | [`report`] | what went wrong, as a code and as a sentence |
//! | `whole` | what a program has only once |
//!
//! [`lockbox_code`]: types::lockbox_code
//! [`lockbox_error`]: types::lockbox_error
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod face;
pub mod held;
pub mod looking;
pub mod report;
pub mod request;
pub mod taking;
pub mod types;
#[cfg(feature = "whole")]
mod whole;
