//! A daemon of which there is one: its pid file is its lock. `single_instance PIDFILE`
//!
//! The lock is taken after the daemon has forked, if it does, because it belongs to the process
//! that takes it. A pid file that a killed daemon left is taken over; a living one is named.

use std::process::ExitCode;

use lock_std::{ExistenceLock, Kind, release_on_signals};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: single_instance PIDFILE");
        return ExitCode::from(64);
    };
    // So that SIGTERM leaves no file behind. SIGKILL does, and the next daemon copes.
    if let Err(error) = release_on_signals(&[1, 2, 15]) {
        eprintln!("{error}");
    }
    match ExistenceLock::at(path, Kind::Pidfile).try_lock() {
        Ok(guard) => {
            println!("working; press Enter to end");
            let _ = std::io::stdin().read_line(&mut String::new());
            if let Err(error) = guard.unlock() {
                eprintln!("somebody removed our pid file: {error}");
            }
            ExitCode::SUCCESS
        }
        Err(error) if error.is_held() => {
            eprintln!("already running: {error}");
            ExitCode::from(75)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
