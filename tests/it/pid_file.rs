//! The example `lock-rustix/examples/pid_file`, a program without std and without an allocator:
//! built as its first lines say, and run.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The program.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pid_file");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--release", "--target-dir"])
            .arg(&target)
            .arg("--manifest-path")
            .arg(root.join("lock-rustix/examples/pid_file/Cargo.toml"))
            .status()
            .unwrap();
        assert!(built.success(), "the example can be built");
        target.join("release/pid_file")
    })
}

/// A pid file's path, where nothing is.
fn fresh(test: &str) -> PathBuf {
    let name = format!("pid_file-{test}-{}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

/// One that runs: it has said so.
fn start(path: &Path) -> Child {
    let mut command = Command::new(program());
    command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = &mut [0; 5];
    child.stdout.as_mut().unwrap().read_exact(said).unwrap();
    assert_eq!(said, b"alone");
    child
}

fn try_to_start(path: &Path) -> Output {
    Command::new(program()).arg(path).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_second_one_is_told_who_runs() {
    let path = fresh("second");
    let mut first = start(&path);
    let second = try_to_start(&path);
    assert_eq!(second.status.code(), Some(75));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.starts_with(&format!("held by pid {} on ", first.id())), "{said}");
    // What others read in it: Pidfile.jl's words.
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.starts_with(&format!("{} ", first.id())), "{content}");
    let mut input = first.stdin.take().unwrap();
    input.write_all(b"more\n").unwrap();
    drop(input);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert!(!path.exists(), "it goes with the program");
}

#[test]
fn what_a_killed_one_left_is_taken_over() {
    let path = fresh("killed");
    let mut first = start(&path);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(path.exists(), "nobody removed it");
    assert_eq!(try_to_start(&path).status.code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn what_cannot_be_is_said() {
    let missing = try_to_start(Path::new("/nonexistent/x.pid"));
    assert_eq!(missing.status.code(), Some(71));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("no such file or directory"), "{said}");
    let nothing = Command::new(program()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(nothing.status.code(), Some(64));
}
