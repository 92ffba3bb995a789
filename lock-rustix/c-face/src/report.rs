//! What went wrong: as a code to act on, and as a sentence for a person.

use core::ffi::{CStr, c_char, c_int};

use lock_core::fault::{Fault, FaultKind};
use lock_core::staleness::{Stale, Unknown, Verdict};
use lock_rustix::existence::Refused;
use lock_rustix::local::LockError;

#[allow(clippy::enum_glob_use, reason = "names of C, with a prefix of their own")]
use crate::types::lockbox_code::{self, *};
use crate::types::{LOCKBOX_SENTENCE_SIZE, lockbox_error};

/// What a call found out besides its code.
#[derive(Clone, Copy, Debug)]
enum Detail {
    None,
    /// What does not suit.
    Words(&'static str),
    Fault(Fault),
    /// Whether the holder lives cannot be told.
    Doubt(Unknown),
    /// The lock is stale and cannot be removed.
    Irremovable(Stale, Fault),
}

/// Why a call did not do what was asked.
///
/// ```
/// use lockbox::report::Report;
/// use lockbox::types::lockbox_code;
///
/// let report = Report::wrong("path is null");
/// assert_eq!(report.code(), lockbox_code::LOCKBOX_WRONG_ARGUMENT);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Report {
    code: lockbox_code,
    detail: Detail,
}

impl Report {
    /// A code that says it all.
    pub const fn new(code: lockbox_code) -> Report {
        Report { code, detail: Detail::None }
    }

    /// An argument is wrong, in these words.
    pub const fn wrong(words: &'static str) -> Report {
        Report { code: LOCKBOX_WRONG_ARGUMENT, detail: Detail::Words(words) }
    }

    /// The lock is held, or may be.
    pub const fn held(verdict: Option<Verdict>) -> Report {
        let detail = match verdict {
            Some(Verdict::Unknown(why)) => Detail::Doubt(why),
            _ => Detail::None,
        };
        Report { code: LOCKBOX_HELD, detail }
    }

    /// The lock is stale, and the system keeps it.
    pub fn irremovable(why: Stale, fault: Fault) -> Report {
        Report { code: Report::from(fault).code, detail: Detail::Irremovable(why, fault) }
    }

    /// What the call answers.
    pub const fn code(&self) -> lockbox_code {
        self.code
    }

    /// The struct for C.
    pub fn to_error(&self) -> lockbox_error {
        let os_errno = match self.detail {
            Detail::Fault(fault) | Detail::Irremovable(_, fault) => c_int::from(fault.errno),
            _ => 0,
        };
        let empty = [0; LOCKBOX_SENTENCE_SIZE];
        let mut error = lockbox_error { code: self.code, os_errno, sentence: empty };
        let mut out = Line::new(&mut error.sentence);
        match self.detail {
            Detail::None => out.add(sentence(self.code).to_bytes()),
            Detail::Words(words) => out.add(words.as_bytes()),
            Detail::Fault(fault) => out.add_fault(fault),
            Detail::Doubt(why) => {
                out.add(b"whether its holder lives cannot be told, because ");
                out.add(why.reason().as_bytes());
            }
            Detail::Irremovable(why, fault) => {
                out.add(b"stale, because ");
                out.add(why.reason().as_bytes());
                out.add(b", but it cannot be removed: ");
                out.add_fault(fault);
            }
        }
        error
    }
}

impl From<Fault> for Report {
    fn from(fault: Fault) -> Report {
        Report { code: code(fault.kind), detail: Detail::Fault(fault) }
    }
}

impl From<LockError> for Report {
    fn from(error: LockError) -> Report {
        match error {
            LockError::Held => Report::new(LOCKBOX_HELD),
            LockError::HeldByThisProcess => Report::new(LOCKBOX_HELD_BY_THIS_PROCESS),
            LockError::Interrupted => Report::new(LOCKBOX_CANCELLED),
            LockError::Fault(fault) => fault.into(),
            _ => Report::new(LOCKBOX_UNSUPPORTED),
        }
    }
}

impl From<Refused> for Report {
    fn from(refused: Refused) -> Report {
        match refused {
            Refused::Held(verdict) => Report::held(verdict),
            Refused::NotPermitted(why, fault) => Report::irremovable(why, fault),
            Refused::Cancelled => Report::new(LOCKBOX_CANCELLED),
            Refused::Failed(fault) => fault.into(),
            _ => Report::new(LOCKBOX_FAILED),
        }
    }
}

/// What to do about a fault.
fn code(kind: FaultKind) -> lockbox_code {
    match kind {
        FaultKind::Missing => LOCKBOX_MISSING,
        FaultKind::Denied => LOCKBOX_DENIED,
        FaultKind::NoSpace | FaultKind::Quota | FaultKind::ReadOnly => LOCKBOX_CANNOT_CREATE,
        FaultKind::IsDirectory
        | FaultKind::Linked
        | FaultKind::NotDirectory
        | FaultKind::NotEmpty
        | FaultKind::NotRegular
        | FaultKind::NotSymlink
        | FaultKind::Symlink => LOCKBOX_NOT_A_LOCK,
        FaultKind::NameTooLong | FaultKind::TooLong => LOCKBOX_TOO_LONG,
        FaultKind::Replaced => LOCKBOX_REPLACED,
        FaultKind::NoLocks
        | FaultKind::TableFull
        | FaultKind::TooManyFiles
        | FaultKind::TooManyLinks => LOCKBOX_TOO_MANY,
        FaultKind::Unsupported => LOCKBOX_UNSUPPORTED,
        FaultKind::WouldBlock => LOCKBOX_HELD,
        _ => LOCKBOX_FAILED,
    }
}

/// What a code says, without the circumstances.
///
/// ```
/// use lockbox::report::sentence;
/// use lockbox::types::lockbox_code;
///
/// assert_eq!(sentence(lockbox_code::LOCKBOX_HELD), c"another holds the lock");
/// ```
pub const fn sentence(code: lockbox_code) -> &'static CStr {
    match code {
        LOCKBOX_OK => c"done",
        LOCKBOX_HELD => c"another holds the lock",
        LOCKBOX_HELD_BY_THIS_PROCESS => c"this process holds the lock already",
        LOCKBOX_CANCELLED => c"the wait was cancelled",
        LOCKBOX_LOST => c"the lock was lost: somebody removed or replaced it",
        LOCKBOX_NO_LOCK => c"there is no lock",
        LOCKBOX_WRONG_ARGUMENT => c"wrong argument",
        LOCKBOX_WRONG_LOCK => c"the lockbox_lock is not as this call needs it",
        LOCKBOX_MISSING => c"no such file or directory",
        LOCKBOX_DENIED => c"permission denied",
        LOCKBOX_CANNOT_CREATE => c"the file system has no room or is read-only",
        LOCKBOX_NOT_A_LOCK => c"what is there is no lock of this kind",
        LOCKBOX_TOO_LONG => c"the path or the message is too long",
        LOCKBOX_REPLACED => c"the file keeps being replaced",
        LOCKBOX_TOO_MANY => c"too many open files, links or locks",
        LOCKBOX_UNSUPPORTED => c"not supported here",
        LOCKBOX_FAILED => c"a system call failed",
    }
}

/// [`sentence`] of a number that C gave.
pub fn sentence_of(number: u32) -> &'static CStr {
    const ALL: [lockbox_code; 17] = [
        LOCKBOX_OK,
        LOCKBOX_HELD,
        LOCKBOX_HELD_BY_THIS_PROCESS,
        LOCKBOX_CANCELLED,
        LOCKBOX_LOST,
        LOCKBOX_NO_LOCK,
        LOCKBOX_WRONG_ARGUMENT,
        LOCKBOX_WRONG_LOCK,
        LOCKBOX_MISSING,
        LOCKBOX_DENIED,
        LOCKBOX_CANNOT_CREATE,
        LOCKBOX_NOT_A_LOCK,
        LOCKBOX_TOO_LONG,
        LOCKBOX_REPLACED,
        LOCKBOX_TOO_MANY,
        LOCKBOX_UNSUPPORTED,
        LOCKBOX_FAILED,
    ];
    let code = ALL.into_iter().find(|&code| code as u32 == number);
    code.map_or(c"no such code", sentence)
}

/// Text in a buffer of C's: always ended, cut if it is too long.
#[derive(Debug)]
pub struct Line<'a> {
    buffer: &'a mut [c_char],
    len: usize,
}

impl<'a> Line<'a> {
    /// Starts at the buffer's start.
    pub fn new(buffer: &'a mut [c_char]) -> Line<'a> {
        if let Some(first) = buffer.first_mut() {
            *first = 0;
        }
        Line { buffer, len: 0 }
    }

    /// Adds bytes, up to a zero if there is one.
    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().take_while(|&&byte| byte != 0) {
            let Some([place, end]) = self.buffer.get_mut(self.len..self.len.saturating_add(2))
            else {
                return;
            };
            *place = c_char::from_ne_bytes([byte]);
            *end = 0;
            self.len += 1;
        }
    }

    fn add_fault(&mut self, fault: Fault) {
        for part in [fault.call.name(), " of ", fault.node.name(), ": ", fault.kind.reason()] {
            self.add(part.as_bytes());
        }
        if fault.errno != 0 {
            self.add(b" (errno ");
            let mut scale = 10_000;
            while scale > 0 {
                if fault.errno >= scale {
                    let digit = u8::try_from(fault.errno / scale % 10).unwrap_or(0);
                    self.add(&[b'0' + digit]);
                }
                scale /= 10;
            }
            self.add(b")");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::fault::Call;
    use lock_core::os::Node;

    fn written(report: Report) -> (lockbox_code, c_int, std::string::String) {
        let error = report.to_error();
        let bytes: std::vec::Vec<u8> =
            error.sentence.iter().map(|it| it.to_ne_bytes()[0]).take_while(|&it| it != 0).collect();
        (error.code, error.os_errno, std::string::String::from_utf8(bytes).unwrap())
    }

    extern crate std;

    #[test]
    fn a_sentence_says_which_call_failed_on_what_and_why() {
        for (kind, errno, code, sentence) in [
            (FaultKind::Denied, 13, LOCKBOX_DENIED, "permission denied (errno 13)"),
            (FaultKind::Linked, 0, LOCKBOX_NOT_A_LOCK, FaultKind::Linked.reason()),
            (FaultKind::Other, 1030, LOCKBOX_FAILED, "failed (errno 1030)"),
        ] {
            let fault = Fault { call: Call::Open, node: Node::Lock, kind, errno };
            let expected = std::format!("open of the lock file: {sentence}");
            assert_eq!(written(fault.into()), (code, c_int::from(errno), expected));
        }
    }

    #[test]
    fn the_longest_sentence_fits() {
        let fault = Fault {
            call: Call::Readlink,
            node: Node::LockTable,
            kind: FaultKind::Linked,
            errno: 65535,
        };
        let (_, _, sentence) = written(Report::irremovable(Stale::KernelReleased, fault));
        assert!(sentence.ends_with("(errno 65535)"), "{sentence}");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut buffer = [7; 4];
        Line::new(&mut buffer).add(b"locks");
        assert_eq!(buffer, [b'l', b'o', b'c', 0].map(|it| c_char::from_ne_bytes([it])));
        Line::new(&mut []).add(b"locks");
    }
}
