//! The machines, told anything in any order: they end, and say what can be true.

use lock_core::dlm::Layout;
use lock_core::dlm::answer::{ANSWER_MAX, Answer, Completion, Event};
use lock_core::dlm::flags::{AnswerFlags, LockFlags};
use lock_core::dlm::lock::{Change, LastValue, Lock, State};
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::LockId;
use lock_core::dlm::status::Status;
use lock_core::dlm::version::Version;
use lock_core::refresh;
use lock_core::wait::{Due, Wait};

/// What the kernel writes about a DLM lock, in both layouts: read, written and read again it is the
/// same.
pub fn dlm_answer(bytes: &[u8]) {
    for layout in [Layout::Bits64, Layout::Bits32] {
        let Ok(answer) = Answer::decode(bytes, layout) else { continue };
        let version = Version { major: 6, minor: 0, patch: 2 };
        let (again, len) = answer.encode(layout, version);
        assert!(len <= ANSWER_MAX);
        assert_eq!(Answer::decode(&again[..len], layout), Ok(answer));
        if let Event::Completion(completion) = answer.event {
            assert_eq!(Status::from_raw(completion.status.to_raw()), completion.status);
        }
    }
}

/// A DLM lock, with its user and the kernel saying anything. Whoever is granted a mode has it until
/// something ends that; a lock that has ended stays so.
pub fn dlm_lock(bytes: &[u8]) {
    let mut words = bytes.chunks_exact(2);
    let mode = |byte: u8| Mode::from_raw(byte % 6).unwrap_or_default();
    let mut lock = Lock::request(Mode::EX, LockFlags::empty());
    for word in &mut words {
        let [what, how] = word else { continue };
        let ended = matches!(lock.state(), State::Ended(_));
        let id = LockId::new(u32::from(how % 3) + 1).expect("not 0");
        let status =
            [Status::Granted, Status::Cancelled, Status::Unlocked][usize::from(how % 7).min(2)];
        let flags = AnswerFlags::from_bits_retain(how >> 4);
        let change = match what % 8 {
            0 => lock.poll_transmit().and(None),
            1 => lock.handle_written(Ok(Some(id))),
            2 => lock.handle_written(Err(u16::from(*how))),
            3 => lock.handle_completion(id, Completion { status, flags, value: None }),
            4 => lock.handle_blocking(mode(*how)),
            5 => lock.cancel(),
            6 => lock.unlock(LastValue::Keep),
            _ => lock.convert(mode(*how), LockFlags::empty(), None).err().and(None),
        };
        if ended {
            assert!(matches!(lock.state(), State::Ended(_)), "it came back");
            assert!(lock.mode().is_none() && change.is_none(), "{change:?}");
        }
        match change {
            Some(Change::Granted { mode, .. } | Change::Kept { mode, .. }) => {
                assert_eq!(lock.mode(), Some(mode));
            }
            Some(Change::Ended(_)) => assert_eq!(lock.mode(), None),
            _ => {}
        }
    }
    // Whatever was said, who wants no lock gets rid of it, with a kernel that answers.
    lock.unlock(LastValue::Keep);
    for _ in 0..16 {
        let id = lock.id().or(LockId::new(1)).expect("not 0");
        if lock.poll_transmit().is_some() {
            lock.handle_written(Ok(Some(id)));
        }
        // A write that was under way before.
        lock.handle_written(Ok(Some(id)));
        let completion =
            Completion { status: Status::Unlocked, flags: AnswerFlags::empty(), value: None };
        lock.handle_completion(id, completion);
    }
    assert!(lock.is_ended(), "{lock:?}");
}

/// Waiting and refreshing, with a clock that goes forward by any steps: never early, never later
/// than the longest pause, never after the end.
pub fn clocks(bytes: &[u8]) {
    let mut steps =
        bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    let deadline_ns = steps.next().filter(|deadline| deadline % 3 != 0);
    let (mut wait, mut now_ns, mut over) = (Wait::until(deadline_ns), 0u64, false);
    let every_ms = steps.next().unwrap_or(0) % 10_000;
    let mut kept = refresh::Refresh::new(0, every_ms, every_ms.saturating_mul(2));
    for step in steps {
        now_ns = now_ns.saturating_add(step >> (step % 64));
        match wait.poll(now_ns) {
            Due::Now => {
                assert!(!over, "it was over");
                wait.handle_held(now_ns, step);
            }
            Due::At(again_ns) => {
                assert!(again_ns > now_ns && again_ns - now_ns <= 25_000_000);
                if step % 5 == 0 {
                    wait.handle_woken();
                    assert_eq!(wait.poll(now_ns), Due::Now);
                }
            }
            Due::TimedOut => {
                assert!(deadline_ns.is_some_and(|deadline_ns| deadline_ns <= now_ns), "early");
                over = true;
            }
        }
        let clock_ms = now_ns / 1_000_000;
        match kept.poll(clock_ms) {
            refresh::Due::At(at_ms) => assert!(at_ms > clock_ms),
            refresh::Due::Now | refresh::Due::Overdue if step % 2 == 0 => {
                kept.handle_touched(clock_ms);
            }
            refresh::Due::Now | refresh::Due::Overdue => kept.handle_failed(clock_ms),
        }
    }
}
