//! What simulated processes run.

use lock_core::fault::{Fault, FaultKind};
use lock_core::os::{Access, Files, Flock, LockTable, Node, OfdLocks, PosixLocks};
use lock_core::owner::{BootId, Owner, Pid, PidNamespace, StartTime};
use lock_core::payload::message::Message;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError, exclude};
use lock_core::scheme::kernel::{self, Convention};
use lock_core::scheme::{hardlink, lease, mkdir, symlink};
use lock_core::staleness::{Claim, Observer, Policy};
use lock_tests::model::explore::{Me, Outcome};
use lock_tests::model::sim::Sim;
use lock_tests::originals::{Refused, jane_street, pidfile_jl};

/// What a process writes: its pid, start and round, and whether it keeps its file flocked.
pub(crate) fn payload(me: Me, flocked: bool) -> [u8; 4] {
    [me.pid, me.start, me.round, u8::from(flocked)]
}

fn decode(bytes: &[u8]) -> Option<Claim> {
    let [pid, start, _, flocked] = <[u8; 4]>::try_from(bytes).ok()?;
    Some(Claim { owner: owner(pid, start), flocked: flocked == 1, ..Claim::default() })
}

/// Reads the pid, as the originals do; they know of no more.
fn decode_pid(bytes: &[u8]) -> Option<Pid> {
    bytes.first().and_then(|&pid| Pid::new(u64::from(pid)))
}

/// All are on one machine, in one namespace.
fn owner(pid: u8, start: u8) -> Owner {
    Owner {
        pid: Pid::new(u64::from(pid)),
        start: Some(StartTime(u64::from(start))),
        boot: Some(BootId([1; 16])),
        pid_namespace: Some(PidNamespace(1)),
        ..Owner::default()
    }
}

pub(crate) fn with_terms<T>(me: Me, flocked: bool, run: impl FnOnce(&Terms<'_>) -> T) -> T {
    let observer = Observer { owner: owner(me.pid, me.start), ..Observer::default() };
    let rule = Rule::Strict(Policy::default());
    let payload = payload(me, flocked);
    run(&Terms { payload: &payload, decode, observer: &observer, rule, local: true })
}

/// A fault is the crash that ends a step; on this disk there is no other, but for a mutant's.
pub(crate) fn crashed(sim: &Sim<'_>, fault: Fault) -> Outcome {
    let lost = matches!(fault.kind, FaultKind::Exists | FaultKind::Missing);
    assert!(fault.kind == FaultKind::Io || lost || sim.is_mutated(), "{fault}");
    Outcome::Retry
}

pub(crate) fn hold<L, U>(
    sim: &Sim<'_>,
    locked: Result<L, TryLockError<U>>,
    unlock: impl FnOnce(L) -> Result<hardlink::Unlocked, Fault>,
) -> Outcome {
    match locked {
        Ok(locked) => {
            sim.enter();
            sim.leave();
            match unlock(locked) {
                Ok(_) => Outcome::Done,
                Err(fault) => crashed(sim, fault),
            }
        }
        Err(TryLockError::Held { .. }) => Outcome::Held,
        Err(TryLockError::Again) => Outcome::Retry,
        Err(TryLockError::Fault(fault) | TryLockError::NotPermitted { fault, .. }) => {
            crashed(sim, fault)
        }
    }
}

pub(crate) fn linked(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, true, |terms| {
        hold(sim, hardlink::try_lock_linked(&sim, terms), |locked| hardlink::unlock(&sim, locked))
    })
}

pub(crate) fn named(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, true, |terms| {
        hold(sim, hardlink::try_lock_named(&sim, terms), |locked| hardlink::unlock(&sim, locked))
    })
}

pub(crate) fn unnamed(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, true, |terms| {
        hold(sim, hardlink::try_lock_unnamed(&sim, terms), |locked| hardlink::unlock(&sim, locked))
    })
}

pub(crate) fn unnamed_linked(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, true, |terms| {
        let locked = hardlink::prepare_unnamed(&sim, terms).and_then(|mut prepared| {
            hardlink::try_prepared_unnamed_linked(&sim, terms, &mut prepared)
        });
        hold(sim, locked, |locked| hardlink::unlock(&sim, locked))
    })
}

/// A lease whose holder is gone: no time passes on this disk.
pub(crate) fn leased(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, false, |terms| {
        let terms = Terms { rule: Rule::Lease { ttl_ms: 1 }, ..*terms };
        match lease::try_lock(&sim, &terms) {
            Ok(locked) => {
                sim.enter();
                sim.leave();
                let guard = match (&sim).open(Node::Directory, Access::Read) {
                    Ok(guard) => guard,
                    Err(fault) => return crashed(sim, fault),
                };
                sim.wait_for(&guard);
                match exclude(&sim, guard) {
                    Ok(guard) => match lease::unlock(&sim, guard, locked) {
                        Ok(_) => Outcome::Done,
                        Err(fault) => crashed(sim, fault),
                    },
                    // Only after a crash: the guard was waited for.
                    Err(_) => Outcome::Retry,
                }
            }
            Err(TryLockError::Held { .. }) => Outcome::Held,
            Err(TryLockError::Again) => Outcome::Retry,
            Err(TryLockError::Fault(fault) | TryLockError::NotPermitted { fault, .. }) => {
                crashed(sim, fault)
            }
        }
    })
}

pub(crate) fn symlinked(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, false, |terms| {
        hold(sim, symlink::try_lock(&sim, terms), |locked| {
            symlink::unlock(&sim, locked, terms.payload)
        })
    })
}

pub(crate) fn directory(sim: &Sim<'_>, me: Me) -> Outcome {
    with_terms(me, true, |terms| {
        hold(sim, mkdir::try_lock(&sim, terms), |locked| mkdir::unlock(&sim, locked))
    })
}

/// Everybody's shell script.
pub(crate) fn plain_directory(sim: &Sim<'_>, _: Me) -> Outcome {
    if mkdir::plain::try_lock(&sim).is_err() {
        return Outcome::Retry;
    }
    sim.enter();
    sim.leave();
    let _ = mkdir::plain::unlock(&sim);
    Outcome::Done
}

/// A release in the wrong order: the flock goes before the name.
pub(crate) fn closes_before_it_unlinks(sim: &Sim<'_>, me: Me) -> Outcome {
    use lock_core::os::Names;

    with_terms(me, true, |terms| {
        hold(sim, hardlink::try_lock_named(&sim, terms), |locked| {
            drop(locked);
            (&sim).unlink(Node::Lock).map(|()| hardlink::Unlocked::Released).or_else(|fault| {
                match fault.kind {
                    FaultKind::Missing => Ok(hardlink::Unlocked::WasBroken),
                    _ => Err(fault),
                }
            })
        })
    })
}

/// A kernel lock, with the message of `Lock_file_blocking`.
pub(crate) fn kernel_lock<'s, 'd: 's, C>(sim: &'s Sim<'d>, me: Me, unlink: bool) -> Outcome
where
    C: Convention<&'s Sim<'d>>,
    &'s Sim<'d>: Flock + OfdLocks + PosixLocks + LockTable,
{
    let message = Message::from_pid(u32::from(me.pid));
    match kernel::try_lock_signed::<C, _>(&sim, &message) {
        Ok(locked) => {
            sim.enter();
            sim.leave();
            if unlink {
                if let Err(fault) = kernel::unlock_and_unlink(&sim, locked) {
                    return crashed(sim, fault);
                }
            }
            Outcome::Done
        }
        Err(kernel::TryLockError::Held(_)) => Outcome::Held,
        Err(kernel::TryLockError::Again) => Outcome::Retry,
        Err(kernel::TryLockError::Fault(fault)) => crashed(sim, fault),
    }
}

fn hold_original(
    sim: &Sim<'_>,
    created: Result<(), Refused>,
    unlock: impl FnOnce() -> Result<(), Refused>,
) -> Outcome {
    if created.is_err() {
        return Outcome::Retry;
    }
    sim.enter();
    sim.leave();
    let _ = unlock();
    Outcome::Done
}

fn jane_street(
    sim: &Sim<'_>,
    me: Me,
    create: fn(&&Sim<'_>, &jane_street::Caller<'_>) -> Result<(), Refused>,
) -> Outcome {
    let caller = jane_street::Caller { info: &payload(me, false), decode: decode_pid };
    hold_original(sim, create(&sim, &caller), || jane_street::unlock(&sim, &caller))
}

/// `Lock_file_blocking.Nfs.create` up to v0.17.
pub(crate) fn jane_street_v1(sim: &Sim<'_>, me: Me) -> Outcome {
    jane_street(sim, me, |os, caller| {
        jane_street::create_v1(os, caller, jane_street::CleanUp::Unguarded)
    })
}

/// The same since August 2024.
pub(crate) fn jane_street_v1_guarded(sim: &Sim<'_>, me: Me) -> Outcome {
    jane_street(sim, me, |os, caller| {
        jane_street::create_v1(os, caller, jane_street::CleanUp::Guarded)
    })
}

/// `create_v2`.
pub(crate) fn jane_street_v2(sim: &Sim<'_>, me: Me) -> Outcome {
    jane_street(sim, me, |os, caller| jane_street::create_v2(os, caller))
}

/// Pidfile.jl, with a file old enough to be stale if its holder is dead.
pub(crate) fn pidfile_jl(sim: &Sim<'_>, me: Me) -> Outcome {
    let age = pidfile_jl::Age::Old;
    let caller = pidfile_jl::Caller { info: &payload(me, false), decode: decode_pid, age };
    match pidfile_jl::mkpidlock(&sim, &caller) {
        Ok(file) => hold_original(sim, Ok(()), || pidfile_jl::close(&sim, file)),
        Err(_) => Outcome::Retry,
    }
}
