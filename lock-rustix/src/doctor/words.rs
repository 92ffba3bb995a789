//! Findings in words: sentences that a person can act on.

use core::fmt;

use super::file_system::Nature;
use super::{Doubt, Finding, Flaw, Report};

impl Finding {
    /// One word: `safe`, `unsafe`, `unknown` or `hangs`.
    ///
    /// ```
    /// assert_eq!(lock_rustix::doctor::Finding::Sound.word(), "safe");
    /// ```
    pub const fn word(self) -> &'static str {
        match self {
            Finding::Sound => "safe",
            Finding::Unsafe(_) => "unsafe",
            Finding::Unknown(_) => "unknown",
            Finding::Hangs => "hangs",
        }
    }

    /// Why, and what to do; nothing is to be said of what is sound.
    ///
    /// ```
    /// use lock_rustix::doctor::Finding;
    ///
    /// assert_eq!(Finding::Sound.reason(), None);
    /// assert!(Finding::Hangs.reason().unwrap().starts_with("no answer within the limit"));
    /// ```
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Finding::Sound => None,
            Finding::Unsafe(flaw) => Some(flaw.reason()),
            Finding::Unknown(doubt) => Some(doubt.reason()),
            Finding::Hangs => Some(
                "no answer within the limit: see that the server or device is there, and mount it \
                 again if it is not",
            ),
        }
    }

    /// The call that failed, if one did.
    ///
    /// ```
    /// use lock_core::fault::{Call, Fault, FaultKind};
    /// use lock_core::os::Node;
    /// use lock_rustix::doctor::{Finding, Flaw};
    ///
    /// let (call, node, kind) = (Call::Flock, Node::Lock, FaultKind::NoLocks);
    /// let fault = Fault { call, node, kind, errno: 37 };
    /// assert_eq!(Finding::Unsafe(Flaw::Refused(fault)).fault(), Some(fault));
    /// assert_eq!(Finding::Sound.fault(), None);
    /// ```
    pub const fn fault(self) -> Option<lock_core::fault::Fault> {
        match self {
            Finding::Unsafe(Flaw::Refused(fault)) | Finding::Unknown(Doubt::NotTested(fault)) => {
                Some(fault)
            }
            _ => None,
        }
    }
}

impl Flaw {
    /// The flaw as a sentence, without its numbers.
    ///
    /// ```
    /// use lock_rustix::doctor::Flaw;
    ///
    /// assert!(Flaw::OutlivesHolder.reason().starts_with("it stays when its holder dies"));
    /// ```
    pub const fn reason(self) -> &'static str {
        match self {
            Flaw::Refused(_) => "it cannot be had here",
            Flaw::TwoOpens => "two opens of the file both had it: use another kind",
            Flaw::TwoProcesses => "two processes both had it: use another kind",
            Flaw::NotShared => "a second shared holder was refused: use it exclusively only",
            Flaw::NotReleased => "it stays when it is given back: use another kind",
            Flaw::OutlivesHolder => "it stays when its holder dies: use another kind",
            Flaw::NotTakenOver => {
                "a dead holder's lock is not found dead and sticks: see that /proc is mounted, or \
                 break it by hand"
            }
            Flaw::NotAtomic => {
                "two processes that made one name at once were not told apart: use another kind"
            }
            Flaw::LinkCount(_) => {
                "the number of a file's names is told wrongly: use mkdir or symlink"
            }
            Flaw::OwnerUnreadable => "what its holder writes cannot be read: use another kind",
            Flaw::LocalToHost => {
                "the mount keeps it on this machine, other hosts can have it too: mount without \
                 nolock, local_lock, nobrl or localflock, or use nfs"
            }
        }
    }
}

impl Doubt {
    /// The doubt as a sentence, without its numbers.
    ///
    /// ```
    /// use lock_rustix::doctor::Doubt;
    ///
    /// assert!(Doubt::OtherHosts.reason().ends_with("try it from two machines"));
    /// ```
    pub const fn reason(self) -> &'static str {
        match self {
            Doubt::OtherHosts => {
                "processes of this machine exclude each other; whether others do is the server's \
                 doing: try it from two machines"
            }
            Doubt::NotTested(_) => "nothing could be written here to try it",
            Doubt::NotBuiltIn => "this program was built without it",
            Doubt::AfterHang => "not tried, because something before it hung",
        }
    }
}

impl Nature {
    /// Whom locks on such a file system reach.
    ///
    /// ```
    /// use lock_rustix::doctor::Nature;
    ///
    /// assert_eq!(Nature::Local.reach(), "used by this machine only");
    /// ```
    pub const fn reach(self) -> &'static str {
        match self {
            Nature::Local => "used by this machine only",
            Nature::Layered => "layered: locks reach those who use this same mount",
            Nature::Nfs => "shared by the clients of its server",
            Nature::Network => "shared with other machines; its server decides about kernel locks",
            Nature::Foreign => "driven by a program or a host, or not known here",
        }
    }
}

/// What else is to be known.
///
/// ```
/// use lock_rustix::doctor::Remark;
///
/// assert!(Remark::GivesUp.sentence().ends_with("mount it hard"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Remark {
    /// The file system's clock is far from this machine's.
    Skew,
    /// Changes are not told: waiters look again and again.
    NoEvents,
    /// Changes by other hosts are not told.
    EventsOfThisHost,
    /// Jane Street's own programs are refused by themselves.
    RefusesBoth,
    /// A kernel lock that is held looks free.
    Unseen,
    /// The mount gives up on a server that is away for a while.
    GivesUp,
    /// The mount waits for a server that is away, without end.
    WaitsForServer,
}

impl Remark {
    /// All.
    const ALL: [Remark; 7] = [
        Remark::Skew,
        Remark::NoEvents,
        Remark::EventsOfThisHost,
        Remark::RefusesBoth,
        Remark::Unseen,
        Remark::GivesUp,
        Remark::WaitsForServer,
    ];

    /// The remark as a sentence.
    ///
    /// ```
    /// use lock_rustix::doctor::{LIMIT_NS, examine};
    ///
    /// for remark in examine(c"/tmp", LIMIT_NS).unwrap().remarks() {
    ///     println!("{}", remark.sentence());
    /// }
    /// ```
    pub const fn sentence(self) -> &'static str {
        match self {
            Remark::Skew => {
                "locks judged by age (--stale-age, --lease) go by the file system's clock, which \
                 is not this machine's: set the clocks"
            }
            Remark::NoEvents => "no events: who waits for a name looks again and again",
            Remark::EventsOfThisHost => {
                "events of this machine only: a release elsewhere is seen by looking again"
            }
            Remark::RefusesBoth => {
                "flock and POSIX locks are one here: programs that take both, as Jane Street's \
                 Lock_file_blocking does, are refused by themselves"
            }
            Remark::Unseen => "a held kernel lock can look free to status and wait",
            Remark::GivesUp => {
                "soft: calls fail when the server is away for long, and a kernel lock can be lost \
                 unseen: mount it hard"
            }
            Remark::WaitsForServer => "hard: calls wait without end while the server is away",
        }
    }

    fn is_due(self, report: &Report) -> bool {
        /// Locks are judged by age in seconds, and file systems keep time in steps of up to two.
        const SKEW_MS: u64 = 2000;
        let system = report.file_system.as_ref();
        let nature = system.map_or(Nature::Local, |found| found.nature);
        let is_shared = !matches!(nature, Nature::Local | Nature::Layered);
        match self {
            Remark::Skew => report.clock_skew_ms.is_some_and(|ms| ms.unsigned_abs() > SKEW_MS),
            Remark::NoEvents => report.events == Some(false),
            Remark::EventsOfThisHost => is_shared && report.events == Some(true),
            Remark::RefusesBoth => report.refuses_both == Some(true),
            Remark::Unseen => report.unseen.contains(&true),
            Remark::GivesUp => system.is_some_and(super::FileSystem::gives_up),
            Remark::WaitsForServer => {
                nature == Nature::Nfs && system.is_some_and(|found| found.has(b"hard"))
            }
        }
    }
}

impl Report {
    /// What else is to be known about the directory.
    ///
    /// ```
    /// let report = lock_rustix::doctor::examine(c"/dev/shm", 10_000_000_000).unwrap();
    /// assert_eq!(report.remarks().count(), 0);
    /// ```
    pub fn remarks(&self) -> impl Iterator<Item = Remark> {
        Remark::ALL.into_iter().filter(|remark| remark.is_due(self))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())?;
        if let Some(reason) = self.reason() {
            write!(out, ": {reason}")?;
        }
        match (self.fault(), self) {
            (Some(fault), _) => write!(out, " ({fault})"),
            (None, Finding::Unsafe(Flaw::LinkCount(links))) => write!(out, " ({links} for 2)"),
            (None, _) => Ok(()),
        }
    }
}
