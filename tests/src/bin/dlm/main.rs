//! `dlm COMMAND LOCKSPACE …`: one part of a scenario, run in a virtual machine.
//!
//! A check panics where the kernel does otherwise than `lock_core::dlm` says.

mod common;
mod device;

use std::env;
use std::process::ExitCode;

use lock_core::dlm::flags::{LockspaceFlags, ReleaseFlags};
use lock_rustix::dlm::control::Control;
use lock_rustix::dlm::lockspace;

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
