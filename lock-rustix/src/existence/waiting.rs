//! Waiting for an existence lock and taking it.
//!
//! Behind a holder that keeps the lock flocked, waiters queue in the kernel. Whoever comes out of
//! the queue keeps it shut, as a turnstile, until he has had the lock: one waiter of a queue looks
//! at what is going on, the others sleep. Where the lock is nothing to queue at, they queue at a
//! file beside it, and the first of them is woken by events, as [`wake`](crate::wake) says. Nothing
//! is left of a wait when it ends: no queued request, no process, no watch, no descriptor, no file.

use core::mem;

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::{Mode, Node};
use lock_core::scheme::breaking::TryLockError;
use lock_core::scheme::kernel::ByFlock;
use lock_core::scheme::look::Found;
use lock_core::staleness::{Stale, Unknown, Verdict};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use super::line::Line;
use super::prepared::{Attempts, Words};
use super::removal::sweep_some;
use super::{Contender, Taken};
use crate::clock::monotonic_ns;
use crate::descriptor::lend;
use crate::identity::Identity;
use crate::limit::{Limit, Tick};
use crate::stand_in::{self, Waited};
use crate::wake::{LOOK_AGAIN_NS, Watch, Woken, stale_in_ns};

/// How often in a row an attempt starts over before something must be wrong.
pub const RESTARTS_MAX: u32 = 1000;

/// The first pause where no events come, and the longest, in nanoseconds: on a local file system,
/// and on one that other hosts change too.
const PAUSE_NS: u64 = 1_000_000;
const PAUSE_MAX_NS: u64 = 25_000_000;
const SHARED_PAUSE_MAX_NS: u64 = 1_000_000_000;

/// Where waiters leave names behind when they are killed, each looks at so many entries of the
/// directory when it starts to wait, and at so many that may be such: other waiters have theirs.
const TIDIED_ENTRIES: u32 = 256;
const TIDIED_LEFTOVERS: u32 = 8;

/// What is asked for.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::clock::monotonic_ns;
/// use lock_rustix::existence::{Contender, Request};
///
/// let contender = Contender::new(Kind::Nfs, c"/tmp/lock-rustix-doc-existence-request").unwrap();
/// let request = Request {
///     message: b"nightly backup",
///     deadline_ns: monotonic_ns() + 5_000_000_000,
///     ..Request::once(&contender.me)
/// };
/// let taken = contender.lock(&request, &mut |_| {}).unwrap();
/// assert!(contender.lock(&Request::once(&contender.me), &mut |_| {}).is_err());
/// taken.unlock(&contender.spot).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who holds the lock then.
    pub holder: &'a Identity,
    /// His words, if the kind has room for them.
    pub message: &'a [u8],
    /// Whether the lock is the calling process's own, for as long as it lives.
    pub flocked: bool,
    /// When to give up, by the [monotonic clock](crate::clock::monotonic_ns); the largest number
    /// for never. There is at least one try.
    pub deadline_ns: u64,
    /// The longest pause between two tries, in nanoseconds; the largest number for none but those
    /// that events and the file system's nature set.
    pub longest_pause_ns: u64,
    /// How often to tell how things stand, in nanoseconds; the largest number for only when
    /// something happens.
    pub tell_every_ns: u64,
    /// Ends the wait when it can be read.
    pub cancel: Option<BorrowedFd<'a>>,
    /// What may wake the thread when the time is over: see [`Limit::signal`].
    pub signal: Option<i32>,
}

impl<'a> Request<'a> {
    /// One try for the calling process, without words.
    ///
    /// ```
    /// use lock_rustix::existence::Request;
    /// use lock_rustix::identity::myself;
    ///
    /// let me = myself();
    /// let request = Request::once(&me);
    /// // Over at once, after one try.
    /// assert_eq!((request.deadline_ns, request.message), (0, &b""[..]));
    /// ```
    pub fn once(me: &'a Identity) -> Request<'a> {
        Request {
            holder: me,
            message: b"",
            flocked: true,
            deadline_ns: 0,
            longest_pause_ns: u64::MAX,
            tell_every_ns: u64::MAX,
            cancel: None,
            signal: None,
        }
    }
}

/// What a waiter can be told.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::descriptor::{eventfd, lend};
/// use lock_rustix::existence::{Contender, Event, Refused, Request};
/// use lock_rustix::rustix::io::write;
///
/// let contender = Contender::new(Kind::Symlink, c"/tmp/lock-rustix-doc-event").unwrap();
/// let once = Request::once(&contender.me);
/// let taken = contender.lock(&once, &mut |_| {}).unwrap();
/// let end = eventfd().unwrap();
/// let request = Request { deadline_ns: u64::MAX, cancel: Some(lend(&end)), ..once };
/// let refused = contender.lock(&request, &mut |event| {
///     if let Event::Waiting { .. } = event {
///         write(&end, &1u64.to_ne_bytes()).unwrap(); // that is long enough
///     }
/// });
/// assert_eq!(refused.unwrap_err(), Refused::Cancelled);
/// # taken.unlock(&contender.spot).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// This lock is in the way. Told before each pause, also if nothing has changed.
    Waiting {
        /// Who holds it, and how it was judged.
        found: &'a Found,
        /// How long the wait may still last, in nanoseconds.
        left_ns: u64,
    },
    /// No events will come: the wait looks again and again instead, with pauses up to a limit.
    Polling,
}

/// Why the lock was not taken.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_core::staleness::{Alive, Verdict};
/// use lock_rustix::existence::{Contender, Refused, Request};
///
/// let contender = Contender::new(Kind::Symlink, c"/tmp/lock-rustix-doc-refused").unwrap();
/// let request = Request::once(&contender.me);
/// let taken = contender.lock(&request, &mut |_| {}).unwrap();
/// let refused = contender.lock(&request, &mut |_| {}).unwrap_err();
/// assert_eq!(refused, Refused::Held(Some(Verdict::Live(Alive::Runs))));
/// # taken.unlock(&contender.spot).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// Another holds it, or cannot be shown not to, and the time is over.
    Held(Option<Verdict>),
    /// Stale, but not ours to remove.
    NotPermitted(Stale, Fault),
    /// The caller ended the wait.
    Cancelled,
    /// An error.
    Failed(Fault),
}

impl Contender {
    /// Takes the lock, waiting for it as long as is asked; tells `observe` meanwhile.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::{Contender, Refused, Request};
    ///
    /// let contender = Contender::new(Kind::Mkdir, c"/tmp/lock-rustix-doc-waiting").unwrap();
    /// let me = &contender.me;
    /// let request = Request::once(me);
    /// let taken = contender.lock(&request, &mut |_| {}).unwrap();
    /// let refused = contender.lock(&request, &mut |_| {}).unwrap_err();
    /// assert!(matches!(refused, Refused::Held(_)));
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn lock(
        &self,
        request: &Request<'_>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Taken, Refused> {
        let words = (request.holder, request.message, request.flocked);
        self.lock_by(request, observe, Some(words))
    }

    /// [`lock`](Contender::lock) of a pid file that stays empty for the caller to write.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::{Contender, Request};
    ///
    /// let contender = Contender::new(Kind::Pidfile, c"/tmp/lock-rustix-doc-lock-empty").unwrap();
    /// let taken = contender.lock_empty(&Request::once(&contender.me)).unwrap();
    /// assert_eq!(std::fs::read("/tmp/lock-rustix-doc-lock-empty").unwrap(), b"");
    /// taken.unlock(&contender.spot).unwrap();
    /// ```
    pub fn lock_empty(&self, request: &Request<'_>) -> Result<Taken, Refused> {
        self.lock_by(request, &mut |_| {}, None)
    }

    fn lock_by(
        &self,
        request: &Request<'_>,
        observe: &mut dyn FnMut(Event<'_>),
        words: Words<'_>,
    ) -> Result<Taken, Refused> {
        let (mut restarts, mut watch, mut armed) = (0, None::<Watch>, false);
        let (mut pause_ns, mut turnstile) = (PAUSE_NS, None);
        let mut attempts = Attempts::new(self, words);
        let (mut passed, mut untidy) = (None::<OwnedFd>, true);
        let mut line = Line::outside(&self.spot);
        loop {
            let (queue, verdict) = match self.settle(&mut attempts, &mut restarts)? {
                Ok(taken) => {
                    let (turnstile, line) = (passed.or(turnstile), line.keep());
                    return Ok(Taken { turnstile, line, ..taken });
                }
                Err(way) => way,
            };
            if let Some(file) = passed.take() {
                if !is_removed(&file) {
                    // A dead holder's: judged without our own flock in the way.
                    continue;
                }
                turnstile = Some(file);
            }
            let left_ns = request.deadline_ns.saturating_sub(monotonic_ns());
            if left_ns == 0 {
                return Err(Refused::Held(verdict));
            }
            if let (Some(watch), true) = (&mut watch, armed) {
                let left_ns = left_ns.min(request.longest_pause_ns).min(request.tell_every_ns);
                if watch.wait(left_ns, jittered(pause_ns), request.cancel) == Woken::Cancelled {
                    return Err(Refused::Cancelled);
                }
                let longest_ns = if self.is_local() { PAUSE_MAX_NS } else { SHARED_PAUSE_MAX_NS };
                pause_ns = pause_ns.saturating_mul(2).min(longest_ns);
                armed = false;
                continue;
            }
            let found = match self.look_again(self.flocked(queue.is_some())) {
                Ok(Some(found)) => found,
                // Gone since.
                Ok(None) => continue,
                Err(_) => unseen(verdict),
            };
            observe(Event::Waiting { found: &found, left_ns });
            if mem::take(&mut untidy) && attempts.have_a_name() {
                let _ = sweep_some(&self.spot, TIDIED_ENTRIES, TIDIED_LEFTOVERS);
            }
            if let Stood::Queued(file) = self.stand(queue, &mut line, &found, request, observe)? {
                passed = file;
                continue;
            }
            if !watch.get_or_insert_with(Watch::new).arm(self, &found) {
                observe(Event::Polling);
            }
            armed = true;
        }
    }

    /// What a try that found the lock held, with a queue or without, shows of the lock's flock.
    fn flocked(&self, queue: bool) -> Option<bool> {
        // Of a lease it shows nothing: its flock is not tried.
        (queue || !self.spot.lease).then_some(queue)
    }

    /// Waits in the kernel's queue, if there is one: at the lock, or in the line beside it.
    fn stand(
        &self,
        queue: Option<OwnedFd>,
        line: &mut Line<'_>,
        found: &Found,
        request: &Request<'_>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Stood, Refused> {
        let behind = if queue.is_none() && self.is_local() { line.join() } else { None };
        let Some(file) = queue.as_ref().or(behind) else { return Ok(Stood::Nowhere) };
        match self.queue(file, queue.is_some(), found, request, observe)? {
            Waited::Locked if queue.is_none() => line.advance(),
            Waited::Locked => return Ok(Stood::Queued(queue)),
            Waited::TimedOut => {}
            Waited::Cancelled => return Err(Refused::Cancelled),
            Waited::Impossible => {
                if queue.is_none() {
                    line.give_up();
                }
                return Ok(Stood::Nowhere);
            }
        }
        Ok(Stood::Queued(None))
    }

    /// Waits for the flock of the lock that is in the way (`held`), or of the file that waiters
    /// queue at. The stand-in's stack is in here: not in the frame of who tries.
    #[inline(never)]
    fn queue(
        &self,
        file: &OwnedFd,
        held: bool,
        found: &Found,
        request: &Request<'_>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Waited, Refused> {
        // Who stands before us may judge by another age. And in the line beside the lock he may be
        // stopped, or have lost it to force: only the flock of the lock itself is the holder's.
        let own_ns = if held { u64::MAX } else { jittered(LOOK_AGAIN_NS) };
        let stale_in_ns = stale_in_ns(found).unwrap_or(u64::MAX);
        let look_again_ns = match request.longest_pause_ns.min(stale_in_ns).min(own_ns) {
            u64::MAX => u64::MAX,
            pause_ns => monotonic_ns().saturating_add(pause_ns),
        };
        let limit = Limit::until(request.deadline_ns.min(look_again_ns))
            .cancelled_by(request.cancel)
            .timed_by(request.signal);
        if limit.is_none() && request.tell_every_ns == u64::MAX {
            return Ok(match flock(lend(file), FlockOperation::LockExclusive) {
                Ok(()) => Waited::Locked,
                // After a signal, or when another host removed the file, look again.
                Err(Errno::INTR | Errno::STALE) => Waited::TimedOut,
                Err(_) => Waited::Impossible,
            });
        }
        let mut tell = || {
            if let Ok(Some(found)) = self.look_again(held.then_some(true)) {
                let left_ns = request.deadline_ns.saturating_sub(monotonic_ns());
                observe(Event::Waiting { found: &found, left_ns });
            }
        };
        let mut tick = Tick { every_ns: request.tell_every_ns, call: &mut tell };
        match stand_in::wait::<ByFlock>(file, Mode::Exclusive, &limit, &mut tick) {
            Err(fault) if fault.kind == FaultKind::StaleHandle => Ok(Waited::TimedOut),
            waited => waited.map_err(Refused::Failed),
        }
    }

    /// Tries until the lock is ours or in the way.
    fn settle(
        &self,
        attempts: &mut Attempts<'_>,
        restarts: &mut u32,
    ) -> Result<Result<Taken, InTheWay>, Refused> {
        loop {
            match attempts.once() {
                Ok(taken) => {
                    // Where others were in the way, some may have been killed there.
                    if *restarts > 0 {
                        let _ = self.sweep();
                    }
                    return Ok(Ok(taken));
                }
                Err(TryLockError::Held { queue, verdict }) => {
                    // The world stood still: what comes next is counted from here.
                    *restarts = (*restarts).min(1);
                    return Ok(Err((queue, verdict)));
                }
                Err(TryLockError::Again) if *restarts < RESTARTS_MAX => *restarts += 1,
                Err(TryLockError::Again) => {
                    let kind = FaultKind::Replaced;
                    let fault = Fault { call: Call::Open, node: Node::Lock, kind, errno: 0 };
                    return Err(Refused::Failed(fault));
                }
                Err(TryLockError::NotPermitted { why, fault }) => {
                    return Err(Refused::NotPermitted(why, fault));
                }
                Err(TryLockError::Fault(fault)) => return Err(Refused::Failed(fault)),
            }
        }
    }
}

/// Somewhere between half of the pause and all of it: what looks in step is not to stay so.
fn jittered(pause_ns: u64) -> u64 {
    pause_ns / 2 + monotonic_ns() % (pause_ns / 2 + 1)
}

/// What stands in the way and cannot be looked at, as another user's file.
fn unseen(verdict: Option<Verdict>) -> Found {
    let verdict = verdict.unwrap_or(Verdict::Unknown(Unknown::Unreadable));
    Found { claim: None, verdict, modified_ms: None }
}

/// Whether nothing names the file any more. One that a dead holder left still has its name, and is
/// to be judged by whoever comes first: he must not find it flocked by us.
fn is_removed(file: &OwnedFd) -> bool {
    fstat(lend(file)).is_ok_and(|stat| stat.st_nlink == 0)
}

/// How standing in a queue ended.
enum Stood {
    /// It is time to try again: one's turn, perhaps with the flock of the lock that was in the way.
    Queued(Option<OwnedFd>),
    /// There is none.
    Nowhere,
}

/// The file to queue at, and what is known of the holder.
type InTheWay = (Option<OwnedFd>, Option<Verdict>);
