//! What a rule says of a lock, and why, for programs and in words.

/// What the rules say: [`strict`](super::strict), [`jane_street`](super::jane_street),
/// [`pidfile`](super::pidfile), [`by_age`](super::by_age).
///
/// ```
/// use lock_core::staleness::{Stale, Unknown, Verdict};
///
/// let sentence = |verdict| match verdict {
///     Verdict::Live(_) => "held",
///     Verdict::Stale(why) => why.reason(),
///     Verdict::Unknown(why) => why.reason(),
/// };
/// assert_eq!(sentence(Verdict::Stale(Stale::NoProcess)), "no process has its holder's pid");
/// assert_eq!(sentence(Verdict::Unknown(Unknown::NoPid)), "it names no process");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// Somebody holds it.
    Live(Alive),
    /// Nobody does.
    Stale(Stale),
    /// It cannot be told from here; so it stays.
    Unknown(Unknown),
}

/// Why a lock is taken for held.
///
/// ```
/// use lock_core::staleness::{Alive, Evidence, Verdict, by_age};
///
/// let evidence = Evidence { process: None, flock_obtained: false, local: true, age_ms: 200 };
/// assert_eq!(by_age(&evidence, 300_000), Verdict::Live(Alive::Fresh(300_001)));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Alive {
    /// Its process runs.
    Runs,
    /// It is not old enough to be doubted. At this age, in milliseconds, it will be.
    Fresh(u64),
}

/// Why a lock is stale.
///
/// ```
/// use lock_core::staleness::Stale;
///
/// assert_eq!(Stale::NoProcess.reason(), "no process has its holder's pid");
/// assert_eq!(Stale::Expired.reason(), "it is older than allowed");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Stale {
    /// The kernel dropped the holder's flock: every process that had the file is gone.
    KernelReleased,
    /// No process has the pid.
    NoProcess,
    /// The process is a zombie.
    Zombie,
    /// Another process has the pid now.
    PidReused,
    /// The machine was started anew since.
    Rebooted,
    /// It is older than the user allowed.
    Expired,
    /// Its owner, or somebody on its behalf, asked for its removal.
    GivenUp,
}

impl Stale {
    /// The reason, as the end of a sentence about the lock.
    pub const fn reason(self) -> &'static str {
        match self {
            Stale::KernelReleased => "its holder has ended: the kernel released its flock",
            Stale::NoProcess => "no process has its holder's pid",
            Stale::Zombie => "its holder has ended and waits to be reaped",
            Stale::PidReused => "its holder's pid is another process's now",
            Stale::Rebooted => "the machine was started anew since",
            Stale::Expired => "it is older than allowed",
            Stale::GivenUp => "its removal was asked for",
        }
    }
}

/// Why nothing can be said.
///
/// ```
/// use lock_core::staleness::Unknown;
///
/// let why = Unknown::OtherNamespace.reason();
/// assert_eq!(why, "its holder's pid counts in another pid namespace");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Unknown {
    /// It is another host's, or another kernel's on shared storage.
    OtherHost,
    /// Its pid is counted in another namespace.
    OtherNamespace,
    /// It names no process.
    NoPid,
    /// It cannot be read as any payload.
    Unreadable,
}

impl Unknown {
    /// The reason, as the end of a sentence about the lock.
    pub const fn reason(self) -> &'static str {
        match self {
            Unknown::OtherHost => "its holder is on another host or lived before another boot",
            Unknown::OtherNamespace => "its holder's pid counts in another pid namespace",
            Unknown::NoPid => "it names no process",
            Unknown::Unreadable => "it does not say who holds it in a way known here",
        }
    }
}
