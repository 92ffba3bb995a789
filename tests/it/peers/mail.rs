//! The dotlocks of mail programs: files that are made at one stroke and say little.

use std::process::Command;

use crate::kernel::KERNEL;
use crate::peer::{Ours, Peer, Recovery, Seen, Sees, lockbox_run, shell};
use crate::stories::stories;

stories! {
    dotlockfile_with_a_pid: DOTLOCKFILE_PID,
    dotlockfile_by_age: DOTLOCKFILE,
    lockfile_create_with_a_pid: LOCKFILE_CREATE_PID,
    lockfile_create_by_age: LOCKFILE_CREATE,
    lockfile_of_procmail: PROCMAIL,
}

/// The age at which liblockfile takes a lock that names no process.
const AGE: &str = "300";

const BY_PID: Ours = lockbox_run!("pidfile", "`lockbox run -k pidfile`, `pidfile::mkpidlock`");
const BY_AGE: Ours = lockbox_run!(
    "pidfile",
    "`lockbox run -k pidfile --stale-age 300`, `ExistenceLock::stale_age`",
    "--stale-age",
    AGE
);

const DOTLOCKFILE_PID: Peer = Peer {
    name: "`dotlockfile -p`",
    from: "liblockfile 1.17",
    hold: |_| held("dotlockfile -p -l -r 0 lock", "dotlockfile -u lock"),
    attempt: |_| tried("dotlockfile -p -l -r 0 lock", "dotlockfile -u lock"),
    refused: 4,
    ours: BY_PID,
    our_recovery: Recovery::Dead,
    its_recovery: Recovery::Dead,
    it_sees: Sees::Held,
    moving: "Link `dotlockfile` to `lockbox`. In programs: a pid file says the host too, and the \
             next taker of ours takes no lock that is another host's.",
    ..KERNEL
};

const DOTLOCKFILE: Peer = Peer {
    name: "`dotlockfile`",
    hold: |_| held("dotlockfile -l -r 0 lock", "dotlockfile -u lock"),
    attempt: |_| tried("dotlockfile -l -r 0 lock", "dotlockfile -u lock"),
    ours: BY_AGE,
    seen: Seen::Held,
    our_recovery: Recovery::Age(300),
    its_recovery: Recovery::Age(300),
    it_sees: Sees::Held,
    moving: "Say `-p` where you can. Without it every lock of five minutes is taken for \
             abandoned: with `--stale-age 300` ours is touched in time, as long as its holder \
             lives.",
    ..DOTLOCKFILE_PID
};

const LOCKFILE_CREATE_PID: Peer = Peer {
    name: "`lockfile-create --use-pid`",
    from: "lockfile-progs 0.1",
    hold: |_| held("lockfile-create -p -r 0 -l lock", "lockfile-remove -l lock"),
    attempt: |_| tried("lockfile-create -p -r 0 -l lock", "lockfile-remove -l lock"),
    moving: "`lockbox acquire -k pidfile` and `lockbox release` with the same `--pid`, on \
             NAME`.lock`: without its `-l` that suffix is its own.",
    ..DOTLOCKFILE_PID
};

const LOCKFILE_CREATE: Peer = Peer {
    name: "`lockfile-create`",
    from: "lockfile-progs 0.1",
    hold: |_| held("lockfile-create -r 0 -l lock", "lockfile-remove -l lock"),
    attempt: |_| tried("lockfile-create -r 0 -l lock", "lockfile-remove -l lock"),
    moving: "As before; `lockbox touch` is `lockfile-touch --oneshot`.",
    ..DOTLOCKFILE
};

const PROCMAIL: Peer = Peer {
    name: "`lockfile -l 300`",
    from: "procmail 3.22",
    hold: |_| held("lockfile -r 0 -l 300 -s 0 lock", "rm -f lock"),
    attempt: |_| tried("lockfile -r 0 -l 300 -s 0 lock", "rm -f lock"),
    refused: 73,
    moving: "Link `lockfile` to `lockbox`. Without `-l` it waits for ever for a dead holder, and \
             ours without `--stale-age` for its.",
    ..DOTLOCKFILE
};

/// A shell that holds a lock that it takes and gives back by commands.
fn held(take: &str, give: &str) -> Command {
    shell(&format!("{take} && echo READY && (read line || :) && {give}"))
}

fn tried(take: &str, give: &str) -> Command {
    shell(&format!("{take} && {give}"))
}
