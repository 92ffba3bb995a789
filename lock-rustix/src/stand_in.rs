//! Waiting in the kernel's queue with a limit: a process stands in the queue in our stead.
//!
//! A thread that waits in `flock(2)` or `fcntl(2)` can be called back by a signal only, and signals
//! belong to the program. So a child that shares memory and descriptors with its parent makes the
//! call, on the parent's open file: what it is granted is the parent's. When the time is over it is
//! killed by a timer of its own, and with it goes the request. It is gone, and waited for, before
//! the wait returns; it dies with its parent; it handles no signal, and sends none when it ends.
//!
//! What is left of it when it was granted the lock: the kernel's lists name its pid as that of the
//! taker. Lists of open files, [`holders`](crate::holders), name the parent.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::mem::{self, MaybeUninit};
use core::sync::atomic::{AtomicBool, Ordering};

use lock_core::fault::Fault;
use lock_core::os::Mode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use crate::alarm::{self, Timer};
use crate::arch::syscall;
use crate::descriptor::{errno, lend, own};
use crate::limit::{Limit, Tick};
use crate::queue::Queued;
use crate::sys::Sys;

mod clone;

use clone::clone_into;
pub(crate) use clone::number;

/// How a wait ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Waited {
    /// The lock is held.
    Locked,
    /// The time is over. Half of a lock may be held, or all of it: close the file.
    TimedOut,
    /// The caller ended it. Half of a lock may be held, or all of it: close the file.
    Cancelled,
    /// There can be no such process now.
    Impossible,
}

/// Four times what the few calls need, unoptimised too.
const STACK_BYTES: usize = 4096;

#[repr(C, align(16))]
struct Stack(MaybeUninit<[u8; STACK_BYTES]>);

/// What the child does, and what came of it.
struct Errand<'f> {
    file: &'f OwnedFd,
    mode: Mode,
    parent: Pid,
    /// When it is to die; the largest number for never.
    deadline_ns: u64,
    /// Whether the parent minds the time as well.
    watched: bool,
    answer: UnsafeCell<Result<(), Fault>>,
    done: AtomicBool,
}

/// A process that uses this one's stack. Dropped, as when the caller's tick panics, it is killed,
/// and is gone then.
struct Child(usize);

impl Child {
    /// Waits for its own end.
    fn reap(self) {
        reap(self.0);
        mem::forget(self);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        kill(self.0);
        reap(self.0);
    }
}

/// Waits for the lock on the open file. The limit's own time is looked at first.
pub(crate) fn wait<'s, C: Queued<Sys<'s>>>(
    file: &OwnedFd,
    mode: Mode,
    limit: &Limit<'_>,
    tick: &mut Tick<'_>,
) -> Result<Waited, Fault> {
    if let (Some(signal), None, u64::MAX) = (limit.signal, limit.cancel, tick.every_ns) {
        return alarm::wait::<C>(file, mode, limit.deadline_ns, signal);
    }
    if limit.left_ns() == 0 {
        return Ok(Waited::TimedOut);
    }
    // The child minds the time: its parent may be stopped then, or be another user by now, who may
    // not kill it. With nothing else to do the parent only waits for its end: the kernel wakes who
    // does that on the processor where the child was, which takes half as long.
    let watched = limit.cancel.is_some() || tick.every_ns != u64::MAX;
    let errand = Errand {
        file,
        mode,
        parent: getpid(),
        deadline_ns: limit.deadline_ns,
        watched,
        answer: UnsafeCell::new(Ok(())),
        done: AtomicBool::new(false),
    };
    let mut stack = Stack(MaybeUninit::uninit());
    let blocked = set_blocked(u64::MAX);
    // SAFETY: errand and stack outlive the child, which is gone before this function returns; all
    // signals are blocked, so that none runs a handler on that stack; `run` only makes calls.
    let child = unsafe { clone(run::<C>, &errand, &mut stack, watched) };
    set_blocked(blocked);
    let Ok((child, ended)) = child else { return Ok(Waited::Impossible) };
    let child = Child(child);
    let waited = ended.map_or(Waited::Locked, |ended| watch(&ended, limit, tick));
    if waited == Waited::Locked {
        child.reap();
    } else {
        drop(child);
    }
    if errand.done.load(Ordering::Acquire) {
        return errand.answer.into_inner().map(|()| Waited::Locked);
    }
    Ok(match waited {
        // Killed without an answer: by its timer, or by somebody else.
        Waited::Locked if limit.left_ns() == 0 => Waited::TimedOut,
        Waited::Locked => Waited::Impossible,
        waited => waited,
    })
}

/// Until the child has ended, or the limit is reached.
fn watch(ended: &OwnedFd, limit: &Limit<'_>, tick: &mut Tick<'_>) -> Waited {
    loop {
        let left_ns = limit.left_ns();
        let pause_ns = left_ns.min(tick.every_ns);
        let timeout = Timespec {
            tv_sec: i64::try_from(pause_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(pause_ns % 1_000_000_000).unwrap_or(0),
        };
        let timeout = (pause_ns != u64::MAX).then_some(&timeout);
        match either(ended, limit.cancel, timeout) {
            Ok(None) if pause_ns == left_ns => return Waited::TimedOut,
            Ok(None) => (tick.call)(),
            Ok(Some(waited)) => return waited,
            Err(Errno::INTR) => {}
            Err(_) => return Waited::TimedOut,
        }
    }
}

/// Until the child has ended or the caller wants no more; nothing if the time was over.
fn either(
    ended: &OwnedFd,
    cancel: Option<BorrowedFd<'_>>,
    timeout: Option<&Timespec>,
) -> Result<Option<Waited>, Errno> {
    let ended = lend(ended);
    let mut polled =
        [ended, cancel.unwrap_or(ended)].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    poll(&mut polled, timeout)?;
    let [ended, second] = polled.map(|fd| !fd.revents().is_empty());
    Ok(ended.then_some(Waited::Locked).or(second.then_some(Waited::Cancelled)))
}

/// The child's life.
extern "C" fn run<'s, C: Queued<Sys<'s>>>(errand: &Errand<'_>) -> ! {
    // A parent that has died before this is somebody else's child now.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let dies = dies_at(errand.deadline_ns) || errand.watched;
    if getppid() == Some(errand.parent) && dies {
        let answer = C::wait(errand.file, errand.mode);
        // SAFETY: the parent reads this only after it is said to be done.
        unsafe { *errand.answer.get() = answer };
        errand.done.store(true, Ordering::Release);
    }
    loop {
        // SAFETY: takes no pointers, and does not come back.
        unsafe { syscall(number::EXIT_GROUP, [0]) };
    }
}

/// Has this process killed at the deadline, if there is one. `false`: there is no timer to be had.
fn dies_at(deadline_ns: u64) -> bool {
    if deadline_ns == u64::MAX {
        return true;
    }
    let timer = Timer::new(Signal::KILL.as_raw()).filter(|timer| timer.set(deadline_ns));
    // It goes with the process.
    timer.map(mem::forget).is_some()
}

/// Blocks these signals, and no others; answers which were. The lowest bit is signal 1.
pub(crate) fn set_blocked(signals: u64) -> u64 {
    const SETMASK: usize = 2;
    let mut before = 0u64;
    let (set, old) = (&raw const signals as usize, &raw mut before as usize);
    // SAFETY: reads and writes one 8-byte set each.
    unsafe { syscall(number::RT_SIGPROCMASK, [SETMASK, set, old, 8]) };
    before
}

/// Sends SIGKILL.
pub(crate) fn kill(child: usize) {
    // SAFETY: takes no pointers. The child is waited for later, so its pid is nobody else's.
    unsafe { syscall(number::KILL, [child, 9]) };
}

/// Waits for the child to end. It is of the sort that a program's own waits do not see.
fn reap(child: usize) {
    const WALL: usize = 0x4000_0000;
    let interrupted = -isize::try_from(Errno::INTR.raw_os_error()).unwrap_or(0);
    loop {
        // SAFETY: asks for no status, so nothing is written.
        let result = unsafe { syscall(number::WAIT4, [child, 0, WALL, 0]) };
        if result != interrupted {
            return;
        }
    }
}

/// Makes a child that shares memory and descriptors, and runs `entry` there. Its pid and, if asked
/// for, a descriptor that can be read when it has ended.
///
/// # Safety
///
/// What `entry` is given, and the stack, must outlive the child. `entry` may use no thread-local
/// data and no lock: it runs beside the thread that it was made by, as if it were that thread.
unsafe fn clone<'e>(
    entry: extern "C" fn(&Errand<'e>) -> !,
    errand: &Errand<'e>,
    stack: &mut Stack,
    descriptor: bool,
) -> Result<(usize, Option<OwnedFd>), Errno> {
    const CLONE_VM: usize = 0x100;
    const CLONE_FILES: usize = 0x400;
    const CLONE_PIDFD: usize = 0x1000;
    let mut ended = -1i32;
    // No signal in the lowest byte: a program that counts its children does not hear of this one.
    let flags = CLONE_VM | CLONE_FILES;
    let flags = if descriptor { flags | CLONE_PIDFD } else { flags };
    let top = (&raw mut *stack as usize).wrapping_add(STACK_BYTES);
    let errand: *const Errand<'_> = errand;
    let (entry, errand) = (entry as usize, errand as usize);
    // SAFETY: the caller's promises; `ended` gets one int.
    let result = unsafe { clone_into(flags, top, &raw mut ended, entry, errand) };
    let child = usize::try_from(result).map_err(|_| errno(result))?;
    if !descriptor {
        return Ok((child, None));
    }
    if ended < 0 {
        // Before Linux 5.2.
        kill(child);
        reap(child);
        return Err(Errno::NOSYS);
    }
    // SAFETY: the kernel made this descriptor for us.
    Ok((child, Some(unsafe { own(ended as isize)? })))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::clock::monotonic_ns;
    use lock_core::scheme::kernel::{ByBoth, ByFlock, ByOfd, ByPosix};
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::fs::{CWD, FlockOperation, OFlags, flock, openat};
    use std::ffi::CString;
    use std::path::PathBuf;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::thread;

    /// A file, for one test at a time: they count the process's children.
    struct Scratch(PathBuf, #[allow(dead_code)] MutexGuard<'static, ()>);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            static ALONE: Mutex<()> = Mutex::new(());
            let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
            let name = std::format!("lock-rustix-stand-in-{name}-{}", std::process::id());
            Scratch(std::env::temp_dir().join(name), alone)
        }

        fn open(&self) -> OwnedFd {
            self.open_for(OFlags::RDWR | OFlags::CREATE)
        }

        fn open_for(&self, flags: OFlags) -> OwnedFd {
            let path = CString::new(self.0.to_str().unwrap()).unwrap();
            openat(CWD, &*path, flags | OFlags::CLOEXEC, 0o600.into()).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).unwrap();
        }
    }

    fn in_ms(ms: u64) -> Limit<'static> {
        Limit::until(monotonic_ns() + ms * 1_000_000)
    }

    fn wait_for<C: for<'s> Queued<Sys<'s>>>(
        file: &OwnedFd,
        mode: Mode,
        limit: &Limit<'_>,
    ) -> Result<Waited, Fault> {
        wait::<C>(file, mode, limit, &mut Tick::never(&mut || {}))
    }

    /// Children of this process, the kernel says.
    fn children() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let lists = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
        lists.map(|list| list.split_whitespace().count()).sum()
    }

    #[test]
    fn what_is_free_is_taken_and_stays_when_the_child_is_gone() {
        let scratch = Scratch::new("free");
        let (ours, other) = (scratch.open(), scratch.open());
        let waited = wait_for::<ByFlock>(&ours, Mode::Exclusive, &in_ms(60_000)).unwrap();
        assert_eq!(waited, Waited::Locked);
        assert!(flock(&other, FlockOperation::NonBlockingLockShared).is_err());
        drop(ours);
        assert!(flock(&other, FlockOperation::NonBlockingLockShared).is_ok());
        let ofd = scratch.open();
        assert_eq!(wait_for::<ByOfd>(&ofd, Mode::Shared, &in_ms(60_000)), Ok(Waited::Locked));
        drop(other);
        let (posix, both) = (scratch.open(), scratch.open());
        assert_eq!(wait_for::<ByBoth>(&both, Mode::Exclusive, &in_ms(5)), Ok(Waited::TimedOut));
        drop((ofd, both));
        assert_eq!(
            wait_for::<ByPosix>(&posix, Mode::Exclusive, &in_ms(60_000)),
            Ok(Waited::Locked)
        );
        let both = scratch.open();
        assert_eq!(wait_for::<ByBoth>(&both, Mode::Exclusive, &in_ms(5)), Ok(Waited::TimedOut));
    }

    #[test]
    fn time_and_caller_end_the_wait_and_nothing_is_left() {
        let scratch = Scratch::new("ends");
        let holder = scratch.open();
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        let start_ns = monotonic_ns();
        for _ in 0..50 {
            let ours = scratch.open();
            let waited = wait_for::<ByFlock>(&ours, Mode::Exclusive, &in_ms(1)).unwrap();
            assert_eq!(waited, Waited::TimedOut);
        }
        assert!(monotonic_ns() - start_ns >= 50_000_000);
        let ours = scratch.open();
        let cancel = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let limit = in_ms(600_000).cancelled_by(Some(lend(&cancel)));
        thread::scope(|scope| {
            let wait = || wait_for::<ByFlock>(&ours, Mode::Exclusive, &limit);
            let waiter = scope.spawn(wait);
            rustix::io::write(&cancel, &1u64.to_ne_bytes()).unwrap();
            assert_eq!(waiter.join().unwrap(), Ok(Waited::Cancelled));
        });
        assert_eq!(children(), 0);
        let list = std::fs::read_to_string("/proc/locks").unwrap();
        let inode = rustix::fs::fstat(&holder).unwrap().st_ino;
        let queued = |line: &&str| line.contains("->") && line.contains(&std::format!(":{inode} "));
        assert_eq!(list.lines().find(queued), None);
    }

    #[test]
    fn a_release_ends_the_wait() {
        let scratch = Scratch::new("release");
        let holder = scratch.open();
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        let ours = scratch.open();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| wait_for::<ByFlock>(&ours, Mode::Shared, &in_ms(600_000)));
            while children() == 0 && !waiter.is_finished() {
                thread::yield_now();
            }
            drop(holder);
            assert_eq!(waiter.join().unwrap(), Ok(Waited::Locked));
        });
    }

    #[test]
    fn who_wants_to_be_told_is_told_while_the_place_is_kept() {
        let scratch = Scratch::new("tick");
        let (holder, ours) = (scratch.open(), scratch.open());
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        let mut ticks = 0;
        let mut count = || {
            ticks += 1;
            if ticks <= 3 {
                assert_eq!(children(), 1);
            }
            if ticks == 3 {
                flock(&holder, FlockOperation::Unlock).unwrap();
            }
        };
        let mut tick = Tick { every_ns: 1_000_000, call: &mut count };
        let waited = wait::<ByFlock>(&ours, Mode::Exclusive, &Limit::NONE, &mut tick);
        assert_eq!(waited, Ok(Waited::Locked));
        // On a busy machine it is told again before the child has ended.
        assert!(ticks >= 3, "{ticks}");
    }

    #[test]
    fn nobody_stands_in_the_queue_for_one_who_panicked() {
        let scratch = Scratch::new("panic");
        let (holder, ours) = (scratch.open(), scratch.open());
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        let mut panic = || panic!("as an observer may");
        let mut tick = Tick { every_ns: 1_000_000, call: &mut panic };
        let wait = || wait::<ByFlock>(&ours, Mode::Exclusive, &Limit::NONE, &mut tick);
        assert!(std::panic::catch_unwind(core::panic::AssertUnwindSafe(wait)).is_err());
        assert_eq!(children(), 0);
    }

    #[test]
    fn a_limit_holds_for_one_who_may_not_kill_any_more() {
        use rustix::thread::{Uid, set_thread_uid};

        let scratch = Scratch::new("uid");
        let (holder, ours) = (scratch.open(), scratch.open());
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        let nobody = || {
            // As when the program gives up being root while it waits. Others cannot, and wait only.
            let mut become_nobody = || {
                let _ = set_thread_uid(Uid::from_raw(65534));
            };
            let mut tick = Tick { every_ns: 1_000_000, call: &mut become_nobody };
            wait::<ByFlock>(&ours, Mode::Exclusive, &in_ms(50), &mut tick)
        };
        // Of this thread alone.
        let waited = thread::scope(|scope| scope.spawn(nobody).join().unwrap());
        assert_eq!(waited, Ok(Waited::TimedOut));
        assert_eq!(children(), 0);
    }

    #[test]
    fn errors_come_back() {
        let scratch = Scratch::new("errors");
        drop(scratch.open());
        let ours = scratch.open_for(OFlags::RDONLY);
        let fault = wait_for::<ByOfd>(&ours, Mode::Exclusive, &in_ms(600_000)).unwrap_err();
        assert_eq!(fault.errno, u16::try_from(Errno::BADF.raw_os_error()).unwrap());
    }
}
