//! Waiting until a held existence lock may be free, without asking again and again.
//!
//! A waiter is woken by what happens to the lock's own inode (inotify: removed, renamed, given
//! other attributes), by the end of its holder (pidfd, on this host), by the moment when it turns
//! stale, or by its caller. Where no events come, because the file system is shared with other
//! hosts or the watches have run out, the caller's own pause decides.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use lock_core::os::ProcessState;
use lock_core::scheme::look::Found;
use lock_core::staleness::{Alive, Verdict, pid_is_comparable};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::clock::wall_us;
use crate::descriptor::{inotify_init, lend, own, pidfd_open};
use crate::existence::Contender;
use crate::place::FileName;
use crate::process;

/// Even where events come, a waiter looks again after this time, in nanoseconds: a watch is only a
/// help.
pub(crate) const LOOK_AGAIN_NS: u64 = 10_000_000_000;

/// How many events are read at once, and what one takes, in bytes: those of an inode that is
/// watched itself carry no name.
const EVENTS_BYTES: usize = 512;
const EVENT_BYTES: usize = 16;

/// What a waiter watches. One for a whole wait, and what it needs of the kernel for the next one
/// too: to close it can take 20 ms.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_rustix::existence::Contender;
/// use lock_rustix::wake::{Watch, Woken};
///
/// let contender = Contender::new(Kind::Mkdir, c"/dev/shm/lock-rustix-doc-watch").unwrap();
/// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
/// let mut watch = Watch::new();
/// assert!(watch.arm(&contender, &contender.look().unwrap().unwrap()), "memory tells events");
/// taken.unlock(&contender.spot).unwrap();
/// assert_eq!(watch.wait(u64::MAX, u64::MAX, None), Woken::Perhaps);
/// ```
#[derive(Debug)]
pub struct Watch {
    events: Option<OwnedFd>,
    watched: Option<i32>,
    holder: Option<OwnedFd>,
    /// When the lock turns stale by its age, in nanoseconds from when it was armed.
    stale_in_ns: Option<u64>,
    armed: bool,
}

/// Why a wait ended.
///
/// ```
/// use lock_rustix::wake::{Watch, Woken};
///
/// // Nothing is watched and nobody can end it: only the pause does, after a microsecond.
/// assert_eq!(Watch::new().wait(u64::MAX, 1000, None), Woken::Time);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Woken {
    /// Something happened: try again.
    Perhaps,
    /// The time was over: try again, or give up.
    Time,
    /// The caller asked for the end.
    Cancelled,
}

impl Default for Watch {
    fn default() -> Self {
        Watch::new()
    }
}

impl Watch {
    /// Watches nothing yet. Asks the kernel for a source of events, or uses the one that the last
    /// wait left; without one, as where all are in use, the watch works by pauses.
    ///
    /// ```
    /// use lock_rustix::wake::{Watch, Woken};
    ///
    /// assert_eq!(Watch::new().wait(0, 0, None), Woken::Time);
    /// ```
    pub fn new() -> Watch {
        let events = SPARE.take().or_else(|| inotify_init().ok());
        Watch { events, watched: None, holder: None, stale_in_ns: None, armed: false }
    }

    /// Watches the lock that stands now, as it was found. After this one more try must be made
    /// before [`wait`](Watch::wait): what happened before is not seen. `false`: no events will
    /// come, and the caller must look again after pauses of his own.
    ///
    /// ```
    /// use lock_core::kind::Kind;
    /// use lock_rustix::existence::Contender;
    /// use lock_rustix::wake::Watch;
    ///
    /// let contender = Contender::new(Kind::Symlink, c"/tmp/lock-rustix-doc-arm").unwrap();
    /// let taken = contender.try_lock(&contender.me, b"", true).unwrap();
    /// let found = contender.look().unwrap().unwrap();
    /// taken.unlock(&contender.spot).unwrap();
    /// // What is gone cannot be watched: look again instead of waiting.
    /// assert!(!Watch::new().arm(&contender, &found));
    /// ```
    pub fn arm(&mut self, contender: &Contender, found: &Found) -> bool {
        self.forget();
        self.drain();
        self.holder = holder(contender, found);
        self.stale_in_ns = stale_in_ns(found);
        self.watched = contender.is_local().then(|| self.watch(contender).ok()).flatten();
        self.armed = self.watched.is_some();
        self.armed
    }

    /// Waits for an event, at most so many nanoseconds, or until `cancel` can be read. `pause_ns`
    /// is how long to wait where no events come.
    ///
    /// ```
    /// use lock_rustix::descriptor::{eventfd, lend};
    /// use lock_rustix::rustix::io::write;
    /// use lock_rustix::wake::{Watch, Woken};
    ///
    /// let end = eventfd().unwrap();
    /// write(&end, &1u64.to_ne_bytes()).unwrap();
    /// assert_eq!(Watch::new().wait(u64::MAX, u64::MAX, Some(lend(&end))), Woken::Cancelled);
    /// ```
    pub fn wait(&self, left_ns: u64, pause_ns: u64, cancel: Option<BorrowedFd<'_>>) -> Woken {
        let own_ns = if self.armed { LOOK_AGAIN_NS } else { pause_ns };
        let timeout_ns = left_ns.min(own_ns).min(self.stale_in_ns.unwrap_or(u64::MAX));
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(timeout_ns % 1_000_000_000).unwrap_or(0),
        };
        // A descriptor stands for those that are absent; it is asked for nothing.
        let nothing = cancel.or(self.events.as_ref().map(lend));
        let Some(nothing) = nothing.or(self.holder.as_ref().map(lend)) else {
            let _ = poll(&mut [], Some(&timeout));
            return Woken::Time;
        };
        let events = self.events.as_ref().filter(|_| self.armed).map(lend);
        let mut polled = [events, self.holder.as_ref().map(lend), cancel].map(|fd| {
            let flags = if fd.is_some() { PollFlags::IN } else { PollFlags::empty() };
            PollFd::from_borrowed_fd(fd.unwrap_or(nothing), flags)
        });
        match poll(&mut polled, Some(&timeout)) {
            Ok(0) => Woken::Time,
            Ok(_) => {
                let [.., asked] = polled;
                if cancel.is_some() && !asked.revents().is_empty() {
                    Woken::Cancelled
                } else {
                    Woken::Perhaps
                }
            }
            // A signal was handled.
            Err(_) => Woken::Perhaps,
        }
    }

    /// Watches the lock's own inode: not the directory, where others come and go.
    fn watch(&self, contender: &Contender) -> Result<i32, Errno> {
        use inotify::WatchFlags;

        let events = self.events.as_ref().ok_or(Errno::MFILE)?;
        let directory = number(contender.spot.as_fd());
        let lock = contender.spot.lock_name().to_bytes();
        let path = FileName::new(&[b"/proc/self/fd/", directory.text(), b"/", lock]);
        let path = path.map_err(|_| Errno::NAMETOOLONG)?;
        let flags = WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::DONT_FOLLOW;
        inotify::add_watch(lend(events), path.as_c_str(), flags)
    }

    /// Watches nothing any more.
    fn forget(&mut self) {
        if let (Some(events), Some(watched)) = (&self.events, self.watched.take()) {
            // It goes with the lock's inode by itself.
            let _ = inotify::remove_watch(lend(events), watched);
        }
    }

    /// Forgets what happened to locks that were watched before, in this wait or an earlier one.
    fn drain(&mut self) {
        let mut buffer = [0; EVENTS_BYTES];
        if let Some(events) = &self.events {
            let more = |len| len > EVENTS_BYTES - EVENT_BYTES;
            while rustix::io::read(lend(events), &mut buffer).is_ok_and(more) {}
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.forget();
        // What has happened is read by the next one: the lock may be ours, and is waited for.
        if let Some(events) = self.events.take() {
            SPARE.keep(events);
        }
    }
}

/// A source of events that no wait of this process uses now: its pid and descriptor. A forked child
/// does not touch its parent's.
struct Spare(AtomicU64);

static SPARE: Spare = Spare(AtomicU64::new(NONE));

const NONE: u64 = u64::MAX;

impl Spare {
    fn take(&self) -> Option<OwnedFd> {
        let kept = self.0.load(Ordering::Acquire);
        if kept >> 32 != u64::from(process::id()) {
            return None;
        }
        self.0.compare_exchange(kept, NONE, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        let fd = isize::try_from(kept & 0xFFFF_FFFF).ok()?;
        // SAFETY: it was given up to be found here, by this process, and is found once.
        unsafe { own(fd) }.ok()
    }

    fn keep(&self, events: OwnedFd) {
        let mine = u64::from(process::id());
        let kept = self.0.load(Ordering::Acquire);
        if kept != NONE && kept >> 32 == mine {
            return;
        }
        let fd = events.as_raw_fd().unsigned_abs();
        let next = mine << 32 | u64::from(fd);
        if self.0.compare_exchange(kept, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            let _ = events.into_raw_fd();
        }
    }
}

/// The holder, if it is a process that can be watched from here.
fn holder(contender: &Contender, found: &Found) -> Option<OwnedFd> {
    let claim = found.claim.as_ref()?;
    if !pid_is_comparable(claim, &contender.me.observer) {
        return None;
    }
    let pid = claim.owner.pid?;
    let raw = Pid::from_raw(i32::try_from(pid.get()).ok()?)?;
    let opened = pidfd_open(raw).ok()?;
    // Readable at once, and for ever, would be a holder who is gone already.
    matches!(process::state(pid), ProcessState::Running { .. }).then_some(opened)
}

/// How long until the lock is stale by its age.
pub(crate) fn stale_in_ns(found: &Found) -> Option<u64> {
    let Verdict::Live(Alive::Fresh(at_age_ms)) = found.verdict else { return None };
    let age_ms = (wall_us() / 1000).saturating_sub(found.modified_ms?);
    let left_ms = at_age_ms.saturating_sub(u64::try_from(age_ms).unwrap_or(0));
    Some(left_ms.saturating_add(1).saturating_mul(1_000_000))
}

fn number(fd: BorrowedFd<'_>) -> lock_core::payload::message::Message {
    lock_core::payload::message::Message::from_pid(fd.as_raw_fd().unsigned_abs())
}
