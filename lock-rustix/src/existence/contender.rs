//! A process that asks for an existence lock: where it is, who asks, and how others are judged.

use core::ffi::CStr;

use lock_core::fault::Fault;
use lock_core::kind::Kind;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError, if_stale};
use lock_core::scheme::look::Found;
use lock_core::staleness::{Policy, Stale};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::RawMode;

use super::look::look_again;
use super::{Spot, Taken, look, release_for, remove, remove_by_force, sweep, touch_for, try_lock};
use crate::clock::wall_us;
use crate::identity::{Identity, is_local, myself, nonce, nonce_of_this_moment};
use crate::place::Nonce;
use crate::signature::{Signer, decode};

/// How many times as old as allowed a pid file with a living holder must be: Pidfile.jl's.
pub const LIVE_FACTOR: u64 = 25;

/// A lock and the one who asks for it.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::existence::Contender;
///
/// let contender = Contender::new(Kind::Symlink, c"/tmp/lock-rustix-doc-contender").unwrap();
/// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
/// let found = contender.look().unwrap().unwrap();
/// assert!(contender.me.made(&found.claim.unwrap()));
/// taken.unlock(&contender.spot).unwrap();
/// ```
#[derive(Debug)]
pub struct Contender {
    /// Where the lock is.
    pub spot: Spot,
    /// Who asks: the calling process.
    pub me: Identity,
    rule: Rule,
    local: bool,
}

impl Contender {
    /// Opens the lock's directory, which must exist. Others are judged by proof only.
    pub fn new(kind: Kind, path: &CStr) -> Result<Contender, Fault> {
        Spot::open(kind, path).map(Contender::at)
    }

    /// The same for a place that is open already.
    pub fn at(spot: Spot) -> Contender {
        Contender::known_as(myself(), spot)
    }

    /// The same for a process that knows already who it is: to find that out takes a dozen calls.
    pub fn known_as(me: Identity, spot: Spot) -> Contender {
        let local = is_local(&spot);
        Contender { spot, me, rule: Rule::Strict(Policy::default()), local }
    }

    /// Makes new files with these permissions, less the umask.
    #[must_use]
    pub fn with_mode(self, mode: RawMode) -> Contender {
        Contender { spot: self.spot.with_mode(mode), ..self }
    }

    /// Judges others by this rule. [`Rule::Lease`] makes the lock a [lease](Spot::with_lease).
    #[must_use]
    pub fn with_rule(self, rule: Rule) -> Contender {
        let spot = if let Rule::Lease { .. } = rule { self.spot.with_lease() } else { self.spot };
        Contender { spot, rule, ..self }
    }

    /// Whether the lock's file system belongs to this kernel alone.
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// One try at the lock for `holder`, with his words if the kind has room for them. `flocked`:
    /// for as long as the calling process lives, and not only until it is left standing.
    ///
    /// Fails also with [`TooLong`](lock_core::fault::FaultKind::TooLong) for words that do not fit.
    pub fn try_lock(
        &self,
        holder: &Identity,
        message: &[u8],
        flocked: bool,
    ) -> Result<Taken, TryLockError<OwnedFd>> {
        let nonce = fresh();
        // Whether a lease's file is flocked says nothing.
        let flocked = flocked && !matches!(self.rule, Rule::Lease { .. });
        let signer = Signer { holder, message, nonce: &nonce, flocked };
        let payload = signer.payload(self.spot.kind())?;
        try_lock(&self.spot, &self.terms(payload.as_bytes()), &nonce)
    }

    /// One try at a pid file that stays empty for the caller to write.
    pub fn try_lock_empty(&self) -> Result<Taken, TryLockError<OwnedFd>> {
        try_lock(&self.spot, &self.terms(b""), &fresh())
    }

    /// [`look`] without taking the lock.
    pub fn look(&self) -> Result<Option<Found>, Fault> {
        look(&self.spot, &self.terms(&[]))
    }

    /// [`look`](Contender::look) after a try that found the lock flocked, or did not.
    pub(super) fn look_again(&self, flocked: bool) -> Result<Option<Found>, Fault> {
        look_again(&self.spot, &self.terms(&[]), flocked)
    }

    /// [`release_for`] a holder, who may have ended.
    pub fn release_for(&self, holder: &Identity) -> Result<(), TryLockError<OwnedFd>> {
        release_for(&self.spot, &self.terms(&[]), &fresh(), now_ms(), holder)
    }

    /// [`touch_for`] a holder.
    pub fn touch_for(&self, holder: &Identity) -> Result<bool, Fault> {
        touch_for(&self.spot, decode(self.spot.kind()), holder)
    }

    /// [`remove`] the lock if it is stale; tells why.
    pub fn remove(&self) -> Result<Stale, TryLockError<OwnedFd>> {
        remove(&self.spot, &self.terms(&[]), &fresh(), now_ms(), &if_stale)
    }

    /// [`remove_by_force`]: whoever holds it. Tells whether there was one.
    pub fn remove_by_force(&self) -> Result<bool, Fault> {
        remove_by_force(&self.spot, &fresh())
    }

    /// [`sweep`] away what killed processes left beside the lock; tells how many.
    pub fn sweep(&self) -> Result<u32, Fault> {
        sweep(&self.spot)
    }

    /// The next [fencing number](crate::fencing). To be asked for by the holder.
    pub fn next_token(&self) -> Result<u64, Fault> {
        crate::fencing::next_token(self.spot.as_fd(), self.spot.name())
    }

    fn terms<'a>(&'a self, payload: &'a [u8]) -> Terms<'a> {
        let decode = decode(self.spot.kind());
        Terms { payload, decode, observer: &self.me.observer, rule: self.rule, local: self.local }
    }
}

/// Early in an initramfs the kernel has no random numbers yet, and there are no other hosts.
fn fresh() -> Nonce {
    nonce().unwrap_or_else(nonce_of_this_moment)
}

fn now_ms() -> i64 {
    wall_us() / 1000
}
