//! Kernel locks: programs that run another under a lock, and lockf(3) from C and OCaml.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::peer::{HOLD, Ours, Peer, Recovery, Seen, Sees, lockbox_run, nothing, program, script};
use crate::stories::stories;

const FLOCK: Ours = lockbox_run!("flock", "`lockbox run -k flock`, `Lock::kind(Kind::Flock)`");
pub(crate) const OFD: Ours = lockbox_run!("ofd", "`lockbox run -k ofd`, `Lock::kind(Kind::Ofd)`");

/// What all have in common that the kernel keeps.
pub(crate) const KERNEL: Peer = Peer {
    name: "",
    from: "",
    lock: "lock",
    prepare: nothing,
    hold: |_| Command::new(""),
    waits: false,
    attempt: |_| Command::new(""),
    refused: 75,
    ours: FLOCK,
    seen: Seen::Holder,
    our_recovery: Recovery::Kernel,
    its_recovery: Recovery::Kernel,
    it_sees: Sees::Held,
    moving: "",
};

stories! {
    flock_of_util_linux: UTIL_LINUX,
    setlock_of_daemontools: DAEMONTOOLS,
    chpst_of_runit: RUNIT,
    setlock_of_s6: S6,
    lockf_from_c: C,
    lockf_from_ocaml: OCAML,
}

const UTIL_LINUX: Peer = Peer {
    name: "flock(1)",
    from: "util-linux",
    hold: |_| program("/usr/bin/flock", &["-F", "lock", "sh", "-c", HOLD]),
    waits: true,
    attempt: |_| program("/usr/bin/flock", &["-n", "lock", "true"]),
    refused: 1,
    moving: "Link `flock` to `lockbox`: the options and statuses are the same.",
    ..KERNEL
};

const DAEMONTOOLS: Peer = Peer {
    name: "setlock",
    from: "daemontools",
    hold: |_| program("setlock", &["lock", "sh", "-c", HOLD]),
    waits: true,
    attempt: |_| program("setlock", &["-n", "lock", "true"]),
    refused: 111,
    moving: "Link `setlock` to `lockbox`.",
    ..KERNEL
};

const RUNIT: Peer = Peer {
    name: "chpst -l",
    from: "runit",
    hold: |_| program("chpst", &["-l", "lock", "sh", "-c", HOLD]),
    waits: true,
    attempt: |_| program("chpst", &["-L", "lock", "true"]),
    refused: 111,
    moving: "`chpst -l` is `lockbox run -k flock --inherit`, `-L` the same with `-n`.",
    ..KERNEL
};

const S6: Peer = Peer {
    name: "s6-setlock",
    from: "s6",
    hold: |_| program("s6-setlock", &["lock", "sh", "-c", HOLD]),
    waits: true,
    attempt: |_| program("s6-setlock", &["-n", "lock", "true"]),
    refused: 1,
    ours: OFD,
    moving: "`-n` is the same, `-N` the default, `-t MILLISECONDS` is `-w SECONDS`.",
    ..KERNEL
};

const C: Peer = Peer {
    name: "lockf(3)",
    from: "C",
    hold: |_| program(lockf_in_c(), &["hold", "lock"]),
    attempt: |_| program(lockf_in_c(), &["try", "lock"]),
    ours: OFD,
    moving: "Prefer `ofd`: the same locks exclude each other, and closing another descriptor \
             of the file does not end it.",
    ..KERNEL
};

const OCAML: Peer = Peer {
    name: "`Unix.lockf`",
    from: "OCaml",
    hold: |_| lockf_in_ocaml("hold"),
    attempt: |_| lockf_in_ocaml("try"),
    ours: OFD,
    moving: "As for lockf(3). `Lock_file_blocking` takes an flock too: that is kind `file`.",
    ..KERNEL
};

/// The C program, compiled.
fn lockf_in_c() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile("lockf.c", &[]))
}

/// Compiles a program beside the tests.
pub(crate) fn compile(name: &str, libraries: &[&str]) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Werror", "-o"]).arg(&program).arg(script(name)).args(libraries);
    assert!(cc.status().expect("a C compiler").success());
    program
}

fn lockf_in_ocaml(what: &str) -> Command {
    let mut command = program("ocaml", &["unix.cma"]);
    command.arg(script("lockf.ml")).args([what, "lock"]);
    command
}
