//! `lockbox status` and `lockbox wait`: what they say, and that they touch nothing.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lock_tests::lockbox::lockbox;
use rustix::fs::{FlockOperation, fcntl_lock, flock};

pub(crate) const KINDS: [&str; 8] =
    ["file", "flock", "lockf", "ofd", "nfs", "symlink", "mkdir", "pidfile"];

pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Scratch {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("lockbox-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs lockbox; its exit status and both outputs.
pub(crate) fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(lockbox()).args(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&run(args).1).unwrap()
}

#[test]
fn a_free_lock_is_free_and_nothing_is_made() {
    let scratch = Scratch::new("free");
    for kind in KINDS {
        let path = scratch.path("lock");
        assert_eq!(run(&["status", "-k", kind, &path]).0, Some(3), "{kind}");
        let said = json(&["status", "-j", "-k", kind, &path]);
        assert_eq!((&said["state"], &said["kind"]), (&"free".into(), &kind.into()));
        assert_eq!((said["owner"]["pid"].clone(), said["age"].clone()), Default::default());
    }
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
    assert_eq!(run(&["status", &scratch.path("none/lock")]).0, Some(3));
}

#[test]
fn a_holder_is_named() {
    let scratch = Scratch::new("holder");
    for kind in KINDS {
        let path = scratch.path(kind);
        let script = "\"$0\" status -j -k \"$1\" \"$2\"; \"$0\" status -k \"$1\" \"$2\"";
        let tool = lockbox().to_str().unwrap();
        let (status, out, _) =
            run(&["run", "-k", kind, &path, "--", "sh", "-c", script, tool, kind, &path]);
        assert_eq!(status, Some(0), "held: {out}");
        let said: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        assert_eq!(said["state"], "held", "{kind}");
        assert_eq!(said["path"], path.as_str());
        if kind != "ofd" {
            assert!(said["owner"]["pid"].as_u64().is_some(), "{kind}: {said}");
            assert_eq!(said["owner"]["command"], "lockbox");
            assert!(out.contains(": held by pid "), "{out}");
        }
    }
}

#[test]
fn a_message_is_passed_on_whatever_it_contains() {
    let scratch = Scratch::new("message");
    let path = scratch.path("lock");
    let script = "\"$0\" status -j \"$1\"";
    let message = "nightly \"backup\"\n\tμ \u{7f}";
    let tool = lockbox().to_str().unwrap();
    let (_, out, _) = run(&["run", "-m", message, &path, "sh", "-c", script, tool, &path]);
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["owner"]["message"], message);
}

/// The kernel counts a change of the file in its change time, and an attempt at the lock would
/// make another process's attempt fail now and then.
#[test]
fn looking_changes_nothing_and_disturbs_nobody() {
    let scratch = Scratch::new("passive");
    let path = scratch.path("lock");
    fs::write(&path, "4711\n").unwrap();
    let before = fs::metadata(&path).unwrap();
    let looker = std::thread::spawn({
        let path = path.clone();
        move || {
            for _ in 0..100 {
                let _ = run(&["status", &path]);
            }
        }
    });
    let file = File::options().read(true).write(true).open(&path).unwrap();
    while !looker.is_finished() {
        flock(&file, FlockOperation::NonBlockingLockExclusive).expect("nobody takes it");
        flock(&file, FlockOperation::Unlock).unwrap();
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).expect("nobody takes it");
        fcntl_lock(&file, FlockOperation::Unlock).unwrap();
    }
    let _ = looker.join();
    let after = fs::metadata(&path).unwrap();
    let facts = |it: &fs::Metadata| (it.ino(), it.mtime_nsec(), it.ctime_nsec(), it.len());
    assert_eq!(facts(&after), facts(&before));
}

#[test]
fn wait_returns_when_the_lock_is_free_and_not_before() {
    let scratch = Scratch::new("wait");
    let path = scratch.path("lock");
    assert_eq!(run(&["wait", "-k", "flock", &path]).0, Some(0));
    let mut holder = Command::new(lockbox())
        .args(["run", "-k", "flock", &path, "--", "sh", "-c", "echo; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    holder.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert_eq!(run(&["wait", "-k", "flock", "-w", "0.05", &path]).0, Some(75));
    let mut waiter = Command::new(lockbox()).args(["wait", "-k", "flock", &path]).spawn().unwrap();
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert!(waiter.wait().unwrap().success());
}

#[test]
fn usage_errors_name_the_argument() {
    for (args, named) in [
        (&["status"][..], "PATH"),
        (&["status", "-k", "nonsense", "x"], "nonsense"),
        (&["status", "--bogus", "x"], "bogus"),
        (&["status", "x", "extra"], "extra"),
        (&["wait", "-w", "soon", "x"], "soon"),
        (&["frobnicate"], "frobnicate"),
        (&["help", "frobnicate"], "frobnicate"),
    ] {
        let (status, out, error) = run(args);
        assert_eq!((status, out.as_str()), (Some(64), ""), "{args:?}");
        assert!(error.contains(named), "{args:?}: {error}");
    }
}
