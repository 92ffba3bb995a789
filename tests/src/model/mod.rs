//! The model checker: every interleaving of a few processes that run the very code that ships.
//!
//! | room | what it holds |
//! |---|---|
//! | [`disk`] | a POSIX file system in a few sets: inodes, names, open files, locks |
//! | [`sim`] | one process on that disk, as the list of answers it has had |
//! | [`explore`] | breadth-first through all interleavings and crashes, with shortest traces |
//! | [`diagram`] | the steps of a scheme, drawn from what was explored |
//! | [`walk`] | at random through worlds that are too large for that |

pub mod diagram;
pub mod disk;
pub mod explore;
pub mod sim;
pub mod walk;
