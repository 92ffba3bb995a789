//! Locks on files, for programs with std: held by another process or thread, waited for with a
//! time limit, and given back when a guard is dropped.
//!
//! ```
//! use std::time::Duration;
//! use lock_std::{Lock, LockError};
//!
//! # let path = format!("/tmp/lock-std-doc-lib-{}", std::process::id());
//! match Lock::at(&path).lock_timeout(Duration::from_secs(2)) {
//!     Ok(_guard) => { /* nobody else is here until the guard is dropped */ }
//!     Err(LockError::TimedOut { owner, .. }) => eprintln!("still at work: {owner}"),
//!     Err(error) => eprintln!("{error}"),
//! }
//! # std::fs::remove_file(path).unwrap();
//! ```
//!
//! | to | use |
//! |---|---|
//! | take a lock, or look who has it | [`Lock`] |
//! | take one that outlives its process, for this one or another | [`ExistenceLock`] |
//! | hold one, convert it, release it and know | [`Guard`] |
//! | know why there is none | [`LockError`] |
//! | know whether locking is real in a directory | [`doctor`](doctor::doctor) |
//! | port a program from Jane Street's `Lock_file_blocking` | [`lock_file_blocking`] |
//! | port one from Julia's `Pidfile` | [`pidfile`] |
//! | lock an open file of your own, as OCaml's `flock` does | [`flock`] |
//! | lock what all nodes of a cluster share | [`dlm`] |
//!
//! **What is promised.** A [`Guard`] exists only while its lock is held on the file that the path
//! means. Nothing is left behind by a try that failed or timed out: no lock, no thread, no
//! process. No signal is used but one that is [given](Lock::timed_by). Who looks at a lock does not
//! take it. Waits stand in the kernel's queue, with a limit or without, and cost nothing while they
//! last.
//!
//! **Order.** The kernel serves the requests for a file's locks in the order in which they came,
//! but who asks just when a lock is released can be faster than who waits. Waiters for nfs, mkdir
//! and pidfile locks queue at the holder's own file, likewise; for symlinks, leases and what other
//! programs hold, at `.NAME.queue` beside the lock, which is there as long as anybody waits.
//!
//! **What is not.** These locks bind only those who ask for them. Locks on a network file system
//! are as good as the server. A POSIX lock ([`Kind::Lockf`]) is dropped when anything in the
//! process closes the same file that does not go through this library: prefer [`Kind::Ofd`], which
//! excludes the same others. A forked child that inherited the guard of one should drop it before
//! taking that lock itself.
#![deny(unsafe_code)]

mod attempt;
pub mod dlm;
pub mod doctor;
mod error;
mod existence;
mod exit;
pub mod flock;
mod guard;
mod identity;
mod lock;
pub mod lock_file_blocking;
mod look;
pub mod pidfile;
mod report;
mod signals;
mod site;
mod waiting;

pub use error::LockError;
pub use existence::{ExistenceGuard, ExistenceLock};
pub use guard::{ConvertError, Guard};
pub use lock::Lock;
pub use lock_core::fault::{Call, Fault, FaultKind};
pub use lock_core::kind::Kind;
pub use lock_core::os::Mode;
pub use lock_core::owner::{Owner, Pid};
pub use lock_core::payload::proc_locks::Class;
pub use lock_core::scheme::look::Found;
pub use lock_core::staleness::{Alive, Claim, Stale, Unknown, Verdict};
pub use lock_rustix::look::Standing;
pub use report::{Party, Report};
pub use signals::{WakeSignal, release_on_signals};
#[cfg(feature = "async")]
pub use waiting::Locking;
pub use waiting::{Cancel, WaitEvent};

/// Runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
