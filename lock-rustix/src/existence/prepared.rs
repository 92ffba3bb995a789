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
use crate::place::Nonce;
use crate::process;
use crate::signature::Payload;
use crate::sys::Sys;

/// A lock that is complete but for its name.
#[derive(Debug)]
pub(super) struct Prepared {
    nonce: Nonce,
    pid: u32,
    lock: Ready,
    /// What a link, a lease and a directory are signed with; nothing of other files, which may be
    /// longer.
    target: Target,
}

#[derive(Debug)]
enum Ready {
    File(hardlink::Prepared<OwnedFd>),
    Directory(mkdir::Prepared<OwnedFd>),
    /// A link is made in one step.
    Link,
    /// Made anew for each attempt, which judges others by its age.
    Lease,
}

impl Prepared {
    /// Makes everything but the name; `unnamed`: a file without any name, where that is possible.
    pub(super) fn new(
        spot: &Spot,
        terms: &Terms<'_>,
        nonce: &Nonce,
        unnamed: bool,
    ) -> Result<Prepared, TryLockError<OwnedFd>> {
        let mut target = Target::new();
        let is_file = matches!(spot.kind, Kind::Nfs | Kind::Pidfile) && !spot.lease;
        if !is_file && target.try_extend_from_slice(terms.payload).is_err() {
            return Err(fault(Call::Symlink, FaultKind::TooLong).into());
        }
        let private = spot.private(nonce);
        let sys = spot.sys(&private);
        let lock = match (spot.kind, spot.lease) {
            (Kind::Pidfile, true) if LEASE => Ready::Lease,
            (Kind::Nfs, false) if NFS => file(&sys, terms, unnamed)?,
            (Kind::Pidfile, false) if PIDFILE => file(&sys, terms, unnamed)?,
            (Kind::Symlink, false) if SYMLINK => Ready::Link,
            (Kind::Mkdir, false) if MKDIR => Ready::Directory(mkdir::prepare(&sys, terms)?),
            _ => return Err(fault(Call::Open, FaultKind::Unsupported).into()),
        };
        Ok(Prepared { nonce: *nonce, pid: process::id(), lock, target })
    }

    /// One try. After [`Held`](TryLockError::Held) it is good for another; else it must be
    /// discarded.
    pub(super) fn try_lock(
        &mut self,
        spot: &Spot,
        terms: &Terms<'_>,
    ) -> Result<Taken, TryLockError<OwnedFd>> {
        let private = spot.private(&self.nonce);
        let sys = spot.sys(&private);
        let terms = &Terms { payload: &self.target, ..*terms };
        let proof = match &mut self.lock {
            Ready::File(prepared) if FILES => {
                let companion = NFS && spot.layout() == Layout::WithCompanion;
                let attempt = match (prepared.is_named(), companion) {
                    (true, true) => hardlink::try_prepared_linked,
                    (true, false) => hardlink::try_prepared_named,
                    (false, true) => hardlink::try_prepared_unnamed_linked,
                    (false, false) => hardlink::try_prepared_unnamed,
                };
                Proof::File(attempt(&sys, terms, prepared)?)
            }
            Ready::Directory(prepared) if MKDIR => {
                Proof::Directory(mkdir::try_prepared(&sys, terms, prepared)?)
            }
            Ready::Link if SYMLINK => Proof::Link(symlink::try_lock(&sys, terms)?),
            Ready::Lease if LEASE => Proof::Lease(lease::try_lock(&sys, terms)?),
            _ => return Err(TryLockError::Again),
        };
        let target = mem::take(&mut self.target);
        let (nonce, pid) = (self.nonce, self.pid);
        Ok(Taken { nonce, proof, pid, target, turnstile: None, line: None })
    }

    /// Removes what was made in vain; what has no name goes by itself.
    pub(super) fn discard(self, spot: &Spot) {
        let private = spot.private(&self.nonce);
        let sys = spot.sys(&private);
        match self.lock {
            Ready::File(file) if FILES => hardlink::discard(&sys, file),
            Ready::Directory(directory) if MKDIR => mkdir::discard(&sys, directory),
            _ => {}
        }
    }

    /// Whether nothing is left of it, though it is not the lock: a directory where no rename spares
    /// what is there.
    fn is_spent(&self) -> bool {
        matches!(&self.lock, Ready::Directory(directory) if directory.directory().is_none())
    }

    /// Whether what was made has a name: that stays if its maker is killed.
    fn is_named(&self) -> bool {
        match &self.lock {
            Ready::File(file) => file.is_named(),
            Ready::Directory(_) => true,
            Ready::Link | Ready::Lease => false,
        }
    }

    /// Makes it as young as if it were made just now, for judging others by age.
    fn touch(&self) {
        let file = match &self.lock {
            Ready::File(file) => file.file(),
            Ready::Directory(directory) => directory.directory(),
            Ready::Link | Ready::Lease => None,
        };
        // The file is ours and open: this cannot fail, and would only make us look old.
        let _ = file.map(|file| set_time_to_now(lend(file)));
    }
}

/// A lock's file: without a name where the file system has that, for then nothing is left of it
/// wherever its maker is killed.
fn file(sys: &Sys<'_>, terms: &Terms<'_>, unnamed: bool) -> Result<Ready, TryLockError<OwnedFd>> {
    if unnamed {
        match hardlink::prepare_unnamed(sys, terms) {
            Err(TryLockError::Fault(fault)) if cannot_be_unnamed(fault) => {}
            prepared => return prepared.map(Ready::File),
        }
    }
    hardlink::prepare_named(sys, terms).map(Ready::File)
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
            // One that had to be dismantled is made anew next time.
            Err(TryLockError::Held { .. }) if prepared.is_spent() => self.prepared = None,
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
