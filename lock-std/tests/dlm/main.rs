//! Lockspaces, guards and their threads over a lock manager in memory. What the kernel really does
//! is shown on machines of our own, in `tests/it/vm`.

mod fake;

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use fake::Node;
use lock_std::dlm::{
    DlmError, DlmErrorKind, Guard, Lockspace, Mode, Options, Reason, join, leave, with_lockspace,
};

/// Long enough for anything that is sure to come.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Short enough to wait for, where nothing comes.
const SHORT: Duration = Duration::from_millis(20);

fn kind<T: core::fmt::Debug>(outcome: Result<T, DlmError>) -> DlmErrorKind {
    outcome.unwrap_err().kind
}

fn reason(error: &DlmError) -> Reason {
    let DlmErrorKind::Fault(fault) = error.kind else { panic!("{error}") };
    fault.reason
}

fn held(lockspace: &Lockspace, name: &str, mode: Mode) -> Guard {
    lockspace.resource(name).mode(mode).lock_timeout(LONG).unwrap()
}

#[test]
fn locks_exclude_by_mode_and_end_with_their_guard() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    for ours in Mode::ALL {
        for other in Mode::ALL {
            let guard = held(&mine, "r", ours);
            assert_eq!(guard.mode(), Some(ours));
            let tried = theirs.resource("r").mode(other).try_lock();
            assert_eq!(tried.is_ok(), ours.is_compatible(other), "{ours} {other}");
            if let Err(error) = tried.map(drop) {
                assert_eq!(error.kind, DlmErrorKind::Held);
                assert_eq!(error.to_string(), "fake/r: held by another");
            }
            guard.unlock().unwrap();
            node.until(|node| node.lock_count() == 0);
        }
    }
    drop((held(&mine, "r", Mode::EX), held(&mine, "s", Mode::EX)));
    mine.close();
    assert_eq!(node.lock_count(), 0, "closing waits until everything is given back");
}

#[test]
fn with_lock_holds_a_lock_for_the_time_of_a_function() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let shared = Options { mode: Mode::PR, ..Options::default() };
    let impatient = Options { try_: true, ..Options::default() };
    let hurried = Options { timeout: Some(SHORT), ..Options::default() };
    let inner = mine.with_lock("r", &shared, || {
        theirs.with_lock("r", &shared, || ()).unwrap();
        [&impatient, &hurried].map(|options| kind(theirs.with_lock("r", options, || ())))
    });
    assert_eq!(inner.unwrap(), [DlmErrorKind::Held, DlmErrorKind::TimedOut]);
    node.until(|node| node.lock_count() == 0);
    assert_eq!(theirs.with_lock("r", &impatient, || 7).unwrap(), 7);
    let unwound = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        mine.with_lock("r", &Options::default(), || panic!("in the function"))
    }));
    assert!(unwound.is_err());
    held(&theirs, "r", Mode::EX).unlock().unwrap();
    let long = mine.with_lock("x".repeat(65), &shared, || ()).unwrap_err();
    assert!(matches!(reason(&long), Reason::Name(_)), "{long}");
}

#[test]
fn the_time_limit_holds_while_every_write_blocks() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let (kept, dropped) = (held(&mine, "kept", Mode::EX), held(&mine, "dropped", Mode::EX));
    let mut converted = held(&mine, "converted", Mode::EX);
    node.stand_still(true);
    for _ in 0..2 {
        let begin = Instant::now();
        assert_eq!(kind(mine.resource("new").lock_timeout(SHORT)), DlmErrorKind::TimedOut);
        assert!(begin.elapsed() >= SHORT);
    }
    assert_eq!(kind(mine.resource("new").try_lock_timeout(SHORT)), DlmErrorKind::TimedOut);
    let deadline = Instant::now() + SHORT;
    assert_eq!(kind(mine.resource("new").lock_deadline(deadline)), DlmErrorKind::TimedOut);
    assert_eq!(kind(converted.convert_timeout(Mode::PR, SHORT)), DlmErrorKind::TimedOut);
    assert_eq!(converted.mode(), Some(Mode::EX), "not even written yet");
    drop(dropped);
    assert_eq!(kind(kept.unlock_timeout(SHORT)), DlmErrorKind::TimedOut);
    node.stand_still(false);
    // Everything that was given up is taken back, though nobody asks any more.
    for name in ["new", "dropped", "kept"] {
        held(&theirs, name, Mode::EX).unlock().unwrap();
    }
    node.until(|node| node.lock_count() == 1);
    converted.convert(Mode::PR).unwrap();
    assert_eq!(converted.mode(), Some(Mode::PR));
}

#[test]
fn a_grant_that_comes_too_late_is_given_back() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    node.mute(true);
    assert_eq!(kind(mine.resource("r").lock_timeout(SHORT)), DlmErrorKind::TimedOut);
    assert_eq!(kind(mine.resource("v").value().lock_timeout(SHORT)), DlmErrorKind::TimedOut);
    node.mute(false);
    held(&theirs, "r", Mode::EX).unlock().unwrap();
    held(&theirs, "v", Mode::EX).unlock().unwrap();
    mine.close();
    assert_eq!(node.lock_count(), 0);
}

#[test]
fn an_id_that_comes_back_before_its_last_answer_is_read_confuses_nobody() {
    let node = Node::default();
    let lockspace = node.open();
    let first = held(&lockspace, "first", Mode::EX);
    let id = first.id();
    node.mute(true);
    drop(first);
    node.until(|node| node.lock_count() == 0);
    let second = thread::scope(|scope| {
        let second = scope.spawn(|| held(&lockspace, "second", Mode::EX));
        node.until(|node| node.lock_count() == 1);
        node.mute(false);
        second.join().unwrap()
    });
    assert_eq!((second.id(), second.mode()), (id, Some(Mode::EX)));
    second.unlock().unwrap();
}

#[test]
fn conversions_go_up_and_down() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let mut guard = held(&mine, "r", Mode::EX);
    guard.convert(Mode::PR).unwrap();
    let other = held(&theirs, "r", Mode::PR);
    assert_eq!(kind(guard.try_convert(Mode::EX)), DlmErrorKind::Held);
    assert_eq!(kind(guard.convert_timeout(Mode::EX, SHORT)), DlmErrorKind::TimedOut);
    // The next operation waits until the last is taken back.
    guard.convert(Mode::CR).unwrap();
    assert_eq!(guard.mode(), Some(Mode::CR));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| guard.convert(Mode::EX));
        node.until(|node| node.waiting_count() == 1);
        other.unlock().unwrap();
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(guard.mode(), Some(Mode::EX));
}

#[test]
fn one_of_two_that_want_the_same_conversion_is_refused_and_keeps_what_it_has() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let (mut first, mut second) = (held(&mine, "r", Mode::PR), held(&theirs, "r", Mode::PR));
    thread::scope(|scope| {
        let waiting = scope.spawn(move || first.convert(Mode::EX));
        node.until(|node| node.waiting_count() == 1);
        assert_eq!(kind(second.convert(Mode::EX)), DlmErrorKind::Deadlock);
        assert_eq!(second.mode(), Some(Mode::PR));
        drop(second);
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn values_are_read_with_the_lock_and_written_when_it_is_given_back() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let value = |lockspace: &Lockspace| {
        let guard = lockspace.resource("r").mode(Mode::PR).value().lock().unwrap();
        guard.value().map(|value| (value.bytes[0], value.valid))
    };
    let lock = || mine.resource("r").value().lock().unwrap();
    let mut guard = lock();
    guard.set_value([3; 32]);
    guard.unlock().unwrap();
    assert_eq!(value(&theirs), Some((3, true)));
    drop(lock());
    assert_eq!(value(&theirs), Some((3, true)), "who writes none changes none");
    let mut guard = lock();
    guard.set_value([4; 32]);
    guard.convert(Mode::PR).unwrap();
    assert_eq!(value(&theirs), Some((4, true)), "a conversion down writes");
    guard.unlock().unwrap();
    let mut guard = lock();
    guard.invalidate_value();
    guard.unlock().unwrap();
    assert_eq!(value(&theirs), Some((4, false)));
    drop(lock());
    assert_eq!(value(&theirs), Some((4, false)), "looking does not make it valid");
    assert_eq!(held(&mine, "r", Mode::PR).value(), None, "not asked for");
}

#[test]
fn a_holder_is_called_when_somebody_wants_his_lock() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let holder: Arc<Mutex<Option<Guard>>> = Arc::default();
    let (tell, told) = mpsc::channel();
    let weak = Arc::downgrade(&holder);
    let resource = mine.resource("r").on_blocking(move |mode| {
        tell.send(mode).unwrap();
        let guard = weak.upgrade().and_then(|holder| holder.lock().unwrap().take());
        guard.unwrap().unlock().unwrap();
        panic!("a panic in a callback ends no other");
    });
    for _ in 0..2 {
        *holder.lock().unwrap() = Some(resource.lock().unwrap());
        held(&theirs, "r", Mode::PR).unlock().unwrap();
        assert_eq!(told.recv_timeout(LONG), Ok(Mode::PR));
    }
}

#[test]
fn a_holder_can_ask_and_wait_for_who_wants_his_lock() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let guard = mine.resource("r").blocking_asts().lock().unwrap();
    assert_eq!((guard.wanted(), guard.wait_wanted(Duration::ZERO)), (None, None));
    thread::scope(|scope| {
        scope.spawn(|| held(&theirs, "r", Mode::EX));
        assert_eq!(guard.wait_wanted(LONG), Some(Mode::EX));
        assert_eq!(guard.wanted(), Some(Mode::EX));
        guard.unlock().unwrap();
    });
}

#[test]
fn threads_share_a_lockspace() {
    const THREADS: u32 = 6;
    const TIMES: u32 = 100;
    let node = Node::default();
    let lockspace = node.open();
    let counter = AtomicU32::new(0);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (lockspace, counter) = (&lockspace, &counter);
            scope.spawn(move || {
                for _ in 0..TIMES {
                    let _own = held(lockspace, &format!("own {number}"), Mode::EX);
                    let _all = held(lockspace, "all", Mode::EX);
                    let seen = counter.load(Ordering::Relaxed);
                    thread::yield_now();
                    counter.store(seen + 1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(counter.into_inner(), THREADS * TIMES);
}

#[test]
fn a_lock_that_somebody_else_ends_is_lost() {
    let node = Node::default();
    let lockspace = node.open();
    let guard = held(&lockspace, "r", Mode::EX);
    node.unlock_by_stranger(guard.id().unwrap());
    assert_eq!(guard.wait_wanted(LONG), None, "it ends the wait for who wants it");
    assert_eq!(guard.mode(), None);
    assert_eq!(kind(guard.unlock()), DlmErrorKind::Lost);
    let mut guard = held(&lockspace, "r", Mode::EX);
    node.unlock_by_stranger(guard.id().unwrap());
    assert_eq!(kind(guard.convert(Mode::PR)), DlmErrorKind::Lost);
}

#[test]
fn persistent_locks_outlive_their_program_and_are_adopted_or_purged() {
    let node = Node::default();
    let theirs = node.open();
    let leave_orphan = || {
        let mine = node.open();
        mine.resource("r").persistent().lock().unwrap().keep();
        mine.close();
    };
    leave_orphan();
    assert_eq!(kind(theirs.resource("r").try_lock()), DlmErrorKind::Held);
    let other_mode = theirs.resource("r").mode(Mode::PR).adopt().unwrap_err();
    assert_eq!(reason(&other_mode), Reason::OtherMode);
    let mut guard = theirs.resource("r").adopt().unwrap();
    guard.convert(Mode::PR).unwrap();
    guard.unlock().unwrap();
    assert_eq!(reason(&theirs.resource("r").adopt().unwrap_err()), Reason::NoLock);
    leave_orphan();
    theirs.purge(0, 0).unwrap();
    assert_eq!(node.lock_count(), 0);
    let own = theirs.purge(0, theirs.owner()).unwrap_err();
    assert_eq!(reason(&own), Reason::Invalid);
}

#[test]
fn nobody_waits_for_answers_that_cannot_come() {
    let node = Node::default();
    let (mine, theirs) = (node.open(), node.open());
    let guard = held(&mine, "r", Mode::EX);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| kind(theirs.resource("r").lock()));
        node.until(|node| node.waiting_count() == 1);
        node.break_reads();
        assert!(matches!(waiting.join().unwrap(), DlmErrorKind::Fault(_)));
    });
    assert!(matches!(kind(guard.unlock()), DlmErrorKind::Fault(_)));
    assert!(matches!(kind(mine.purge(0, 0)), DlmErrorKind::Fault(_)));
    // The closing of the devices is what ends the locks then.
    mine.close();
    theirs.close();
    node.until(|node| node.lock_count() == 0);
}

#[test]
fn without_a_lockspace_the_errors_say_so() {
    const NAME: &str = "never joined";
    let errors = [
        leave(NAME, false).unwrap_err(),
        leave(NAME, true).unwrap_err(),
        Lockspace::open(NAME).unwrap_err(),
        with_lockspace(NAME, |_| ()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.lockspace.as_str(), reason(&error)), (NAME, Reason::NoLockspace));
    }
    let long = "x".repeat(65);
    for error in [join(&long, 0o600).unwrap_err(), leave(&long, false).unwrap_err()] {
        assert!(matches!(reason(&error), Reason::Name(_)), "{error}");
    }
}
