//! What the kernel leaves on a new program's stack: arguments, environment, and behind them a
//! table that only a libc reads.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};
use core::ptr;

use arrayvec::ArrayVec;
use lock_rustix::place::PATH_MAX;
use lock_rustix::rustix::io::Errno;

/// The arguments and the environment.
#[derive(Debug)]
pub struct Stack {
    args: Args,
    environment: Environment,
}

/// The arguments, the program's name first.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    start: *mut *const c_char,
    count: usize,
}

/// The environment, to which a few variables can be added: the words behind it are free, because
/// nothing here reads the kernel's table.
#[derive(Debug)]
pub struct Environment {
    start: *mut *const c_char,
    count: usize,
    /// How many variables fit, the end mark not counted.
    room: usize,
    /// The variables that were added, one after the other.
    added: ArrayVec<u8, ADDED_MAX>,
}

/// Room for the text of added variables: one path and a few short ones, in bytes.
const ADDED_MAX: usize = PATH_MAX + 256;

impl Stack {
    /// Reads the stack.
    ///
    /// # Safety
    ///
    /// `top` must be the stack pointer at the program's entry, and this the only reader.
    pub unsafe fn new(top: *mut usize) -> Stack {
        // SAFETY: the System V ABI: argc, argv and its end, envp and its end, pairs of words up to
        // one of type 0. All strings end and live as long as the process.
        unsafe {
            let count = top.read();
            let start = top.add(1).cast::<*const c_char>();
            let environment = start.add(count + 1);
            let mut variables = 0;
            while !environment.add(variables).read().is_null() {
                variables += 1;
            }
            let table = environment.add(variables + 1).cast::<usize>();
            let mut words = 0;
            while table.add(words).read() != 0 {
                words += 2;
            }
            Stack {
                args: Args { start, count },
                environment: Environment {
                    start: environment,
                    count: variables,
                    room: variables + words,
                    added: ArrayVec::new(),
                },
            }
        }
    }

    /// The arguments.
    pub fn args(&self) -> Args {
        self.args
    }

    /// The environment, to be read.
    pub fn environment_ref(&self) -> &Environment {
        &self.environment
    }

    /// The environment.
    pub fn environment(&mut self) -> &mut Environment {
        &mut self.environment
    }
}

impl Args {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// One of them.
    pub fn get(&self, at: usize) -> Option<&'static CStr> {
        // SAFETY: within the array of strings that live as long as the process.
        (at < self.count).then(|| unsafe { CStr::from_ptr(self.start.add(at).read()) })
    }

    /// The bytes of one of them; none if it is not there.
    pub fn bytes(&self, at: usize) -> &'static [u8] {
        self.get(at).map_or(&[], CStr::to_bytes)
    }

    /// Those from `at` on, as the kernel takes them for another program.
    pub(crate) fn from(&self, at: usize) -> *mut *const c_char {
        // SAFETY: at most one past the last, where the end mark is.
        unsafe { self.start.add(at.min(self.count)) }
    }
}

/// Calls `exec` with the arguments by which a shell runs a script: the shell, the script, and
/// `args` without its first. They are put together in place, so the word before `args` must be
/// there: that of the argument before, which nobody asks for any more.
pub(crate) fn with_shell(
    args: *mut *const c_char,
    shell: &CStr,
    script: &[u8],
    exec: impl FnOnce(*const *const c_char) -> Errno,
) -> Errno {
    let first = args.wrapping_sub(1);
    // SAFETY: both words are this process's, see above and `Args`. They are as they were before
    // anything that is pointed to meanwhile ends.
    unsafe {
        let before = (first.read(), args.read());
        first.write(shell.as_ptr());
        args.write(script.as_ptr().cast());
        let errno = exec(first);
        first.write(before.0);
        args.write(before.1);
        errno
    }
}

impl Environment {
    /// The value of a variable.
    pub fn get(&self, name: &[u8]) -> Option<&'static CStr> {
        let (_, value) = self.find(name)?;
        // SAFETY: the rest of a string that lives as long as the process.
        Some(unsafe { CStr::from_ptr(value) })
    }

    /// Sets a variable; `false` if there is no room for another.
    ///
    /// The texts stay where this environment is: it must not be moved afterwards.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> bool {
        let at = self.find(name).map_or(self.count, |(at, _)| at);
        let start = self.added.len();
        let parts = [name, b"=", value, b"\0"];
        if at >= self.room || start + parts.iter().map(|it| it.len()).sum::<usize>() > ADDED_MAX {
            return false;
        }
        for part in parts {
            let _ = self.added.try_extend_from_slice(part);
        }
        // SAFETY: within the environment and the table behind it, which is ours; the end mark
        // moves with the last variable. The text was written just now and ends.
        unsafe {
            self.start.add(at).write(self.added.as_ptr().add(start).cast());
            if at == self.count {
                self.count += 1;
                self.start.add(self.count).write(ptr::null());
            }
        }
        true
    }

    /// As the kernel takes it for another program.
    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.start
    }

    /// Where a variable is, and its value.
    fn find(&self, name: &[u8]) -> Option<(usize, *const c_char)> {
        (0..self.count).find_map(|at| {
            // SAFETY: within the environment, whose strings end; nothing behind an end is read,
            // because names have no NUL.
            unsafe {
                let mut text = self.start.add(at).read();
                for &letter in name {
                    if text.cast::<u8>().read() != letter {
                        return None;
                    }
                    text = text.add(1);
                }
                (text.cast::<u8>().read() == b'=').then(|| (at, text.add(1)))
            }
        })
    }
}
