//! Pid files: BSD's, which are locked, and daemons', which are not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::kernel::{KERNEL, compile};
use crate::peer::{HOLD, Peer, Recovery, Sees, foreign, lockbox_run, program};
use crate::stories::{stories, tell_of_reading};

stories! {
    pidfile_open_of_bsd: BSD,
    start_stop_daemon_of_debian: DAEMON,
}

const BSD: Peer = Peer {
    name: "`pidfile_open(3)`",
    from: "libbsd 0.11",
    hold: |_| program(pidfile_open(), &["hold", "lock"]),
    attempt: |_| program(pidfile_open(), &["try", "lock"]),
    ours: foreign!(
        "flock",
        "pidfile_open",
        "`Lock::kind(Kind::Flock)`, then `fs::write` of `pid_text::bare`"
    ),
    it_sees: Sees::Pid,
    moving: "`lockbox run -k flock` excludes it too, and does not say who holds it. Kind `file` \
             writes a newline behind the pid, which its reader reports as an invalid argument.",
    ..KERNEL
};

const DAEMON: Peer = Peer {
    name: "`start-stop-daemon --make-pidfile`",
    from: "dpkg 1.21",
    lock: "daemon.pid",
    hold: |_| daemon(&["/bin/sh", "--", "-c", HOLD]),
    attempt: |_| daemon(&["/bin/true"]),
    refused: 1,
    ours: lockbox_run!("pidfile", "`lockbox run -k pidfile`, `pidfile::mkpidlock`"),
    our_recovery: Recovery::Dead,
    its_recovery: Recovery::Dead,
    moving: "Let `lockbox run -k pidfile` start the daemon: of two that start it at once, only one \
             gets through. systemd reads such a file for `PIDFile=`, too.",
    ..KERNEL
};

/// What nobody here takes: the file, what names it, and what is in it.
type Read = (&'static str, &'static str, fn(u32) -> String);

const READ: [Read; 4] = [
    ("cron.pid", "a daemon's pid file", |pid| format!("{pid}\n")),
    ("devd.pid", "BSD pidfile(3)", |pid| pid.to_string()),
    ("postmaster.pid", "PostgreSQL", |pid| {
        let rest = "1700000000\n5432\n/run/postgresql\nlocalhost\n  5432001    131072\nready   \n";
        format!("{pid}\n/var/lib/postgresql/15/main\n{rest}")
    }),
    // Of one that runs without a server.
    ("postmaster.pid", "PostgreSQL", |pid| format!("-{pid}\n/var/lib/data\n1700000000\n0\n")),
];

#[test]
fn pid_files_that_nobody_locks_are_read() {
    for (name, convention, content) in READ {
        tell_of_reading(name, convention, content);
    }
}

/// The C program, compiled.
fn pidfile_open() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile("pidfile.c", &["-lbsd"]))
}

fn daemon(command: &[&str]) -> Command {
    let args = ["--start", "--quiet", "--make-pidfile", "--pidfile"];
    let mut daemon = program("/sbin/start-stop-daemon", &args);
    daemon.args(["daemon.pid", "--startas"]).args(command);
    daemon
}
