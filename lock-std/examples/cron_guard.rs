//! Runs a command unless its last run still goes on: `cron_guard LOCK COMMAND [ARG...]`.
//!
//! What `flock -n` does, but the lock is seen by those who take record locks too, the file names
//! the command, and a run that is in the way is named.

use std::process::{Command, ExitCode};

use lock_std::Lock;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let (Some(path), Some(command)) = (args.next(), args.next()) else {
        eprintln!("usage: cron_guard LOCK COMMAND [ARG...]");
        return ExitCode::from(64);
    };
    let lock = Lock::at(path).message(command.as_encoded_bytes());
    let guard = match lock.try_lock() {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(75);
        }
    };
    let status = Command::new(command).args(args).status();
    drop(guard);
    match status {
        Ok(status) => {
            ExitCode::from(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(127)
        }
    }
}
