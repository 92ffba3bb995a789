//! The table of lock kinds: the names that users and scripts know them by.

/// A way to hold a lock, as `lockbox -k` names it.
///
/// ```
/// use lock_core::kind::Kind;
///
/// assert_eq!(Kind::from_name(b"lockf"), Some(Kind::Lockf));
/// assert_eq!(Kind::default().name(), "file");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// flock and record lock together, holder named in the file: Jane Street's
    /// `Lock_file_blocking`.
    #[default]
    File,
    /// `flock(2)`.
    Flock,
    /// POSIX record lock on the whole file, as `lockf(3)` takes it.
    Lockf,
    /// Open-file-description record lock on the whole file.
    Ofd,
    /// Hard link PATH`.nfs_lock`: Jane Street's `Lock_file_blocking.Nfs`.
    Nfs,
    /// Symbolic link whose target names the holder.
    Symlink,
    /// Directory with its holder named inside.
    Mkdir,
    /// File with pid and host in it: Pidfile.jl.
    Pidfile,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 8] = [
        Kind::File,
        Kind::Flock,
        Kind::Lockf,
        Kind::Ofd,
        Kind::Nfs,
        Kind::Symlink,
        Kind::Mkdir,
        Kind::Pidfile,
    ];
    /// Those that are kernel locks on an open file.
    pub const KERNEL: [Kind; 4] = [Kind::File, Kind::Flock, Kind::Lockf, Kind::Ofd];
    /// Those that are names, and stay when their process is gone.
    pub const EXISTENCE: [Kind; 4] = [Kind::Nfs, Kind::Symlink, Kind::Mkdir, Kind::Pidfile];

    /// The kind's name.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Flock => "flock",
            Kind::Lockf => "lockf",
            Kind::Ofd => "ofd",
            Kind::Nfs => "nfs",
            Kind::Symlink => "symlink",
            Kind::Mkdir => "mkdir",
            Kind::Pidfile => "pidfile",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &[u8]) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// Whether several can hold it at once.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    ///
    /// assert!(Kind::Flock.can_be_shared());
    /// assert!(!Kind::File.can_be_shared(), "its file names one holder");
    /// ```
    pub const fn can_be_shared(self) -> bool {
        matches!(self, Kind::Flock | Kind::Lockf | Kind::Ofd)
    }

    /// Whether the lock is a name that stays when its process is gone, and not a kernel lock on an
    /// open file.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    ///
    /// assert!(Kind::EXISTENCE.into_iter().all(Kind::is_existence));
    /// assert!(!Kind::KERNEL.into_iter().any(Kind::is_existence));
    /// ```
    pub const fn is_existence(self) -> bool {
        matches!(self, Kind::Nfs | Kind::Symlink | Kind::Mkdir | Kind::Pidfile)
    }
}
