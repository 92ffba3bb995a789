//! What the checks share.

use std::time::Instant;

use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::lock::Change;
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{LockspaceName, ResourceName};
use lock_rustix::clock::monotonic_ns;
use lock_rustix::dlm::exchange::Exchange;
use lock_rustix::dlm::lockspace::Lockspace;

/// How long an answer may take that is sure to come, and how long nothing comes that never does.
pub(crate) const SOON_NS: u64 = 20_000_000_000;
/// See [`SOON_NS`].
pub(crate) const QUIET_NS: u64 = 200_000_000;

/// The lockspace of this name.
pub(crate) fn lockspace_name(name: &str) -> LockspaceName {
    LockspaceName::new(name.as_bytes()).unwrap()
}

/// The resource of this name.
pub(crate) fn resource(name: &str) -> ResourceName {
    ResourceName::new(name.as_bytes()).unwrap()
}

/// The lockspace, opened once more.
pub(crate) fn open(name: &str) -> Lockspace {
    Lockspace::open(&lockspace_name(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What happens next to the lock; something must.
pub(crate) fn next(lock: &mut Exchange<'_>) -> Change {
    let until_ns = monotonic_ns() + SOON_NS;
    lock.next(Some(until_ns), None).unwrap().expect("nothing happened")
}

/// What happens to the lock within a short time.
pub(crate) fn quiet(lock: &mut Exchange<'_>) -> Option<Change> {
    lock.next(Some(monotonic_ns() + QUIET_NS), None).unwrap()
}

/// A lock that is granted at once.
pub(crate) fn granted<'a>(lockspace: &'a Lockspace, name: &str, mode: Mode) -> Exchange<'a> {
    granted_with(lockspace, name, mode, LockFlags::empty())
}

/// The same, asked for with flags.
pub(crate) fn granted_with<'a>(
    lockspace: &'a Lockspace,
    name: &str,
    mode: Mode,
    flags: LockFlags,
) -> Exchange<'a> {
    let mut lock = Exchange::request(lockspace, resource(name), mode, flags);
    let change = next(&mut lock);
    assert!(matches!(change, Change::Granted { .. }), "{name} {mode}: {change:?}");
    lock
}

/// Says how long something took.
pub(crate) fn report(what: &str, since: Instant) {
    println!("MEASURED {what}: {:.1} ms", since.elapsed().as_secs_f64() * 1e3);
}
