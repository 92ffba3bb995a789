//! Attempts at locks on a system that answers anything: they end, they leak no file, and a lock is
//! reported held only after a call that can have taken it.

use lock_core::fault::Call;
use lock_core::os::Node;
use lock_core::owner::{Owner, Pid, StartTime};
use lock_core::payload::message::Message;
use lock_core::scheme::breaking::{Rule, Terms, if_stale};
use lock_core::scheme::kernel::{self, ByBoth, ByFlock, ByOfd, ByPosix, Convention};
use lock_core::scheme::{hardlink, lease, look, mkdir, symlink};
use lock_core::staleness::{Claim, Observer, Policy};

use super::oracle::Oracle;

/// An owner that is made of the first bytes, so that many of them are somebody.
fn decode(bytes: &[u8]) -> Option<Claim> {
    let pid = u64::from(*bytes.first()?);
    let start = bytes.get(1).map(|start| StartTime(u64::from(*start)));
    let owner = Owner { pid: Pid::new(pid), start, ..Owner::default() };
    Some(Claim { owner, ..Claim::default() })
}

fn by<'o, C: Convention<&'o Oracle<'o>>>(os: &'o Oracle<'o>, locks: &[(Call, Node)]) {
    let message = Message::from_pid(4711);
    if let Ok(locked) = kernel::try_lock_signed::<C, _>(&os, &message) {
        assert!(locks.iter().all(|lock| os.did(&[*lock])), "{:?}", os.done);
        assert!(os.did(&[(Call::Pwrite, Node::Lock)]), "signed");
        let _ = kernel::unlock_and_unlink(&os, locked);
    }
    assert_eq!(os.open_files(), 0);
}

fn with_terms(bytes: &[u8], run: impl Fn(&Oracle<'_>, &Terms<'_>)) {
    let Some((rule, answers)) = bytes.split_first() else { return };
    let rule = match rule % 5 {
        0 => Rule::Strict(Policy { trust_host_name: rule & 64 != 0 }),
        1 => Rule::JaneStreet,
        2 => Rule::Pidfile { stale_age_ms: 1000, live_factor: 25 },
        3 => Rule::Lease { ttl_ms: 1000 },
        _ => Rule::Age { stale_age_ms: 1000 },
    };
    let observer = Observer { owner: Owner::from_pid(3), ..Observer::default() };
    let terms = Terms { payload: b"me", decode, observer: &observer, rule, local: true };
    let os = Oracle::new(answers);
    run(&os, &terms);
    assert_eq!(os.open_files(), 0, "a file was left open");
}

/// The first byte chooses the convention; the rest are answers.
pub fn kernel_attempts(bytes: &[u8]) {
    let Some((convention, answers)) = bytes.split_first() else { return };
    let os = Oracle::new(answers);
    let (flock, fcntl) = ((Call::Flock, Node::Lock), (Call::Fcntl, Node::Lock));
    match convention % 4 {
        0 => by::<ByFlock>(&os, &[flock]),
        1 => by::<ByPosix>(&os, &[fcntl]),
        2 => by::<ByOfd>(&os, &[fcntl]),
        _ => by::<ByBoth>(&os, &[flock, fcntl]),
    }
}

/// Hard links and leases: only a link or a rename to the lock's name can have taken it, or one
/// whose answer got lost, which the inode tells.
pub fn link_attempts(bytes: &[u8]) {
    let taken = [
        (Call::Link, Node::Lock),
        (Call::Rename, Node::Lock),
        (Call::Stat, Node::Lock),
        (Call::Fstat, Node::Lock),
    ];
    with_terms(bytes, |os, terms| {
        let attempts = [
            hardlink::try_lock_linked,
            hardlink::try_lock_named,
            hardlink::try_lock_unnamed,
            lease::try_lock,
        ];
        let which = usize::from(os.byte().unwrap_or(0));
        if let Ok(locked) = attempts[which % attempts.len()](&os, terms) {
            assert!(os.did(&taken), "{:?}", os.done);
            let _ = hardlink::still_held(&os, &locked);
            let _ = hardlink::unlock(&os, locked);
        }
    });
    with_terms(bytes, |os, terms| {
        let _ = hardlink::remove(&os, terms, hardlink::Layout::WithCompanion, 5000, &if_stale);
        let _ = lease::remove(&os, terms, 5000, &if_stale);
        let _ = look::file(&os, terms, 5000);
        let _ = hardlink::sweep(&os);
    });
}

/// Symbolic links and directories.
pub fn name_attempts(bytes: &[u8]) {
    with_terms(bytes, |os, terms| {
        if let Ok(locked) = symlink::try_lock(&os, terms) {
            let lost_answer = (Call::Readlink, Node::Lock);
            assert!(
                os.did(&[(Call::Symlink, Node::Lock), (Call::Rename, Node::Lock), lost_answer]),
                "{:?}",
                os.done
            );
            let _ = symlink::unlock(&os, locked, terms.payload);
        }
        let _ = symlink::remove(&os, terms, &if_stale);
        let _ = look::link(&os, terms);
    });
    with_terms(bytes, |os, terms| {
        if let Ok(locked) = mkdir::try_lock(&os, terms) {
            // Or the name means our directory, though the server denied it.
            let lost_answer = [(Call::Open, Node::Lock), (Call::Stat, Node::Lock)];
            assert!(os.did(&[(Call::Rename, Node::Lock)]) || os.did(&lost_answer), "{:?}", os.done);
            let _ = mkdir::unlock(&os, locked);
        }
        let _ = mkdir::remove(&os, terms, &if_stale);
        let _ = look::directory(&os, terms, 5000);
        let _ = mkdir::sweep(&os);
    });
}
