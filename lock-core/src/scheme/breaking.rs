//! How the lock of a dead holder is broken: exclude, judge, verify, act, in this order.
//!
//! The order is in the types. Only [`exclude`] makes an [`Excluded`], only [`judge`] turns one
//! into a [`ProvenDead`], only [`verify`] makes a [`Breakable`] of that, and only a `Breakable` is
//! taken over. Any other order lets two processes hold the lock: judged before the others are
//! excluded, the lock may be broken twice; verified before it is judged, the name may be given to
//! a new holder's file while the old one's death is found out.
//!
//! # Example
//!
//! The steps one by one, on a lock whose file its holder would keep flocked:
//!
//! ```
//! use lock_core::os::{Access, Files, Names, Node};
//! use lock_core::scheme::breaking::{self, Breakable, Excluded, ProvenDead, TryLockError};
//! use lock_core::staleness::{Stale, Verdict};
//! use lock_rustix::{place::Place, sys::Sys};
//!
//! # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
//! std::fs::write("backup.lock", "4711\n").unwrap();
//! let os = Sys::new(Place::path(c"backup.lock"));
//! let file = os.open(Node::Lock, Access::Read).unwrap();
//! let excluded: Excluded<_> = breaking::exclude(&os, file).unwrap();
//! let verdict = Verdict::Stale(Stale::NoProcess);
//! let dead: ProvenDead<_> = breaking::judge(excluded, |_| Ok(verdict)).unwrap();
//! let breakable: Breakable<_> =
//!     breaking::verify(dead, |file| breaking::names(&os, file)).unwrap();
//! assert_eq!(breakable.why(), Stale::NoProcess);
//!
//! let outcome: Result<(), TryLockError<()>> = breakable.done(os.unlink(Node::Lock));
//! assert_eq!(outcome, Ok(()));
//! assert!(!breaking::names(&os, breakable.file()).unwrap());
//! ```

use crate::fault::{Fault, FaultKind};
use crate::os::{Access, Files, Flock, Mode, Node, Processes};
use crate::owner::Pid;
use crate::staleness::{
    self, Claim, Evidence, Observer, Policy, Stale, Unknown, Verdict, pid_is_comparable,
};

/// By which rule a lock in the way is judged.
///
/// ```
/// use lock_core::scheme::breaking::{Rule, Terms, verdict};
/// use lock_core::staleness::{Observer, Policy, Stale, Unknown, Verdict};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let (me, os) = (Observer::default(), Sys::new(Place::path(c"backup.lock")));
/// let judge = |rule| {
///     let terms = Terms { payload: b"", decode: |_| None, observer: &me, rule, local: true };
///     // A lock that nobody can read, five seconds old.
///     verdict(&os, &terms, None, 5_000, true)
/// };
/// assert_eq!(judge(Rule::Strict(Policy::default())), Verdict::Unknown(Unknown::Unreadable));
/// assert_eq!(judge(Rule::Age { stale_age_ms: 3_000 }), Verdict::Stale(Stale::Expired));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rule {
    /// [`staleness::strict`]: proof only.
    Strict(Policy),
    /// [`staleness::jane_street`].
    JaneStreet,
    /// [`staleness::strict`] first, then [`staleness::pidfile`].
    Pidfile {
        /// Age in milliseconds beyond which a lock without a living holder is stale; 0: never.
        stale_age_ms: u64,
        /// How many times that a living holder is given.
        live_factor: u64,
    },
    /// [`staleness::strict`] first, then [`staleness::by_age`]: the holder has the lock for so long
    /// from when he last refreshed it, and no longer.
    Lease {
        /// That time in milliseconds; 0: for ever.
        ttl_ms: u64,
    },
    /// [`staleness::by_age`]: too old is stale, whoever holds it.
    Age {
        /// That age in milliseconds; 0: never.
        stale_age_ms: u64,
    },
}

/// What an attempt is told: who asks, what it writes, and how it judges others.
///
/// ```
/// use lock_core::payload::pid_text::{PidText, line};
/// use lock_core::scheme::breaking::{Rule, Terms};
/// use lock_core::staleness::{Observer, Policy};
///
/// let terms = Terms {
///     payload: &line(4711),
///     decode: |bytes| PidText::parse(bytes).ok().map(|text| text.claim()),
///     observer: &Observer::default(),
///     rule: Rule::Strict(Policy::default()),
///     local: true,
/// };
/// let claim = (terms.decode)(terms.payload).unwrap();
/// assert_eq!(claim.owner.to_string(), "pid 4711");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The bytes that name the caller in the lock.
    pub payload: &'a [u8],
    /// Reads such bytes; `None` if they are no payload of this convention.
    pub decode: fn(&[u8]) -> Option<Claim>,
    /// The caller, to compare holders with.
    pub observer: &'a Observer,
    /// How others are judged.
    pub rule: Rule,
    /// Whether the lock's file system belongs to this kernel alone.
    pub local: bool,
}

/// Why an attempt at an existence lock did not lock.
///
/// ```
/// use lock_core::scheme::breaking::TryLockError;
/// use lock_core::staleness::Verdict;
///
/// /// What to tell the user, or nothing where the next try may do.
/// fn message<F>(error: TryLockError<F>) -> Option<String> {
///     match error {
///         TryLockError::Held { verdict: Some(Verdict::Unknown(why)), .. } => {
///             Some(format!("not taken: {}", why.reason()))
///         }
///         TryLockError::Held { .. } => Some("another backup is running".into()),
///         TryLockError::Again => None,
///         TryLockError::NotPermitted { fault, .. } => Some(format!("clean up first: {fault}")),
///         TryLockError::Fault(fault) => Some(fault.to_string()),
///     }
/// }
/// assert_eq!(message::<()>(TryLockError::Again), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TryLockError<F> {
    /// Somebody holds it, or cannot be shown not to.
    Held {
        /// The lock's own file, where its holder keeps it flocked: whoever gets its flock knows
        /// that the holder is gone.
        queue: Option<F>,
        /// What was found out; `None` where the flock alone said that the holder lives.
        verdict: Option<Verdict>,
    },
    /// The world changed meanwhile, or a signal came: start over.
    Again,
    /// Nobody holds it, but the caller may not remove what the dead holder left: in a sticky
    /// directory only the owner of the file or the directory may.
    NotPermitted {
        /// Why the lock is stale.
        why: Stale,
        /// The removal that was refused.
        fault: Fault,
    },
    /// Trying again will not help.
    Fault(Fault),
}

impl<F> From<Fault> for TryLockError<F> {
    // Called everywhere, and rarely done.
    #[inline(never)]
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Interrupted | FaultKind::StaleHandle => TryLockError::Again,
            _ => TryLockError::Fault(fault),
        }
    }
}

/// Nobody else can be breaking this lock: `F`, kept open here, is flocked.
/// See the [example](self#example).
#[derive(Debug)]
pub struct Excluded<F>(F);

/// The holder of this lock is gone. See the [example](self#example).
#[derive(Debug)]
pub struct ProvenDead<F>(F, Stale);

/// The name still means the dead holder's lock, and no other breaker may change that.
/// See the [example](self#example).
#[must_use = "hold it until the lock is taken over"]
#[derive(Debug)]
pub struct Breakable<F>(F, Stale);

impl<F> Breakable<F> {
    /// What is flocked meanwhile. See the [example](self#example).
    pub fn file(&self) -> &F {
        &self.0
    }

    /// Why the lock may be broken. See the [example](self#example).
    pub fn why(&self) -> Stale {
        self.1
    }

    /// The outcome of a call that removes or replaces the dead holder's lock: one that is denied is
    /// [`NotPermitted`](TryLockError::NotPermitted).
    /// See the [example](self#example).
    pub fn done<T, E>(&self, outcome: Result<T, Fault>) -> Result<T, TryLockError<E>> {
        outcome.map_err(|fault| match fault.kind {
            FaultKind::Denied => TryLockError::NotPermitted { why: self.1, fault },
            _ => fault.into(),
        })
    }
}

/// Shuts out other breakers by the flock of the lock's own inode, or of its directory.
/// See the [example](self#example).
pub fn exclude<O: Flock>(
    os: &O,
    file: O::File,
) -> Result<Excluded<O::File>, TryLockError<O::File>> {
    match os.flock(&file, Mode::Exclusive) {
        Ok(()) => Ok(Excluded(file)),
        Err(fault) if fault.kind == FaultKind::WouldBlock => {
            Err(TryLockError::Held { queue: Some(file), verdict: None })
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Opens what breakers lock where the lock itself cannot be flocked by its holder: the directory,
/// which leaves nothing behind; or, where directories cannot be locked, as on NFS, a file beside
/// the lock, which stays. All participants of a lock come to the same choice, because only what
/// holds for the whole file system decides it.
///
/// ```
/// use lock_core::os::{FileType, Files};
/// use lock_core::scheme::breaking::{TryLockError, exclude, open_guard};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// # let _scratch = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/scratch.rs"));
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let guard = open_guard(&os).unwrap();
/// assert_eq!(os.fstat(&guard).unwrap().file_type, FileType::Directory);
/// let excluded = exclude(&os, guard).unwrap();
/// let second = exclude(&os, open_guard(&os).unwrap());
/// assert!(matches!(second, Err(TryLockError::Held { .. })), "one breaker at a time");
/// ```
pub fn open_guard<O: Flock>(os: &O) -> Result<O::File, Fault> {
    let directory = os.open(Node::Directory, Access::Read)?;
    match os.flock(&directory, Mode::Exclusive) {
        Err(fault)
            // Not what may pass, as a lack of memory for locks: the next would choose otherwise.
            if matches!(fault.kind, FaultKind::BadDescriptor | FaultKind::Unsupported) =>
        {
            // In two steps, because of fs.protected_regular in sticky directories.
            match os.open(Node::Guard, Access::ReadWrite) {
                Err(fault) if fault.kind == FaultKind::Missing => {
                    os.open_or_create(Node::Guard, Access::ReadWrite)
                }
                opened => opened,
            }
        }
        // Whether it is ours already is for `exclude` to find out.
        _ => Ok(directory),
    }
}

/// Finds out, with the other breakers shut out, whether the holder is gone; else
/// [`Held`](TryLockError::Held) with the verdict.
/// See the [example](self#example).
pub fn judge<F>(
    Excluded(file): Excluded<F>,
    verdict: impl FnOnce(&F) -> Result<Verdict, TryLockError<F>>,
) -> Result<ProvenDead<F>, TryLockError<F>> {
    let verdict = verdict(&file);
    judged(file, verdict)
}

/// [`judge`], once for all ways to come to a verdict.
#[inline(never)]
fn judged<F>(
    file: F,
    verdict: Result<Verdict, TryLockError<F>>,
) -> Result<ProvenDead<F>, TryLockError<F>> {
    match verdict? {
        Verdict::Stale(why) => Ok(ProvenDead(file, why)),
        verdict => Err(TryLockError::Held { queue: None, verdict: Some(verdict) }),
    }
}

/// Makes sure, after the judgement, that the name still means what was judged; else
/// [`Again`](TryLockError::Again).
/// See the [example](self#example).
pub fn verify<F>(
    ProvenDead(file, why): ProvenDead<F>,
    still_named: impl FnOnce(&F) -> Result<bool, Fault>,
) -> Result<Breakable<F>, TryLockError<F>> {
    if still_named(&file)? { Ok(Breakable(file, why)) } else { Err(TryLockError::Again) }
}

/// Whether the lock's name means this open file. Compared while it is open: a closed file's inode
/// number may be another file's by now. See the [example](self#example).
pub fn names<O: Files>(os: &O, file: &O::File) -> Result<bool, Fault> {
    let inode = os.fstat(file)?.inode;
    match os.stat(Node::Lock) {
        Ok(named) => Ok(named.inode == inode),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// What a removal is told of the lock: what it says, and the verdict by the rule. Answers with the
/// verdict that counts.
pub type Decide<'d> = &'d dyn Fn(Option<&Claim>, Verdict) -> Verdict;

/// Removes what is stale, and nothing else.
///
/// ```
/// use lock_core::scheme::breaking::{Decide, if_stale};
/// use lock_core::staleness::{Stale, Unknown, Verdict};
///
/// let unreadable = Verdict::Unknown(Unknown::Unreadable);
/// assert_eq!(if_stale(None, unreadable), unreadable);
/// // A user who says that nobody holds what cannot be read:
/// let decide: Decide<'_> = &|claim, verdict| match claim {
///     None => Verdict::Stale(Stale::GivenUp),
///     Some(_) => if_stale(claim, verdict),
/// };
/// assert_eq!(decide(None, unreadable), Verdict::Stale(Stale::GivenUp));
/// ```
pub fn if_stale(_: Option<&Claim>, verdict: Verdict) -> Verdict {
    verdict
}

/// Gathers the evidence about a claim and applies the rule.
///
/// ```
/// use lock_core::payload::pid_text::PidText;
/// use lock_core::scheme::breaking::{Rule, Terms, verdict};
/// use lock_core::staleness::{Observer, Policy, Stale, Verdict};
/// use lock_rustix::{place::Place, sys::Sys};
///
/// let os = Sys::new(Place::path(c"backup.lock"));
/// let (observer, rule) = (Observer::default(), Rule::Strict(Policy::default()));
/// let terms = Terms { payload: b"", decode: |_| None, observer: &observer, rule, local: true };
/// // Linux never has so high a pid.
/// let claim = PidText::parse(b"4194304\n").unwrap().claim();
/// assert_eq!(verdict(&os, &terms, Some(&claim), 0, false), Verdict::Stale(Stale::NoProcess));
/// ```
pub fn verdict(
    os: &impl Processes,
    terms: &Terms<'_>,
    claim: Option<&Claim>,
    age_ms: i64,
    flock_obtained: bool,
) -> Verdict {
    let process = claim
        .filter(|claim| pid_is_comparable(claim, terms.observer))
        .and_then(|claim| claim.owner.pid)
        .map(|pid: Pid| os.process(pid));
    let evidence = Evidence { process, flock_obtained, local: terms.local, age_ms };
    let proof = match (claim, terms.rule) {
        (None, _) | (_, Rule::Age { .. }) => Verdict::Unknown(Unknown::Unreadable),
        (Some(claim), Rule::JaneStreet) => staleness::jane_street(claim, terms.observer, &evidence),
        (Some(claim), rule) => {
            let policy = if let Rule::Strict(policy) = rule { policy } else { Policy::default() };
            staleness::strict(claim, terms.observer, &evidence, policy)
        }
    };
    match (proof, terms.rule) {
        (Verdict::Stale(_), _) | (_, Rule::Strict(_) | Rule::JaneStreet) => proof,
        (_, Rule::Pidfile { stale_age_ms, live_factor }) => {
            let unreadable = Claim::default();
            let claim = claim.unwrap_or(&unreadable);
            staleness::pidfile(claim, terms.observer, &evidence, stale_age_ms, live_factor)
        }
        (_, Rule::Lease { ttl_ms: age_ms } | Rule::Age { stale_age_ms: age_ms }) => {
            staleness::by_age(&evidence, age_ms)
        }
    }
}
