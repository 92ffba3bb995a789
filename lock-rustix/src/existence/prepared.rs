//! A lock that is complete but for its name, and the attempts of one wait, which share it.
//!
//! It is made for the first attempt and kept while another holds the lock: when that one gives it
//! back, a name is all that is still to be given. Its descriptor stays flocked, so no sweeper takes
//! it for a leftover as long as its maker lives. It goes when the wait ends in vain.

use core::mem;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::scheme::breaking::{Terms, TryLockError};
use lock_core::scheme::hardlink::Layout;
use lock_core::scheme::{hardlink, lease, mkdir, symlink};
use rustix::fd::OwnedFd;

use super::built::{FILES, LEASE, MKDIR, NFS, PIDFILE, SYMLINK};
use super::contender::fresh;
use super::{Contender, Proof, Spot, Taken, Target, fault, set_time_to_now};
use crate::descriptor::lend;
use crate::identity::Identity;
use crate::place::{FileName, Nonce};
use crate::process;
use crate::signature::Payload;
use crate::sys::Sys;

/// A lock that needs only its name.
#[derive(Debug)]
pub(super) struct Prepared {
    private: FileName,
    pid: u32,
    lock: Ready,
}

#[derive(Debug)]
// Without allocation the target stays where it is, however long.
#[allow(clippy::large_enum_variant)]
enum Ready {
    Named(hardlink::Prepared<OwnedFd>),
    Unnamed(hardlink::Prepared<OwnedFd>),
    Directory(mkdir::Prepared<OwnedFd>, Target),
    Link(Target),
    /// Nothing: whoever waits for a lease does not keep its file flocked, nor its time new.
    Lease(Target),
    /// Nothing any more.
    Gone,
}

impl Prepared {
    /// Makes it; `nonce` must be fresh. `unnamed`: without any name, if it can be.
    pub(super) fn new(
        spot: &Spot,
        terms: &Terms<'_>,
        nonce: &Nonce,
        unnamed: bool,
    ) -> Result<Prepared, TryLockError<OwnedFd>> {
        let private = FileName::private(spot.lock.as_c_str(), nonce);
        let sys = spot.sys(&private);
        let target = || {
            let too_long = |_| fault(Call::Symlink, FaultKind::TooLong);
            Target::try_from(terms.payload).map_err(too_long)
        };
        let lock = match (spot.kind, spot.lease) {
            (Kind::Pidfile, true) if LEASE => Ready::Lease(target()?),
            (Kind::Nfs, false) if NFS => file(&sys, terms, unnamed)?,
            (Kind::Pidfile, false) if PIDFILE => file(&sys, terms, unnamed)?,
            (Kind::Symlink, false) if SYMLINK => Ready::Link(target()?),
            (Kind::Mkdir, false) if MKDIR => {
                let target = target()?;
                Ready::Directory(mkdir::prepare(&sys, terms)?, target)
            }
            _ => return Err(fault(Call::Open, FaultKind::Unsupported).into()),
        };
        Ok(Prepared { private, pid: process::id(), lock })
    }

    /// One try. After [`Held`](TryLockError::Held) it is good for another; after any other error it
    /// is to be [discarded](Prepared::discard). Of `terms` the payload is not used.
    pub(super) fn try_lock(
        &mut self,
        spot: &Spot,
        terms: &Terms<'_>,
    ) -> Result<Taken, TryLockError<OwnedFd>> {
        let sys = spot.sys(&self.private);
        let with = |payload| Terms { payload, ..*terms };
        let companion = spot.layout() == Layout::WithCompanion;
        let proof = match mem::replace(&mut self.lock, Ready::Gone) {
            Ready::Named(file) if FILES => if NFS && companion {
                hardlink::try_prepared_linked(&sys, terms, file)
            } else {
                hardlink::try_prepared_named(&sys, terms, file)
            }
            .map(Proof::File)
            .map_err(|refused| self.keep(Ready::Named(refused.prepared), refused.why)),
            Ready::Unnamed(file) if FILES => if NFS && companion {
                hardlink::try_prepared_unnamed_linked(&sys, terms, file)
            } else {
                hardlink::try_prepared_unnamed(&sys, terms, file)
            }
            .map(Proof::File)
            .map_err(|refused| self.keep(Ready::Unnamed(refused.prepared), refused.why)),
            Ready::Directory(directory, target) if MKDIR => {
                mkdir::try_prepared(&sys, &with(&target), directory).map(Proof::Directory).map_err(
                    |refused| match refused.prepared {
                        Some(prepared) => {
                            self.keep(Ready::Directory(prepared, target), refused.why)
                        }
                        None => refused.why,
                    },
                )
            }
            Ready::Link(target) if SYMLINK => match symlink::try_lock(&sys, &with(&target)) {
                Ok(locked) => Ok(Proof::Link(locked, target)),
                Err(why) => Err(self.keep(Ready::Link(target), why)),
            },
            Ready::Lease(target) if LEASE => match lease::try_lock(&sys, &with(&target)) {
                Ok(locked) => Ok(Proof::Lease(locked)),
                Err(why) => Err(self.keep(Ready::Lease(target), why)),
            },
            _ => Err(TryLockError::Again),
        }?;
        let (private, pid) = (self.private.clone(), self.pid);
        Ok(Taken { private, proof, pid, turnstile: None, line: None })
    }

    fn keep(&mut self, lock: Ready, why: TryLockError<OwnedFd>) -> TryLockError<OwnedFd> {
        self.lock = lock;
        why
    }

    /// Removes what was prepared in vain.
    pub(super) fn discard(self, spot: &Spot) {
        let sys = spot.sys(&self.private);
        match self.lock {
            Ready::Named(file) if FILES => hardlink::discard(&sys, file),
            Ready::Directory(directory, _) if MKDIR => mkdir::discard(&sys, directory),
            _ => {}
        }
    }

    /// Whether it has a name, which stays behind if its maker is killed.
    fn is_named(&self) -> bool {
        matches!(self.lock, Ready::Named(_) | Ready::Directory(..))
    }

    /// The lock is as old as its last change: that may be long ago when it gets its name.
    fn touch(&self) {
        let file = match &self.lock {
            Ready::Named(file) | Ready::Unnamed(file) => file.file(),
            Ready::Directory(directory, _) => directory.directory(),
            _ => return,
        };
        // The file is ours and open: this cannot fail, and would only make us look old.
        let _ = set_time_to_now(lend(file));
    }
}

/// A lock's file: without a name where the file system has that, for then nothing is left of it
/// wherever its maker is killed.
fn file(sys: &Sys<'_>, terms: &Terms<'_>, unnamed: bool) -> Result<Ready, TryLockError<OwnedFd>> {
    if unnamed {
        match hardlink::prepare_unnamed(sys, terms) {
            Err(TryLockError::Fault(fault)) if cannot_be_unnamed(fault) => {}
            prepared => return prepared.map(Ready::Unnamed),
        }
    }
    hardlink::prepare_named(sys, terms).map(Ready::Named)
}

/// How file systems and kernels say that they have no `O_TMPFILE`.
fn cannot_be_unnamed(fault: Fault) -> bool {
    fault.node == Node::Private
        && fault.call == Call::Open
        && matches!(
            fault.kind,
            FaultKind::Unsupported | FaultKind::IsDirectory | FaultKind::Missing
        )
}

/// The attempts of one wait.
pub(super) struct Attempts<'a> {
    contender: &'a Contender,
    words: Words<'a>,
    prepared: Option<Prepared>,
    restarts: u32,
}

/// What an acquisition is signed with; nothing: its file stays empty for the caller to write.
pub(super) type Words<'a> = Option<(&'a Identity, &'a [u8], bool)>;

/// After so many restarts a file is made under a name: without `/proc`, old kernels cannot name one
/// that has none.
const UNNAMED_RESTARTS: u32 = 4;

impl<'a> Attempts<'a> {
    pub(super) fn new(contender: &'a Contender, words: Words<'a>) -> Attempts<'a> {
        Attempts { contender, words, prepared: None, restarts: 0 }
    }

    /// One more.
    pub(super) fn once(&mut self) -> Result<Taken, TryLockError<OwnedFd>> {
        let Contender { spot, .. } = self.contender;
        if let Some(prepared) = &self.prepared {
            prepared.touch();
        } else {
            self.prepared = Some(self.prepare()?);
        }
        let Some(prepared) = &mut self.prepared else { return Err(TryLockError::Again) };
        let outcome = prepared.try_lock(spot, &self.contender.terms(b""));
        match outcome {
            Err(TryLockError::Held { .. }) => {}
            Err(_) => {
                self.restarts = self.restarts.saturating_add(1);
                self.discard();
            }
            // It is the lock now.
            Ok(_) => self.prepared = None,
        }
        outcome
    }

    /// Apart, so that the payload is not on the stack during the attempt.
    #[inline(never)]
    fn prepare(&self) -> Result<Prepared, TryLockError<OwnedFd>> {
        let nonce = fresh();
        let mut payload = Payload::EMPTY;
        if let Some((holder, message, flocked)) = self.words {
            self.contender.sign(holder, message, flocked, &nonce, &mut payload)?;
        }
        let terms = self.contender.terms(payload.as_bytes());
        Prepared::new(&self.contender.spot, &terms, &nonce, self.restarts < UNNAMED_RESTARTS)
    }

    fn discard(&mut self) {
        if let Some(prepared) = self.prepared.take() {
            prepared.discard(&self.contender.spot);
        }
    }

    /// Whether the next one starts with something that has a name.
    pub(super) fn have_a_name(&self) -> bool {
        self.prepared.as_ref().is_some_and(Prepared::is_named)
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        self.discard();
    }
}
