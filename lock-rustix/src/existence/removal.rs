//! Removing locks that one does not hold: stale ones, one's own by another process, any by force;
//! and what killed processes left beside them.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::{Access, Contents, Dirs, Files, Node};
use lock_core::scheme::breaking::{Decide, Terms, TryLockError};
use lock_core::scheme::{hardlink, lease, mkdir, symlink};
use lock_core::staleness::{Alive, Claim, Stale, Verdict};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use super::built::{FILES, LEASE, MKDIR, SYMLINK};
use super::{Spot, fault, line, set_time_to_now};
use crate::descriptor::{lend, openat};
use crate::entries::Entries;
use crate::identity::Identity;
use crate::place::{Nonce, Place, is_private};
use crate::signature::decode;
use crate::sys::Sys;

/// Removes a lock that `decide` calls stale, without taking it; tells why. `nonce` must be fresh;
/// `now_ms` is the time by the file system's clock.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_core::scheme::breaking::{Rule, Terms, if_stale};
/// use lock_core::staleness::{Policy, Stale};
/// use lock_rustix::existence::{Spot, remove};
/// use lock_rustix::identity::{myself, nonce};
/// use lock_rustix::{clock::wall_us, signature::decode};
///
/// // No process has such a number.
/// std::fs::write("/tmp/lock-rustix-doc-removal", "4194305\n").unwrap();
/// let spot = Spot::open(Kind::Pidfile, c"/tmp/lock-rustix-doc-removal").unwrap();
/// let (me, rule) = (myself(), Rule::Strict(Policy::default()));
/// let (decode, observer) = (decode(Kind::Pidfile), &me.observer);
/// let terms = Terms { payload: b"", decode, observer, rule, local: true };
/// let why = remove(&spot, &terms, &nonce().unwrap(), wall_us() / 1000, &if_stale);
/// assert_eq!(why.unwrap(), Stale::NoProcess);
/// ```
pub fn remove(
    spot: &Spot,
    terms: &Terms<'_>,
    nonce: &Nonce,
    now_ms: i64,
    decide: Decide<'_>,
) -> Result<Stale, TryLockError<OwnedFd>> {
    let private = spot.private(nonce);
    let sys = spot.sys(&private);
    match spot.kind {
        _ if LEASE && spot.lease => lease::remove(&sys, terms, now_ms, decide),
        Kind::Nfs | Kind::Pidfile if FILES => {
            hardlink::remove(&sys, terms, spot.layout(), now_ms, decide)
        }
        Kind::Symlink if SYMLINK => symlink::remove(&sys, terms, decide),
        Kind::Mkdir if MKDIR => mkdir::remove(&sys, terms, decide),
        _ => Err(fault(Call::Open, FaultKind::Unsupported).into()),
    }
}

/// Gives back the lock that was taken on behalf of `holder`, whose process may have ended since.
/// `now_ms` and `nonce` as for [`remove`], which this is: somebody else's lock, and one that a
/// living process keeps flocked, is [`Held`](TryLockError::Held).
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_core::scheme::breaking::{Rule, Terms};
/// use lock_core::staleness::Policy;
/// use lock_rustix::existence::{Contender, release_for};
/// use lock_rustix::{clock::wall_us, identity::nonce, signature::decode};
///
/// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-release-for").unwrap();
/// let (me, rule) = (&contender.me, Rule::Strict(Policy::default()));
/// contender.try_lock(me, b"", false).unwrap().leave(&contender.spot);
/// let (decode, observer) = (decode(Kind::Mkdir), &me.observer);
/// let terms = Terms { payload: b"", decode, observer, rule, local: false };
/// let now_ms = wall_us() / 1000;
/// assert!(release_for(&contender.spot, &terms, &nonce().unwrap(), now_ms, me).is_ok());
/// ```
pub fn release_for(
    spot: &Spot,
    terms: &Terms<'_>,
    nonce: &Nonce,
    now_ms: i64,
    holder: &Identity,
) -> Result<(), TryLockError<OwnedFd>> {
    let decide = |claim: Option<&Claim>, verdict| match claim {
        Some(claim) if holder.made(claim) => Verdict::Stale(Stale::GivenUp),
        // Whatever became of it: it is not ours to remove.
        _ => match verdict {
            Verdict::Stale(_) => Verdict::Live(Alive::Runs),
            verdict => verdict,
        },
    };
    remove(spot, terms, nonce, now_ms, &decide).map(|_| ())
}

/// Removes the lock, whoever holds it and whether or not he lives: for a person who knows better.
/// Tells whether there was one. `nonce` must be fresh.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::existence::{Spot, remove_by_force};
/// use lock_rustix::identity::nonce;
///
/// std::fs::write("/tmp/lock-rustix-doc-by-force", "whoever").unwrap();
/// let spot = Spot::open(Kind::Pidfile, c"/tmp/lock-rustix-doc-by-force").unwrap();
/// assert_eq!(remove_by_force(&spot, &nonce().unwrap()), Ok(true));
/// assert_eq!(remove_by_force(&spot, &nonce().unwrap()), Ok(false));
/// ```
pub fn remove_by_force(spot: &Spot, nonce: &Nonce) -> Result<bool, Fault> {
    let decode = decode(spot.kind);
    let private = spot.private(nonce);
    let sys = spot.sys(&private);
    match spot.kind {
        Kind::Nfs | Kind::Pidfile if FILES => {
            hardlink::remove_by_force(&sys, spot.layout(), decode)
        }
        Kind::Symlink if SYMLINK => symlink::remove_by_force(&sys),
        Kind::Mkdir if MKDIR => mkdir::remove_by_force(&sys),
        _ => Err(fault(Call::Open, FaultKind::Unsupported)),
    }
}

/// Sets the time of the lock that was taken on behalf of `holder` to now, by the file system's
/// clock. `false`: there is no lock, or another's, which is not touched. A symbolic link has no
/// time that anybody judges: that is [`Unsupported`](FaultKind::Unsupported).
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::existence::{Contender, touch_for};
/// use lock_rustix::signature::decode;
///
/// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-touched").unwrap();
/// contender.try_lock(&contender.me, b"", false).unwrap().leave(&contender.spot);
/// let touched = touch_for(&contender.spot, decode(Kind::Mkdir), &contender.me);
/// assert_eq!(touched, Ok(true));
/// # contender.release_for(&contender.me).unwrap();
/// ```
#[inline(never)]
pub fn touch_for(
    spot: &Spot,
    decode: fn(&[u8]) -> Option<Claim>,
    holder: &Identity,
) -> Result<bool, Fault> {
    let sys = Sys::new(Place::in_directory(lend(&spot.dir), spot.lock.as_c_str()));
    let mut buffer = [0; hardlink::PAYLOAD_MAX + 1];
    let opened = match spot.kind {
        Kind::Nfs | Kind::Pidfile if FILES => sys.open(Node::Lock, Access::Read),
        Kind::Mkdir if MKDIR => sys.open_directory(Node::Lock),
        _ => return Err(fault(Call::Utimens, FaultKind::Unsupported)),
    };
    let file = match opened {
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(false),
        opened => opened?,
    };
    let len = match spot.kind {
        Kind::Mkdir if MKDIR => sys.readlink_in(&file, &mut buffer),
        _ => sys.pread(&file, &mut buffer, 0),
    }?;
    let payload = buffer.get(..len).filter(|_| len <= hardlink::PAYLOAD_MAX);
    if !payload.and_then(decode).is_some_and(|claim| holder.made(&claim)) {
        return Ok(false);
    }
    set_time_to_now(lend(&file)).map(|()| true)
}

/// Removes what killed processes left beside the lock; not what is in use. Answers how many
/// leftovers were removed. Whether something is in use is known by its flock, so a leftover of
/// another host's may stay.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::existence::{Spot, sweep};
///
/// let spot = Spot::open(Kind::Nfs, c"/tmp/lock-rustix-doc-swept").unwrap();
/// assert_eq!(sweep(&spot), Ok(0));
/// ```
pub fn sweep(spot: &Spot) -> Result<u32, Fault> {
    let waiters = u32::from(line::sweep(spot));
    sweep_some(spot, u32::MAX, u32::MAX).map(|removed| removed.saturating_add(waiters))
}

/// [`sweep`] that looks at so many entries of the directory only, and at so many that may be
/// leftovers.
pub(super) fn sweep_some(spot: &Spot, entries: u32, leftovers: u32) -> Result<u32, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(lend(&spot.dir), c".", flags, Mode::empty())
        .map_err(|errno| crate::fault::fault(Call::Open, Node::Directory, errno))?;
    let (mut removed, mut entries_left, mut leftovers_left) = (0, entries, leftovers);
    let mut entries = Entries::of(lend(&directory));
    loop {
        let name = match entries.next() {
            Ok(Some(name)) => name,
            Ok(None) => return Ok(removed),
            Err(errno) => return Err(crate::fault::fault(Call::Open, Node::Directory, errno)),
        };
        if entries_left == 0 || leftovers_left == 0 {
            return Ok(removed);
        }
        entries_left -= 1;
        if !is_private(spot.lock.as_c_str(), name) {
            continue;
        }
        leftovers_left -= 1;
        let place = Place::in_directory(lend(&spot.dir), spot.lock.as_c_str()).with_private(name);
        let sys = Sys::new(place);
        let swept = match spot.kind {
            Kind::Mkdir if MKDIR => mkdir::sweep(&sys),
            _ if FILES => hardlink::sweep(&sys),
            _ => Ok(false),
        };
        // One leftover that cannot be removed does not keep the others.
        removed += u32::from(swept.unwrap_or(false));
    }
}
