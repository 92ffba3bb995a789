//! What a holder writes into an existence lock, and what others read out of it, by kind.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::owner::{HOST_MAX, Host, Owner, Text};
use lock_core::payload::date_time::WallTime;
use lock_core::payload::identity;
use lock_core::payload::link_identity::LinkIdentity;
use lock_core::payload::message::MESSAGE_MAX;
use lock_core::payload::nfs_info::NfsInfo;
use lock_core::payload::pidfile::{self, Pidfile};
use lock_core::payload::python;
use lock_core::staleness::Claim;

use crate::existence::built::{MKDIR, NFS, PIDFILE, SYMLINK};
use crate::identity::Identity;
use crate::place::Nonce;

/// Who signs an acquisition, and how.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::identity::myself;
/// use lock_rustix::signature::Signer;
///
/// let me = myself();
/// let signer = Signer { holder: &me, message: b"", nonce: &[7; 16], flocked: true };
/// let payload = signer.payload(Kind::Pidfile).unwrap();
/// assert!(payload.as_bytes().starts_with(std::process::id().to_string().as_bytes()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The holder: this process, or another on whose behalf the lock is taken.
    pub holder: &'a Identity,
    /// The holder's own words; only [`Kind::Nfs`] has room for them.
    pub message: &'a [u8],
    /// Fresh for each acquisition.
    pub nonce: &'a Nonce,
    /// Whether the holder keeps the lock's file open, and so flocked, for as long as it lives.
    pub flocked: bool,
}

/// The bytes of a lock.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::identity::myself;
/// use lock_rustix::signature::Signer;
///
/// let me = myself();
/// let signer = Signer { holder: &me, message: b"mine", nonce: &[7; 16], flocked: true };
/// let payload = signer.payload(Kind::Nfs).unwrap();
/// let text = std::str::from_utf8(payload.as_bytes()).unwrap();
/// assert!(text.contains("(message mine)"));
/// ```
#[derive(Clone, Debug)]
pub struct Payload {
    bytes: [u8; SIGNED_MAX],
    len: usize,
}

/// The longest payload: a message and a host of which each byte is written as four.
const SIGNED_MAX: usize = 4 * (MESSAGE_MAX + HOST_MAX) + 512;

impl Payload {
    /// The bytes to write.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::identity::myself;
    /// use lock_rustix::signature::Signer;
    ///
    /// let me = myself();
    /// let signer = Signer { holder: &me, message: b"", nonce: &[7; 16], flocked: true };
    /// assert!(!signer.payload(Kind::Mkdir).unwrap().as_bytes().is_empty());
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(crate) const EMPTY: Payload = Payload { bytes: [0; SIGNED_MAX], len: 0 };

    /// Nothing if the text does not fit.
    fn set(&mut self, text: &[u8]) -> Option<()> {
        let room = self.bytes.get_mut(..text.len())?;
        for (to, from) in room.iter_mut().zip(text) {
            *to = *from;
        }
        self.len = text.len();
        Some(())
    }
}

impl Signer<'_> {
    /// The payload of an acquisition of this kind. Fails with
    /// [`TooLong`](FaultKind::TooLong) for a message that does not fit.
    ///
    /// ```
    /// use lock_core::{fault::FaultKind, kind::Kind};
    /// use lock_rustix::identity::myself;
    /// use lock_rustix::signature::Signer;
    ///
    /// let me = myself();
    /// let signer = Signer { holder: &me, message: &[b'x'; 2000], nonce: &[7; 16], flocked: true };
    /// assert_eq!(signer.payload(Kind::Nfs).unwrap_err().kind, FaultKind::TooLong);
    /// // A directory's name has no room for words: they are left out.
    /// assert!(signer.payload(Kind::Mkdir).is_ok());
    /// ```
    pub fn payload(&self, kind: Kind) -> Result<Payload, Fault> {
        let mut payload = Payload::EMPTY;
        self.write(kind, &mut payload)?;
        Ok(payload)
    }

    /// [`payload`](Signer::payload) into the caller's: it is too large to be handed around.
    #[inline(never)]
    pub(crate) fn write(&self, kind: Kind, payload: &mut Payload) -> Result<(), Fault> {
        let owner = &self.holder.observer.owner;
        let written = match kind {
            Kind::Nfs if NFS => self.nfs(owner, payload),
            Kind::Pidfile if PIDFILE => pidfile(owner, payload),
            Kind::Symlink if SYMLINK => self.link(owner, false, payload),
            Kind::Mkdir if MKDIR => self.link(owner, self.flocked, payload),
            _ => None,
        };
        let kind = FaultKind::TooLong;
        written.ok_or(Fault { call: Call::Pwrite, node: Node::Lock, kind, errno: 0 })
    }

    fn nfs(&self, owner: &Owner, payload: &mut Payload) -> Option<()> {
        let info = NfsInfo {
            host: host_of(owner),
            pid: owner.pid?,
            message: Text::try_from(self.message).ok()?,
            start_time: self.holder.started_at_us.and_then(WallTime::from_us),
            identity: Some(identity::Identity {
                boot: owner.boot,
                pid_namespace: owner.pid_namespace,
                time_namespace: self.holder.observer.time_namespace,
                start: owner.start,
                nonce: Some(*self.nonce),
                flocked: self.flocked,
            }),
        };
        payload.len = info.write_human(&mut payload.bytes).ok()?;
        Some(())
    }

    fn link(&self, owner: &Owner, flocked: bool, payload: &mut Payload) -> Option<()> {
        let (nonce, _) = self.nonce.split_first_chunk()?;
        let identity = LinkIdentity {
            pid: u32::try_from(owner.pid?.get()).ok()?,
            boot: owner.boot,
            pid_namespace: owner.pid_namespace,
            time_namespace: self.holder.observer.time_namespace,
            start: owner.start,
            nonce: *nonce,
            flocked,
        };
        payload.set(&identity.write().ok()?)
    }
}

/// The owner's host, or no name.
fn host_of(owner: &Owner) -> Host {
    Host::try_from(owner.host.as_deref().unwrap_or_default()).unwrap_or_default()
}

fn pidfile(owner: &Owner, payload: &mut Payload) -> Option<()> {
    let pid = u32::try_from(owner.pid?.get()).ok()?;
    payload.set(&pidfile::write(pid, &host_of(owner)))
}

/// Reads what a lock of this kind says of its holder.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::signature::decode;
///
/// let claim = decode(Kind::Nfs)(b"((host vm) (pid 18426) (message \"\"))\n").unwrap();
/// assert_eq!(claim.owner.pid.unwrap().get(), 18426);
/// assert_eq!(decode(Kind::Nfs)(b""), None);
/// ```
pub fn decode(kind: Kind) -> fn(&[u8]) -> Option<Claim> {
    match kind {
        Kind::Nfs if NFS => |file| NfsInfo::parse(file).ok().map(|info| info.claim()),
        // What names its holder as Python's libraries do would be pid 0 to Julia.
        Kind::Pidfile if PIDFILE => |file| {
            let python = python::filelock(file).or_else(|_| python::flufl(file));
            python.or_else(|_| Pidfile::parse(file).claim()).ok()
        },
        Kind::Symlink | Kind::Mkdir if SYMLINK || MKDIR => {
            |target| LinkIdentity::parse(target).ok().map(|identity| identity.claim())
        }
        _ => |_| None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::myself;

    #[test]
    fn every_kind_reads_back_what_it_signs() {
        let me = myself();
        let mine = &me.observer.owner;
        let signer = Signer { holder: &me, message: b"", nonce: &[7; 16], flocked: true };
        for kind in [Kind::Nfs, Kind::Pidfile, Kind::Symlink, Kind::Mkdir] {
            let payload = signer.payload(kind).unwrap();
            let claim = decode(kind)(payload.as_bytes()).unwrap();
            assert_eq!(claim.owner.pid, mine.pid, "{kind:?}");
            if kind == Kind::Pidfile {
                assert_eq!(claim.owner.host, mine.host);
                continue;
            }
            assert_eq!((claim.owner.boot, claim.owner.start), (mine.boot, mine.start));
            assert_eq!(claim.owner.pid_namespace, mine.pid_namespace);
            assert_eq!(claim.flocked, kind != Kind::Symlink, "{kind:?}");
        }
    }

    #[test]
    fn pid_files_of_others_name_their_holders() {
        for file in [&b"12 vm"[..], b"12\nvm\n", b"12\nvm\n4711\n", b"/lock|vm|12|99"] {
            let owner = decode(Kind::Pidfile)(file).unwrap().owner;
            assert_eq!(owner.pid.map(lock_core::owner::Pid::get), Some(12), "{file:?}");
            assert_eq!(owner.host.as_deref(), Some(&b"vm"[..]), "{file:?}");
        }
        assert_eq!(decode(Kind::Pidfile)(b"12\n").unwrap().owner.host.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn the_longest_payload_fits() {
        let mut me = myself();
        me.observer.owner.host = Some(Host::from([0xff; HOST_MAX]));
        let message = &[0xff; MESSAGE_MAX];
        let signer = Signer { holder: &me, message, nonce: &[7; 16], flocked: true };
        let payload = signer.payload(Kind::Nfs).unwrap();
        assert!(payload.as_bytes().len() > 4 * (MESSAGE_MAX + HOST_MAX));
    }

    #[test]
    fn a_message_that_does_not_fit_is_refused() {
        let me = myself();
        let signer = Signer {
            holder: &me,
            message: &[b'x'; MESSAGE_MAX + 1],
            nonce: &[7; 16],
            flocked: true,
        };
        assert_eq!(signer.payload(Kind::Nfs).unwrap_err().kind, FaultKind::TooLong);
    }
}
