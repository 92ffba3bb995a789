//! What a peer is: how to start it, and what is expected between it and ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use lock_tests::lockbox::lockbox;

/// A way of locking beside ours. Commands get the scratch directory, and run in it.
pub(crate) struct Peer {
    /// What it is called in documents.
    pub(crate) name: &'static str,
    /// Where it comes from.
    pub(crate) from: &'static str,
    /// The lock, below the scratch directory.
    pub(crate) lock: &'static str,
    /// What must be there first.
    pub(crate) prepare: fn(&Path),
    /// Takes the lock, says READY, holds it until its input ends, and gives it back. Its pid is
    /// the holder's.
    pub(crate) hold: fn(&Path) -> Command,
    /// Whether `hold` waits in the kernel's queue for its turn.
    pub(crate) waits: bool,
    /// Tries once; ends with 0 if it had the lock.
    pub(crate) attempt: fn(&Path) -> Command,
    /// How `attempt` ends if it is refused.
    pub(crate) refused: i32,
    /// Our side of it.
    pub(crate) ours: Ours,
    /// How we see that it holds.
    pub(crate) seen: Seen,
    /// What we do when it was killed.
    pub(crate) our_recovery: Recovery,
    /// What it does when we were killed.
    pub(crate) its_recovery: Recovery,
    /// What it says of us when it is refused.
    pub(crate) it_sees: Sees,
    /// How a user of it comes to us, as sentences.
    pub(crate) moving: &'static str,
}

/// What of ours goes with a peer.
pub(crate) struct Ours {
    /// The kind, as `lockbox -k` has it.
    pub(crate) kind: &'static str,
    /// How to take it, for documents.
    pub(crate) shown: &'static str,
    /// Like the peer's.
    pub(crate) hold: fn(&Path, &str) -> Command,
    /// Tries once; ends with 0 if it had the lock, with 75 if it is held.
    pub(crate) attempt: fn(&Path, &str) -> Command,
}

/// What we see of a holder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    /// `status` says held, and by which pid.
    Holder,
    /// `status` says held, but nobody could say by whom.
    Held,
    /// `explain` says by whom, and names this convention first.
    Explained(&'static str),
    /// `explain` names this convention first; nobody could say who holds it.
    Named(&'static str),
}

/// What a peer says of a holder of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sees {
    /// That there is one.
    Held,
    /// Which process it is.
    Pid,
}

/// How one side gets the lock of the other, which was killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Recovery {
    /// The kernel has released it.
    Kernel,
    /// The next try finds that the holder is dead.
    Dead,
    /// Tries are refused until the lock is so old, in seconds.
    Age(u64),
    /// Tries are refused until `break` has found that the holder is dead.
    Break,
    /// Tries are refused until somebody removes the lock, who knows better.
    Removal,
}

impl Peer {
    pub(crate) fn lock(&self, dir: &Path) -> PathBuf {
        dir.join(self.lock)
    }
}

/// Nothing is needed first.
pub(crate) fn nothing(_: &Path) {}

/// `lockbox run` with a kernel lock of a kind, or a lock that is a name.
macro_rules! lockbox_run {
    ($kind:literal, $shown:literal $(, $option:expr)*) => {{
        use $crate::peer::{HOLD, Ours, run};
        Ours {
            kind: $kind,
            shown: $shown,
            hold: |_, lock| run(&["-k", $kind, $($option,)* lock], HOLD),
            attempt: |_, lock| run(&["-n", "-k", $kind, $($option,)* lock], "true"),
        }
    }};
}
pub(crate) use lockbox_run;

/// The program of ours that speaks as others do.
macro_rules! foreign {
    ($kind:literal, $convention:literal, $shown:literal) => {
        $crate::peer::Ours {
            kind: $kind,
            shown: $shown,
            hold: |_, lock| $crate::peer::in_foreign_words(&[$convention, "hold", lock]),
            attempt: |_, lock| $crate::peer::in_foreign_words(&[$convention, "try", lock]),
        }
    };
}
pub(crate) use foreign;

pub(crate) fn in_foreign_words(args: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_foreign"), args)
}

/// What a holder does under its lock.
pub(crate) const HOLD: &str = "echo READY; read line || :";

/// `lockbox run` with a shell script.
pub(crate) fn run(args: &[&str], script: &str) -> Command {
    let mut command = Command::new(lockbox());
    command.arg("run").args(args).args(["--", "sh", "-c", script]);
    command
}

/// A shell script.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A program with its arguments.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(args);
    command
}

/// A file beside this one.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/peers/programs").join(name)
}

/// A file that `tests/install-peers` has installed.
pub(crate) fn installed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/ci/peers").join(name)
}
