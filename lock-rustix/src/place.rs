//! Where a lock is: a directory, and the names that its scheme uses in it.
//!
//! Schemes know roles ([`Node`]); only this file knows what they are called on disk. Private names
//! start with a dot, carry a nonce and end in [`PRIVATE_SUFFIX`], so that leftovers of killed
//! processes can be told from everything else and swept.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::Node;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};

use crate::descriptor::openat;
use crate::fault::fault;

/// The longest file name, in bytes: Linux's `NAME_MAX`.
pub const NAME_MAX: usize = 255;

/// The longest path, in bytes, with its end: Linux's `PATH_MAX`.
pub const PATH_MAX: usize = 4096;

/// What private names end in.
pub const PRIVATE_SUFFIX: &[u8] = b".lk";

/// What the guard file's name ends in: `.NAME.guard`.
pub const GUARD_SUFFIX: &[u8] = b".guard";

/// What the name of the file ends in that waiters queue at: `.NAME.queue`.
pub const QUEUE_SUFFIX: &[u8] = b".queue";

/// What an acquisition is known by: 128 random bits.
///
/// ```
/// use lock_rustix::place::{FileName, Nonce};
///
/// let nonce: Nonce = [7; 16];
/// assert_eq!(FileName::private(c"x", &nonce).as_c_str().count_bytes(), 1 + 1 + 1 + 32 + 3);
/// ```
pub type Nonce = [u8; 16];

/// A file name with its end, built without allocation.
///
/// ```
/// use lock_rustix::place::FileName;
///
/// let name = FileName::new(&[b"backup", b".nfs_lock"]).unwrap();
/// assert_eq!(name.as_c_str(), c"backup.nfs_lock");
/// ```
#[derive(Debug, Eq, PartialEq)]
pub struct FileName(ArrayVec<u8, { NAME_MAX + 1 }>);

/// A lock's directory and names, and whether a symbolic link at the lock's name is followed.
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
    lock: &'a CStr,
    private: Option<&'a CStr>,
    companion: Option<&'a CStr>,
    guard: Option<&'a CStr>,
    queue: Option<&'a CStr>,
    follow: bool,
}

impl Clone for FileName {
    /// Without the panic of `ArrayVec`'s own for one that is longer than itself.
    fn clone(&self) -> FileName {
        FileName(ArrayVec::try_from(self.0.as_slice()).unwrap_or_default())
    }
}

impl FileName {
    /// A name of these parts, one after the other. None may contain a NUL. Fails with
    /// [`NameTooLong`](FaultKind::NameTooLong) for more than [`NAME_MAX`] bytes.
    ///
    /// ```
    /// use lock_core::fault::FaultKind;
    /// use lock_rustix::place::{FileName, NAME_MAX};
    ///
    /// assert!(FileName::new(&[&[b'x'; NAME_MAX]]).is_ok());
    /// let fault = FileName::new(&[&[b'x'; NAME_MAX], b"."]).unwrap_err();
    /// assert_eq!(fault.kind, FaultKind::NameTooLong);
    /// ```
    pub fn new(parts: &[&[u8]]) -> Result<FileName, Fault> {
        let mut name = ArrayVec::new();
        let fits = parts.iter().all(|part| name.try_extend_from_slice(part).is_ok());
        if fits && name.try_push(0).is_ok() {
            return Ok(FileName(name));
        }
        let kind = FaultKind::NameTooLong;
        Err(Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 })
    }

    /// The private name of an acquisition of the lock `name`.
    ///
    /// ```
    /// use lock_rustix::place::{FileName, is_private};
    ///
    /// let name = FileName::private(c"backup", &[0xab; 16]);
    /// assert_eq!(name.as_c_str(), c".backup.abababababababababababababababab.lk");
    /// assert!(is_private(c"backup", name.as_c_str()));
    /// ```
    pub fn private(name: &CStr, nonce: &Nonce) -> FileName {
        let (mut hex, mut rest) = ([0; 32], u128::from_be_bytes(*nonce));
        for digit in &mut hex {
            rest = rest.rotate_left(4);
            let nibble = rest.to_le_bytes()[0] & 15;
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
        // Cut to fit, so this cannot fail; an empty name would name nothing.
        FileName::new(&[b".", stem(name), b".", &hex, PRIVATE_SUFFIX])
            .unwrap_or(FileName(ArrayVec::new()))
    }

    /// The name of the file that breakers of the lock `name` lock where directories cannot be. Of a
    /// long name the end is cut off, so that the guard's name fits.
    ///
    /// ```
    /// use lock_rustix::place::FileName;
    ///
    /// assert_eq!(FileName::guard(c"backup").as_c_str(), c".backup.guard");
    /// ```
    pub fn guard(name: &CStr) -> FileName {
        FileName::beside(name, GUARD_SUFFIX)
    }

    /// The name of the file that waiters for the lock `name` queue at where the lock is nothing to
    /// queue at. Of a long name the end is cut off, as for the guard's.
    ///
    /// ```
    /// use lock_rustix::place::FileName;
    ///
    /// assert_eq!(FileName::queue(c"backup").as_c_str(), c".backup.queue");
    /// ```
    pub fn queue(name: &CStr) -> FileName {
        FileName::beside(name, QUEUE_SUFFIX)
    }

    fn beside(name: &CStr, suffix: &[u8]) -> FileName {
        let bytes = name.to_bytes();
        let stem = bytes.get(..NAME_MAX - 1 - suffix.len()).unwrap_or(bytes);
        FileName::new(&[b".", stem, suffix]).unwrap_or(FileName(ArrayVec::new()))
    }

    /// The name for the kernel.
    ///
    /// ```
    /// use lock_rustix::place::FileName;
    ///
    /// assert_eq!(FileName::new(&[]).unwrap().as_c_str(), c"");
    /// ```
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

/// As much of a lock's name as fits into its private names.
fn stem(name: &CStr) -> &[u8] {
    const STEM_MAX: usize = NAME_MAX - 1 - 1 - 32 - PRIVATE_SUFFIX.len();
    let bytes = name.to_bytes();
    bytes.get(..STEM_MAX).unwrap_or(bytes)
}

/// Whether `entry` is a private name of the lock `name`, or of one whose name starts with the same
/// 218 bytes.
///
/// ```
/// use lock_rustix::place::is_private;
///
/// let left_over = c".backup.0123456789abcdef0123456789abcdef.lk";
/// assert!(is_private(c"backup", left_over));
/// assert!(!is_private(c"other", left_over));
/// assert!(!is_private(c"backup", c".backup.swp"));
/// ```
pub fn is_private(name: &CStr, entry: &CStr) -> bool {
    let nonce = entry
        .to_bytes()
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_prefix(stem(name)))
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(PRIVATE_SUFFIX));
    nonce.is_some_and(|nonce| {
        nonce.len() == 32 && nonce.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Opens the directory of a path and finds the name in it.
///
/// Fails with [`Missing`](FaultKind::Missing) or [`NotDirectory`](FaultKind::NotDirectory) about
/// the directory, and with [`IsDirectory`](FaultKind::IsDirectory) for a path that can only name a
/// directory: an empty one, or one that ends in `/`, `.` or `..`.
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_rustix::place::open_parent;
///
/// let (_directory, name) = open_parent(c"/tmp/backup").unwrap();
/// assert_eq!(name, c"backup");
/// assert_eq!(open_parent(c"/tmp/").unwrap_err().kind, FaultKind::IsDirectory);
/// ```
pub fn open_parent(path: &CStr) -> Result<(OwnedFd, &CStr), Fault> {
    let bytes = path.to_bytes_with_nul();
    let name_at = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let name = bytes
        .get(name_at..)
        .and_then(|name| CStr::from_bytes_until_nul(name).ok())
        .filter(|name| !matches!(name.to_bytes(), b"" | b"." | b".."));
    let Some(name) = name else {
        let kind = FaultKind::IsDirectory;
        return Err(Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 });
    };
    let mut parent = ArrayVec::<u8, PATH_MAX>::new();
    let fits = parent
        .try_extend_from_slice(if name_at == 0 {
            b"."
        } else {
            bytes.get(..name_at).unwrap_or(b".")
        })
        .and_then(|()| parent.try_extend_from_slice(b"\0"));
    let Some(parent) = fits.ok().and_then(|()| CStr::from_bytes_until_nul(&parent).ok()) else {
        let kind = FaultKind::NameTooLong;
        return Err(Fault { call: Call::Open, node: Node::Directory, kind, errno: 0 });
    };
    // For searching only, so that a directory that may not be listed will do.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, parent, flags, Mode::empty())
        .map_err(|errno| fault(Call::Open, Node::Directory, errno))?;
    Ok((dir, name))
}

impl<'a> Place<'a> {
    /// A path, taken from the working directory if it is relative.
    ///
    /// ```
    /// use lock_rustix::{place::Place, sys::Sys};
    /// use lock_core::{fault::FaultKind, os::{Files, Node}};
    ///
    /// let sys = Sys::new(Place::path(c"/tmp/lock-rustix-doc-never-made"));
    /// // Nothing is opened or made before it is asked for.
    /// assert_eq!(sys.stat(Node::Lock).unwrap_err().kind, FaultKind::Missing);
    /// ```
    pub fn path(path: &'a CStr) -> Place<'a> {
        Place::in_directory(CWD, path)
    }

    /// A name in an opened directory: it stays the same place when the directory is renamed or
    /// the working directory changes.
    ///
    /// ```
    /// use lock_core::{kind::Kind, os::Mode};
    /// use lock_rustix::local::{Request, try_lock};
    /// use lock_rustix::place::{Place, open_parent};
    /// use lock_rustix::{descriptor::lend, sys::Sys};
    ///
    /// std::fs::create_dir("/tmp/lock-rustix-doc-dir").unwrap();
    /// let (directory, name) = open_parent(c"/tmp/lock-rustix-doc-dir/lock").unwrap();
    /// std::fs::rename("/tmp/lock-rustix-doc-dir", "/tmp/lock-rustix-doc-renamed").unwrap();
    /// let sys = Sys::new(Place::in_directory(lend(&directory), name));
    /// let request = Request { kind: Kind::Flock, mode: Mode::Exclusive, message: None };
    /// let _guard = try_lock(&sys, &request).unwrap();
    /// assert!(std::fs::exists("/tmp/lock-rustix-doc-renamed/lock").unwrap());
    /// # std::fs::remove_dir_all("/tmp/lock-rustix-doc-renamed").unwrap();
    /// ```
    pub fn in_directory(dir: BorrowedFd<'a>, name: &'a CStr) -> Place<'a> {
        let (private, companion, guard, queue) = (None, None, None, None);
        Place { dir, lock: name, private, companion, guard, queue, follow: false }
    }

    /// Follows a symbolic link at the name. Without this such a link is an error, so that nobody
    /// can lead a lock to a file of his choice.
    ///
    /// ```
    /// use lock_core::{fault::FaultKind, os::{Access, Files, Node}};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// std::os::unix::fs::symlink("/dev/null", "/tmp/lock-rustix-doc-follow").unwrap();
    /// let place = Place::path(c"/tmp/lock-rustix-doc-follow");
    /// let refused = Sys::new(place).open(Node::Lock, Access::Read).unwrap_err();
    /// assert_eq!(refused.kind, FaultKind::Symlink);
    /// assert!(Sys::new(place.follow_symlinks()).open(Node::Lock, Access::Read).is_ok());
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-follow").unwrap();
    /// ```
    #[must_use]
    pub fn follow_symlinks(self) -> Place<'a> {
        Place { follow: true, ..self }
    }

    /// Names the attempt's private file or directory. A call about a name that the place does not
    /// have fails with [`Unsupported`](FaultKind::Unsupported).
    ///
    /// ```
    /// use lock_core::{fault::FaultKind, os::{Files, Node}};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let place = Place::path(c"/tmp/lock");
    /// let asked = Sys::new(place).stat(Node::Private).unwrap_err();
    /// assert_eq!(asked.kind, FaultKind::Unsupported);
    /// let place = place.with_private(c"/tmp/lock-rustix-doc-private");
    /// assert_eq!(Sys::new(place).stat(Node::Private).unwrap_err().kind, FaultKind::Missing);
    /// ```
    #[must_use]
    pub fn with_private(self, private: &'a CStr) -> Place<'a> {
        Place { private: Some(private), ..self }
    }

    /// Names the file beside a hard-link lock where readers look.
    ///
    /// ```
    /// use lock_core::os::{Files, Node};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// std::fs::write("/tmp/lock-rustix-doc-companion", "").unwrap();
    /// let place = Place::path(c"/tmp/lock-rustix-doc-companion.nfs_lock");
    /// let place = place.with_companion(c"/tmp/lock-rustix-doc-companion");
    /// assert!(Sys::new(place).stat(Node::Companion).is_ok());
    /// # std::fs::remove_file("/tmp/lock-rustix-doc-companion").unwrap();
    /// ```
    #[must_use]
    pub fn with_companion(self, companion: &'a CStr) -> Place<'a> {
        Place { companion: Some(companion), ..self }
    }

    /// Names the file beside the lock that breakers lock where directories cannot be.
    ///
    /// ```
    /// use lock_core::{fault::FaultKind, os::{Files, Node}};
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let place = Place::path(c"/tmp/link").with_guard(c"/tmp/.link.guard");
    /// assert_eq!(Sys::new(place).stat(Node::Guard).unwrap_err().kind, FaultKind::Missing);
    /// ```
    #[must_use]
    pub fn with_guard(self, guard: &'a CStr) -> Place<'a> {
        Place { guard: Some(guard), ..self }
    }

    /// Names the file that waiters queue at.
    ///
    /// ```
    /// use lock_core::scheme::turnstile;
    /// use lock_rustix::{place::Place, sys::Sys};
    ///
    /// let place = Place::path(c"/tmp/link").with_queue(c"/tmp/.link.queue");
    /// assert!(!turnstile::sweep(&Sys::new(place)).unwrap(), "nobody has waited");
    /// ```
    #[must_use]
    pub fn with_queue(self, queue: &'a CStr) -> Place<'a> {
        Place { queue: Some(queue), ..self }
    }

    /// Whether a symbolic link at the name is followed.
    ///
    /// ```
    /// use lock_rustix::place::Place;
    ///
    /// assert!(Place::path(c"/tmp/lock").follow_symlinks().follows());
    /// ```
    pub fn follows(&self) -> bool {
        self.follow
    }

    /// The directory that names are taken from.
    pub(crate) fn dir(&self) -> BorrowedFd<'a> {
        self.dir
    }

    /// What `node` is called, if the lock has such a name.
    pub(crate) fn name(&self, node: Node) -> Option<&'a CStr> {
        match node {
            Node::Lock => Some(self.lock),
            Node::Private => self.private,
            Node::Companion => self.companion,
            Node::Guard => self.guard,
            Node::Queue => self.queue,
            Node::Directory => Some(c"."),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::ffi::CString;
    use std::vec;

    #[test]
    fn private_names_fit_whatever_the_lock_is_called() {
        let long = CString::new(vec![b'x'; NAME_MAX]).unwrap();
        let name = FileName::private(&long, &[7; 16]);
        assert_eq!(name.as_c_str().count_bytes(), NAME_MAX);
        assert!(is_private(&long, name.as_c_str()));
    }

    #[test]
    fn nothing_else_is_taken_for_private() {
        for entry in [
            c"backup",
            c".backup.lk",
            c".backup.abababababababababababababababag.lk",
            c".backup.ababababababababababababababab.lk",
            c".other.abababababababababababababababab.lk",
            c"backup.abababababababababababababababab.lk",
        ] {
            assert!(!is_private(c"backup", entry), "{entry:?}");
        }
    }

    #[test]
    fn a_path_names_a_file_in_a_directory() {
        for (path, name) in [(c"lock", c"lock"), (c"/tmp/lock", c"lock"), (c"/lock", c"lock")] {
            assert_eq!(open_parent(path).unwrap().1, name);
        }
        for path in [c"", c"/", c"/tmp/", c".", c"/tmp/.."] {
            assert_eq!(open_parent(path).unwrap_err().kind, FaultKind::IsDirectory, "{path:?}");
        }
        let fault = open_parent(c"/no such directory/lock").unwrap_err();
        assert_eq!((fault.kind, fault.node), (FaultKind::Missing, Node::Directory));
        let fault = open_parent(c"/dev/null/lock").unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotDirectory);
    }
}
