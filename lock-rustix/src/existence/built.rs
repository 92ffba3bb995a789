//! Which existence kinds are built in: each is a cargo feature, for those who count bytes. What is
//! left out answers [`Unsupported`](lock_core::fault::FaultKind::Unsupported).

use lock_core::kind::Kind;

pub(crate) const NFS: bool = cfg!(feature = "nfs");
pub(crate) const SYMLINK: bool = cfg!(feature = "symlink");
pub(crate) const MKDIR: bool = cfg!(feature = "mkdir");
pub(crate) const PIDFILE: bool = cfg!(feature = "pidfile");
pub(crate) const LEASE: bool = cfg!(feature = "lease");
/// The kinds that are regular files.
pub(crate) const FILES: bool = NFS || PIDFILE;

/// Whether locks of this kind can be taken here. Kernel kinds always can.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::existence::is_built;
///
/// assert!(is_built(Kind::Flock));
/// assert_eq!(is_built(Kind::Mkdir), cfg!(feature = "mkdir"));
/// ```
pub const fn is_built(kind: Kind) -> bool {
    match kind {
        Kind::Nfs => NFS,
        Kind::Symlink => SYMLINK,
        Kind::Mkdir => MKDIR,
        Kind::Pidfile => PIDFILE,
        _ => !kind.is_existence(),
    }
}
