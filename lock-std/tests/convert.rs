//! Conversions: what they leave held when they succeed, and when they do not.

mod common;

use core::error::Error;

use common::{
    Actor, Scratch, alone, hold, kind_of, role as part, try_again_and_again, with_failing,
};
use lock_std::{ConvertError, FaultKind, Kind, Lock, LockError, Mode};
use nix::errno::Errno;
use nix::libc::SYS_flock;

const SHAREABLE: [Kind; 3] = [Kind::Flock, Kind::Lockf, Kind::Ofd];

#[test]
#[ignore = "what the children of the other tests do"]
fn role() {
    let (role, path) = part();
    let lock = Lock::at(&path).kind(kind_of(&role));
    match role.split(' ').next() {
        Some("read") => hold(&lock.shared()),
        Some("try-read") => try_again_and_again(&lock.shared()),
        _ => try_again_and_again(&lock),
    }
}

fn actor(part: &str, kind: Kind, scratch: &Scratch) -> Actor {
    Actor::start(&format!("{part} {}", kind.name()), &scratch.path())
}

#[track_caller]
fn expect(actor: &mut Actor, state: &str) {
    actor.order();
    actor.expect(state);
}

#[test]
fn a_conversion_changes_what_others_may_do() {
    let _alone = alone();
    let scratch = Scratch::new("convert");
    for kind in SHAREABLE {
        let mut reader = actor("try-read", kind, &scratch);
        let mut writer = actor("try", kind, &scratch);
        let guard = scratch.lock(kind).shared().try_lock().unwrap();
        assert_eq!(guard.mode(), Mode::Shared);
        expect(&mut reader, "free");
        expect(&mut writer, "held");
        let guard = guard.upgrade().unwrap();
        assert_eq!(guard.mode(), Mode::Exclusive);
        expect(&mut reader, "held");
        let guard = guard.downgrade().unwrap();
        expect(&mut reader, "free");
        expect(&mut writer, "held");
        let guard = guard.convert(Mode::Shared).unwrap();
        guard.unlock().unwrap();
        expect(&mut writer, "free");
        reader.end_well();
        writer.end_well();
    }
}

#[test]
fn a_refused_conversion_keeps_the_lock_as_it_was() {
    let _alone = alone();
    let scratch = Scratch::new("kept");
    for kind in SHAREABLE {
        let mut reader = actor("read", kind, &scratch);
        reader.expect("held");
        let mut writer = actor("try", kind, &scratch);
        let guard = scratch.lock(kind).shared().try_lock().unwrap();
        let Err(ConvertError::Kept(guard, error)) = guard.upgrade() else { panic!("{kind:?}") };
        assert!(matches!(error, LockError::Held { .. }), "{kind:?}: {error:?}");
        assert_eq!(guard.mode(), Mode::Shared);
        reader.end_well();
        expect(&mut writer, "held");
        guard.upgrade().unwrap().unlock().unwrap();
        expect(&mut writer, "free");
        writer.end_well();
    }
}

#[test]
fn a_conversion_can_lose_an_flock_and_says_so() {
    let _alone = alone();
    let scratch = Scratch::new("lost");
    let lock = scratch.lock(Kind::Flock);
    let guard = lock.clone().shared().try_lock().unwrap();
    let outcome = with_failing(SYS_flock, Errno::ENOLCK, || guard.upgrade());
    let Err(ConvertError::Lost(error)) = outcome else { panic!("{outcome:?}") };
    let LockError::Lost { cause: Some(fault), .. } = &error else { panic!("{error:?}") };
    assert_eq!((fault.kind, i32::from(fault.errno)), (FaultKind::NoLocks, Errno::ENOLCK as i32));
    assert_eq!(error.source().unwrap().to_string(), fault.to_string());
    lock.try_lock().unwrap().unlock().unwrap();
}

#[test]
fn what_cannot_be_shared_is_kept() {
    let _alone = alone();
    let scratch = Scratch::new("file");
    let lock = scratch.lock(Kind::File);
    assert!(matches!(lock.clone().shared().try_lock(), Err(LockError::Invalid { .. })));
    let outcome = lock.try_lock().unwrap().downgrade();
    let Err(ConvertError::Kept(guard, LockError::Invalid { .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(guard.mode(), Mode::Exclusive);
    guard.unlock().unwrap();
}
