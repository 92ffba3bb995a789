//! Waiting until a held existence lock may be free, without asking again and again.
//!
//! A waiter is woken by what happens to the lock's own inode (inotify: removed, renamed, given
//! other attributes), by the end of its holder (pidfd, on this host), by the moment when it turns
//! stale, or by its caller. Where no events come, because the file system is shared with other
//! hosts or the watches have run out, the caller's own pause decides.

use lock_core::os::ProcessState;
use lock_core::scheme::look::Found;
use lock_core::staleness::{Alive, Verdict, pid_is_comparable};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock::wall_us;
use crate::existence::Contender;
use crate::place::FileName;
use crate::process;

/// Even where events come, a waiter looks again after this time, in nanoseconds: a watch is only a
/// help.
const LOOK_AGAIN_NS: u64 = 10_000_000_000;

/// What a waiter watches. One for a whole wait: closing it can take long.
#[derive(Debug)]
pub struct Watch {
    events: Option<OwnedFd>,
    holder: Option<OwnedFd>,
    /// When the lock turns stale by its age, in nanoseconds from when it was armed.
    stale_in_ns: Option<u64>,
    armed: bool,
}

/// Why a wait ended.
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
    /// Watches nothing yet.
    pub fn new() -> Watch {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        Watch { events: inotify::init(flags).ok(), holder: None, stale_in_ns: None, armed: false }
    }

    /// Watches the lock that stands now, as it was found. After this one more try must be made
    /// before [`wait`](Watch::wait): what happened before is not seen. `false`: no events will
    /// come, and the caller must look again after pauses of his own.
    pub fn arm(&mut self, contender: &Contender, found: &Found) -> bool {
        self.drain();
        self.holder = holder(contender, found);
        self.stale_in_ns = stale_in_ns(found);
        self.armed = contender.is_local() && self.watch(contender).is_ok();
        self.armed
    }

    /// Waits for an event, at most so many nanoseconds, or until `cancel` can be read. `pause_ns`
    /// is how long to wait where no events come.
    pub fn wait(&self, left_ns: u64, pause_ns: u64, cancel: Option<BorrowedFd<'_>>) -> Woken {
        let own_ns = if self.armed { LOOK_AGAIN_NS } else { pause_ns };
        let timeout_ns = left_ns.min(own_ns).min(self.stale_in_ns.unwrap_or(u64::MAX));
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(timeout_ns % 1_000_000_000).unwrap_or(0),
        };
        // A descriptor stands for those that are absent; it is asked for nothing.
        let nothing = cancel.or(self.events.as_ref().map(AsFd::as_fd));
        let Some(nothing) = nothing.or(self.holder.as_ref().map(AsFd::as_fd)) else {
            let _ = poll(&mut [], Some(&timeout));
            return Woken::Time;
        };
        let events = self.events.as_ref().filter(|_| self.armed).map(AsFd::as_fd);
        let mut polled = [events, self.holder.as_ref().map(AsFd::as_fd), cancel].map(|fd| {
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
    fn watch(&self, contender: &Contender) -> Result<(), Errno> {
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
        inotify::add_watch(events, path.as_c_str(), flags).map(|_| ())
    }

    /// Forgets events of locks that are gone.
    fn drain(&self) {
        let mut buffer = [0; 512];
        if let Some(events) = &self.events {
            while rustix::io::read(events, &mut buffer).is_ok_and(|len| len > 0) {}
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
    let opened = pidfd_open(raw, PidfdFlags::empty()).ok()?;
    // Readable at once, and for ever, would be a holder who is gone already.
    matches!(process::state(pid), ProcessState::Running { .. }).then_some(opened)
}

/// How long until the lock is stale by its age.
fn stale_in_ns(found: &Found) -> Option<u64> {
    let Verdict::Live(Alive::Fresh(at_age_ms)) = found.verdict else { return None };
    let age_ms = (wall_us() / 1000).saturating_sub(found.modified_ms?);
    let left_ms = at_age_ms.saturating_sub(u64::try_from(age_ms).unwrap_or(0));
    Some(left_ms.saturating_add(1).saturating_mul(1_000_000))
}

fn number(fd: BorrowedFd<'_>) -> lock_core::payload::message::Message {
    lock_core::payload::message::Message::from_pid(fd.as_raw_fd().unsigned_abs())
}
