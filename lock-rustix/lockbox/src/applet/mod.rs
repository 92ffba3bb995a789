//! The applets: other people's programs, under their own names.

pub(crate) mod flock;
