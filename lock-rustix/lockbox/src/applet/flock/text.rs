//! What the applet says: util-linux's texts, and reasons in the words of `FaultKind::reason`.
//! They are packed: a third of the applet would be text.

use lock_rustix::rustix::io::Errno;

use crate::out::Out;
use crate::packed::{Packing, Texts, number, plain_len};

pub(in crate::applet) const HELP: &str = "
Usage:
 flock [options] <file>|<directory> <command> [<argument>...]
 flock [options] <file>|<directory> -c <command>
 flock [options] <file descriptor number>

Manage file locks from shell scripts.

Options:
 -s, --shared             get a shared lock
 -x, --exclusive          get an exclusive lock (default)
 -u, --unlock             remove a lock
 -n, --nonblock           fail rather than wait
 -w, --timeout <secs>     wait for a limited amount of time
 -E, --conflict-exit-code <number>  exit code after conflict or timeout
 -o, --close              close file descriptor before running command
 -c, --command <command>  run a single command string through the shell
 -F, --no-fork            execute command without forking
     --verbose            increase verbosity

 -h, --help               display this help
 -V, --version            display version
";

pub(super) const VERSION: &str = concat!("flock from lockbox ", env!("CARGO_PKG_VERSION"), "\n");

/// Everything that is said, in any order.
pub(super) const TEXTS: [&str; 42] = [
    HELP,
    VERSION,
    "not enough arguments",
    "the --no-fork and --close options are incompatible",
    "requires file descriptor, file or directory",
    "bad file descriptor: '%'",
    "% requires exactly one command argument",
    "unrecognized option -- '%'",
    "ambiguous option -- '%'",
    "option requires an argument -- '%'",
    "option doesn't allow an argument -- '%'",
    "failed to get lock",
    "timeout while waiting to get lock",
    "cannot open lock file %",
    "flock: executing %\n",
    "failed to execute %",
    "fork failed",
    "cannot set up timer",
    "invalid timeout value: '%'",
    "invalid exit code: '%'",
    "exit code out of range (expected 0 to 255)",
    "Try 'flock --help' for more information.\n",
    "flock: getting lock took ",
    " seconds\n",
    "%",
    "flock: ",
    "no such file or directory",
    "not a directory",
    "is a directory",
    "permission denied",
    "read-only file system",
    "no space left on device",
    "disk quota exceeded",
    "too many open files",
    "name too long",
    "is a symbolic link",
    "not a regular file",
    "bad file descriptor",
    "no locks available",
    "input/output error",
    "stale file handle",
    "not supported here",
];
const PACKING: Packing<{ plain_len(&TEXTS) }> = Packing::new(&TEXTS);
static PAIRS: [[u8; 2]; PACKING.pairs_len()] = PACKING.pairs();
static BYTES: [u8; PACKING.bytes_len()] = PACKING.bytes();
static PACKED: Texts = Texts { pairs: &PAIRS, bytes: &BYTES };

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
const fn reason(errno: Errno, text: &str) -> (u8, u8) {
    (errno.raw_os_error() as u8, number(&TEXTS, text))
}

/// What can befall this applet.
static REASONS: [(u8, u8); 21] = [
    reason(Errno::NOENT, "no such file or directory"),
    reason(Errno::NOTDIR, "not a directory"),
    reason(Errno::ISDIR, "is a directory"),
    reason(Errno::ACCESS, "permission denied"),
    reason(Errno::PERM, "permission denied"),
    reason(Errno::ROFS, "read-only file system"),
    reason(Errno::NOSPC, "no space left on device"),
    reason(Errno::DQUOT, "disk quota exceeded"),
    reason(Errno::MFILE, "too many open files"),
    reason(Errno::NFILE, "too many open files"),
    reason(Errno::NAMETOOLONG, "name too long"),
    reason(Errno::LOOP, "is a symbolic link"),
    reason(Errno::NXIO, "not a regular file"),
    reason(Errno::NODEV, "not a regular file"),
    reason(Errno::BADF, "bad file descriptor"),
    reason(Errno::NOLCK, "no locks available"),
    reason(Errno::IO, "input/output error"),
    reason(Errno::STALE, "stale file handle"),
    reason(Errno::INVAL, "not supported here"),
    reason(Errno::NOSYS, "not supported here"),
    reason(Errno::OPNOTSUPP, "not supported here"),
];

/// Says a text, with `name` for `%`.
pub(super) fn say(out: &mut Out, text: u8, name: &[u8]) {
    PACKED.say(out, text, name);
}

/// Says why a call failed.
pub(super) fn say_why(out: &mut Out, errno: Errno) {
    let number = errno.raw_os_error().unsigned_abs();
    for &(it, text) in &REASONS {
        if u32::from(it) == number {
            return say(out, text, b"");
        }
    }
    out.text("errno ").number(u64::from(number));
}

#[cfg(test)]
mod tests {
    extern crate std;

    use lock_core::fault::Call;
    use lock_core::os::Node;
    use lock_rustix::fault::fault;

    use super::*;

    #[test]
    fn reasons_are_told_in_the_words_of_all_other_messages() {
        for (number, _) in REASONS {
            let errno = Errno::from_raw_os_error(i32::from(number));
            let mut out = Out::stderr();
            say_why(&mut out, errno);
            let kind = fault(Call::Open, Node::Lock, errno).kind;
            assert_eq!(out.take().as_slice(), kind.reason().as_bytes(), "{errno:?}");
        }
        let mut out = Out::stderr();
        say_why(&mut out, Errno::TOOBIG);
        assert_eq!(out.take().as_slice(), b"errno 7");
    }
}
