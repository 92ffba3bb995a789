//! Python's libraries.

use std::process::Command;

use crate::kernel::{KERNEL, OFD};
use crate::peer::{Peer, Recovery, foreign, installed, lockbox_run, script};
use crate::stories::{stories, tell_of_theft};

stories! {
    filelock_of_python: FILELOCK,
    portalocker_of_python: PORTALOCKER,
    fasteners_of_python: FASTENERS,
    zc_lockfile_of_python: ZC_LOCKFILE,
    filelock_soft_of_python: FILELOCK_SOFT,
    flufl_lock_of_python: FLUFL,
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

const FILELOCK_SOFT: Peer = Peer {
    name: "`filelock.SoftFileLock`",
    from: "PyPI filelock 4.2",
    hold: |_| python("filelock soft", "hold"),
    attempt: |_| python("filelock soft", "try"),
    ours: foreign!(
        "pidfile",
        "filelock",
        "`pidfile::open_exclusive`, then `pid_text::with_host` into it"
    ),
    our_recovery: Recovery::Dead,
    its_recovery: Recovery::Dead,
    moving: "Not `lockbox run -k pidfile`: filelock cannot read that, and takes it from its living \
             holder after two seconds of waiting. When no Python is left there, any kind will do.",
    ..KERNEL
};

const FLUFL: Peer = Peer {
    name: "`flufl.lock.Lock`",
    from: "PyPI flufl.lock 10.0",
    hold: |_| python("flufl.lock", "hold"),
    attempt: |_| python("flufl.lock", "try"),
    ours: lockbox_run!("pidfile", "`lockbox run -k pidfile`, `pidfile::mkpidlock`"),
    our_recovery: Recovery::Dead,
    its_recovery: Recovery::Break,
    moving: "It takes no file that is not its own, however old. Its own it takes ten seconds after \
             the lifetime is over, from a living holder too: have programs refresh it. It writes \
             the host's full name: where that is not what `uname -n` says, it is another host's to \
             us, and only `--stale-age` helps.",
    ..KERNEL
};

/// Julia's pid file is nothing to filelock, which waits for its holder in vain for two seconds.
#[test]
#[ignore = "needs the peers: bash .ci/run peers"]
fn filelock_takes_what_it_cannot_read() {
    let ours = lockbox_run!("pidfile", "");
    let peer = Peer { name: "filelock beside a pid file", ours, ..FILELOCK_SOFT };
    tell_of_theft(&peer, 0, python("filelock soft", "wait"));
}

/// The script that takes a library's lock.
fn python(library: &str, what: &str) -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(script("locks.py")).args([library, what, "lock"]);
    command
}
