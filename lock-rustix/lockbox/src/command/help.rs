//! `lockbox help`: what there is, and what each command takes.

use core::ffi::CStr;

use super::wrong_usage;
use crate::applet::is_known;
use crate::out::Out;
use crate::stack::Stack;

const KINDS: &str = "

KIND: file (default), flock, lockf, ofd: kernel locks, gone with their holder;
      nfs, symlink, mkdir, pidfile: names, found stale when their holder is dead;
      dlm: PATH is LOCKSPACE/RESOURCE, shared by the nodes of a cluster; for
      run, status (by debugfs, as far as this node knows), and wait, which takes it.
";

const RUN: &str = "\
usage: lockbox run [OPTION]... PATH [--] CMD [ARG]...
Hold the lock PATH while CMD runs; release it when CMD ends, however it ends.

  -k KIND           kind of lock
  -s                shared, beside others who hold it shared; flock, lockf, ofd, dlm
  -n                do not wait if another holds it
  -w SECS           wait at most so long; fractions allowed
  -m TEXT           say TEXT in the lock; file (instead of the pid), nfs
  -p MODE           make the lock file with this octal mode, less the umask
  -E N              exit with N instead of 75 if the lock cannot be had
  -v                tell who is waited for, though stderr is no terminal
  --inherit         let CMD have the lock's descriptor, and so the lock
  --stale-age SECS  take a lock so old for abandoned; pidfile
  --lease SECS      hold it so long after each refresh and no longer; pidfile
  --refresh SECS    touch the lock so often; half of either if not given
  --no-token        do not number the acquisition

CMD finds LOCKBOX_PATH and LOCKBOX_KIND in its environment, and for nfs, symlink,
mkdir and pidfile LOCKBOX_TOKEN, a number that grows with every acquisition.
Exit status: that of CMD, 128+N if signal N killed it; 75 held by another,
64 usage, 66 no such directory or file, 73 cannot create, 74 I/O error,
77 no permission, 126 CMD cannot be run, 127 CMD not found.
";

const ACQUIRE: &str = "\
usage: lockbox acquire -k KIND [OPTION]... PATH
Take a lock that stays when lockbox ends: nfs, symlink, mkdir or pidfile.

  --pid PID         for this process; the one that started lockbox if not given
  -n, -w SECS, -m TEXT, -p MODE, -E N, -v, --stale-age SECS, --lease SECS
                    as for run
";

const RELEASE: &str = "\
usage: lockbox release -k KIND [--pid PID] PATH
Give back a lock that acquire took for the same process.

Exit status: 0 done, 1 there was no lock, 75 the lock is another's.
";

const TOUCH: &str = "\
usage: lockbox touch -k KIND [--pid PID] PATH
Keep a lock fresh that acquire took for the same process.

Exit status: 0 done, 1 there was no lock, 75 the lock is another's.
";

const BREAK: &str = "\
usage: lockbox break -k KIND [--stale-age SECS] [--lease SECS]
       [--force] PATH
Remove a stale lock, and tell whose it was; with --force any.

Exit status: 0 done, 1 there was no lock, 75 it is not stale.
";

const STATUS: &str = "\
usage: lockbox status [-k KIND] [-j] [--stale-age SECS] PATH
Tell whether the lock PATH is held, and by whom; change nothing. -j: as JSON.

Exit status: 0 held, 1 stale, 3 free, 4 unknown.
";

const WAIT: &str = "\
usage: lockbox wait [-k KIND] [-w SECS] [-E N] [--stale-age SECS] PATH
Return as soon as the lock PATH is free, without taking it.

Exit status: 0 free, 75 the wait ran out.
";

const LIST: &str = "\
usage: lockbox list [-j]
Tell which kernel locks are held on this machine, as far as can be seen: by the
processes whose descriptors carry them, on which files, and who waits. -j: as JSON.
";

const EXPLAIN: &str = "\
usage: lockbox explain [-j] FILE
Tell which convention wrote this lock file, what it says, and what follows.
";

const DOCTOR: &str = "\
usage: lockbox doctor [-j] [-k KIND] [-w SECS] DIR
Tell whether locking is real in the directory DIR: its file system, how it is
mounted, its clock, and a test of every kind with several processes. -j: as JSON.

  -k KIND  let the exit status speak of this kind only
  -w SECS  give up after so long, three times at most; 10 if not given

What the test makes in DIR it removes. A file system that hangs is told of.
Exit status: 0 every kind is safe, 1 some are not, 4 some are not known to be,
74 the file system hangs, 66 no such directory, 73 or 77 it cannot be written to.
";

const APPLET: &str = "\
usage: lockbox APPLET ARG...
Be dotlockfile(1), flock(1), lockf(1), lockfile(1) or setlock(8), as under these
names; each says what it takes when it is called wrongly.
";

const ALL: &str = "\
usage: lockbox COMMAND ...
  run      hold a lock while a command runs
  acquire  take a lock for another process
  release  give it back
  touch    keep it fresh
  break    remove a stale lock
  status   tell whether a lock is held, and by whom
  wait     wait until a lock is free
  list     tell which kernel locks are held, and who waits
  explain  tell what a lock file says
  doctor   tell whether locking is real in a directory
  dotlockfile, flock, lockf, lockfile, setlock
           be that program; also under its name
  help     tell what a command takes
  version  tell the version
";

/// Each starts with its command's usage.
const TEXTS: [&str; 11] =
    [RUN, ACQUIRE, RELEASE, TOUCH, BREAK, STATUS, LIST, EXPLAIN, DOCTOR, WAIT, APPLET];

/// What a command takes; what there is, without one.
pub(super) fn text(command: Option<&[u8]>) -> Option<&'static str> {
    let Some(command) = command else { return Some(ALL) };
    let command = if is_known(command) { b"APPLET" } else { command };
    TEXTS.into_iter().find(|text| {
        let usage = text.as_bytes().strip_prefix(b"usage: lockbox ").unwrap_or_default();
        usage.strip_prefix(command).is_some_and(|rest| rest.starts_with(b" "))
    })
}

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    let command = stack.args().get(at).map(CStr::to_bytes);
    let Some(text) = text(command) else {
        return wrong_usage("help: unknown command '%'", command.unwrap_or_default());
    };
    let mut out = Out::stdout();
    out.text(text);
    if text.as_bytes().windows(5).any(|word| word == b" KIND") {
        out.text(KINDS);
    }
    0
}

/// Tells what there is.
pub(super) fn usage(out: &mut Out) {
    out.text(ALL);
}
