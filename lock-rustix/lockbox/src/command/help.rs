//! `lockbox help`: what there is, and what each command takes.

use core::ffi::CStr;

use super::wrong_usage;
use crate::out::Out;
use crate::stack::Stack;

const RUN: &str = "\
usage: lockbox run [OPTION]... PATH [--] CMD [ARG]...
Hold the lock PATH while CMD runs; release it when CMD ends, however it ends.

  -k KIND    kind of lock: file (default), flock, lockf, ofd
  -s         shared, beside others who hold it shared; not for kind file
  -n         do not wait if another holds it
  -w SECS    wait at most so long; fractions allowed
  -m TEXT    write TEXT into the lock file instead of the pid; kind file
  -p MODE    make the lock file with this octal mode, less the umask
  -E N       exit with N instead of 75 if the lock cannot be had
  -v         tell who is waited for, though standard error is no terminal
  --inherit  let CMD have the lock's descriptor, and so the lock

CMD finds LOCKBOX_PATH and LOCKBOX_KIND in its environment.
Exit status: that of CMD, 128+N if signal N killed it; 75 held by another,
64 usage, 66 no such directory or file, 73 cannot create, 74 I/O error,
77 no permission, 126 CMD cannot be run, 127 CMD not found.
";

const STATUS: &str = "\
usage: lockbox status [-k KIND] [-j] PATH
Tell whether the lock PATH is held, and by whom; change nothing.

  -k KIND    kind of lock: file (default), flock, lockf, ofd
  -j         as one JSON object

Exit status: 0 held, 1 stale, 3 free, 4 unknown.
";

const WAIT: &str = "\
usage: lockbox wait [-k KIND] [-w SECS] PATH
Return as soon as the lock PATH is free, without taking it.

  -k KIND    kind of lock: file (default), flock, lockf, ofd
  -w SECS    wait at most so long; fractions allowed

Exit status: 0 free, 75 the wait ran out.
";

const FLOCK: &str = "\
usage: lockbox flock ARG...
The applet flock(1), as it runs under that name; see lockbox flock --help.
";

const ALL: &str = "\
usage: lockbox COMMAND ...
  run      hold a lock while a command runs
  status   tell whether a lock is held, and by whom
  wait     wait until a lock is free
  flock    be flock(1); also under the name flock
  help     tell what a command takes
  version  tell the version
";

pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    let text = match stack.args().get(at).map(CStr::to_bytes) {
        None => ALL,
        Some(b"run") => RUN,
        Some(b"status") => STATUS,
        Some(b"wait") => WAIT,
        Some(b"flock") => FLOCK,
        Some(name) => return wrong_usage(&[b"help: unknown command '", name, b"'"]),
    };
    Out::stdout().text(text);
    0
}

/// Tells what there is.
pub(super) fn usage(out: &mut Out) {
    out.text(ALL);
}
