//! What other programs put into the symbolic links that are their locks, to which nothing points.
//!
//! | program | target |
//! |---|---|
//! | Emacs | `USER@HOST.PID:BOOT` |
//! | Mercurial | `HOST/NAMESPACE:PID`, `HOST:PID` |
//! | Chromium | `HOST-PID` |
//! | Firefox | `IP:+PID` |
//!
//! Emacs and Mercurial write the same into a regular file where there are no symbolic links. What
//! stands in a target is borrowed from it, so nothing is too long to be read; a target that would
//! be read back as another is not written. This library's own target is
//! [`LinkIdentity`](super::link_identity::LinkIdentity).

mod chromium;
mod emacs;
mod firefox;
mod mercurial;

use arrayvec::ArrayVec;

use super::parse::{Expected, ParseError};
use super::write::{WriteError, build};
use crate::owner::{Owner, Pid};

pub use chromium::Chromium;
pub use emacs::Emacs;
pub use firefox::Firefox;
pub use mercurial::Mercurial;

/// The longest target that is written, in bytes; Linux's limit is 4095.
pub const TARGET_MAX: usize = 1023;

/// A target to be given to `symlink(2)`, which ends it at its first NUL.
pub type Target = ArrayVec<u8, TARGET_MAX>;

/// What a host's name and a pid say about a holder.
fn tell(owner: &mut Owner, host: &[u8], at: usize, pid: u64) -> Result<(), ParseError> {
    owner.pid = Pid::new(pid);
    if owner.note_host(host) { Ok(()) } else { Err(ParseError::new(at, Expected::Host)) }
}

/// Joins the parts of a target.
fn join(parts: &[&[u8]]) -> Result<Target, WriteError> {
    if parts.iter().any(|part| part.contains(&0)) {
        return Err(WriteError::Ambiguous);
    }
    build(|out| parts.iter().for_each(|part| out.bytes(part)))
}

/// A number as a part of a target.
fn decimal(number: u64) -> ArrayVec<u8, 20> {
    // The largest has twenty digits.
    build(|out| out.decimal(number)).unwrap_or_default()
}
