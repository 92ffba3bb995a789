//! Every command and applet in every situation, and the most stack that each may take.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lock_core::kind::Kind;
use lock_tests::painted::stack_of;
use rustix::fs::{FlockOperation, fcntl_lock, flock};

use crate::page::Row;

/// The most stack of an operation, in bytes: of these commands and applets, or with these kinds.
/// The first that fits counts.
pub(crate) const LIMITS: &[(&str, u64)] = &[
    ("doctor", 60 * 1024),
    ("lockbox_take", 52 * 1024),
    ("lockbox_look|lockbox_break", 30 * 1024),
    ("lockbox_convert|lockbox_release", 8 * 1024),
    ("lockbox_refresh|lockbox_next_token", 2 * 1024),
    ("lockbox_descriptor|lockbox_sentence|lockbox_kind_name", 1024),
    ("by the call graph", 52 * 1024),
    ("nfs|pidfile|symlink|mkdir|lease|lockfile|dotlockfile", 52 * 1024),
    ("explain|list", 36 * 1024),
    ("file|flock|flock --no-fork|lockf|ofd|setlock", 25 * 1024),
    ("help|version|wrong usage", 11 * 1024),
];

/// What is there before.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Text,
    /// Held by a living process, until the program that is measured has ended.
    Held,
    /// Left by one that ended.
    Stale,
}

use Before::{Held, Nothing, Stale, Text};

/// What is measured: the command, the situation, what is there before, and the arguments. `LOCK` is
/// the lock's path, `KIND` its kind.
type Operation = (&'static str, &'static str, Before, &'static str);

/// With each kind that ends with its process.
const KERNEL: &[Operation] = &[
    ("run", "free", Nothing, "run -k KIND -n LOCK true"),
    ("run", "held", Held, "run -k KIND -n LOCK true"),
    ("run", "waiting", Held, "run -k KIND -w 0.01 -v LOCK true"),
    ("run", "no such command", Nothing, "run -k KIND -n LOCK /nowhere/true"),
    ("run", "no such directory", Nothing, "run -k KIND -n LOCK/a/b true"),
    ("status", "free", Text, "status -k KIND LOCK"),
    ("status", "held", Held, "status -k KIND -j LOCK"),
    ("wait", "held", Held, "wait -k KIND -w 0.01 LOCK"),
];

/// With each kind that is a name.
const EXISTENCE: &[Operation] = &[
    ("run", "free", Nothing, "run -k KIND -n LOCK true"),
    ("run", "held", Held, "run -k KIND -n LOCK true"),
    ("run", "waiting", Held, "run -k KIND -w 0.01 -v LOCK true"),
    ("run", "stale", Stale, "run -k KIND -n LOCK true"),
    ("run", "no such directory", Nothing, "run -k KIND -n LOCK/a/b true"),
    ("acquire", "free", Nothing, "acquire -k KIND -n LOCK"),
    ("acquire", "waiting", Held, "acquire -k KIND -w 0.01 -v LOCK"),
    ("acquire", "stale", Stale, "acquire -k KIND LOCK"),
    ("release", "held", Held, "release -k KIND LOCK"),
    ("release", "another's", Stale, "release -k KIND LOCK"),
    ("touch", "held", Held, "touch -k KIND LOCK"),
    ("touch", "another's", Stale, "touch -k KIND LOCK"),
    ("break", "held", Held, "break -k KIND LOCK"),
    ("break", "stale", Stale, "break -k KIND LOCK"),
    ("break --force", "held", Held, "break -k KIND --force LOCK"),
    ("status", "held", Held, "status -k KIND -j LOCK"),
    ("status", "stale", Stale, "status -k KIND -v LOCK"),
    ("wait", "held", Held, "wait -k KIND -w 0.01 LOCK"),
    ("explain", "held", Held, "explain LOCK"),
    ("explain", "stale", Stale, "explain -j LOCK"),
];

/// Without a kind, or of one.
const OTHERS: &[(Kind, Operation)] = &[
    (Kind::Pidfile, ("lease", "free", Nothing, "run -k pidfile --lease 5 -n LOCK true")),
    (Kind::Pidfile, ("lease", "held", Held, "run -k pidfile --lease 5 -n LOCK true")),
    (Kind::File, ("explain", "text", Text, "explain LOCK")),
    (Kind::Flock, ("list", "some", Held, "list")),
    (Kind::Flock, ("list", "some", Held, "list -j")),
    (Kind::File, ("doctor", "-", Nothing, "doctor DIRECTORY")),
    (Kind::Flock, ("flock", "free", Nothing, "flock LOCK true")),
    (Kind::Flock, ("flock", "held", Held, "flock -n LOCK true")),
    (Kind::Flock, ("flock", "waiting", Held, "flock -w 0.01 LOCK true")),
    (Kind::Flock, ("flock --no-fork", "free", Nothing, "flock -F LOCK true")),
    (Kind::Lockf, ("lockf", "free", Nothing, "lockf -t 0 LOCK true")),
    (Kind::Flock, ("lockf", "held", Held, "lockf -t 0 LOCK true")),
    (Kind::Flock, ("lockf", "waiting", Held, "lockf -t 1 LOCK true")),
    (Kind::Flock, ("setlock", "free", Nothing, "setlock -n LOCK true")),
    (Kind::Flock, ("setlock", "held", Held, "setlock -n LOCK true")),
    (Kind::File, ("lockfile", "free", Nothing, "lockfile -r 0 LOCK")),
    (Kind::File, ("lockfile", "held", Text, "lockfile -r 0 LOCK")),
    (Kind::File, ("lockfile", "waiting", Text, "lockfile -1 -r 1 LOCK")),
    (Kind::File, ("dotlockfile", "free", Nothing, "dotlockfile -r 0 -p LOCK")),
    (Kind::Pidfile, ("dotlockfile", "held", Held, "dotlockfile -r 0 -p LOCK")),
    (Kind::File, ("dotlockfile", "command", Nothing, "dotlockfile -r 0 LOCK true")),
    (Kind::File, ("help", "-", Nothing, "help")),
    (Kind::File, ("help", "run", Nothing, "help run")),
    (Kind::File, ("version", "-", Nothing, "version")),
    (Kind::File, ("wrong usage", "no command", Nothing, "frobnicate")),
    (Kind::File, ("wrong usage", "an option", Nothing, "run --frobnicate LOCK true")),
];

/// Runs all of them.
pub(crate) fn measure(program: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for (kinds, operations) in [(Kind::KERNEL, KERNEL), (Kind::EXISTENCE, EXISTENCE)] {
        for operation in operations {
            rows.extend(kinds.map(|kind| one(program, kind, kind.name(), *operation)));
        }
    }
    rows.extend(OTHERS.iter().map(|&(kind, operation)| one(program, kind, "bytes", operation)));
    // Of two ways to say the same, the deeper.
    rows.dedup_by(|next, row| {
        let same = row.is_about(next);
        row.bytes = if same { row.bytes.max(next.bytes) } else { row.bytes };
        same
    });
    rows
}

fn one(program: &Path, kind: Kind, name: &'static str, operation: Operation) -> Row {
    let (command, situation, before, args) = operation;
    let dir = Path::new("/dev/shm").join(format!("lock-stack-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let lock = dir.join("lock");
    let holder = prepare(program, kind, before, &lock);
    let args = args
        .replace("KIND", kind.name())
        .replace("LOCK", lock.to_str().unwrap())
        .replace("DIRECTORY", dir.to_str().unwrap());
    let mut tool = Command::new(program);
    tool.args(args.split(' ')).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // An environment of its own, so that no reader's is measured.
    tool.env_clear().env("PATH", "/usr/bin:/bin");
    let bytes = stack_of(&mut tool);
    drop(holder);
    fs::remove_dir_all(&dir).unwrap();
    let [command, situation, kind] = [command, situation, name].map(str::to_owned);
    Row { command, situation, kind, bytes }
}

/// Who is in the way: the process that holds a file open and locked.
struct Holder(#[expect(dead_code, reason = "open until it is dropped")] Option<File>);

fn prepare(program: &Path, kind: Kind, before: Before, lock: &Path) -> Holder {
    match before {
        Nothing => return Holder(None),
        Text => fs::write(lock, "4711 somebody\n").unwrap(),
        Held if !kind.is_existence() => {
            let file = File::create(lock).unwrap();
            flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
            fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
            return Holder(Some(file));
        }
        Held => acquire(program, kind, lock, std::process::id()),
        Stale => {
            let mut child: Child = Command::new("sleep").arg("600").spawn().unwrap();
            acquire(program, kind, lock, child.id());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    Holder(None)
}

fn acquire(program: &Path, kind: Kind, lock: &Path, pid: u32) {
    let pid = pid.to_string();
    let mut acquire = Command::new(program);
    acquire.args(["acquire", "-k", kind.name(), "-n", "--pid", &pid]).arg(lock);
    assert!(acquire.status().unwrap().success());
}
