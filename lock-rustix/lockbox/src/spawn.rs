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
    if name.len() == 1 {
        return Errno::NOENT;
    }
    #[allow(clippy::manual_contains, reason = "contains() is many times the code of this loop")]
    let is_path = name.iter().any(|&byte| byte == b'/');
    // A path is looked for in the working directory alone.
    let path = if is_path { c"" } else { environment.get(b"PATH=").unwrap_or(DEFAULT_PATH) };
    let mut outcome = if is_path { Errno::NAMETOOLONG } else { Errno::NOENT };
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
            let errno = exec_file(file.as_ptr().cast(), args, environment.as_ptr());
            // Another directory may have one that can be run.
            if is_path || !matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) {
                return errno;
            }
            if errno == Errno::ACCESS {
                outcome = errno;
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
