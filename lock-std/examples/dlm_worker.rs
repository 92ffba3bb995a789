//! One worker in a cluster at a time, and a store that a worker of yesterday cannot harm.
//! `dlm_worker LOCKSPACE RESOURCE STORE`
//!
//! A node that is cut off is told nothing: its worker goes on while the others have given its lock
//! to somebody else. So each holder takes a number that is higher than every earlier one from the
//! resource's value, and the store refuses whoever comes with a lower number than it has seen.

use core::time::Duration;
use std::fs;
use std::process::ExitCode;

use lock_std::dlm::{DlmError, DlmErrorKind, Guard, Lockspace, Mode, join};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lockspace, resource, store] = &arguments[..] else {
        eprintln!("usage: dlm_worker LOCKSPACE RESOURCE STORE");
        return ExitCode::from(64);
    };
    match work(lockspace, resource, store) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind == DlmErrorKind::TimedOut => {
            eprintln!("{error}");
            ExitCode::from(75)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(lockspace: &str, resource: &str, store: &str) -> Result<(), DlmError> {
    join(lockspace, 0o600)?;
    let lockspace = Lockspace::open(lockspace)?;
    // A resource's value lives only as long as somebody has a lock on it: a null lock excludes
    // nobody, and keeps it while this node lives.
    let keeper = lockspace.resource(resource).mode(Mode::NL).lock()?;
    let mut guard = lockspace.resource(resource).value().lock_timeout(Duration::from_secs(30))?;
    let number = next_number(&mut guard, store);
    // Writes the number, and lets others read it while this one works.
    guard.convert(Mode::PW)?;
    println!("holder {number}");
    if !write(store, number, &format!("work of holder {number}")) {
        eprintln!("somebody else has gone on");
    }
    guard.unlock()?;
    drop(keeper);
    lockspace.close();
    Ok(())
}

/// A number that no earlier holder had: the value's, and one more. If nobody knows the value, since
/// its last writer died with it or all have left, the store knows who was there last.
fn next_number(guard: &mut Guard, store: &str) -> u64 {
    let known = guard.value().filter(|value| value.valid);
    let counted = known.and_then(|value| value.bytes.first_chunk().copied());
    let number = counted.map_or(0, u64::from_le_bytes).max(last_writer(store)) + 1;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    guard.set_value(bytes);
    number
}

/// What a store must do itself, in one step, where it is: here, a file beside us plays its part.
fn write(store: &str, number: u64, work: &str) -> bool {
    number >= last_writer(store) && fs::write(store, format!("{number} {work}\n")).is_ok()
}

fn last_writer(store: &str) -> u64 {
    let text = fs::read_to_string(store).unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
