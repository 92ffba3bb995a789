//! Running the command under the lock, by the rules of `execvp`.

use core::ffi::{CStr, c_char};

use arrayvec::ArrayVec;
use lock_rustix::place::PATH_MAX;
use lock_rustix::rustix::io::Errno;

use crate::stack::{Environment, script_args};
use crate::sys;

/// Where commands are looked for if the environment does not say.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// Becomes the command; answers why that was not possible.
pub(crate) fn exec(args: *const *const c_char, command: &CStr, environment: &Environment) -> Errno {
    let name = command.to_bytes();
    if name.is_empty() {
        return Errno::NOENT;
    }
    if name.contains(&b'/') {
        return exec_file(command, args, environment);
    }
    let path = environment.get(b"PATH").map_or(DEFAULT_PATH, CStr::to_bytes);
    let mut outcome = Errno::NOENT;
    for directory in path.split(|&byte| byte == b':') {
        let mut file = ArrayVec::<u8, PATH_MAX>::new();
        // An empty entry is the working directory.
        let separator: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        let fits = [directory, separator, name, b"\0"]
            .into_iter()
            .all(|part| file.try_extend_from_slice(part).is_ok());
        let Some(file) = CStr::from_bytes_until_nul(&file).ok().filter(|_| fits) else {
            continue;
        };
        match exec_file(file, args, environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            // Another directory may have one that can be run.
            Errno::ACCESS => outcome = Errno::ACCESS,
            errno => return errno,
        }
    }
    outcome
}

/// Becomes this file. One without a format of its own is a script for the shell.
fn exec_file(file: &CStr, args: *const *const c_char, environment: &Environment) -> Errno {
    const SHELL: &CStr = c"/bin/sh";
    match sys::execve(file, args, environment.as_ptr()) {
        Errno::NOEXEC => match script_args(SHELL, file, args) {
            Some(args) => sys::execve(SHELL, args.as_ptr(), environment.as_ptr()),
            None => Errno::TOOBIG,
        },
        errno => errno,
    }
}
