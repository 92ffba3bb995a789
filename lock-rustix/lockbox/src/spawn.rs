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
pub(crate) fn exec(args: *mut *const c_char, command: &CStr, environment: &Environment) -> Errno {
    let name = command.to_bytes_with_nul();
    if name.len() == 1 {
        return Errno::NOENT;
    }
    #[allow(clippy::manual_contains, reason = "contains() is many times the code of this loop")]
    if name.iter().any(|&byte| byte == b'/') {
        return exec_file(name, args, environment);
    }
    let path = environment.get(b"PATH").unwrap_or(DEFAULT_PATH);
    let mut outcome = Errno::NOENT;
    let mut file = ArrayVec::<u8, PATH_MAX>::new();
    for &byte in path.to_bytes_with_nul() {
        if byte != b':' && byte != 0 {
            let _ = file.try_push(byte);
            continue;
        }
        // An empty entry is the working directory. One that is too long leaves no room for a name.
        if !file.is_empty() {
            let _ = file.try_push(b'/');
        }
        if append(&mut file, name) {
            match exec_file(&file, args, environment) {
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

#[inline(never)]
fn append(file: &mut ArrayVec<u8, PATH_MAX>, name: &[u8]) -> bool {
    file.try_extend_from_slice(name).is_ok()
}

/// Becomes this file. One without a format of its own is a script for the shell.
fn exec_file(file: &[u8], args: *mut *const c_char, environment: &Environment) -> Errno {
    const SHELL: &CStr = c"/bin/sh";
    let execve = |path, args| sys::execve(path, args, environment.as_ptr());
    match execve(file, args) {
        Errno::NOEXEC => {
            with_shell(args, SHELL, file, |args| execve(SHELL.to_bytes_with_nul(), args))
        }
        errno => errno,
    }
}
