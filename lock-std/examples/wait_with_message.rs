//! Waits for a lock, at most so many seconds, and tells the user for whom.
//!
//! `cargo run -p lock-std --example wait_with_message -- PATH SECONDS`
//!
//! Nothing is said when the lock is free at once, which is nearly always.

use core::error::Error;
use core::time::Duration;
use std::path::Path;
use std::process::ExitCode;

use lock_std::{Guard, Lock, LockError};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(path), Some(seconds), None) = (args.next(), args.next(), args.next()) else {
        return Err("usage: wait_with_message PATH SECONDS".into());
    };
    let seconds: f64 = seconds.to_string_lossy().parse()?;
    let guard = wait(Path::new(&path), Duration::try_from_secs_f64(seconds)?)?;
    println!("{} is ours now", guard.path().display());
    Ok(())
}

fn wait(path: &Path, timeout: Duration) -> Result<Guard, LockError> {
    let lock = Lock::at(path).message("wait_with_message");
    match lock.try_lock() {
        Err(LockError::Held { owner, .. }) => {
            eprintln!("waiting up to {} s for {owner}", timeout.as_secs_f64());
            lock.lock_timeout(timeout)
        }
        outcome => outcome,
    }
}
