//! Dot locks: files that mail programs make beside what they lock, and judge by age.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use lock_core::fault::Fault;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError};
use lock_core::scheme::look::Found;
use lock_core::staleness::Claim;
use lock_rustix::existence::{self, Spot, Taken};
use lock_rustix::identity::{Identity, is_local, myself, nonce, nonce_of_this_moment};
use lock_rustix::place::PATH_MAX;
use lock_rustix::rustix::fd::OwnedFd;

use crate::stack::Environment;

/// A lock file of somebody's convention: what it says, and how others are judged.
pub(super) struct DotLock<'a> {
    pub(super) spot: Spot,
    me: Identity,
    payload: &'a [u8],
    decode: fn(&[u8]) -> Option<Claim>,
    rule: Rule,
}

impl<'a> DotLock<'a> {
    pub(super) fn new(
        path: &CStr,
        mode: u32,
        payload: &'a [u8],
        decode: fn(&[u8]) -> Option<Claim>,
        rule: Rule,
    ) -> Result<DotLock<'a>, Fault> {
        let spot = Spot::open(lock_core::kind::Kind::Pidfile, path)?.with_mode(mode);
        Ok(DotLock { spot, me: myself(), payload, decode, rule })
    }

    /// One try; a stale lock is taken over, by one process only.
    pub(super) fn try_lock(&self) -> Result<Taken, TryLockError<OwnedFd>> {
        let mut restarts = 0;
        loop {
            let nonce = nonce().unwrap_or_else(nonce_of_this_moment);
            match existence::try_lock(&self.spot, &self.terms(), &nonce) {
                Err(TryLockError::Again) if restarts < existence::RESTARTS_MAX => restarts += 1,
                outcome => return outcome,
            }
        }
    }

    /// Who has the lock, and whether it is stale.
    pub(super) fn look(&self) -> Result<Option<Found>, Fault> {
        existence::look(&self.spot, &self.terms())
    }

    fn terms(&self) -> Terms<'_> {
        let (payload, decode, observer) = (self.payload, self.decode, &self.me.observer);
        Terms { payload, decode, observer, rule: self.rule, local: is_local(&self.spot) }
    }
}

/// The lock of the user's mailbox: beside `$MAIL`, else in `/var/mail` under the user's name.
pub(super) fn mailbox_lock(environment: Environment) -> ArrayVec<u8, PATH_MAX> {
    let mut path = ArrayVec::new();
    let user = environment.get(b"LOGNAME=").or_else(|| environment.get(b"USER="));
    let parts: [&[u8]; 3] = match (environment.get(b"MAIL="), user) {
        (Some(mail), _) => [mail.to_bytes(), b"", b".lock\0"],
        (None, Some(user)) => [b"/var/mail/", user.to_bytes(), b".lock\0"],
        (None, None) => [b"", b"", b"\0"],
    };
    for part in parts {
        if path.try_extend_from_slice(part).is_err() {
            path.clear();
            let _ = path.try_push(0);
            break;
        }
    }
    path
}
