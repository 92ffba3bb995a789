//! Where a lock is: a directory and a name in it.
//!
//! Schemes know roles ([`Node`]); only this file knows what they are called on disk.

use core::ffi::CStr;

use lock_core::os::Node;
use rustix::fd::BorrowedFd;
use rustix::fs::CWD;

/// A lock's directory and name, and whether a symbolic link at that name is followed.
///
/// ```
/// use lock_rustix::place::Place;
///
/// let place = Place::path(c"/run/lock/backup");
/// assert!(!place.follows());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    dir: BorrowedFd<'a>,
    name: &'a CStr,
    follow: bool,
}

impl<'a> Place<'a> {
    /// A path, taken from the working directory if it is relative.
    pub fn path(path: &'a CStr) -> Place<'a> {
        Place { dir: CWD, name: path, follow: false }
    }

    /// A name in an opened directory: it stays the same place when the directory is renamed or
    /// the working directory changes.
    pub fn in_directory(dir: BorrowedFd<'a>, name: &'a CStr) -> Place<'a> {
        Place { dir, name, follow: false }
    }

    /// Follows a symbolic link at the name. Without this such a link is an error, so that nobody
    /// can lead a lock to a file of his choice.
    #[must_use]
    pub fn follow_symlinks(self) -> Place<'a> {
        Place { follow: true, ..self }
    }

    /// Whether a symbolic link at the name is followed.
    pub fn follows(&self) -> bool {
        self.follow
    }

    /// The directory that names are taken from.
    pub(crate) fn dir(&self) -> BorrowedFd<'a> {
        self.dir
    }

    /// What `node` is called.
    pub(crate) fn name(&self, node: Node) -> Option<&'a CStr> {
        match node {
            Node::Lock => Some(self.name),
            // A role this back end has no name for.
            _ => None,
        }
    }
}
