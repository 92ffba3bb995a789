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
    start: *mut *const c_char,
    count: usize,
}

/// The environment.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    start: *mut *const c_char,
}

/// Variables that are added to the environment. The words behind it are free, because nothing here
/// reads the kernel's table.
#[derive(Debug)]
pub(crate) struct Variables {
    environment: Environment,
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
        // SAFETY: the System V ABI: argc, argv and its end, envp. All strings end and live as long
        // as the process.
        unsafe {
            let count = top.read();
            let start = top.add(1).cast::<*const c_char>();
            let environment = Environment { start: start.add(count + 1) };
            Stack { args: Args { start, count }, environment }
        }
    }

    /// The arguments.
    pub fn args(&self) -> Args {
        self.args
    }

    /// The environment.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// The environment, to be added to: once, for what it counts then would be counted again.
    pub(crate) fn variables(&self) -> Variables {
        let environment = self.environment;
        let mut count = 0;
        while environment.at(count).is_some() {
            count += 1;
        }
        let mut room = count;
        // SAFETY: behind envp and its end there are pairs of words up to one of type 0.
        unsafe {
            let table = environment.start.add(count + 1).cast::<usize>();
            while table.add(room - count).read() != 0 {
                room += 2;
            }
        }
        Variables { environment, count, room, added: ArrayVec::new() }
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

    /// Those from `at` on, which must be there, as the kernel takes them for another program.
    pub(crate) fn from(&self, at: usize) -> *mut *const c_char {
        self.start.wrapping_add(at)
    }
}

/// The arguments by which a shell runs a script: the shell, the script, and `args` without its
/// first. They are put together in place, so the word before `args` must be there: that of the
/// argument before, which nobody asks for any more.
pub(crate) fn with_shell(
    args: *mut *const c_char,
    shell: &CStr,
    script: *const c_char,
) -> *const *const c_char {
    let first = args.wrapping_sub(1);
    // SAFETY: both words are this process's, see above and `Args`.
    unsafe {
        first.write(shell.as_ptr());
        args.write(script);
    }
    first
}

impl Environment {
    /// The value of a variable, whose name ends with `=`.
    pub fn get(self, name: &[u8]) -> Option<&'static CStr> {
        let (_, value) = self.find(name)?;
        // SAFETY: the rest of a string that lives as long as the process.
        Some(unsafe { CStr::from_ptr(value) })
    }

    /// As the kernel takes it for another program.
    pub(crate) fn as_ptr(self) -> *const *const c_char {
        self.start
    }

    /// One of the variables, none behind the last.
    fn at(self, at: usize) -> Option<*const c_char> {
        // SAFETY: no more is asked for than one behind the last, where the end mark is.
        Some(unsafe { self.start.add(at).read() }).filter(|text| !text.is_null())
    }

    /// Where a variable is, and its value.
    fn find(self, name: &[u8]) -> Option<(usize, *const c_char)> {
        let mut at = 0;
        'variables: while let Some(mut text) = self.at(at) {
            at += 1;
            for &letter in name {
                // SAFETY: nothing behind an end is read, because names have no NUL.
                unsafe {
                    if text.cast::<u8>().read() != letter {
                        continue 'variables;
                    }
                    text = text.add(1);
                }
            }
            return Some((at - 1, text));
        }
        None
    }
}

impl Variables {
    /// Sets a variable, whose name ends with `=`; `false` if there is no room for another.
    ///
    /// The texts stay where this is: it must not be moved afterwards.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) -> bool {
        let at = self.environment.find(name).map_or(self.count, |(at, _)| at);
        let start = self.added.len();
        let parts = [name, value, b"\0"];
        if at >= self.room || start + parts.iter().map(|it| it.len()).sum::<usize>() > ADDED_MAX {
            return false;
        }
        for part in parts {
            let _ = self.added.try_extend_from_slice(part);
        }
        // SAFETY: within the environment and the table behind it, which is ours; the end mark
        // moves with the last variable. The text was written just now and ends.
        unsafe {
            let variables = self.environment.start;
            variables.add(at).write(self.added.as_ptr().add(start).cast());
            if at == self.count {
                self.count += 1;
                variables.add(self.count).write(ptr::null());
            }
        }
        true
    }
}
