//! What the kernel leaves on a new program's stack: arguments, environment, and behind them a
//! table that only a libc reads.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};
use core::ptr;

use arrayvec::ArrayVec;
use lock_rustix::place::PATH_MAX;

/// The arguments and the environment.
#[derive(Debug)]
pub struct Stack {
    args: Args,
    environment: Environment,
}

/// The arguments, the program's name first.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    start: *const *const c_char,
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

    /// Those from `at` on, as the kernel takes them for another program.
    pub(crate) fn from(&self, at: usize) -> *const *const c_char {
        // SAFETY: at most one past the last, where the end mark is.
        unsafe { self.start.add(at.min(self.count)) }
    }
}

/// How many arguments a script without an interpreter of its own can have.
const SCRIPT_ARGS_MAX: usize = 253;

/// The arguments with which the shell runs a script, ended by a null; `None` if there are too many.
pub(crate) fn script_args(
    shell: &CStr,
    script: &CStr,
    args: *const *const c_char,
) -> Option<ArrayVec<*const c_char, { SCRIPT_ARGS_MAX + 3 }>> {
    let mut all = ArrayVec::from_iter([shell.as_ptr(), script.as_ptr()]);
    // The first argument is the script's own name.
    for at in 1..=SCRIPT_ARGS_MAX + 1 {
        // SAFETY: an array that `execve` was given, so it ends with a null; nothing beyond that is
        // read.
        let arg = unsafe { args.add(at).read() };
        all.try_push(arg).ok()?;
        if arg.is_null() {
            return Some(all);
        }
    }
    None
}

impl Environment {
    /// The value of a variable.
    pub fn get(&self, name: &[u8]) -> Option<&'static CStr> {
        let at = self.find(name)?;
        // SAFETY: `find` saw `name` and an equals sign there; the value is the rest of a string
        // that lives as long as the process.
        Some(unsafe { CStr::from_ptr(self.start.add(at).read().add(name.len() + 1)) })
    }

    /// Sets a variable; `false` if there is no room for another.
    ///
    /// The texts stay where this environment is: it must not be moved afterwards.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> bool {
        let at = self.find(name).unwrap_or(self.count);
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

    fn find(&self, name: &[u8]) -> Option<usize> {
        (0..self.count).find(|&at| {
            // SAFETY: within the environment; see `get`.
            let variable = unsafe { CStr::from_ptr(self.start.add(at).read()) }.to_bytes();
            variable.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'='))
        })
    }
}
