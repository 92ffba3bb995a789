//! What only machines of our own can show: the first process of a boot, and other hosts.
//!
//! The scenarios boot virtual machines, so they are asked for:
//! `cargo test -p lock-tests --test vm -- --ignored --test-threads=1`.
#![cfg(target_arch = "x86_64")]

mod dlm;
mod doctor;
mod harness;
mod initramfs;
mod nfs;
