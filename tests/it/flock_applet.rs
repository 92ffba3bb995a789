//! The `flock` applet beside util-linux's: the same exit status and the same locking for every
//! combination of options that is generated.
//!
//! Every combination of options is run by both programs in equal situations. The command that they
//! run reports what it sees: the kernel's lock on the file, found out from outside by trying, and
//! whether it inherited the descriptor.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lock_tests::lockbox::lockbox;
use lock_tests::random::Random;
use rustix::fs::{FlockOperation, flock};

const ORIGINAL: &str = "/usr/bin/flock";

/// What the command under the lock reports: how many of its descriptors are the lock's file, and
/// whether others could lock it shared or exclusively.
const REPORT: &str = r#"
    n=0; for fd in /proc/self/fd/*; do [ "$fd" -ef "$FILE" ] && n=$((n+1)); done
    s=no; x=no; "$ORIGINAL" -sn "$FILE" true && s=yes; "$ORIGINAL" -n "$FILE" true && x=yes
    echo "fds=$n shared=$s exclusive=$x"; exit $STATUS"#;

/// One test at a time: a child that another thread forks has copies of our descriptors, and so of
/// their locks, until it execs.
static ALONE: Mutex<()> = Mutex::new(());

/// A directory with the applet under its name.
struct Bench {
    #[expect(dead_code, reason = "held as long as the bench")]
    alone: MutexGuard<'static, ()>,
    dir: PathBuf,
    applet: PathBuf,
}

/// What a run showed.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    status: String,
    report: String,
    /// Whether the lock stayed behind with the descriptor that the caller gave.
    left_locked: bool,
}

/// How others hold the file.
#[derive(Clone, Copy, Debug)]
enum Situation {
    Free,
    HeldShared,
    HeldExclusive,
    Missing,
    Directory,
    NoParent,
}

const SITUATIONS: [Situation; 6] = [
    Situation::Free,
    Situation::HeldShared,
    Situation::HeldExclusive,
    Situation::Missing,
    Situation::Directory,
    Situation::NoParent,
];

impl Bench {
    fn new(test: &str) -> Bench {
        assert!(Path::new(ORIGINAL).exists(), "util-linux's flock is needed for comparison");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("flock-{test}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let applet = dir.join("flock");
        std::os::unix::fs::symlink(lockbox(), &applet).unwrap();
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Bench { alone, dir, applet }
    }

    /// Runs one program in the situation, made anew.
    fn run(&self, program: &Path, situation: Situation, options: &[&str], form: Form) -> Seen {
        let file = match situation {
            Situation::NoParent => self.dir.join("none/lock"),
            _ => self.dir.join("lock"),
        };
        let _ = fs::remove_file(&file);
        let _ = fs::remove_dir(&file);
        match situation {
            Situation::Missing | Situation::NoParent => {}
            Situation::Directory => fs::create_dir(&file).unwrap(),
            _ => fs::write(&file, "").unwrap(),
        }
        let holder = match situation {
            Situation::HeldShared => Some(FlockOperation::NonBlockingLockShared),
            Situation::HeldExclusive => Some(FlockOperation::NonBlockingLockExclusive),
            _ => None,
        }
        .map(|operation| {
            let file = File::open(&file).unwrap();
            flock(&file, operation).unwrap();
            file
        });
        let mut command = Command::new(program);
        command.args(options).stderr(Stdio::null()).stdin(Stdio::null());
        command.env("FILE", &file).env("ORIGINAL", ORIGINAL).env("STATUS", "7");
        let mut given = None;
        match form {
            Form::Program => command.arg(&file).args(["/bin/sh", "-c", REPORT]),
            Form::Shell => command.arg(&file).arg("-c").arg(REPORT),
            Form::Descriptor => {
                // The shell gives the descriptor; what stays locked afterwards is its.
                let Ok(file) = File::open(&file) else {
                    return Seen {
                        status: String::new(),
                        report: String::new(),
                        left_locked: false,
                    };
                };
                command.stdin(Stdio::from(file.try_clone().unwrap())).arg("0");
                given = Some(file);
                &mut command
            }
        };
        let output = command.output().unwrap();
        drop(command);
        drop(holder);
        let left_locked = given.is_some() && {
            let probe = File::open(&file).unwrap();
            flock(&probe, FlockOperation::NonBlockingLockExclusive).is_err()
        };
        let report = String::from_utf8(output.stdout).unwrap();
        // Times differ, of course.
        let report = report.lines().filter(|line| !line.contains("took")).collect::<Vec<_>>();
        Seen { status: output.status.to_string(), report: report.join("\n"), left_locked }
    }

    fn compare(&self, situation: Situation, options: &[&str], form: Form) {
        let theirs = self.run(Path::new(ORIGINAL), situation, options, form);
        let ours = self.run(&self.applet, situation, options, form);
        assert_eq!(ours, theirs, "flock {options:?} as {form:?}, {situation:?}");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The three ways to call it.
#[derive(Clone, Copy, Debug)]
enum Form {
    Program,
    Shell,
    Descriptor,
}

/// Options that keep a run from waiting for ever.
const WAITS: [&[&str]; 5] =
    [&["-n"], &["-w", "0"], &["-w0.05"], &["--timeout", ".05"], &["--nonblock"]];
const MODES: [&[&str]; 6] = [&[], &["-s"], &["-x"], &["-e"], &["--shared"], &["-u"]];
const EXTRAS: [&[&str]; 7] =
    [&[], &["-o"], &["-F"], &["-E", "5"], &["--conflict-exit-code=6"], &["-o", "-F"], &["--close"]];

#[test]
fn every_option_in_every_situation() {
    let bench = Bench::new("options");
    let mut runs = 0;
    for situation in SITUATIONS {
        for (number, mode) in MODES.into_iter().enumerate() {
            for extra in EXTRAS {
                let wait = WAITS[(number + runs) % WAITS.len()];
                let form = [Form::Program, Form::Shell, Form::Descriptor][runs % 3];
                bench.compare(situation, &[mode, wait, extra].concat(), form);
                runs += 1;
            }
        }
    }
    println!("{runs} combinations");
}

#[test]
fn random_combinations() {
    let bench = Bench::new("random");
    let seed = Random::seed_from_environment();
    println!("SEED={seed}");
    let mut random = Random::new(seed);
    let mut pick = |count: usize| usize::try_from(random.below(count as u64)).unwrap();
    for _ in 0..150 {
        let mut options = WAITS[pick(WAITS.len())].to_vec();
        for _ in 0..pick(4) {
            options.extend(MODES[pick(MODES.len())]);
            options.extend(EXTRAS[pick(EXTRAS.len())]);
        }
        let form = [Form::Program, Form::Shell, Form::Descriptor][pick(3)];
        bench.compare(SITUATIONS[pick(SITUATIONS.len())], &options, form);
    }
}

/// Command lines that are wrong, or unusual, and run nothing that waits. `FILE` stands for a file.
/// Descriptors are numbers that nobody has open: a lock on one that is inherited would stay.
const LINES: &[&[&str]] = &[
    &[],
    &["FILE"],
    &["FILE", "true"],
    &["FILE", "false"],
    &["FILE", "no such command"],
    &["FILE", "/"],
    &["FILE", ""],
    &["FILE", "-c"],
    &["FILE", "-c", "true", "more"],
    &["FILE", "--command", "exit 8"],
    &["FILE", "sh", "-c", "kill -9 $$"],
    &["FILE", "sh", "-c", "kill -TERM $$"],
    &["-c", "true"],
    &["-w"],
    &["-w", "abc", "FILE", "true"],
    &["-w", "-1", "FILE", "true"],
    &["-w", "+1", "FILE", "true"],
    &["-w", " 1", "FILE", "true"],
    &["-w", "1e1", "FILE", "true"],
    &["-w", "1.", "FILE", "true"],
    &["-w", "", "FILE", "true"],
    &["-w", "1s", "FILE", "true"],
    &["-E", "300", "FILE", "true"],
    &["-E", "-1", "FILE", "true"],
    &["-E", "x", "FILE", "true"],
    &["-E", "", "FILE", "true"],
    &["-E", "0x10", "FILE", "true"],
    &["-oF", "FILE", "true"],
    &["-snw1", "FILE", "true"],
    &["-z", "FILE", "true"],
    &["--bogus", "FILE", "true"],
    &["--shared=1", "FILE", "true"],
    &["--sha", "FILE", "true"],
    &["--no", "FILE", "true"],
    &["--non", "FILE", "true"],
    &["--", "FILE", "true"],
    &["99"],
    &["-n", "99"],
    &["99999999999"],
    &["9x"],
    &[" 99"],
    &["--", "-1"],
    &["--verbose", "FILE", "true"],
    &["-n", "/dev/full", "true"],
    &["", "true"],
    &["-h"],
    &["-V"],
    &["FILE", "sh", "-c", "exit 255"],
];

#[test]
fn unusual_command_lines_end_with_the_same_status() {
    let bench = Bench::new("lines");
    let file = bench.dir.join("file");
    for line in LINES {
        let run = |program: &Path| {
            let args =
                line.iter().map(|&arg| if arg == "FILE" { file.as_os_str() } else { arg.as_ref() });
            let mut command = Command::new(program);
            command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let status = command.status().unwrap();
            (status.code(), status.signal())
        };
        assert_eq!(run(&bench.applet), run(Path::new(ORIGINAL)), "flock {line:?}");
    }
}
