//! The applets: other people's programs, under their own names.

pub(crate) mod dotlockfile;
pub(crate) mod flock;
pub(crate) mod lockf;
pub(crate) mod lockfile;
mod mail;
pub(crate) mod setlock;
