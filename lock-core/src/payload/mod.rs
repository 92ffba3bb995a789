//! The bytes in lock files: one codec per format, each total and without allocation.
//!
//! Reading never fails by panic and never takes a part for the whole: a text longer than its
//! buffer is an error. Writing produces what the format's own programs read.

pub mod message;
pub mod ocaml_int;
pub mod proc_locks;
