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
use super::prepared::Attempts;
use super::{Spot, Taken, look, release_for, remove, remove_by_force, sweep, touch_for};
use crate::clock::wall_us;
use crate::identity::{Identity, is_local, myself, nonce, nonce_of_this_moment};
use crate::place::Nonce;
use crate::signature::{Payload, Signer, decode};

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
    ///
    /// Fails with [`Missing`](lock_core::fault::FaultKind::Missing) and the like, as
    /// [`open_parent`](crate::place::open_parent) does. Makes nothing.
    ///
    /// ```
    /// use lock_core::{fault::FaultKind, kind::Kind, os::Node};
    /// use lock_rustix::existence::Contender;
    ///
    /// let fault = Contender::new(Kind::Nfs, c"/tmp/lock-rustix-doc-never-made/lock").unwrap_err();
    /// assert_eq!((fault.kind, fault.node), (FaultKind::Missing, Node::Directory));
    /// ```
    pub fn new(kind: Kind, path: &CStr) -> Result<Contender, Fault> {
        Spot::open(kind, path).map(Contender::at)
    }

    /// The same for a place that is open already.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::{Contender, Spot};
    ///
    /// let spot = Spot::open(Kind::Pidfile, c"/tmp/lock-rustix-doc-at").unwrap();
    /// let contender = Contender::at(spot);
    /// assert_eq!(contender.me.observer.owner.pid.unwrap().get(), u64::from(std::process::id()));
    /// ```
    pub fn at(spot: Spot) -> Contender {
        Contender::known_as(myself(), spot)
    }

    /// The same for a process that knows already who it is: to find that out takes a dozen calls.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::{Contender, Spot};
    /// use lock_rustix::identity::myself;
    ///
    /// let me = myself();
    /// for path in [c"/tmp/lock-rustix-doc-one", c"/tmp/lock-rustix-doc-other"] {
    ///     let contender = Contender::known_as(me.clone(), Spot::open(Kind::Mkdir, path).unwrap());
    ///     assert!(contender.look().unwrap().is_none());
    /// }
    /// ```
    pub fn known_as(me: Identity, spot: Spot) -> Contender {
        let local = is_local(&spot);
        Contender { spot, me, rule: Rule::Strict(Policy::default()), local }
    }

    /// Makes new files with these permissions, less the umask.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let contender = Contender::new(Kind::Pidfile, c"/tmp/lock-rustix-doc-with-mode").unwrap();
    /// let contender = contender.with_mode(0o600);
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// let file = std::fs::metadata("/tmp/lock-rustix-doc-with-mode").unwrap();
    /// assert_eq!(file.permissions().mode() & 0o777, 0o600);
    /// # taken.unlock(&contender.spot).unwrap();
    /// ```
    #[must_use]
    pub fn with_mode(mut self, mode: RawMode) -> Contender {
        self.set_mode(mode);
        self
    }

    /// [`with_mode`](Contender::with_mode) where it stands.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let mut contender = Contender::new(Kind::Nfs, c"/tmp/lock-rustix-doc-set-mode").unwrap();
    /// contender.set_mode(0o600);
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// let file = std::fs::metadata("/tmp/lock-rustix-doc-set-mode.nfs_lock").unwrap();
    /// assert_eq!(file.permissions().mode() & 0o777, 0o600);
    /// # taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn set_mode(&mut self, mode: RawMode) {
        self.spot.mode = mode;
    }

    /// Judges others by this rule. [`Rule::Lease`] makes the lock a [lease](Spot::with_lease).
    ///
    /// ```
    /// use lock_core::{kind::Kind, scheme::breaking::Rule};
    /// use lock_rustix::existence::{Contender, Request};
    ///
    /// let path = "/tmp/lock-rustix-doc-with-rule";
    /// std::fs::File::create(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    /// let contender = Contender::new(Kind::Pidfile, c"/tmp/lock-rustix-doc-with-rule").unwrap();
    /// // An empty file proves nothing.
    /// assert!(contender.lock(&Request::once(&contender.me), &mut |_| {}).is_err());
    /// // But it is older than an hour.
    /// let contender = contender.with_rule(Rule::Age { stale_age_ms: 3_600_000 });
    /// let taken = contender.lock(&Request::once(&contender.me), &mut |_| {}).unwrap();
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Contender {
        self.set_rule(rule);
        self
    }

    /// [`with_rule`](Contender::with_rule) where it stands.
    ///
    /// ```
    /// use lock_core::{kind::Kind, scheme::breaking::Rule};
    /// use lock_rustix::existence::{Contender, Request};
    ///
    /// let path = "/tmp/lock-rustix-doc-rule";
    /// std::fs::File::create(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    /// let mut contender = Contender::new(Kind::Pidfile, c"/tmp/lock-rustix-doc-rule").unwrap();
    /// assert!(contender.lock(&Request::once(&contender.me), &mut |_| {}).is_err(), "nobody's");
    /// contender.set_rule(Rule::Age { stale_age_ms: 3_600_000 });
    /// let taken = contender.lock(&Request::once(&contender.me), &mut |_| {}).unwrap();
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn set_rule(&mut self, rule: Rule) {
        self.spot.lease |= matches!(rule, Rule::Lease { .. });
        self.rule = rule;
    }

    /// Whether the lock's file system belongs to this kernel alone.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// // Memory of this machine; and what is nobody's disk.
    /// assert!(Contender::new(Kind::Mkdir, c"/dev/shm/lock").unwrap().is_local());
    /// assert!(!Contender::new(Kind::Mkdir, c"/proc/lock").unwrap().is_local());
    /// ```
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// One try at the lock for `holder`, with his words if the kind has room for them. `flocked`:
    /// for as long as the calling process lives, and not only until it is left standing.
    ///
    /// Fails as [`existence::try_lock`](super::try_lock()) does, and with
    /// [`TooLong`](lock_core::fault::FaultKind::TooLong) for words that do not fit.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_core::scheme::breaking::TryLockError;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Nfs, c"/tmp/lock-rustix-doc-try").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"nightly backup", true).unwrap();
    /// let refused = contender.try_lock(&contender.me, b"", true).unwrap_err();
    /// assert!(matches!(refused, TryLockError::Held { .. }));
    /// let found = contender.look().unwrap().unwrap();
    /// assert_eq!(found.claim.unwrap().owner.message.unwrap()[..], b"nightly backup"[..]);
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn try_lock(
        &self,
        holder: &Identity,
        message: &[u8],
        flocked: bool,
    ) -> Result<Taken, TryLockError<OwnedFd>> {
        Attempts::new(self, Some((holder, message, flocked))).once()
    }

    /// One try at a pid file that stays empty for the caller to write.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    /// use lock_rustix::rustix::io::write;
    ///
    /// let contender = Contender::new(Kind::Pidfile, c"/tmp/lock-rustix-doc-empty").unwrap();
    /// let taken = contender.try_lock_empty().unwrap();
    /// write(taken.file().unwrap(), b"4711\n").unwrap();
    /// assert_eq!(std::fs::read("/tmp/lock-rustix-doc-empty").unwrap(), b"4711\n");
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn try_lock_empty(&self) -> Result<Taken, TryLockError<OwnedFd>> {
        Attempts::new(self, None).once()
    }

    /// What `holder` writes.
    pub(super) fn sign(
        &self,
        holder: &Identity,
        message: &[u8],
        flocked: bool,
        nonce: &Nonce,
        payload: &mut Payload,
    ) -> Result<(), Fault> {
        // Whether a lease's file is flocked says nothing.
        let flocked = flocked && !matches!(self.rule, Rule::Lease { .. });
        Signer { holder, message, nonce, flocked }.write(self.spot.kind(), payload)
    }

    /// [`look`] without taking the lock.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_core::staleness::Verdict;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Symlink, c"/tmp/lock-rustix-doc-look-at").unwrap();
    /// assert!(contender.look().unwrap().is_none());
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// assert!(matches!(contender.look().unwrap().unwrap().verdict, Verdict::Live(_)));
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn look(&self) -> Result<Option<Found>, Fault> {
        look(&self.spot, &self.terms(&[]))
    }

    /// [`look`](Contender::look) after a try that found the lock flocked, or did not.
    pub(super) fn look_again(&self, flocked: Option<bool>) -> Result<Option<Found>, Fault> {
        look_again(&self.spot, &self.terms(&[]), flocked)
    }

    /// [`release_for`] a holder, who may have ended.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Symlink, c"/tmp/lock-rustix-doc-release").unwrap();
    /// contender.try_lock(&contender.me, b"", false).unwrap().leave(&contender.spot);
    /// contender.release_for(&contender.me).unwrap();
    /// assert!(contender.look().unwrap().is_none());
    /// ```
    pub fn release_for(&self, holder: &Identity) -> Result<(), TryLockError<OwnedFd>> {
        release_for(&self.spot, &self.terms(&[]), &fresh(), now_ms(), holder)
    }

    /// [`touch_for`] a holder.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Nfs, c"/tmp/lock-rustix-doc-touch-for").unwrap();
    /// assert_eq!(contender.touch_for(&contender.me), Ok(false));
    /// let taken = contender.try_lock(&contender.me, b"", false).unwrap();
    /// assert_eq!(contender.touch_for(&contender.me), Ok(true));
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn touch_for(&self, holder: &Identity) -> Result<bool, Fault> {
        touch_for(&self.spot, decode(self.spot.kind()), holder)
    }

    /// [`remove`] the lock if it is stale; tells why.
    ///
    /// Fails with [`Held`](TryLockError::Held) if its holder lives or cannot be shown to have
    /// ended, and with [`Missing`](lock_core::fault::FaultKind::Missing) if there is no lock.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_core::scheme::breaking::TryLockError;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-remove").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// assert!(matches!(contender.remove(), Err(TryLockError::Held { .. })));
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn remove(&self) -> Result<Stale, TryLockError<OwnedFd>> {
        remove(&self.spot, &self.terms(&[]), &fresh(), now_ms(), &if_stale)
    }

    /// [`remove_by_force`]: whoever holds it. Tells whether there was one.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-force").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// assert_eq!(contender.remove_by_force(), Ok(true));
    /// // The holder was not asked, and finds out only if he looks.
    /// assert_eq!(taken.still_held(&contender.spot), Ok(false));
    /// assert_eq!(contender.remove_by_force(), Ok(false));
    /// ```
    pub fn remove_by_force(&self) -> Result<bool, Fault> {
        remove_by_force(&self.spot, &fresh())
    }

    /// [`sweep`] away what killed processes left beside the lock; tells how many.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    /// use lock_rustix::place::FileName;
    ///
    /// let contender = Contender::new(Kind::Nfs, c"/tmp/lock-rustix-doc-sweep").unwrap();
    /// let private = FileName::private(contender.spot.lock_name(), &[7; 16]);
    /// std::fs::write(format!("/tmp/{}", private.as_c_str().to_str().unwrap()), "").unwrap();
    /// assert_eq!(contender.sweep(), Ok(1));
    /// ```
    pub fn sweep(&self) -> Result<u32, Fault> {
        sweep(&self.spot)
    }

    /// The next [fencing number](crate::fencing). To be asked for by the holder. Fails as
    /// [`next_token`](crate::fencing::next_token) does.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    ///
    /// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-next-token").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// let token = contender.next_token().unwrap();
    /// assert_eq!(contender.next_token(), Ok(token + 1));
    /// taken.unlock(&contender.spot).unwrap();
    /// # std::fs::remove_file("/tmp/.lock-rustix-doc-next-token.token").unwrap();
    /// ```
    pub fn next_token(&self) -> Result<u64, Fault> {
        crate::fencing::next_token(self.spot.as_fd(), self.spot.name())
    }

    #[inline(never)]
    pub(super) fn terms<'a>(&'a self, payload: &'a [u8]) -> Terms<'a> {
        let decode = decode(self.spot.kind());
        Terms { payload, decode, observer: &self.me.observer, rule: self.rule, local: self.local }
    }
}

/// Early in an initramfs the kernel has no random numbers yet, and there are no other hosts.
pub(super) fn fresh() -> Nonce {
    nonce().unwrap_or_else(nonce_of_this_moment)
}

fn now_ms() -> i64 {
    wall_us() / 1000
}
