//! Checks of the devices themselves: modes, conversions, values, races, orphans.

use std::time::Instant;

use lock_core::dlm::flags::{AnswerFlags, LockFlags};
use lock_core::dlm::lock::{Change, End, LastValue, Refusal};
use lock_core::dlm::mode::{Conversion, Mode, ValueMove};
use lock_core::dlm::status::Status;
use lock_rustix::dlm::exchange::Exchange;
use lock_rustix::dlm::fault::Reason;

use crate::common::{granted, granted_with, next, open, quiet, report, resource};

/// All checks of this file, in a lockspace that nobody else uses.
pub(crate) fn all(name: &str) {
    for (what, check) in [
        ("modes beside each other", modes as fn(&str)),
        ("conversions", conversions),
        ("conversions in another's way", refused_conversions),
        ("values", values),
        ("a value whose writer died", dead_writer),
        ("cancel", cancel),
        ("unlock of what waits", unlock_waiting),
        ("blocking", blocking),
        ("another's unlock", foreign_unlock),
        ("orphans", orphans),
        ("a deadlock of conversions", deadlock),
    ] {
        let begin = Instant::now();
        check(name);
        report(what, begin);
    }
}

fn pairs() -> impl Iterator<Item = (Mode, Mode)> {
    Mode::ALL.into_iter().flat_map(|one| Mode::ALL.map(|other| (one, other)))
}

/// Every mode beside every other.
fn modes(name: &str) {
    for (held, wanted) in pairs() {
        let (mine, theirs) = (open(name), open(name));
        let _held = granted(&mine, "modes", held);
        let mut lock = Exchange::request(&theirs, resource("modes"), wanted, LockFlags::NOQUEUE);
        let change = next(&mut lock);
        if held.is_compatible(wanted) {
            assert!(matches!(change, Change::Granted { .. }), "{held} {wanted}: {change:?}");
        } else {
            let refused = Change::Ended(End::Refused(Status::WouldBlock));
            assert_eq!(change, refused, "{held} {wanted}");
        }
    }
}

/// Every conversion, alone.
fn conversions(name: &str) {
    let mine = open(name);
    for (from, to) in pairs() {
        let mut lock = granted(&mine, "conversions", from);
        lock.convert(to, LockFlags::empty(), None).unwrap();
        let change = next(&mut lock);
        assert!(matches!(change, Change::Granted { mode, .. } if mode == to), "{from} {to}");
        lock.unlock(LastValue::Keep);
        assert_eq!(next(&mut lock), Change::Ended(End::Unlocked));
    }
}

/// Every conversion beside every lock that allows the old mode.
fn refused_conversions(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    for other in Mode::ALL {
        for (from, to) in pairs().filter(|(from, _)| from.is_compatible(other)) {
            let mut held = granted(&theirs, "refused", other);
            let mut lock = granted(&mine, "refused", from);
            lock.convert(to, LockFlags::NOQUEUE, None).unwrap();
            let change = next(&mut lock);
            if to.is_compatible(other) {
                assert!(matches!(change, Change::Granted { .. }), "{from} {to} {other}");
            } else {
                assert_ne!(from.conversion(to), Conversion::Down, "{from} {to} {other}");
                let kept = Change::Kept { mode: from, why: Refusal::Status(Status::WouldBlock) };
                assert_eq!(change, kept, "{from} {to} {other}");
                lock.convert(to, LockFlags::empty(), None).unwrap();
                lock.next(Some(0), None).unwrap();
                held.unlock(LastValue::Keep);
                assert_eq!(next(&mut held), Change::Ended(End::Unlocked));
                let change = next(&mut lock);
                assert!(
                    matches!(change, Change::Granted { mode, .. } if mode == to),
                    "{from} {to}"
                );
            }
            for lock in [&mut held, &mut lock] {
                if lock.unlock(LastValue::Keep).is_none() && !lock.lock().is_ended() {
                    next(lock);
                }
            }
        }
    }
}

/// Where the value goes with every conversion, and with every unlock.
fn values(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    for (from, to) in pairs() {
        // A lock at NL keeps the resource, and so its value.
        let mut keeper = granted(&theirs, "values", Mode::NL);
        write_value(&mut keeper, [1; 32]);
        let mut lock = granted_with(&mine, "values", from, LockFlags::VALBLK);
        lock.convert(to, LockFlags::empty(), Some([2; 32])).unwrap();
        let Change::Granted { value, .. } = next(&mut lock) else { panic!("{from} {to}") };
        lock.convert(Mode::NL, LockFlags::empty(), None).unwrap();
        next(&mut lock);
        let after = read_value(&mut keeper);
        match from.value_move(to) {
            ValueMove::Read => assert_eq!((value, after), (Some([1; 32]), [1; 32]), "{from} {to}"),
            ValueMove::Stay => assert_eq!(after, [1; 32], "{from} {to}"),
            ValueMove::Write => assert_eq!(after, [2; 32], "{from} {to}"),
        }
        for lock in [&mut keeper, &mut lock] {
            lock.unlock(LastValue::Keep);
            next(lock);
        }
    }
    let (plain, valued) = (LockFlags::empty(), LockFlags::VALBLK);
    for (mode, flags, value, after) in [
        (Mode::EX, valued, LastValue::Write([7; 32]), [7; 32]),
        (Mode::PW, valued, LastValue::Write([7; 32]), [7; 32]),
        (Mode::PR, valued, LastValue::Write([7; 32]), [1; 32]),
        (Mode::EX, valued, LastValue::Keep, [1; 32]),
        // The kernel made no room for a value.
        (Mode::EX, plain, LastValue::Write([7; 32]), [1; 32]),
    ] {
        let mut keeper = granted(&theirs, "last values", Mode::NL);
        write_value(&mut keeper, [1; 32]);
        let mut lock = granted_with(&mine, "last values", mode, flags);
        lock.unlock(value);
        assert_eq!(next(&mut lock), Change::Ended(End::Unlocked));
        assert_eq!(read_value(&mut keeper), after, "{mode} {flags:?} {value:?}");
        keeper.unlock(LastValue::Keep);
        next(&mut keeper);
    }
}

fn write_value(keeper: &mut Exchange<'_>, value: [u8; 32]) {
    for (to, value) in [(Mode::EX, None), (Mode::NL, Some(value))] {
        keeper.convert(to, LockFlags::empty(), value).unwrap();
        assert!(matches!(next(keeper), Change::Granted { .. }));
    }
}

fn read_value(keeper: &mut Exchange<'_>) -> [u8; 32] {
    keeper.convert(Mode::CR, LockFlags::empty(), Some([0; 32])).unwrap();
    let Change::Granted { value, flags, .. } = next(keeper) else { panic!() };
    assert_eq!(flags, AnswerFlags::empty());
    keeper.convert(Mode::NL, LockFlags::empty(), None).unwrap();
    next(keeper);
    value.unwrap()
}

/// A writer whose device is closed leaves an invalid value; so does one who says so.
fn dead_writer(name: &str) {
    let mine = open(name);
    for says_so in [false, true] {
        let theirs = open(name);
        let mut keeper = granted(&mine, "dead writer", Mode::NL);
        write_value(&mut keeper, [1; 32]);
        let mut writer = granted(&theirs, "dead writer", Mode::EX);
        if says_so {
            writer.unlock(LastValue::Invalidate);
            next(&mut writer);
        }
        drop(theirs);
        keeper.convert(Mode::PR, LockFlags::empty(), Some([0; 32])).unwrap();
        let change = next(&mut keeper);
        let Change::Granted { flags, .. } = change else { panic!("{change:?}") };
        assert!(flags.contains(AnswerFlags::VALNOTVALID), "{change:?}");
        keeper.unlock(LastValue::Keep);
        next(&mut keeper);
    }
}

/// A cancel of what waits, of what converts, and of what was granted in the meantime.
fn cancel(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let mut held = granted(&theirs, "cancel", Mode::EX);
    let mut lock = Exchange::request(&mine, resource("cancel"), Mode::PR, LockFlags::empty());
    assert_eq!(quiet(&mut lock), None);
    assert_eq!(lock.cancel(), None);
    assert_eq!(next(&mut lock), Change::Ended(End::Refused(Status::Cancelled)));

    let mut lock = granted(&mine, "cancel", Mode::NL);
    lock.convert(Mode::PR, LockFlags::empty(), None).unwrap();
    assert_eq!(quiet(&mut lock), None);
    lock.cancel();
    let why = Refusal::Status(Status::Cancelled);
    assert_eq!(next(&mut lock), Change::Kept { mode: Mode::NL, why });

    // The grant is in our device's queue, unread, when the cancel is written.
    lock.convert(Mode::PR, LockFlags::empty(), None).unwrap();
    assert_eq!(quiet(&mut lock), None);
    held.unlock(LastValue::Keep);
    assert_eq!(next(&mut held), Change::Ended(End::Unlocked));
    lock.cancel();
    assert!(matches!(next(&mut lock), Change::Granted { mode: Mode::PR, .. }));
    // And it has no answer of its own that could be taken for that of the next conversion.
    lock.convert(Mode::EX, LockFlags::empty(), None).unwrap();
    assert!(matches!(next(&mut lock), Change::Granted { mode: Mode::EX, .. }));
    lock.unlock(LastValue::Keep);
    assert_eq!(next(&mut lock), Change::Ended(End::Unlocked));
    assert_eq!(quiet(&mut lock), None);
}

/// An unlock ends a request that waits, one that was granted unread, and a conversion.
fn unlock_waiting(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    for granted_first in [false, true] {
        let mut held = granted(&theirs, "unlock", Mode::EX);
        let mut lock = Exchange::request(&mine, resource("unlock"), Mode::PR, LockFlags::empty());
        assert_eq!(quiet(&mut lock), None);
        if granted_first {
            held.unlock(LastValue::Keep);
            next(&mut held);
        }
        lock.unlock(LastValue::Keep);
        assert_eq!(next(&mut lock), Change::Ended(End::Unlocked));
        held.unlock(LastValue::Keep);
        if !granted_first {
            next(&mut held);
        }
    }
    let mut held = granted(&theirs, "unlock", Mode::PR);
    let mut lock = granted(&mine, "unlock", Mode::PR);
    lock.convert(Mode::EX, LockFlags::empty(), None).unwrap();
    assert_eq!(quiet(&mut lock), None);
    lock.unlock(LastValue::Keep);
    assert_eq!(next(&mut lock), Change::Ended(End::Unlocked));
    held.convert(Mode::EX, LockFlags::NOQUEUE, None).unwrap();
    assert!(matches!(next(&mut held), Change::Granted { .. }));
}

/// A holder hears who is waiting, and in which mode.
fn blocking(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let mut held = Exchange::request(&mine, resource("blocking"), Mode::EX, LockFlags::empty())
        .with_blocking();
    assert!(matches!(next(&mut held), Change::Granted { .. }));
    let mut lock = Exchange::request(&theirs, resource("blocking"), Mode::PR, LockFlags::empty());
    assert_eq!(quiet(&mut lock), None);
    assert_eq!(next(&mut held), Change::Blocking(Mode::PR));
    assert_eq!(held.lock().wanted(), Some(Mode::PR));
    held.convert(Mode::CR, LockFlags::empty(), None).unwrap();
    assert!(matches!(next(&mut held), Change::Granted { mode: Mode::CR, .. }));
    assert_eq!(held.lock().wanted(), None);
    assert!(matches!(next(&mut lock), Change::Granted { mode: Mode::PR, .. }));
}

/// Whoever has the device open can end another's lock, and its holder hears of it.
fn foreign_unlock(name: &str) {
    use lock_core::dlm::request::{Request, UnlockRequest};
    let (mine, theirs) = (open(name), open(name));
    let mut held = granted(&mine, "foreign", Mode::EX);
    let unlock = UnlockRequest {
        id: held.lock().id().unwrap(),
        flags: LockFlags::empty(),
        token: lock_core::dlm::name::Token::new(99).unwrap(),
        value: [0; 32],
    };
    theirs.write(&Request::Unlock(unlock.clone())).unwrap();
    assert_eq!(next(&mut held), Change::Ended(End::Lost));
    assert_eq!(theirs.write(&Request::Unlock(unlock)), Err(2));
}

/// Persistent locks outlive their device, can be adopted once in their mode, and purged.
fn orphans(name: &str) {
    let theirs = open(name);
    let leave = |mode| {
        let mine = open(name);
        granted_with(&mine, "orphan", mode, LockFlags::PERSISTENT);
    };
    let refused = |mode| {
        let mut lock = Exchange::request(&theirs, resource("orphan"), mode, LockFlags::NOQUEUE);
        matches!(next(&mut lock), Change::Ended(End::Refused(Status::WouldBlock)))
    };
    leave(Mode::EX);
    assert!(refused(Mode::CR));
    let adopt = |mode| Exchange::adopt(&theirs, resource("orphan"), mode);
    assert_eq!(adopt(Mode::PR).unwrap_err().reason, Reason::OtherMode);
    let mut adopted = adopt(Mode::EX).unwrap();
    assert_eq!(adopt(Mode::EX).unwrap_err().reason, Reason::NoLock);
    adopted.convert(Mode::PR, LockFlags::empty(), None).unwrap();
    assert!(matches!(next(&mut adopted), Change::Granted { mode: Mode::PR, .. }));
    adopted.unlock(LastValue::Keep);
    assert_eq!(next(&mut adopted), Change::Ended(End::Unlocked));

    leave(Mode::PR);
    assert!(refused(Mode::EX));
    // With its own number, a process ends the locks of its open device, and no orphan.
    granted(&theirs, "held by the purger", Mode::EX);
    theirs.purge(0, std::process::id()).unwrap();
    assert!(refused(Mode::EX));
    let other = open(name);
    granted_with(&other, "held by the purger", Mode::EX, LockFlags::NOQUEUE);
    theirs.purge(0, 0).unwrap();
    let mut lock = granted_with(&theirs, "orphan", Mode::EX, LockFlags::NOQUEUE);
    lock.unlock(LastValue::Keep);
    next(&mut lock);
}

/// Of two who hold PR and want EX, the kernel refuses one, who keeps what he had.
fn deadlock(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let mut first = granted(&mine, "deadlock", Mode::PR);
    let mut second = granted(&theirs, "deadlock", Mode::PR);
    let begin = Instant::now();
    let begin_converting = |lock: &mut Exchange<'_>| {
        lock.convert(Mode::EX, LockFlags::empty(), None).unwrap();
        lock.next(Some(0), None).unwrap()
    };
    let mut first_change = begin_converting(&mut first);
    let mut second_change = begin_converting(&mut second);
    while first_change.is_none() && second_change.is_none() {
        first_change = quiet(&mut first);
        second_change = quiet(&mut second);
        assert!(begin.elapsed().as_secs() < 60, "nobody was refused");
    }
    report("until a deadlock of conversions is refused", begin);
    let kept = Change::Kept { mode: Mode::PR, why: Refusal::Status(Status::Deadlock) };
    let (loser, winner, change) = match (first_change, second_change) {
        (Some(change), None) => (&mut first, &mut second, change),
        (None, Some(change)) => (&mut second, &mut first, change),
        both => panic!("{both:?}"),
    };
    assert_eq!(change, kept);
    loser.unlock(LastValue::Keep);
    assert_eq!(next(loser), Change::Ended(End::Unlocked));
    assert!(matches!(next(winner), Change::Granted { mode: Mode::EX, .. }));
}
