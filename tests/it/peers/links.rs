//! Symbolic links to nowhere: Emacs and Mercurial.

use std::process::Command;

use crate::kernel::KERNEL;
use crate::peer::{Peer, Recovery, Seen, Sees, foreign, program, script};
use crate::stories::stories;

stories! {
    emacs: EMACS,
    mercurial: MERCURIAL,
}

const EMACS: Peer = Peer {
    name: "Emacs file locks",
    from: "Emacs 28",
    lock: ".#notes",
    hold: |_| edit("hold"),
    attempt: |_| edit("try"),
    ours: foreign!(
        "symlink",
        "emacs",
        "`lock_file_blocking::symlink` on `.#NAME` with a target by `link_target::Emacs`"
    ),
    seen: Seen::Explained("Emacs"),
    our_recovery: Recovery::Removal,
    its_recovery: Recovery::Dead,
    it_sees: Sees::Pid,
    moving: "`lockbox run -k symlink .#NAME` keeps Emacs out too, but it cannot read our target: \
             it reports an invalid argument, and does not find ours stale.",
    ..KERNEL
};

const MERCURIAL: Peer = Peer {
    name: "Mercurial's `wlock`",
    from: "Mercurial 6.3",
    lock: "repository/.hg/wlock",
    prepare: |dir| {
        let made = program("hg", &["init", "repository"]).current_dir(dir).status();
        assert!(made.expect("Mercurial is needed").success());
    },
    hold: |_| {
        let mut command = program("/usr/bin/python3", &["-B"]);
        command.arg(script("wlock.py")).arg("repository");
        command
    },
    waits: false,
    attempt: |_| {
        program("hg", &["-R", "repository", "--config", "ui.timeout=0", "debugrebuilddirstate"])
    },
    refused: 255,
    ours: foreign!(
        "symlink",
        "mercurial",
        "`lock_file_blocking::symlink` on `.hg/wlock` with a target by `link_target::Mercurial`"
    ),
    seen: Seen::Explained("Mercurial"),
    our_recovery: Recovery::Removal,
    its_recovery: Recovery::Dead,
    it_sees: Sees::Pid,
    moving: "For a script that must not run beside `hg`: take `.hg/wlock` first and \
             `.hg/store/lock` second. `hg debuglocks` shows both.",
};

fn edit(what: &str) -> Command {
    let mut command = program("emacs", &["-Q", "--batch", "-l"]);
    command.arg(script("emacs.el")).args([what, "notes"]);
    command
}
