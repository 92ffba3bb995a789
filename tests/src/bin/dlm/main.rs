//! `dlm COMMAND LOCKSPACE …`: one part of a scenario, run in a virtual machine.
//!
//! A check panics where the kernel does otherwise than `lock_core::dlm` says.

mod common;
mod crowd;
mod device;
mod face;

use core::time::Duration;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, io};

use lock_core::dlm::flags::{LockspaceFlags, ReleaseFlags};
use lock_rustix::dlm::control::Control;
use lock_rustix::dlm::lockspace;
use lock_std::dlm::{Lockspace, Mode};

use common::lockspace_name;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["create", name] => create(name, LockspaceFlags::empty()),
        ["create-new", name] => create(name, LockspaceFlags::NEWEXCL),
        ["remove", name] => remove(name, ReleaseFlags::empty()),
        ["remove-force", name] => remove(name, ReleaseFlags::FORCEFREE),
        ["device", name] => {
            device::all(name);
            Ok(())
        }
        ["face", name] => {
            face::all(name);
            Ok(())
        }
        ["join", name] => lock_std::dlm::join(name, 0o600).map_err(|error| error.to_string()),
        ["leave", name] => lock_std::dlm::leave(name, false).map_err(|error| error.to_string()),
        ["leave-force", name] => {
            lock_std::dlm::leave(name, true).map_err(|error| error.to_string())
        }
        ["crowd", name, resource, waiters] => {
            crowd::all(name, resource, waiters.parse().expect("a number"));
            Ok(())
        }
        ["fill", name, prefix, count] => {
            crowd::fill(name, prefix, count.parse().expect("a number"));
            Ok(())
        }
        ["as-nobody", ref arguments @ ..] => as_nobody(arguments),
        ["hold", name, resource, mode, how] => hold(name, resource, mode, how),
        ["take", name, resource, mode, limit_ms] => take(name, resource, mode, limit_ms),
        _ => Err(format!("no such command: {arguments:?}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program with these arguments and without privilege.
fn as_nobody(arguments: &[&str]) -> Result<(), String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let status = Command::new(program).args(arguments).uid(65534).gid(65534).status();
    let status = status.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// Takes a lock, says so, and holds it until it is killed or a line comes.
fn hold(name: &str, resource: &str, mode: &str, how: &str) -> Result<(), String> {
    let lockspace = Lockspace::open(name).map_err(|error| error.to_string())?;
    let mode = Mode::from_name(mode.as_bytes()).ok_or("no such mode")?;
    let resource = lockspace.resource(resource).mode(mode);
    let resource = if how == "persistent" { resource.persistent() } else { resource };
    let guard = resource.lock().map_err(|error| error.to_string())?;
    println!("HELD {}", lockspace.owner());
    if io::stdin().read_line(&mut String::new()).map_err(|error| error.to_string())? == 0 {
        crowd::until_killed();
    }
    guard.unlock().map_err(|error| error.to_string())
}

/// Waits for a lock for so long, says how long it took, and gives it back.
fn take(name: &str, resource: &str, mode: &str, limit_ms: &str) -> Result<(), String> {
    let lockspace = Lockspace::open(name).map_err(|error| error.to_string())?;
    let mode = Mode::from_name(mode.as_bytes()).ok_or("no such mode")?;
    let limit = limit_ms.parse().map(Duration::from_millis).map_err(|error| format!("{error}"))?;
    let begin = Instant::now();
    let resource = lockspace.resource(resource).mode(mode);
    println!("ASKED");
    let outcome = if limit.is_zero() { resource.try_lock() } else { resource.lock_timeout(limit) };
    // At once, since what follows has to wait where the lockspace stands still; so does the end of
    // this program.
    let ended = outcome.as_ref().map_or_else(ToString::to_string, |_| "granted".to_owned());
    println!("AFTER {} ms: {ended}", begin.elapsed().as_millis());
    outcome.map_err(|error| error.to_string())?.unlock().map_err(|error| error.to_string())
}

fn create(name: &str, flags: LockspaceFlags) -> Result<(), String> {
    let control = Control::open().map_err(|error| error.to_string())?;
    let minor = control.create(&lockspace_name(name), flags).map_err(|error| error.to_string())?;
    println!("minor {minor}, version {}", control.version());
    Ok(())
}

fn remove(name: &str, flags: ReleaseFlags) -> Result<(), String> {
    let minor = lockspace::minor_of(&lockspace_name(name)).map_err(|error| error.to_string())?;
    let control = Control::open().map_err(|error| error.to_string())?;
    control.remove(minor, flags).map_err(|error| error.to_string())
}
