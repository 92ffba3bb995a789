//! A daemon that refuses to run twice, and says who runs already.
//!
//! `cargo run -p lock-std --example single_instance -- /run/lock/my-daemon.lock`
//!
//! The kernel drops the lock when the daemon ends, however it ends, so there is no stale lock file
//! to clean up: start it, kill it with SIGKILL, and start it again.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use lock_std::{Lock, LockError};

/// What service managers take for "temporary failure": `EX_TEMPFAIL`.
const BUSY: u8 = 75;

fn main() -> ExitCode {
    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("single-instance.lock"), PathBuf::from);
    match Lock::at(&path).try_lock() {
        Ok(guard) => {
            // The file has our pid in it for whoever comes next. The guard lives as long as we do.
            println!("{} is ours; end with Ctrl-D", path.display());
            serve();
            drop(guard);
            ExitCode::SUCCESS
        }
        Err(LockError::Held { owner, .. }) => {
            eprintln!("already running as {owner}");
            ExitCode::from(BUSY)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The daemon's work: here, waiting for the end of its input.
fn serve() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
