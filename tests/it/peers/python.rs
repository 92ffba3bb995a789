//! Python's libraries.

use std::process::Command;

use crate::kernel::{KERNEL, OFD};
use crate::peer::{Peer, installed, script};
use crate::stories::stories;

stories! {
    filelock_of_python: FILELOCK,
    portalocker_of_python: PORTALOCKER,
    fasteners_of_python: FASTENERS,
    zc_lockfile_of_python: ZC_LOCKFILE,
}

const FILELOCK: Peer = Peer {
    name: "`filelock.FileLock`",
    from: "PyPI filelock 4.2",
    hold: |_| python("filelock", "hold"),
    attempt: |_| python("filelock", "try"),
    moving: "The same file; it is not removed by either.",
    ..KERNEL
};

const PORTALOCKER: Peer = Peer {
    name: "`portalocker.Lock`",
    from: "PyPI portalocker 4.4",
    hold: |_| python("portalocker", "hold"),
    attempt: |_| python("portalocker", "try"),
    moving: "The same file; `LOCK_SH` is `-s`.",
    ..KERNEL
};

const FASTENERS: Peer = Peer {
    name: "`fasteners.InterProcessLock`",
    from: "PyPI fasteners 0.20",
    hold: |_| python("fasteners", "hold"),
    attempt: |_| python("fasteners", "try"),
    ours: OFD,
    moving: "The same file. It takes a POSIX lock: `flock` would not exclude it.",
    ..KERNEL
};

const ZC_LOCKFILE: Peer = Peer {
    name: "`zc.lockfile.LockFile`",
    from: "PyPI zc.lockfile 4.0",
    hold: |_| python("zc.lockfile", "hold"),
    attempt: |_| python("zc.lockfile", "try"),
    moving: "The same file. Its pid stays in it, as kind `flock` writes nothing.",
    ..KERNEL
};

/// The script that takes a library's lock.
fn python(library: &str, what: &str) -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(script("locks.py")).args([library, what, "lock"]);
    command
}
