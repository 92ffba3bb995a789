//! Locks that all nodes of a cluster share: the Linux distributed lock manager, without libdlm.
//!
//! A *lockspace* has a name that the nodes agree on; a node [`join`]s and [`leave`]s it, which
//! needs privilege. Programs [open](Lockspace::open) it and lock *resources* in it, by name, in
//! one of six [modes](Mode). Needs the kernel module `dlm`, and corosync with `dlm_controld`, or
//! another who tells the kernel which nodes there are.
//!
//! ```no_run
//! // Needs a cluster.
//! use lock_std::dlm::{Options, join, with_lockspace};
//!
//! join("cluster1", 0o600).unwrap();
//! with_lockspace("cluster1", |lockspace| {
//!     lockspace.with_lock("disk1", &Options::default(), || { /* no other node is here */ })
//! })
//! .unwrap()
//! .unwrap();
//! ```
//!
//! **What is promised.** A guard exists only while its lock is held, as far as this node knows. A
//! caller's time limit holds even while the kernel blocks the writes about locks uninterruptibly,
//! which it does while a lockspace stands still: only a thread of the lockspace's own waits then.
//! No signal is used. Every grant of a lock that nobody wants any more is given back.
//!
//! **What is not.** A node that is cut off from the others is told nothing: they go on without it
//! once they have recovered, and it still holds what it held. Who must be safe from that has such
//! nodes fenced (switched off) by the cluster, or has what the lock protects refuse holders of
//! yesterday, by a number that each holder takes from the resource's [value](Value). Whoever can
//! open the lockspace's device can end any lock in it.

mod engine;
mod error;
mod guard;
mod join;
mod lockspace;
mod resource;
mod table;
mod threads;
mod transport;
mod with;

pub use error::{DlmError, DlmErrorKind};
pub use guard::{Guard, Value};
pub use join::{join, leave};
pub use lock_core::dlm::flags::LockFlags;
pub use lock_core::dlm::mode::Mode;
pub use lock_core::dlm::name::{LockId, ValueBlock};
pub use lock_core::dlm::status::Status;
pub use lock_rustix::dlm::fault::{DlmFault, Reason, Step};
pub use lockspace::Lockspace;
pub use resource::Resource;
pub use transport::Transport;
pub use with::{Options, with_lockspace};
