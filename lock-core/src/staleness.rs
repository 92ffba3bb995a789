//! Whether the holder of a lock that is in the way is gone: evidence in, verdict out.
//!
//! Only a verdict of `Stale` allows a break, and only facts give one: the kernel's word, or a
//! process that is provably not there. Everything else is `Live` or `Unknown`, with its reason and,
//! where an age decides, the age at which to ask again. No rule judges another host's lock by pid.
//!
//! ```text
//!            same boot                    other boot            no boot recorded
//!  flock free? ──► stale        local disk? ──► stale        same host? pid gone, or
//!  pid of my namespace:         same host, trusted? stale    started another time ──► stale
//!   gone, zombie, reused ► stale  else unknown                other host ──► unknown
//!   runs ► live; other ns ► unknown
//! ```

mod facts;
mod verdict;

pub use facts::{Claim, Evidence, Observer, TimeNamespace};
pub use verdict::{Alive, Stale, Unknown, Verdict};

use crate::os::ProcessState;
use crate::owner::{Owner, PidNamespace};

/// What the user allows beyond proof.
///
/// ```
/// use lock_core::owner::{BootId, Host, Owner};
/// use lock_core::staleness::{Claim, Evidence, Observer, Policy, Stale, Unknown, Verdict, strict};
///
/// let owner = |boot| {
///     let host = Host::try_from(&b"vm"[..]).ok();
///     Owner { host, boot: Some(BootId([boot; 16])), ..Owner::default() }
/// };
/// let claim = Claim { owner: owner(1), ..Claim::default() };
/// let me = Observer { owner: owner(2), ..Observer::default() };
/// let evidence = Evidence { process: None, flock_obtained: true, local: false, age_ms: 0 };
/// let judge = |trust_host_name| strict(&claim, &me, &evidence, Policy { trust_host_name });
/// assert_eq!(judge(false), Verdict::Unknown(Unknown::OtherHost));
/// assert_eq!(judge(true), Verdict::Stale(Stale::Rebooted));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Policy {
    /// Takes equal host names for the same machine after a reboot, on network file systems too.
    pub trust_host_name: bool,
}

/// Whether the claimed pid means something to the observer: then look the process up.
///
/// ```
/// use lock_core::owner::{Owner, PidNamespace};
/// use lock_core::staleness::{Claim, Observer, pid_is_comparable};
///
/// let mut claim = Claim { owner: Owner::from_pid(7), ..Claim::default() };
/// assert!(pid_is_comparable(&claim, &Observer::default()));
/// claim.owner.pid_namespace = Some(PidNamespace(4026532201));
/// assert!(!pid_is_comparable(&claim, &Observer::default()));
/// ```
pub fn pid_is_comparable(claim: &Claim, observer: &Observer) -> bool {
    let theirs = &claim.owner;
    let mine = &observer.owner;
    match (theirs.boot, mine.boot) {
        (Some(theirs), Some(mine)) if theirs != mine => return false,
        (Some(_), Some(_)) => {}
        _ if same_host(theirs, mine) == Some(false) => return false,
        _ => {}
    }
    theirs.pid.is_some() && same_pid_namespace(theirs.pid_namespace, mine.pid_namespace)
}

/// This library's own rule.
///
/// ```
/// use lock_core::os::ProcessState;
/// use lock_core::owner::{BootId, Host, Owner, Pid};
/// use lock_core::staleness::{Claim, Evidence, Observer, Policy, Stale, Unknown, Verdict, strict};
///
/// let host = |name: &[u8]| Host::try_from(name).ok();
/// let owner = |host| Owner { host, boot: Some(BootId([7; 16])), ..Owner::default() };
/// let me = Observer { owner: owner(host(b"vm")), ..Observer::default() };
/// let gone = Evidence {
///     process: Some(ProcessState::Gone),
///     flock_obtained: false,
///     local: true,
///     age_ms: 0,
/// };
/// let mut claim = Claim { owner: owner(host(b"vm")), ..Claim::default() };
/// claim.owner.pid = Pid::new(1234);
/// let judge = |claim: &Claim| strict(claim, &me, &gone, Policy::default());
/// assert!(matches!(judge(&claim), Verdict::Stale(_)));
///
/// // The same pid on another host says nothing.
/// claim.owner.host = host(b"other");
/// claim.owner.boot = None;
/// assert_eq!(judge(&claim), Verdict::Unknown(Unknown::OtherHost));
/// ```
pub fn strict(claim: &Claim, observer: &Observer, evidence: &Evidence, policy: Policy) -> Verdict {
    let same_boot = same(claim.owner.boot, observer.owner.boot);
    if same_boot == Some(true) && claim.flocked && evidence.flock_obtained && evidence.local {
        return Verdict::Stale(Stale::KernelReleased);
    }
    if same_boot == Some(false) {
        return after_other_boot(claim, observer, evidence, policy);
    }
    // A lock that names no host is this host's where no other can have written it.
    let same_host = same_host(&claim.owner, &observer.owner).unwrap_or(evidence.local);
    if same_boot.is_none() && !same_host {
        return Verdict::Unknown(Unknown::OtherHost);
    }
    if claim.owner.pid.is_none() {
        return Verdict::Unknown(Unknown::NoPid);
    }
    if !same_pid_namespace(claim.owner.pid_namespace, observer.owner.pid_namespace) {
        return Verdict::Unknown(Unknown::OtherNamespace);
    }
    by_process(claim, observer, evidence)
}

/// The rule of `Lock_file_blocking.Nfs`: same host name, and no such process or one that started
/// at another time. Unlike the original, a process that may not be signalled is alive.
/// Source: `core_unix` v0.15 to v0.18.
///
/// ```
/// use lock_core::os::ProcessState;
/// use lock_core::owner::{Host, Owner};
/// use lock_core::staleness::{Claim, Evidence, Observer, Stale, Unknown, Verdict, jane_street};
///
/// let owner = Owner { host: Host::try_from(&b"vm"[..]).ok(), ..Owner::from_pid(7) };
/// let me = Observer { owner: owner.clone(), ..Observer::default() };
/// let mut claim = Claim { owner, ..Claim::default() };
/// let process = Some(ProcessState::Gone);
/// let evidence = Evidence { process, flock_obtained: false, local: false, age_ms: 0 };
/// assert_eq!(jane_street(&claim, &me, &evidence), Verdict::Stale(Stale::NoProcess));
/// claim.owner.host = None;
/// assert_eq!(jane_street(&claim, &me, &evidence), Verdict::Unknown(Unknown::OtherHost));
/// ```
pub fn jane_street(claim: &Claim, observer: &Observer, evidence: &Evidence) -> Verdict {
    if same_host(&claim.owner, &observer.owner) != Some(true) {
        return Verdict::Unknown(Unknown::OtherHost);
    }
    if claim.owner.pid.is_none() {
        return Verdict::Unknown(Unknown::NoPid);
    }
    match evidence.process {
        Some(ProcessState::Gone) => Verdict::Stale(Stale::NoProcess),
        Some(ProcessState::Running { started_at_us, .. })
            if differ_by_a_second(claim.started_at_us, started_at_us) =>
        {
            Verdict::Stale(Stale::PidReused)
        }
        Some(ProcessState::Running { .. } | ProcessState::Zombie) => Verdict::Live(Alive::Runs),
        None => Verdict::Unknown(Unknown::NoPid),
    }
}

/// The rule of Pidfile.jl: older than `stale_age_ms`, and either without a living process or older
/// than `live_factor` times that. `stale_age_ms` 0: never. The factor is 25, since Julia 1.11 5
/// where the holder refreshes.
/// Source: Pidfile.jl 1.3, `FileWatching.Pidfile`.
///
/// ```
/// use lock_core::os::ProcessState;
/// use lock_core::owner::Owner;
/// use lock_core::staleness::{Claim, Evidence, Observer, Stale, Verdict, pidfile};
///
/// let me = Observer::default();
/// let claim = Claim { owner: Owner::from_pid(7), ..Claim::default() };
/// let judge = |age_ms| {
///     let process = Some(ProcessState::Running { start: None, started_at_us: None });
///     let evidence = Evidence { process, flock_obtained: false, local: true, age_ms };
///     pidfile(&claim, &me, &evidence, 10_000, 25)
/// };
/// assert!(matches!(judge(250_000), Verdict::Live(_)), "the process runs");
/// assert_eq!(judge(250_001), Verdict::Stale(Stale::Expired), "and is given no longer than that");
/// ```
pub fn pidfile(
    claim: &Claim,
    observer: &Observer,
    evidence: &Evidence,
    stale_age_ms: u64,
    live_factor: u64,
) -> Verdict {
    let may_run = match evidence.process {
        // Another host's process is taken to run; without a host name it is this host's.
        _ if same_host(&claim.owner, &observer.owner) == Some(false) => true,
        Some(ProcessState::Running { .. } | ProcessState::Zombie) => true,
        Some(ProcessState::Gone) | None => false,
    };
    let patience_ms = if may_run { stale_age_ms.saturating_mul(live_factor) } else { stale_age_ms };
    by_age(evidence, patience_ms)
}

/// The rule of lock files that say nothing, as liblockfile's after 5 minutes: too old is stale.
/// 0: never.
///
/// ```
/// use lock_core::staleness::{Evidence, Stale, Verdict, by_age};
///
/// let evidence = Evidence { process: None, flock_obtained: true, local: true, age_ms: 300_001 };
/// assert_eq!(by_age(&evidence, 300_000), Verdict::Stale(Stale::Expired));
/// assert!(matches!(by_age(&evidence, 0), Verdict::Live(_)), "0: never");
/// ```
pub fn by_age(evidence: &Evidence, stale_age_ms: u64) -> Verdict {
    let age_ms = u64::try_from(evidence.age_ms).unwrap_or(0);
    if stale_age_ms == 0 {
        Verdict::Live(Alive::Fresh(u64::MAX))
    } else if age_ms > stale_age_ms {
        Verdict::Stale(Stale::Expired)
    } else {
        Verdict::Live(Alive::Fresh(stale_age_ms.saturating_add(1)))
    }
}

/// The holder lived before this kernel was started, or on another machine.
fn after_other_boot(
    claim: &Claim,
    observer: &Observer,
    evidence: &Evidence,
    policy: Policy,
) -> Verdict {
    // A flock that is still taken belongs to somebody, whatever the text says.
    let released = evidence.flock_obtained || !claim.flocked;
    let same_host = same_host(&claim.owner, &observer.owner) == Some(true);
    if released && (evidence.local || policy.trust_host_name && same_host) {
        Verdict::Stale(Stale::Rebooted)
    } else {
        Verdict::Unknown(Unknown::OtherHost)
    }
}

/// The holder's pid can be looked up here.
fn by_process(claim: &Claim, observer: &Observer, evidence: &Evidence) -> Verdict {
    match evidence.process {
        None => Verdict::Unknown(Unknown::NoPid),
        Some(ProcessState::Gone) => Verdict::Stale(Stale::NoProcess),
        Some(ProcessState::Zombie) => Verdict::Stale(Stale::Zombie),
        Some(ProcessState::Running { start, started_at_us }) => {
            let ticks_comparable =
                same(claim.time_namespace, observer.time_namespace) != Some(false);
            let reused = match (claim.owner.start, start) {
                (Some(claimed), Some(start)) if ticks_comparable => claimed != start,
                _ => {
                    claim.owner.boot.is_none()
                        && differ_by_a_second(claim.started_at_us, started_at_us)
                }
            };
            if reused { Verdict::Stale(Stale::PidReused) } else { Verdict::Live(Alive::Runs) }
        }
    }
}

/// Readings of one start time lie up to a second apart, by version and rounding.
fn differ_by_a_second(one: Option<i64>, other: Option<i64>) -> bool {
    const SECOND_US: u64 = 1_000_000;
    one.zip(other).is_some_and(|(one, other)| one.abs_diff(other) >= SECOND_US)
}

/// A lock that says nothing of namespaces is taken for one of this namespace: conventions without
/// that field assume one namespace for each host name.
fn same_pid_namespace(theirs: Option<PidNamespace>, mine: Option<PidNamespace>) -> bool {
    theirs.is_none() || theirs == mine
}

fn same_host(theirs: &Owner, mine: &Owner) -> Option<bool> {
    let theirs = theirs.host.as_ref().filter(|host| !host.is_empty());
    Some(theirs? == mine.host.as_ref()?)
}

fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<bool> {
    Some(one? == other?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::{BootId, Host, Pid, StartTime};

    const MINE: Option<BootId> = Some(BootId([1; 16]));
    const OTHER: Option<BootId> = Some(BootId([2; 16]));
    const START: Option<StartTime> = Some(StartTime(500));

    fn owner(host: &[u8], boot: Option<BootId>, pid: u64, pid_namespace: u64) -> Owner {
        Owner {
            host: Host::try_from(host).ok(),
            boot,
            pid: Pid::new(pid),
            start: START,
            pid_namespace: Some(PidNamespace(pid_namespace)).filter(|_| pid_namespace != 0),
            message: None,
        }
    }

    fn me() -> Observer {
        Observer { owner: owner(b"vm", MINE, 7, 9), time_namespace: Some(TimeNamespace(3)) }
    }

    fn claim(owner: Owner, flocked: bool) -> Claim {
        Claim { owner, started_at_us: Some(0), time_namespace: None, flocked }
    }

    fn evidence(process: Option<ProcessState>, flock_obtained: bool, local: bool) -> Evidence {
        Evidence { process, flock_obtained, local, age_ms: 0 }
    }

    fn running(ticks: u64, started_at_us: i64) -> ProcessState {
        let start = Some(StartTime(ticks));
        ProcessState::Running { start, started_at_us: Some(started_at_us) }
    }

    #[test]
    fn only_proof_makes_a_lock_stale() {
        let same = || owner(b"vm", MINE, 5, 9);
        let before = || owner(b"vm", OTHER, 5, 9);
        let gone = Some(ProcessState::Gone);
        let live = Some(running(500, 0));
        let (stale, unknown) = (Verdict::Stale, Verdict::Unknown);
        let table = std::vec![
            // The kernel's word beats whatever the pid looks like.
            (claim(same(), true), evidence(live, true, true), stale(Stale::KernelReleased),),
            (claim(same(), true), evidence(live, true, false), Verdict::Live(Alive::Runs)),
            (claim(same(), false), evidence(live, true, true), Verdict::Live(Alive::Runs)),
            (claim(same(), false), evidence(gone, true, true), stale(Stale::NoProcess)),
            (
                claim(same(), false),
                evidence(Some(ProcessState::Zombie), true, true),
                stale(Stale::Zombie),
            ),
            (
                claim(same(), false),
                evidence(Some(running(501, 0)), true, true),
                stale(Stale::PidReused),
            ),
            // A pid of another namespace means nothing here, whatever it is.
            (
                claim(owner(b"vm", MINE, 5, 8), false),
                evidence(None, true, true),
                unknown(Unknown::OtherNamespace),
            ),
            (claim(before(), true), evidence(None, true, true), stale(Stale::Rebooted),),
            (claim(before(), true), evidence(None, true, false), unknown(Unknown::OtherHost),),
            (claim(before(), true), evidence(None, false, true), unknown(Unknown::OtherHost),),
            (
                claim(owner(b"elsewhere", None, 5, 0), false),
                evidence(None, true, true),
                unknown(Unknown::OtherHost),
            ),
            (
                claim(owner(b"vm", None, 5, 0), false),
                evidence(gone, true, true),
                stale(Stale::NoProcess),
            ),
            (
                claim(owner(b"", None, 5, 0), false),
                evidence(gone, true, true),
                stale(Stale::NoProcess),
            ),
            (
                claim(owner(b"", None, 5, 0), false),
                evidence(gone, true, false),
                unknown(Unknown::OtherHost),
            ),
            (
                claim(owner(b"vm", None, 0, 0), false),
                evidence(None, true, true),
                unknown(Unknown::NoPid),
            ),
        ];
        for (number, (claim, evidence, expected)) in table.into_iter().enumerate() {
            let verdict = strict(&claim, &me(), &evidence, Policy::default());
            assert_eq!(verdict, expected, "row {number}");
        }
    }

    #[test]
    fn equal_host_names_count_after_a_reboot_only_if_trusted() {
        let claim = claim(owner(b"vm", OTHER, 5, 9), true);
        let evidence = evidence(None, true, false);
        let trusting = Policy { trust_host_name: true };
        assert_eq!(strict(&claim, &me(), &evidence, trusting), Verdict::Stale(Stale::Rebooted));
    }

    #[test]
    fn a_pid_is_looked_up_only_where_it_means_something() {
        for (owner, expected) in [
            (owner(b"vm", MINE, 5, 9), true),
            (owner(b"renamed", MINE, 5, 9), true),
            (owner(b"vm", MINE, 5, 8), false),
            (owner(b"vm", OTHER, 5, 9), false),
            (owner(b"vm", None, 5, 0), true),
            (owner(b"elsewhere", None, 5, 0), false),
            (owner(b"", None, 5, 0), true),
            (owner(b"vm", MINE, 0, 9), false),
        ] {
            assert_eq!(pid_is_comparable(&claim(owner.clone(), false), &me()), expected, "{owner}");
        }
    }

    #[test]
    fn jane_street_allows_start_times_to_differ_by_less_than_a_second() {
        for (difference_us, expected) in [
            (0, Verdict::Live(Alive::Runs)),
            (-999_999, Verdict::Live(Alive::Runs)),
            (999_999, Verdict::Live(Alive::Runs)),
            (1_000_000, Verdict::Stale(Stale::PidReused)),
            (-1_000_000, Verdict::Stale(Stale::PidReused)),
        ] {
            let evidence = evidence(Some(running(0, difference_us)), true, true);
            let claim = claim(owner(b"vm", None, 5, 0), false);
            assert_eq!(jane_street(&claim, &me(), &evidence), expected, "{difference_us}");
        }
    }

    #[test]
    fn pidfile_gives_a_living_holder_25_times_as_long() {
        let here = claim(owner(b"vm", None, 5, 0), false);
        let there = claim(owner(b"elsewhere", None, 5, 0), false);
        let unnamed = claim(owner(b"", None, 5, 0), false);
        for (claim, process, age_ms, stale) in [
            (&here, Some(ProcessState::Gone), 1001, true),
            (&here, Some(ProcessState::Gone), 1000, false),
            (&here, Some(running(0, 0)), 25_000, false),
            (&here, Some(running(0, 0)), 25_001, true),
            (&there, None, 25_000, false),
            (&there, None, 25_001, true),
            (&unnamed, Some(ProcessState::Gone), 1001, true),
            (&unnamed, Some(running(0, 0)), 1001, false),
            (&here, Some(ProcessState::Gone), -5, false),
        ] {
            let evidence = Evidence { age_ms, ..evidence(process, true, true) };
            let verdict = pidfile(claim, &me(), &evidence, 1000, 25);
            assert_eq!(verdict == Verdict::Stale(Stale::Expired), stale, "{age_ms}");
        }
        let old = Evidence { age_ms: i64::MAX, ..evidence(None, true, true) };
        assert_eq!(pidfile(&here, &me(), &old, 0, 25), Verdict::Live(Alive::Fresh(u64::MAX)));
    }
}
