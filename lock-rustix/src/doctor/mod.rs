//! Is locking real in this directory? An examination: which file system, mounted how, whose clock,
//! and a self-test of every kind by several processes.
//!
//! Promises: it comes back. All calls to the file system are made by a child, which is killed when
//! it does not answer within the limit; one that cannot be killed, because the kernel waits without
//! end, is left alone and named. What is made for the test lies in one directory of its own, and is
//! removed, also when a step fails.

mod child;
mod existence;
mod file_system;
mod kernel;
mod scratch;
mod sheet;
mod verdict;
mod words;

use core::ffi::CStr;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::owner::Pid;

pub use file_system::{FileSystem, LocalLocks, Nature, Text};
pub use verdict::Advice;
pub use words::Remark;

use crate::identity::{nonce, nonce_of_this_moment};
use crate::place::FileName;
use child::Ended;
use scratch::Scratch;
use sheet::Step;

/// How long a part of the examination may take if nothing else is said, in nanoseconds: 10 seconds.
pub const LIMIT_NS: u64 = 10_000_000_000;

/// What was found out about a directory.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::doctor::{Finding, LIMIT_NS, examine};
///
/// let report = examine(c"/tmp", LIMIT_NS).unwrap();
/// assert_eq!(report.finding(Kind::Flock), Finding::Sound);
/// assert_eq!(report.advice().kind, Some(Kind::File));
/// assert!(report.leftover.is_none());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The file system, and how it is mounted; where it did not answer, as far as the text of an
    /// absolute path tells.
    pub file_system: Option<FileSystem>,
    /// How far the file system's clock, which judges locks by age, is ahead of this machine's, in
    /// milliseconds; behind, if negative. 0 if no difference is seen.
    pub clock_skew_ms: Option<i64>,
    /// Whether changes made on this machine wake those who wait for an existence lock (inotify).
    pub events: Option<bool>,
    /// Whether a process that takes flock and a POSIX lock on one open file, as Jane Street's
    /// `Lock_file_blocking` does, is refused by itself: the file system makes one of the other.
    pub refuses_both: Option<bool>,
    /// Whether nobody but the holder could see by looking that a kernel lock was held: then
    /// `status` and `wait` of that kind say too little here.
    pub unseen: [bool; 4],
    /// What is true of each kind, in the order of [`Kind::KERNEL`] and [`Kind::EXISTENCE`].
    pub findings: [(Kind, Finding); 8],
    /// A directory that could not be removed again: its name in the examined directory.
    pub leftover: Option<FileName>,
    /// A child that the kernel does not let die. It ends when the file system answers, and holds
    /// none of this process's descriptors.
    pub stuck: Option<Pid>,
}

/// What is true of one kind of lock in a directory.
///
/// ```
/// use lock_rustix::doctor::{Doubt, Finding};
///
/// let finding = Finding::Unknown(Doubt::NotBuiltIn);
/// assert_eq!(finding.to_string(), "unknown: this program was built without it");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The self-test found nothing wrong, and the file system is known to keep its promises.
    Sound,
    /// Do not use it here.
    Unsafe(Flaw),
    /// It could not be found out.
    Unknown(Doubt),
    /// The file system did not answer within the limit.
    Hangs,
}

/// What is wrong with a kind of lock in a directory.
///
/// ```
/// use lock_rustix::doctor::{Finding, Flaw};
///
/// let finding = Finding::Unsafe(Flaw::LinkCount(1));
/// assert_eq!(finding.word(), "unsafe");
/// assert!(finding.to_string().ends_with("(1 for 2)"));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Flaw {
    /// The lock cannot be had.
    Refused(Fault),
    /// Two opens of the file both had it.
    TwoOpens,
    /// Two processes both had it.
    TwoProcesses,
    /// A second shared holder was refused.
    NotShared,
    /// It stayed when it was given back.
    NotReleased,
    /// It stayed when its holder died.
    OutlivesHolder,
    /// A dead holder's lock is not found dead, and sticks.
    NotTakenOver,
    /// Of two processes that made one name at once, both succeeded, or neither.
    NotAtomic,
    /// A file with two names has another number of links, this one.
    LinkCount(u64),
    /// What the holder wrote cannot be read by others.
    OwnerUnreadable,
    /// The mount keeps locks on this machine: other hosts have them too.
    LocalToHost,
}

/// Why nothing is known about a kind of lock in a directory.
///
/// ```
/// use lock_rustix::doctor::Doubt;
///
/// assert_eq!(Doubt::NotBuiltIn.reason(), "this program was built without it");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Doubt {
    /// Processes on this machine exclude each other. Whether other machines are excluded is the
    /// server's doing, and cannot be seen from one of them.
    OtherHosts,
    /// The directory could not be written to.
    NotTested(Fault),
    /// This program was built without the kind.
    NotBuiltIn,
    /// An earlier step hung.
    AfterHang,
}

/// Examines a directory. Each of its three parts, for kernel kinds, existence kinds and cleaning,
/// may take `limit_ns`; one that is never answered takes two seconds more.
///
/// The directory must be writable for the test. If it is not, what can be known without writing is
/// told. Calls no handler and takes no lock of this process. Children are invisible to the
/// program's own waits.
///
/// Fails if the directory cannot be opened, or if there can be no child (before Linux 5.2).
///
/// ```
/// use lock_core::fault::FaultKind;
/// use lock_rustix::doctor::{LIMIT_NS, examine};
///
/// let fault = examine(c"/tmp/lock-rustix-doc-never-made", LIMIT_NS).unwrap_err();
/// assert_eq!(fault.kind, FaultKind::Missing);
/// let report = examine(c"/dev/shm", LIMIT_NS).unwrap();
/// assert_eq!((report.clock_skew_ms, report.events), (Some(0), Some(true)));
/// ```
#[inline(never)]
pub fn examine(dir: &CStr, limit_ns: u64) -> Result<Report, Fault> {
    let fault = |call, errno| crate::fault::fault(call, Node::Directory, errno);
    let sheet = sheet::Shared::new().map_err(|errno| fault(Call::Open, errno))?;
    let scratch = Scratch::new(dir, &nonce().unwrap_or_else(nonce_of_this_moment));
    let mut report = Report::empty();
    let kernel = part(limit_ns, &mut report, &mut || scratch.kernel_part(&sheet))?;
    if let Some(Err(fault)) = sheet.opened.take() {
        return Err(fault);
    }
    // What hung before the kinds will hang again.
    let go_on = kernel == Ended::Done || sheet.step() >= Step::Kind(0);
    let testable = matches!(sheet.made.take(), Some(Ok(())));
    let mut hung_at = (kernel != Ended::Done).then(|| sheet.step());
    if go_on && testable {
        let existence = part(limit_ns, &mut report, &mut || scratch.existence_part(&sheet))?;
        if existence != Ended::Done {
            verdict::hang(&mut report, hung_at.take());
            hung_at = Some(sheet.step());
        }
        let cleaned = part(limit_ns, &mut report, &mut || scratch.clean(&sheet))?;
        if cleaned != Ended::Done || sheet.cleaned.take() != Some(true) {
            report.leftover = Some(scratch.name().clone());
        }
    } else if !go_on && sheet.step() > Step::Surroundings {
        report.leftover = Some(scratch.name().clone());
    }
    verdict::hang(&mut report, hung_at);
    verdict::complete(&mut report, &sheet);
    Ok(report)
}

/// Lets a child do a part.
fn part(limit_ns: u64, report: &mut Report, errand: &mut dyn FnMut()) -> Result<Ended, Fault> {
    let ended = child::run(limit_ns, errand).map_err(|errno| {
        let (call, node) = (Call::Open, Node::Directory);
        let number = u16::try_from(errno.raw_os_error()).unwrap_or_default();
        Fault { call, node, kind: FaultKind::Other, errno: number }
    })?;
    if let Ended::Stuck(pid) = ended {
        report.stuck = Some(pid);
    }
    Ok(ended)
}

impl Report {
    fn empty() -> Report {
        Report {
            file_system: None,
            clock_skew_ms: None,
            events: None,
            refuses_both: None,
            unseen: [false; 4],
            findings: Kind::ALL.map(|kind| (kind, Finding::Unknown(Doubt::AfterHang))),
            leftover: None,
            stuck: None,
        }
    }

    /// What is true of this kind.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::doctor::{Finding, LIMIT_NS, examine};
    ///
    /// let report = examine(c"/dev/shm", LIMIT_NS).unwrap();
    /// assert_eq!(report.finding(Kind::Nfs), Finding::Sound);
    /// ```
    pub fn finding(&self, kind: Kind) -> Finding {
        let found = self.findings.iter().find(|(of, _)| *of == kind);
        found.map_or(Finding::Unknown(Doubt::OtherHosts), |(_, finding)| *finding)
    }
}
