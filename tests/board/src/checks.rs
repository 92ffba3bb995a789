//! What every scheme must do here as on Unix. Each check starts on an empty store.

use lock_core::os::Mode;
use lock_core::payload::message::Message;
use lock_core::scheme::breaking::TryLockError;
use lock_core::scheme::hardlink::Unlocked;
use lock_core::scheme::kernel::{self as kernel_lock, ByFlock, Probe};
use lock_core::staleness::Verdict;

use crate::kernel;
use crate::machine::{paint_stack, stack_used};
use crate::scheme::{Locked, Scheme, TTL_MS};
use crate::task::Task;

/// How often somebody who is told `Again` starts over, at most.
const RESTARTS_MAX: u32 = 5;

/// Tries until there is an answer.
pub fn lock(scheme: Scheme, task: &Task) -> Option<Locked> {
    for _ in 0..RESTARTS_MAX {
        match scheme.try_lock(task) {
            Ok(locked) => return Some(locked),
            Err(TryLockError::Again) => {}
            Err(TryLockError::Held { .. }) => return None,
            Err(error) => panic!("{scheme:?}: {error:?}"),
        }
    }
    panic!("{scheme:?}: no end of starting over");
}

/// One holder at a time; it is seen, and gives back.
pub fn excludes(scheme: Scheme) {
    kernel::start();
    let (one, other) = (Task::spawn(1), Task::spawn(2));
    assert_eq!(scheme.look(&other), Ok(None));
    for (holder, waiter) in [(&one, &other), (&other, &one)] {
        let locked = lock(scheme, holder).expect("a free lock");
        assert!(lock(scheme, waiter).is_none(), "{scheme:?}: two hold it");
        assert_eq!(locked.still_held(holder), Ok(true));
        let found = scheme.look(waiter).unwrap().expect("a held lock");
        assert!(matches!(found.verdict, Verdict::Live(_)), "{:?}", found.verdict);
        let pid = found.claim.and_then(|claim| claim.owner.pid).map(|pid| pid.get());
        assert_eq!(pid, Some(u64::from(holder.pid())));
        assert_eq!(locked.unlock(holder).ok(), Some(Unlocked::Released));
    }
    nothing_is_left(scheme);
}

/// A holder that ends without giving back does not keep the lock, even if its pid comes again.
pub fn takes_over_from_the_dead(scheme: Scheme) {
    kernel::start();
    for (dies, takes) in [(1, 2), (1, 1)] {
        let holder = Task::spawn(dies);
        let locked = lock(scheme, &holder).expect("a free lock");
        holder.kill();
        drop(locked);
        kernel::with(|kernel| kernel.pass_ms(TTL_MS as i64 + 1));
        let heir = Task::spawn(takes);
        assert!(!matches!(scheme.look(&heir).unwrap().unwrap().verdict, Verdict::Live(_)));
        let locked = lock(scheme, &heir).expect("a dead holder's lock");
        assert_eq!(locked.still_held(&heir), Ok(true));
        assert_eq!(locked.unlock(&heir).ok(), Some(Unlocked::Released));
        heir.kill();
    }
    nothing_is_left(scheme);
}

/// How much of the stack it takes to take a free lock, to take a dead holder's, and to give it
/// back; in bytes.
pub fn stack_of_a_take_over(scheme: Scheme) -> usize {
    kernel::start();
    let heir = Task::spawn(2);
    paint_stack();
    die_with_it(scheme);
    let locked = lock(scheme, &heir).expect("a dead holder's lock");
    assert_eq!(locked.unlock(&heir).ok(), Some(Unlocked::Released));
    stack_used()
}

/// A holder finds out that somebody removed the lock, and leaves the next one's alone.
pub fn notices_removal(scheme: Scheme) {
    kernel::start();
    let (one, other, person) = (Task::spawn(1), Task::spawn(2), Task::spawn(3));
    let locked = lock(scheme, &one).expect("a free lock");
    assert_eq!(scheme.remove_by_force(&person), Ok(true));
    assert_eq!(locked.still_held(&one), Ok(false));
    let next = lock(scheme, &other).expect("a removed lock");
    assert_eq!(locked.unlock(&one).ok(), Some(Unlocked::WasBroken));
    assert_eq!(next.still_held(&other), Ok(true));
    assert_eq!(next.unlock(&other).ok(), Some(Unlocked::Released));
    nothing_is_left(scheme);
}

/// A lock that stood when the power went is nobody's afterwards.
pub fn survives_a_restart(scheme: Scheme) {
    kernel::start();
    let holder = Task::spawn(1);
    let locked = lock(scheme, &holder).expect("a free lock");
    kernel::restart();
    drop(locked);
    kernel::with(|kernel| kernel.pass_ms(TTL_MS as i64 + 1));
    // The same pid, and perhaps the same start time: the run of the kernel tells them apart.
    let heir = Task::spawn(1);
    let locked = lock(scheme, &heir).expect("a lock from before the restart");
    assert_eq!(locked.unlock(&heir).ok(), Some(Unlocked::Released));
    nothing_is_left(scheme);
}

/// Ends a task after every single call of taking and giving back, first a free lock, then a dead
/// holder's; tells how many ends there were.
pub fn survives_every_end(scheme: Scheme) -> u32 {
    ends(scheme, || {}) + ends(scheme, || die_with_it(scheme))
}

fn ends(scheme: Scheme, before: impl Fn()) -> u32 {
    for calls in 0.. {
        kernel::start();
        before();
        let task = Task::spawn(1).end_after(calls);
        let done = take_and_give_back(scheme, &task);
        task.kill();
        heir_gets_it(scheme);
        if done {
            return calls;
        }
    }
    unreachable!("it never ended by itself")
}

/// Takes power away after every single byte that is written to take and give back, first a free
/// lock, then a dead holder's; tells how many bytes there were.
pub fn survives_every_power_cut(scheme: Scheme) -> usize {
    power_cuts(scheme, || {}) + power_cuts(scheme, || die_with_it(scheme))
}

fn power_cuts(scheme: Scheme, before: impl Fn()) -> usize {
    for bytes in 0.. {
        kernel::start();
        before();
        kernel::with(|kernel| kernel.device().fail_after(Some(bytes)));
        let done = take_and_give_back(scheme, &Task::spawn(1));
        kernel::restart();
        heir_gets_it(scheme);
        if done {
            return bytes;
        }
    }
    unreachable!("there was never power enough")
}

/// Kernel locks: many share, one excludes, a name that was given away is noticed.
pub fn kernel_locks() {
    kernel::start();
    let (one, other) = (Task::spawn(1), Task::spawn(2));
    let try_lock = kernel_lock::try_lock::<ByFlock, Task>;
    assert_eq!(kernel_lock::probe::<ByFlock, Task>(&one), Ok(Probe::Missing));
    let shared = try_lock(&one, Mode::Shared).unwrap();
    let too = try_lock(&other, Mode::Shared).unwrap();
    assert!(matches!(try_lock(&other, Mode::Exclusive), Err(kernel_lock::TryLockError::Held(_))));
    drop(too);
    let exclusive = kernel_lock::convert(&one, shared, Mode::Exclusive).unwrap();
    kernel_lock::sign(&one, &exclusive, &Message::new(b"board").unwrap()).unwrap();
    assert!(matches!(try_lock(&other, Mode::Shared), Err(kernel_lock::TryLockError::Held(_))));
    assert!(matches!(kernel_lock::probe::<ByFlock, Task>(&other), Ok(Probe::Held(_))));
    kernel_lock::unlock_and_unlink(&one, exclusive).unwrap();
    assert_eq!(kernel::with(|kernel| (kernel.names(), kernel.open_files())), (0, 0));
}

/// Takes the lock and ends, so long ago that even a lease is over.
fn die_with_it(scheme: Scheme) {
    let holder = Task::spawn(3);
    let locked = lock(scheme, &holder).expect("a free lock");
    holder.kill();
    drop(locked);
    kernel::with(|kernel| kernel.pass_ms(TTL_MS as i64 + 1));
}

/// Whether it came to the end.
fn take_and_give_back(scheme: Scheme, task: &Task) -> bool {
    for _ in 0..RESTARTS_MAX {
        match scheme.try_lock(task) {
            Ok(locked) => return locked.unlock(task).is_ok() && !task.was_ended(),
            Err(TryLockError::Again) => {}
            Err(_) => return false,
        }
    }
    false
}

/// Whatever the one before left, the next one gets the lock; afterwards nothing is left.
fn heir_gets_it(scheme: Scheme) {
    kernel::with(|kernel| kernel.pass_ms(TTL_MS as i64 + 1));
    let heir = Task::spawn(2);
    let locked = lock(scheme, &heir).expect("a dead holder's lock");
    assert_eq!(locked.still_held(&heir), Ok(true));
    assert_eq!(locked.unlock(&heir).ok(), Some(Unlocked::Released));
    // Of the same pid, so that the private name is the same.
    let sweeper = Task::spawn(1);
    let swept = scheme.sweep(&sweeper);
    assert!(swept.is_ok(), "{scheme:?}: {swept:?}");
    nothing_is_left(scheme);
}

/// No name is left in the store, and no file open.
fn nothing_is_left(scheme: Scheme) {
    let left = kernel::with(|kernel| (kernel.names(), kernel.open_files()));
    assert_eq!(left, (0, 0), "{scheme:?}: names and open files");
}
