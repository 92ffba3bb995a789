//! Waits for a lock and tells a person how that goes: `progress PATH [SECONDS]`.

use core::time::Duration;
use std::process::ExitCode;

use lock_std::{Lock, release_on_signals};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(path) = args.next() else {
        eprintln!("usage: progress PATH [SECONDS]");
        return ExitCode::from(64);
    };
    let seconds = args.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(30);
    if let Err(error) = release_on_signals(&[1, 2, 15]) {
        eprintln!("{error}");
    }
    let lock = Lock::at(path).message("progress example").observe(|event| eprintln!("{event}"));
    match lock.lock_timeout(Duration::from_secs(seconds)) {
        Ok(_guard) => {
            println!("holding {}; press Enter to give it back", lock.path().display());
            let _ = std::io::stdin().read_line(&mut String::new());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
