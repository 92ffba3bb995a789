//! Who holds an existence lock, and whether he lives, found out without touching it.
//!
//! The kernel is asked for its list of locks instead of for the flock: not even for an instant is
//! anything taken that an attempt at the same time would want. The answer is a report, not a
//! proof: it may be outdated when it arrives, and nothing may be broken on its word.
//!
//! # Example
//!
//! ```
//! use lock_core::payload::pid_text::PidText;
//! use lock_core::scheme::breaking::{Rule, Terms};
//! use lock_core::scheme::look::{self, Found};
//! use lock_core::staleness::{Observer, Policy, Stale, Unknown, Verdict};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! let terms = Terms {
//!     payload: b"",
//!     decode: |bytes| PidText::parse(bytes).ok().map(|text| text.claim()),
//!     observer: &Observer::default(),
//!     rule: Rule::Strict(Policy::default()),
//!     local: true,
//! };
//! // Linux never has so high a pid.
//! std::fs::write("file.lock", "4194304\n").unwrap();
//! let os = Sys::new(Place::path(c"file.lock"));
//! let found: Found = look::file(&os, &terms, 0).unwrap().unwrap();
//! assert_eq!(found.verdict, Verdict::Stale(Stale::NoProcess));
//!
//! std::os::unix::fs::symlink("4194304", "link.lock").unwrap();
//! let os = Sys::new(Place::path(c"link.lock"));
//! let found = look::link(&os, &terms).unwrap().unwrap();
//! assert_eq!(found.claim.unwrap().owner.to_string(), "pid 4194304");
//!
//! // A lock of a shell script names nobody.
//! std::fs::create_dir("directory.lock").unwrap();
//! let os = Sys::new(Place::path(c"directory.lock"));
//! let found = look::directory(&os, &terms, 0).unwrap().unwrap();
//! assert_eq!(found.verdict, Verdict::Unknown(Unknown::Unreadable));
//! ```

use super::breaking::{Terms, verdict};
use super::file::{read_claim, regular};
use super::{mkdir, symlink};
use crate::fault::{Fault, FaultKind};
use crate::os::{Access, Contents, Dirs, Files, LockTable, Node, Processes, Symlinks};
use crate::owner::PidNamespace;
use crate::staleness::{Alive, Claim, Unknown, Verdict};

/// The inode number of the first pid namespace, from which all processes can be seen: the kernel's
/// `PROC_PID_INIT_INO`.
const FIRST_PID_NAMESPACE: PidNamespace = PidNamespace(0xEFFF_FFFC);

/// A lock that stands. See the [example](self#example).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Found {
    /// What it says of its holder; `None` if that cannot be read by its convention.
    pub claim: Option<Claim>,
    /// Whether the holder lives, by the rule that was asked for.
    pub verdict: Verdict,
    /// When the lock was last written or refreshed, by the clock of its file system, in
    /// milliseconds since 1970; `None` for a symbolic link.
    pub modified_ms: Option<i64>,
}

/// Looks at a lock that is a file: the schemes of [`hardlink`](super::hardlink). `None`:
/// there is none. `now_ms` is the time by the file system's clock.
/// See the [example](self#example).
pub fn file<O: Contents + LockTable + Processes>(
    os: &O,
    terms: &Terms<'_>,
    now_ms: i64,
) -> Result<Option<Found>, Fault> {
    let Some(file) = there(os.open(Node::Lock, Access::Read))? else { return Ok(None) };
    regular(os, &file)?;
    let claim = read_claim(os, &file, terms.decode)?;
    found_open(os, terms, &file, claim, now_ms).map(Some)
}

/// Looks at a lock that is a directory: the scheme of [`mkdir`]. One without an owner inside is
/// of [`Unreadable`](Unknown::Unreadable) standing. See the [example](self#example).
pub fn directory<O: Dirs + LockTable + Processes>(
    os: &O,
    terms: &Terms<'_>,
    now_ms: i64,
) -> Result<Option<Found>, Fault> {
    let Some(directory) = there(os.open_directory(Node::Lock))? else { return Ok(None) };
    let mut buffer = [0; mkdir::OWNER_MAX];
    let claim = match os.readlink_in(&directory, &mut buffer) {
        Ok(len) if len < mkdir::OWNER_MAX => buffer.get(..len).and_then(terms.decode),
        Ok(_) => None,
        Err(fault) if fault.kind == FaultKind::Missing => None,
        Err(fault) => return Err(fault),
    };
    if claim.is_none() {
        let modified_ms = Some(os.fstat(&directory)?.modified_ms);
        let verdict = Verdict::Unknown(Unknown::Unreadable);
        return Ok(Some(Found { claim, verdict, modified_ms }));
    }
    found_open(os, terms, &directory, claim, now_ms).map(Some)
}

/// Looks at a lock that is a symbolic link: the scheme of [`symlink`].
/// See the [example](self#example).
pub fn link(os: &(impl Processes + Symlinks), terms: &Terms<'_>) -> Result<Option<Found>, Fault> {
    let mut buffer = [0; symlink::TARGET_MAX];
    let Some(len) = there(os.readlink(Node::Lock, &mut buffer))? else { return Ok(None) };
    let target = buffer.get(..len).filter(|_| len < symlink::TARGET_MAX);
    let claim = target.and_then(terms.decode);
    let verdict = verdict(os, terms, claim.as_ref(), 0, false);
    Ok(Some(Found { claim, verdict, modified_ms: None }))
}

fn found_open<O: Files + LockTable + Processes>(
    os: &O,
    terms: &Terms<'_>,
    file: &O::File,
    claim: Option<Claim>,
    now_ms: i64,
) -> Result<Found, Fault> {
    let stat = os.fstat(file)?;
    let modified_ms = Some(stat.modified_ms);
    // Without a list nothing is known of the flock; the process still tells.
    let listed = os.flock_listed(file, stat.inode);
    if let Ok(Some(_)) = listed {
        return Ok(Found { claim, verdict: Verdict::Live(Alive::Runs), modified_ms });
    }
    let all_seen = claim.as_ref().is_some_and(|claim| {
        let mine = terms.observer.owner.pid_namespace;
        mine == Some(FIRST_PID_NAMESPACE) || mine.is_some() && claim.owner.pid_namespace == mine
    });
    let age_ms = now_ms.saturating_sub(stat.modified_ms);
    let verdict = verdict(os, terms, claim.as_ref(), age_ms, listed.is_ok() && all_seen);
    Ok(Found { claim, verdict, modified_ms })
}

/// `None` for what is not there.
fn there<T>(outcome: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
        Err(fault) => Err(fault),
    }
}
