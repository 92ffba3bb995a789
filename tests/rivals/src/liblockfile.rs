//! Debian's liblockfile, as its programs load it: for their users only the library is installed.

use std::ffi::{CStr, c_char, c_int};

type Create = unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int;
type Remove = unsafe extern "C" fn(*const c_char) -> c_int;

const L_PID: c_int = 16;

/// The library's two functions.
pub struct Liblockfile {
    create: Create,
    remove: Remove,
}

impl Liblockfile {
    pub fn load() -> Liblockfile {
        let symbol = |name: &CStr| {
            // SAFETY: the library has no constructors that ask for anything.
            let library = unsafe { libc::dlopen(c"liblockfile.so.1".as_ptr(), libc::RTLD_NOW) };
            assert!(!library.is_null(), "liblockfile1 is installed");
            // SAFETY: an open library, never closed, and a name.
            let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
            assert!(!symbol.is_null(), "{name:?}");
            symbol
        };
        // SAFETY: these are their types in lockfile.h.
        unsafe {
            Liblockfile {
                create: std::mem::transmute::<*mut libc::c_void, Create>(symbol(
                    c"lockfile_create",
                )),
                remove: std::mem::transmute::<*mut libc::c_void, Remove>(symbol(
                    c"lockfile_remove",
                )),
            }
        }
    }

    /// Tries once, and writes the own pid; whether it has the lock.
    pub fn create(&self, path: &CStr) -> bool {
        // SAFETY: the path ends with a zero.
        unsafe { (self.create)(path.as_ptr(), 0, L_PID) == 0 }
    }

    pub fn remove(&self, path: &CStr) {
        // SAFETY: the path ends with a zero.
        assert_eq!(unsafe { (self.remove)(path.as_ptr()) }, 0, "it is ours");
    }
}
