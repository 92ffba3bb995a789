//! Live interplay: programs and libraries of others, and ours, on the same lock.
//!
//! One table of peers, a row each; the same three stories for every row, in both directions: one
//! holds and the other sees it and is refused, it gives back and the other gets it, it is killed
//! and the other recovers by its own rule. The tables are also what docs/peers.md is made of.
//!
//! The stories need the peers installed: `.ci/stages/peers` does that.

mod document;
mod kernel;
mod links;
mod mail;
mod node;
mod peer;
mod pidfiles;
mod postgres;
mod python;
mod stories;
