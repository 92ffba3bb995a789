//! The Linux distributed lock manager: what is said between a program and the kernel.
//!
//! The kernel answers later, by events (*ASTs*), so a lock is a machine, [`lock::Lock`], and not a
//! function. Nothing here opens a device: a back end writes the bytes of a [`request::Request`] and
//! reads those of an [`answer::Answer`].
//!
//! | room | what it holds |
//! |---|---|
//! | [`mode`] | the six modes: what goes beside what, what a conversion does |
//! | [`flags`] | flags of locks, lockspaces and answers |
//! | [`status`] | how an operation ended |
//! | [`name`] | names of lockspaces and resources, ids, tokens, value blocks |
//! | [`version`] | which protocol a kernel speaks |
//! | [`request`] | what is written to a device |
//! | [`answer`] | what is read from it |
//! | [`table`] | the kernel's list of locks, for who only looks |
//! | [`lock`] | one lock as a conversation, with its races |
//!
//! Source: Linux 6.1, `fs/dlm/user.c`, `fs/dlm/lock.c` and `include/uapi/linux/dlm*.h`, protocol
//! 6.0.2; tried on that kernel.

pub mod answer;
pub mod flags;
mod layout;
pub mod lock;
pub mod mode;
pub mod name;
pub mod request;
pub mod status;
pub mod table;
pub mod version;

pub use layout::{Layout, LayoutError};
