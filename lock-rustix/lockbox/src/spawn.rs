//! Running the command under the lock, by the rules of `execvp`.

use core::ffi::{CStr, c_char};

use arrayvec::ArrayVec;
use lock_rustix::place::PATH_MAX;
use lock_rustix::rustix::io::Errno;

use crate::stack::{Environment, with_shell};
use crate::sys;

/// Where commands are looked for if the environment does not say.
const DEFAULT_PATH: &CStr = c"/bin:/usr/bin";

/// Becomes the command; answers why that was not possible.
#[inline(never)]
pub(crate) fn exec(args: *mut *const c_char, command: &CStr, environment: Environment) -> Errno {
    let name = command.to_bytes_with_nul();
    #[allow(clippy::manual_contains, reason = "contains() is many times the code of this loop")]
    if name.len() == 1 || name.iter().any(|&byte| byte == b'/') {
        exec_file(command.as_ptr(), args, environment.as_ptr())
    } else {
        search(args, name, environment)
    }
}

/// Looks for it in `PATH`. By itself, because the room for a path is a page more of the stack.
#[inline(never)]
fn search(args: *mut *const c_char, name: &[u8], environment: Environment) -> Errno {
    let path = environment.get(b"PATH=").unwrap_or(DEFAULT_PATH);
    let mut outcome = Errno::NOENT;
    let mut file = ArrayVec::<u8, PATH_MAX>::new();
    for &byte in path.to_bytes_with_nul() {
        let is_end = byte == b':' || byte == 0;
        // An empty entry is the working directory. One that is too long leaves no room for a name.
        if !is_end || !file.is_empty() {
            let _ = file.try_push(if is_end { b'/' } else { byte });
        }
        if !is_end {
            continue;
        }
        if name.iter().all(|&byte| file.try_push(byte).is_ok()) {
            match exec_file(file.as_ptr().cast(), args, environment.as_ptr()) {
                Errno::NOENT | Errno::NOTDIR => {}
                // Another directory may have one that can be run.
                Errno::ACCESS => outcome = Errno::ACCESS,
                errno => return errno,
            }
        }
        file.clear();
    }
    outcome
}

/// Becomes this file. One without a format of its own is a script for the shell.
fn exec_file(
    file: *const c_char,
    args: *mut *const c_char,
    environment: *const *const c_char,
) -> Errno {
    const SHELL: &CStr = c"/bin/sh";
    match sys::execve(file, args, environment) {
        Errno::NOEXEC => sys::execve(SHELL.as_ptr(), with_shell(args, SHELL, file), environment),
        errno => errno,
    }
}
