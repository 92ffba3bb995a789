//! The kernel's distributed lock manager, on one node and on three.
//!
//! What is measured is printed, one line each that begins with `MEASURED`.

mod cluster;
mod setup;
mod single;
