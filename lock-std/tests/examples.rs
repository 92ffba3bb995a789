//! The example programs do what they say.

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use common::{Scratch, alone};
use lock_std::{ExistenceLock, Kind, Lock};

/// The program, which is built if need be: cargo only does so when all tests run.
fn example(name: &str) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let programs = BUILT.get_or_init(|| {
        let tests = std::env::current_exe().unwrap();
        let target = tests.ancestors().nth(3).unwrap();
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--examples", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success(), "the examples can be built");
        target.join("debug/examples")
    });
    Command::new(programs.join(name))
}

#[test]
fn a_second_instance_is_told_who_runs() {
    let _alone = alone();
    let scratch = Scratch::new("single");
    let mut command = example("single_instance");
    let mut first = command.arg(scratch.path());
    first = first.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut first = first.spawn().unwrap();
    std::io::Read::read_exact(first.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let second = example("single_instance").arg(scratch.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("pid {}", first.id())), "{said}");
    first.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(ExistenceLock::at(scratch.path(), Kind::Pidfile).look().unwrap(), None);
}

#[test]
fn a_job_runs_once_at_a_time() {
    let _alone = alone();
    let scratch = Scratch::new("cron");
    let run = || example("cron_guard").arg(scratch.path()).args(["sh", "-c", "exit 7"]).output();
    assert_eq!(run().unwrap().status.code(), Some(7));
    let guard = Lock::at(scratch.path()).try_lock().unwrap();
    let refused = run().unwrap();
    assert_eq!(refused.status.code(), Some(75));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("pid {}", std::process::id())), "{said}");
    guard.unlock().unwrap();
}

#[test]
fn who_waits_sees_a_line() {
    let _alone = alone();
    let scratch = Scratch::new("progress");
    let guard = Lock::at(scratch.path()).message("nightly backup").try_lock().unwrap();
    let output = example("progress").arg(scratch.path()).arg("0").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("held by ") && said.contains("giving up in 0.0 s"), "{said}");
    assert!(said.contains("nightly backup"), "{said}");
    guard.unlock().unwrap();
}
