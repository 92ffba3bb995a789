//! [`lock_core`] on Linux, by raw system calls: no libc, no allocation, no std.
//!
//! | room | what it holds |
//! |---|---|
//! | [`place`] | where a lock is: directory and name |
//! | [`sys`] | the traits of [`lock_core::os`], one system call per method |
//! | [`descriptor`] | descriptors opened and lent without assertions |
//! | [`fcntl`] | record locks, POSIX and OFD |
//! | [`fault`] | error numbers and what they mean |
//! | [`queue`] | waiting in the kernel's own queue |
//! | [`limit`] | how long to wait, and who can end it |
//! | [`local`] | kernel locks by kind: one try, or waiting |
//! | [`alone`] | the same for one thread with one lock, smaller |
//! | [`guard`] | what a holder of a kernel lock has |
//! | [`existence`] | existence locks by kind: one try, the guard, removal, sweeping |
//! | [`wake`] | waiting for a held existence lock: by events, not by asking |
//! | [`look`] | who holds a lock, without touching it |
//! | [`lock_table`] | `/proc/locks`: looking without touching |
//! | [`holders`] | who really holds kernel locks: `/proc/*/fdinfo` |
//! | [`process`] | facts about processes: state, start time, command, host |
//! | [`identity`] | who this process is, and whether a file system is local |
//! | [`signature`] | what stands in an existence lock, by kind |
//! | [`fencing`] | numbers that grow with every acquisition |
//! | [`clock`] | the kernel's clocks |
//! | [`doctor`] | whether locking is real in a directory |
//! | [`dlm`] | the distributed lock manager: devices, lockspaces, one lock |
//!
//! A program that uses [`local`] needs an implementation of `critical-section` (on std: its
//! feature `std`, which lock-std switches on).
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod alarm;
pub mod alone;
#[doc(hidden)]
pub mod arch;
pub mod clock;
pub mod descriptor;
pub mod dlm;
pub mod doctor;
mod entries;
pub mod existence;
pub mod fault;
pub mod fcntl;
pub mod fencing;
pub mod guard;
mod held;
pub mod holders;
pub mod identity;
pub mod limit;
mod lines;
pub mod local;
pub mod lock_table;
pub mod look;
mod mountinfo;
pub mod place;
pub mod process;
pub mod queue;
pub mod signature;
mod stand_in;
mod superblock;
pub mod sys;
pub mod wake;

pub use rustix;

/// Runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
