//! What a verdict is made of: what the lock says, who judges, and what was found out.

use crate::os::ProcessState;
use crate::owner::Owner;

/// A time namespace: the inode number of `/proc/PID/ns/time`. Start times are counted in it.
///
/// ```
/// use lock_core::os::ProcessState;
/// use lock_core::owner::{Owner, StartTime};
/// use lock_core::staleness::{
///     Alive, Claim, Evidence, Observer, Policy, TimeNamespace, Verdict, strict,
/// };
///
/// let owner = Owner { start: Some(StartTime(500)), ..Owner::from_pid(7) };
/// let claim = Claim { owner, time_namespace: Some(TimeNamespace(1)), ..Claim::default() };
/// let me = Observer { time_namespace: Some(TimeNamespace(2)), ..Observer::default() };
/// let process =
///     Some(ProcessState::Running { start: Some(StartTime(900)), started_at_us: None });
/// let evidence = Evidence { process, flock_obtained: false, local: true, age_ms: 0 };
/// // Ticks of two namespaces cannot be compared, so the pid is not taken for used again.
/// let verdict = strict(&claim, &me, &evidence, Policy::default());
/// assert_eq!(verdict, Verdict::Live(Alive::Runs));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TimeNamespace(pub u64);

/// What a lock says of its holder.
///
/// ```
/// use lock_core::payload::pidfile::Pidfile;
/// use lock_core::staleness::Claim;
///
/// let claim: Claim = Pidfile::parse(b"4711 vm").claim().unwrap();
/// assert_eq!(claim.owner.to_string(), "pid 4711 on vm");
/// assert!(!claim.flocked, "this format cannot say so");
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Claim {
    /// Who.
    pub owner: Owner,
    /// When that process started by the wall clock, in microseconds since 1970.
    pub started_at_us: Option<i64>,
    /// The namespace its start time is counted in.
    pub time_namespace: Option<TimeNamespace>,
    /// Whether the holder keeps the lock's own file flocked for as long as it lives.
    pub flocked: bool,
}

/// The one who judges.
///
/// ```
/// use lock_core::owner::{Host, Owner};
/// use lock_core::staleness::{Claim, Observer, pid_is_comparable};
///
/// let host = Host::try_from(&b"vm"[..]).ok();
/// let me = Observer { owner: Owner { host, ..Owner::default() }, ..Observer::default() };
/// let host = Host::try_from(&b"elsewhere"[..]).ok();
/// let claim = Claim { owner: Owner { host, ..Owner::from_pid(7) }, ..Claim::default() };
/// assert!(!pid_is_comparable(&claim, &me), "pid 7 of this host is somebody else");
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Observer {
    /// Itself: host, boot and pid namespace are compared with the holder's.
    pub owner: Owner,
    /// Its time namespace.
    pub time_namespace: Option<TimeNamespace>,
}

/// What was found out about a lock that is in the way.
///
/// ```
/// use lock_core::os::ProcessState;
/// use lock_core::owner::Owner;
/// use lock_core::staleness::{Claim, Evidence, Observer, Policy, Unknown, Verdict, strict};
///
/// let process = Some(ProcessState::Gone);
/// let claim = Claim { owner: Owner::from_pid(7), ..Claim::default() };
/// // On a network file system, a lock without a host's name may be any host's.
/// let evidence = Evidence { process, flock_obtained: false, local: false, age_ms: 0 };
/// let verdict = strict(&claim, &Observer::default(), &evidence, Policy::default());
/// assert_eq!(verdict, Verdict::Unknown(Unknown::OtherHost));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Evidence {
    /// What has become of the process with the claimed pid; `None` if it was not looked up.
    pub process: Option<ProcessState>,
    /// Whether the observer holds the flock of the lock's own file.
    pub flock_obtained: bool,
    /// Whether the file system has this kernel only: a disk or memory, no network.
    pub local: bool,
    /// Time since the lock was last touched by the clock of its file system; negative if that
    /// clock went back.
    pub age_ms: i64,
}
