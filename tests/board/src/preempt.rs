//! Two contend for a lock: one is the main program, the other runs in the timer's interrupt, which
//! comes between any two instructions of the first.

use core::cell::RefCell;

use critical_section::Mutex;
use lock_core::scheme::breaking::TryLockError;

use crate::kernel;
use crate::machine::interrupt_after;
use crate::scheme::{Locked, Scheme};
use crate::task::Task;

/// How often each side must have had the lock, and been refused, before it is enough.
const ENOUGH: u32 = 20;

/// The side that interrupts.
struct Interrupter {
    scheme: Scheme,
    task: Task,
    locked: Option<Locked>,
    taken: u32,
    refused: u32,
    started_over: u32,
    /// Whether the main program is where only one may be.
    main_is_inside: bool,
    random: u32,
}

static INTERRUPTER: Mutex<RefCell<Option<Interrupter>>> = Mutex::new(RefCell::new(None));

/// Contends until both sides have had the lock and been refused it often enough; tells how often
/// the main program had it, was refused it, and started over.
pub fn contend(scheme: Scheme) -> [u32; 3] {
    kernel::start();
    let main = Task::spawn(1);
    let interrupter = Interrupter {
        scheme,
        task: Task::spawn(2),
        locked: None,
        taken: 0,
        refused: 0,
        started_over: 0,
        main_is_inside: false,
        random: 1,
    };
    critical_section::with(|cs| *INTERRUPTER.borrow(cs).borrow_mut() = Some(interrupter));
    interrupt_after(1000, interrupt);
    let mut counts = [0; 3];
    while !is_enough(counts) {
        match scheme.try_lock(&main) {
            Ok(locked) => {
                counts[0] += 1;
                with(|other| {
                    assert!(other.locked.is_none(), "{scheme:?}: two hold it");
                    other.main_is_inside = true;
                });
                assert_eq!(locked.still_held(&main), Ok(true));
                with(|other| other.main_is_inside = false);
                let released = locked.unlock(&main);
                // A breaker may have the guard of a lease for a moment; then it expires.
                assert!(released.is_ok(), "{scheme:?}: {released:?}");
            }
            Err(TryLockError::Held { .. }) => counts[1] += 1,
            Err(TryLockError::Again) => counts[2] += 1,
            Err(error) => panic!("{scheme:?}: {error:?}"),
        }
    }
    // The last interrupt may still come; it finds nobody to work for.
    let other = critical_section::with(|cs| INTERRUPTER.borrow(cs).borrow_mut().take());
    let other = other.expect("the interrupting side");
    if let Some(locked) = other.locked {
        assert!(locked.unlock(&other.task).is_ok(), "{scheme:?}");
    }
    assert_eq!(kernel::with(|kernel| kernel.names()), 0, "{scheme:?}");
    counts
}

fn is_enough(counts: [u32; 3]) -> bool {
    let [taken, refused, _] = counts;
    taken.min(refused) >= ENOUGH && with(|other| other.taken.min(other.refused)) >= Some(ENOUGH)
}

/// Works on the interrupting side, while there is one.
fn with<T>(work: impl FnOnce(&mut Interrupter) -> T) -> Option<T> {
    critical_section::with(|cs| INTERRUPTER.borrow(cs).borrow_mut().as_mut().map(work))
}

/// Takes the lock, or gives back what was taken the last time, and comes again at another moment.
fn interrupt() {
    with(|it| {
        if let Some(locked) = it.locked.take() {
            assert_eq!(locked.still_held(&it.task), Ok(true));
            let released = locked.unlock(&it.task);
            assert!(released.is_ok(), "{:?}: {released:?}", it.scheme);
        } else {
            match it.scheme.try_lock(&it.task) {
                Ok(locked) => {
                    assert!(!it.main_is_inside, "{:?}: two hold it", it.scheme);
                    it.taken += 1;
                    it.locked = Some(locked);
                }
                Err(TryLockError::Held { .. }) => it.refused += 1,
                Err(TryLockError::Again) => it.started_over += 1,
                Err(error) => panic!("{:?}: {error:?}", it.scheme),
            }
        }
        // Knuth's linear congruence.
        it.random = it.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Counted from here, so that the main program always gets on.
        interrupt_after(200 + (it.random >> 20), interrupt);
    });
}
