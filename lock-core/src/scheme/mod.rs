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
//!
//! An operating system is what has the traits. This one keeps one symbolic link in a variable:
//!
//! ```
//! use core::cell::Cell;
//! use lock_core::fault::{Call, Fault, FaultKind};
//! use lock_core::os::{Names, Node, Symlinks};
//! use lock_core::scheme::symlink::plain;
//!
//! #[derive(Default)]
//! struct OneLink(Cell<Option<[u8; 4]>>);
//!
//! fn fault(call: Call, node: Node, kind: FaultKind) -> Fault {
//!     Fault { call, node, kind, errno: 0 }
//! }
//!
//! impl Names for OneLink {
//!     fn unlink(&self, node: Node) -> Result<(), Fault> {
//!         let missing = fault(Call::Unlink, node, FaultKind::Missing);
//!         self.0.take().map(drop).ok_or(missing)
//!     }
//! }
//!
//! impl Symlinks for OneLink {
//!     fn symlink(&self, target: &[u8], node: Node) -> Result<(), Fault> {
//!         if self.0.get().is_some() {
//!             return Err(fault(Call::Symlink, node, FaultKind::Exists));
//!         }
//!         let too_long = |_| fault(Call::Symlink, node, FaultKind::TooLong);
//!         self.0.set(Some(target.try_into().map_err(too_long)?));
//!         Ok(())
//!     }
//!
//!     fn readlink(&self, node: Node, buffer: &mut [u8]) -> Result<usize, Fault> {
//!         let missing = fault(Call::Readlink, node, FaultKind::Missing);
//!         let target = self.0.get().ok_or(missing)?;
//!         buffer[..4].copy_from_slice(&target);
//!         Ok(4)
//!     }
//! }
//!
//! let os = OneLink::default();
//! plain::try_lock(&os, b"1234")?;
//! assert_eq!(plain::try_lock(&os, b"5678").unwrap_err().kind, FaultKind::Exists);
//! plain::unlock(&os)?;
//! plain::try_lock(&os, b"5678")?;
//! # Ok::<(), Fault>(())
//! ```

pub mod breaking;
mod file;
pub mod hardlink;
pub mod kernel;
pub mod lease;
pub mod look;
pub mod mkdir;
pub mod symlink;
pub mod turnstile;
