//! The Linux distributed lock manager, by its devices: what libdlm does, without libdlm.
//!
//! | room | what it holds |
//! |---|---|
//! | [`control`] | making and leaving lockspaces |
//! | [`lockspace`] | asking and hearing answers |
//! | [`exchange`] | one lock, for a program of one thread |
//! | [`table`] | who holds what, for who only looks |
//! | [`fault`] | why something failed, and what to do about it |
//!
//! A lock belongs to the open device and not to the process: a forked child that has it keeps the
//! locks, and the last close gives them back. Opened here, a device closes on `exec`.
//!
//! **A write can block for as long as the kernel likes.** While a lockspace stands still, because a
//! node has died, the quorum is lost or its daemon is gone, every write to it waits in the kernel,
//! `O_NONBLOCK` or not, and no signal ends it, not even `SIGKILL`. Whoever must not wait so long
//! writes from another thread or process.
//!
//! Source: Linux 6.1, `fs/dlm/user.c`, and libdlm 4.2; tried on that kernel.

pub mod control;
mod device;
pub mod exchange;
pub mod fault;
pub mod lockspace;
pub mod table;
