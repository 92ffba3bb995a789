//! The functions that C calls.
//!
//! Here pointers become references, once for each call. `error` may be null everywhere.
//!
//! All of it, as Rust can call it too; in C it reads the same:
//!
//! ```
//! use core::ffi::CStr;
//! use core::mem::MaybeUninit;
//! use core::ptr::null_mut;
//! use lockbox::face::*;
//! use lockbox::types::lockbox_code::{LOCKBOX_HELD, LOCKBOX_NO_LOCK, LOCKBOX_OK};
//! use lockbox::types::{lockbox_kind, lockbox_lock, lockbox_request, lockbox_state};
//!
//! // SAFETY: all of these are plain data, for which zero means nothing.
//! let mut lock: lockbox_lock = unsafe { MaybeUninit::zeroed().assume_init() };
//! // SAFETY: as above.
//! let mut request: lockbox_request = unsafe { MaybeUninit::zeroed().assume_init() };
//! request.path = c"/tmp/lockbox-c-doc".as_ptr();
//! request.kind = lockbox_kind::LOCKBOX_KIND_PIDFILE as u32;
//! let mut status = MaybeUninit::uninit();
//! let mut token = 0;
//! // SAFETY: every pointer is null or points to what its type says.
//! unsafe {
//!     assert_eq!(lockbox_take(&mut lock, &request, null_mut()), LOCKBOX_OK);
//!     assert!(lockbox_descriptor(&lock) >= 0);
//!     assert_eq!(lockbox_refresh(&lock, null_mut()), LOCKBOX_OK);
//!     assert_eq!(lockbox_next_token(&lock, &mut token, null_mut()), LOCKBOX_OK);
//!     assert_eq!(lockbox_look(&request, status.as_mut_ptr(), null_mut()), LOCKBOX_OK);
//!     assert_eq!(status.assume_init().state, lockbox_state::LOCKBOX_STATE_HELD);
//!     // It is not stale; and a pid file cannot be shared.
//!     assert_eq!(lockbox_break(&request, null_mut()), LOCKBOX_HELD);
//!     assert_ne!(lockbox_convert(&mut lock, 1, null_mut()), LOCKBOX_OK);
//!     assert_eq!(lockbox_release(&mut lock, null_mut()), LOCKBOX_OK);
//!     assert_eq!(CStr::from_ptr(lockbox_kind_name(request.kind)), c"pidfile");
//!     let sentence = CStr::from_ptr(lockbox_sentence(LOCKBOX_NO_LOCK as u32));
//!     assert_eq!(sentence, c"there is no lock");
//! }
//! # std::fs::remove_file("/tmp/.lockbox-c-doc.token").unwrap();
//! ```
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int};
use core::ptr;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_rustix::descriptor::lend_raw;

use crate::held::Held;
use crate::looking;
use crate::report::{self, Report};
use crate::request::{self, Request};
use crate::taking;
use crate::types::lockbox_code::{self, LOCKBOX_OK};
use crate::types::{
    LOCKBOX_CANCELLABLE, lockbox_error, lockbox_lock, lockbox_request, lockbox_status,
};

/// Takes the lock that is asked for into an empty `lockbox_lock`.
///
/// A lock that this process holds already is not waited for: `LOCKBOX_HELD_BY_THIS_PROCESS`. If
/// the lock is not taken, `lock` is empty as before. A handled signal does not end the wait.
///
/// # Safety
///
/// Pointers that are not null point to what their types say, and strings end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_take(
    lock: *mut lockbox_lock,
    request: *const lockbox_request,
    error: *mut lockbox_error,
) -> lockbox_code {
    // SAFETY: the caller vouches for all three.
    unsafe {
        answer(error, || {
            let lock = lock.as_mut().ok_or(Report::wrong("the lock is null"))?;
            lock.expect_empty()?;
            lock.put(taking::take(&read(request)?)?);
            Ok(())
        })
    }
}

/// Changes how a lock is held, without waiting: shared, or exclusive if `shared` is 0. Kinds
/// flock, lockf and ofd.
///
/// `LOCKBOX_HELD`: others forbid it, and the lock is held as before. `LOCKBOX_LOST`: others forbid
/// it, and what was held is gone, for flock(2) converts in two steps; then `lock` is empty.
///
/// # Safety
///
/// Pointers that are not null point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_convert(
    lock: *mut lockbox_lock,
    shared: c_int,
    error: *mut lockbox_error,
) -> lockbox_code {
    // SAFETY: the caller vouches for both.
    unsafe {
        answer(error, || {
            let lock = lock.as_mut().ok_or(Report::wrong("the lock is null"))?;
            lock.held()?;
            let mode = if shared == 0 { Mode::Exclusive } else { Mode::Shared };
            let (held, outcome) = lock.take()?.convert(mode);
            if let Some(held) = held {
                lock.put(held);
            }
            outcome
        })
    }
}

/// Keeps a lock fresh for those who judge it by its age, and tells whether it is still ours:
/// `LOCKBOX_LOST` if not. Then it still has to be released.
///
/// # Safety
///
/// Pointers that are not null point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_refresh(
    lock: *const lockbox_lock,
    error: *mut lockbox_error,
) -> lockbox_code {
    // SAFETY: the caller vouches for both.
    unsafe {
        answer(error, || lock.as_ref().ok_or(Report::wrong("the lock is null"))?.held()?.refresh())
    }
}

/// Draws the next of the lock's numbers, each larger than all before it, from `.NAME.token` beside
/// the lock. Whatever the lock protects can refuse a holder with a smaller number than it has seen.
/// `token` is left alone if that fails.
///
/// # Safety
///
/// Pointers that are not null point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_next_token(
    lock: *const lockbox_lock,
    token: *mut u64,
    error: *mut lockbox_error,
) -> lockbox_code {
    // SAFETY: the caller vouches for all three.
    unsafe {
        answer(error, || {
            let lock = lock.as_ref().ok_or(Report::wrong("the lock is null"))?;
            if token.is_null() {
                return Err(Report::wrong("the token is null"));
            }
            token.write(lock.held()?.next_token()?);
            Ok(())
        })
    }
}

/// The descriptor that carries a held lock, and still belongs to it; -1 if there is none. It is
/// closed on exec unless that is changed.
///
/// # Safety
///
/// A pointer that is not null points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_descriptor(lock: *const lockbox_lock) -> c_int {
    // SAFETY: the caller vouches for it.
    let held = unsafe { lock.as_ref() }.and_then(|lock| lock.held().ok());
    held.and_then(Held::descriptor).unwrap_or(-1)
}

/// Gives a lock back; `lock` is empty then, whatever the answer. `LOCKBOX_LOST`: it was not ours
/// any more. A forked child gives back only its own part: the lock stays its parent's.
///
/// # Safety
///
/// Pointers that are not null point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_release(
    lock: *mut lockbox_lock,
    error: *mut lockbox_error,
) -> lockbox_code {
    // SAFETY: the caller vouches for both.
    unsafe {
        answer(error, || lock.as_mut().ok_or(Report::wrong("the lock is null"))?.take()?.release())
    }
}

/// Tells who holds the lock that is asked for, without taking or changing anything.
///
/// # Safety
///
/// Pointers that are not null point to what their types say, and strings end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_look(
    request: *const lockbox_request,
    status: *mut lockbox_status,
    error: *mut lockbox_error,
) -> lockbox_code {
    // SAFETY: the caller vouches for all three.
    unsafe {
        answer(error, || {
            if status.is_null() {
                return Err(Report::wrong("the status is null"));
            }
            status.write(looking::look(&read(request)?)?);
            Ok(())
        })
    }
}

/// Removes a stale lock of the kinds nfs, symlink, mkdir and pidfile; with `LOCKBOX_FORCE` any.
/// `LOCKBOX_HELD`: it is not stale, or not for certain. `LOCKBOX_NO_LOCK`: there is none.
///
/// # Safety
///
/// Pointers that are not null point to what their types say, and strings end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lockbox_break(
    request: *const lockbox_request,
    error: *mut lockbox_error,
) -> lockbox_code {
    // SAFETY: the caller vouches for both.
    unsafe { answer(error, || looking::remove(&read(request)?)) }
}

/// What a code says, without the circumstances; the string lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn lockbox_sentence(code: u32) -> *const c_char {
    report::sentence_of(code).as_ptr()
}

/// The name of a kind, as lockbox(1) knows it, which lives for ever; null if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn lockbox_kind_name(kind: u32) -> *const c_char {
    let name = match request::kind(kind) {
        Some(Kind::File) => c"file",
        Some(Kind::Flock) => c"flock",
        Some(Kind::Lockf) => c"lockf",
        Some(Kind::Ofd) => c"ofd",
        Some(Kind::Nfs) => c"nfs",
        Some(Kind::Symlink) => c"symlink",
        Some(Kind::Mkdir) => c"mkdir",
        Some(Kind::Pidfile) => c"pidfile",
        _ => return ptr::null(),
    };
    name.as_ptr()
}

/// Runs a call, tells C why it failed, and answers the code.
///
/// # Safety
///
/// `error` is null or points to room for one.
unsafe fn answer(
    error: *mut lockbox_error,
    call: impl FnOnce() -> Result<(), Report>,
) -> lockbox_code {
    let report = call().err().unwrap_or(Report::new(LOCKBOX_OK));
    if !error.is_null() {
        // SAFETY: the caller vouches for the room; what was there is not looked at.
        unsafe { error.write(report.to_error()) };
    }
    report.code()
}

/// What is asked for.
///
/// # Safety
///
/// `asked` is null or points to a request whose strings are null or end, and live for `'a`.
unsafe fn read<'a>(asked: *const lockbox_request) -> Result<Request<'a>, Report> {
    // SAFETY: the caller vouches for all pointers.
    let string = |text: *const c_char| unsafe {
        if text.is_null() { None } else { Some(CStr::from_ptr(text)) }
    };
    // SAFETY: as above.
    let asked = unsafe { asked.as_ref() }.ok_or(Report::wrong("the request is null"))?;
    let cancels = asked.flags & LOCKBOX_CANCELLABLE != 0 && asked.cancel_fd >= 0;
    // SAFETY: whether it is open is found out when it is waited for; it is not closed here.
    let cancel = cancels.then(|| unsafe { lend_raw(asked.cancel_fd) });
    Request::read(asked, string(asked.path), string(asked.message), cancel)
}
