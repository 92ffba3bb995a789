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
use super::{Spot, fault, set_time_to_now};
use crate::descriptor::{lend, openat};
use crate::entries::for_each_entry;
use crate::identity::Identity;
use crate::place::{FileName, Nonce, Place, is_private};
use crate::signature::decode;
use crate::sys::Sys;

/// Removes a lock that `decide` calls stale, without taking it; tells why. `nonce` must be fresh;
/// `now_ms` is the time by the file system's clock.
pub fn remove(
    spot: &Spot,
    terms: &Terms<'_>,
    nonce: &Nonce,
    now_ms: i64,
    decide: Decide<'_>,
) -> Result<Stale, TryLockError<OwnedFd>> {
    let private = FileName::private(spot.lock.as_c_str(), nonce);
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
pub fn remove_by_force(spot: &Spot, nonce: &Nonce) -> Result<bool, Fault> {
    let decode = decode(spot.kind);
    let private = FileName::private(spot.lock.as_c_str(), nonce);
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
/// leftovers were removed.
pub fn sweep(spot: &Spot) -> Result<u32, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(lend(&spot.dir), c".", flags, Mode::empty())
        .map_err(|errno| crate::fault::fault(Call::Open, Node::Directory, errno))?;
    let mut removed = 0;
    let seen = for_each_entry(lend(&directory), &mut [0; 4096], &mut |name| {
        if !is_private(spot.lock.as_c_str(), name) {
            return Ok(());
        }
        let place = Place::in_directory(lend(&spot.dir), spot.lock.as_c_str()).with_private(name);
        let sys = Sys::new(place);
        let swept = match spot.kind {
            Kind::Mkdir if MKDIR => mkdir::sweep(&sys),
            _ => hardlink::sweep(&sys),
        };
        // One leftover that cannot be removed does not keep the others.
        removed += u32::from(swept.unwrap_or(false));
        Ok(())
    });
    seen.map_err(|errno| crate::fault::fault(Call::Open, Node::Directory, errno))?;
    Ok(removed)
}
