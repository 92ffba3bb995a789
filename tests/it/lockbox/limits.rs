//! What is as long as it may be, and one byte longer: that is refused in plain words, and nothing
//! on disk has changed. The lengths are those of docs/stack.md.

use core::sync::atomic::{AtomicU32, Ordering};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lock_core::payload::message::MESSAGE_MAX;
use lock_core::scheme::hardlink::PAYLOAD_MAX;
use lock_core::scheme::symlink::TARGET_MAX;
use lock_rustix::place::{NAME_MAX, PATH_MAX};
use lock_tests::lockbox::lockbox;

use crate::status::Scratch;

/// Each case has a directory of its own.
static NEXT: AtomicU32 = AtomicU32::new(0);

const OS_ERROR: i32 = 66;
const USAGE: i32 = 64;

/// The files of a directory, and what is in them.
fn contents(dir: &Path) -> Vec<(OsString, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut contents: Vec<_> =
        entries.map(|it| (it.file_name(), fs::read(it.path()).unwrap_or_default())).collect();
    contents.sort();
    contents
}

/// Calls the tool in an empty directory with what fits, and with one byte more.
fn try_both(
    what: &str,
    max: usize,
    status: i32,
    words: &str,
    args: impl Fn(&Path, usize) -> Vec<String>,
) {
    for length in [max, max + 1] {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = Scratch::new(&format!("limits-{number}"));
        let dir = PathBuf::from(scratch.path(""));
        fs::write(dir.join("other"), "not ours").unwrap();
        let before = contents(&dir);
        let Output { status: ended, stderr, .. } =
            Command::new(lockbox()).args(args(&dir, length)).current_dir(&dir).output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        if length == max {
            assert!(ended.success(), "{what}, {length} bytes: {ended} {stderr}");
        } else {
            assert_eq!(ended.code(), Some(status), "{what}, {length} bytes: {stderr}");
            assert!(stderr.contains(words), "{what}, {length} bytes: {stderr}");
            assert_eq!(contents(&dir), before, "{what}, {length} bytes");
        }
    }
}

fn run(kind: &str, more: &[&str], lock: &str) -> Vec<String> {
    [&["run", "-k", kind, "-n"], more, &[lock, "true"]]
        .concat()
        .into_iter()
        .map(Into::into)
        .collect()
}

#[test]
fn a_name_has_255_bytes_with_what_the_kind_adds() {
    for kind in ["file", "flock", "lockf", "ofd", "symlink", "mkdir", "pidfile", "nfs"] {
        let max = NAME_MAX - if kind == "nfs" { ".nfs_lock".len() } else { 0 };
        try_both(kind, max, OS_ERROR, "name too long", |_, length| {
            run(kind, &[], &"x".repeat(length))
        });
    }
}

/// A path of this length to `lock` in the directory.
fn path(dir: &Path, length: usize) -> String {
    let (dir, name) = (dir.to_str().unwrap(), "/lock");
    let filler: String = "/.".chars().cycle().take(length - dir.len() - name.len()).collect();
    format!("{dir}{filler}{name}")
}

#[test]
fn a_path_has_4095_bytes() {
    for kind in ["file", "flock", "lockf", "ofd"] {
        let max = PATH_MAX - 1;
        try_both(kind, max, OS_ERROR, "name too long", |dir, length| {
            run(kind, &[], &path(dir, length))
        });
    }
    // The directory is opened first, and the lock in it: so many for the directory, with its slash.
    for kind in ["nfs", "symlink", "mkdir", "pidfile"] {
        let max = PATH_MAX - 1 + "lock".len();
        try_both(kind, max, OS_ERROR, "name too long", |dir, length| {
            run(kind, &[], &path(dir, length))
        });
    }
}

#[test]
fn a_message_has_1023_bytes() {
    for (kind, words) in [("file", "the message is too long"), ("nfs", "too long for a lock file")]
    {
        try_both(kind, MESSAGE_MAX, USAGE, words, |_, length| {
            run(kind, &["-m", &"m".repeat(length)], "lock")
        });
    }
}

#[test]
fn a_content_that_is_explained_has_8192_bytes() {
    const OS_FAULT: i32 = 74;
    for (length, status) in [(8192, 0), (8193, OS_FAULT)] {
        let scratch = Scratch::new(&format!("content-{length}"));
        let file = scratch.path("lock");
        fs::write(&file, "x".repeat(length)).unwrap();
        let explained = Command::new(lockbox()).arg("explain").arg(&file).output().unwrap();
        let stderr = String::from_utf8_lossy(&explained.stderr);
        assert_eq!(explained.status.code(), Some(status), "{length} bytes: {stderr}");
        assert_eq!(stderr.contains("too long for a lock file"), status != 0, "{stderr}");
        assert_eq!(fs::read(&file).unwrap().len(), length);
    }
}

/// Calls the tool, which is to end with this status and to say this.
fn says(args: &[&str], status: i32, words: &str) {
    let output = Command::new(lockbox()).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {said}");
}

/// Takes the lock for a process that is gone.
fn leave_stale(kind: &str, lock: &str) {
    let mut holder = Command::new("sleep").arg("600").spawn().unwrap();
    says(&["acquire", "-k", kind, "-n", "--pid", &holder.id().to_string(), lock], 0, "");
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn what_others_wrote_into_a_lock_file_has_8192_bytes() {
    const HELD: i32 = 75;
    const NOBODY: &str = "held by a process that cannot be seen from here";
    for (kind, ending) in [("nfs", ".nfs_lock"), ("pidfile", "")] {
        for length in [PAYLOAD_MAX, PAYLOAD_MAX + 1] {
            let scratch = Scratch::new(&format!("payload-{kind}-{length}"));
            let lock = scratch.path("lock");
            leave_stale(kind, &lock);
            // As its own program would still read it: with blanks behind, or zeros in front.
            let file = format!("{lock}{ending}");
            let mut payload = fs::read(&file).unwrap();
            let missing = length - payload.len();
            if kind == "nfs" {
                payload.resize(length, b' ');
            } else {
                payload.splice(0..0, core::iter::repeat_n(b'0', missing));
            }
            fs::write(&file, payload).unwrap();
            let dir = PathBuf::from(scratch.path(""));
            let before = contents(&dir);
            let fits = length == PAYLOAD_MAX;
            if fits {
                says(&["status", "-k", kind, &lock], 1, "no process has its holder's pid");
                says(&["run", "-k", kind, "-n", &lock, "true"], 0, "");
                assert!(!Path::new(&file).exists(), "the stale lock was taken, and given back");
            } else {
                says(&["run", "-k", kind, "-n", &lock, "true"], HELD, NOBODY);
                says(&["break", "-k", kind, &lock], HELD, "not removed");
                says(&["release", "-k", kind, &lock], HELD, "not removed");
                says(&["touch", "-k", kind, &lock], HELD, "not touched");
                assert_eq!(contents(&dir), before, "{kind}, {length} bytes");
                says(&["break", "-k", kind, "--force", &lock], 0, "");
                assert!(!Path::new(&file).exists(), "who says so may remove it all the same");
            }
        }
    }
}

#[test]
fn the_target_of_a_link_has_1023_bytes() {
    const UNKNOWN: &str = "it does not say who holds it in a way known here";
    for length in [TARGET_MAX - 1, TARGET_MAX] {
        let scratch = Scratch::new(&format!("target-{length}"));
        let lock = scratch.path("lock");
        let target = "x".repeat(length);
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        // Of one that fits it is known what it says, if not what that means.
        let words = if length < TARGET_MAX { &*target } else { "by no convention known here" };
        says(&["explain", &lock], 0, words);
        says(&["status", "-k", "symlink", &lock], 4, UNKNOWN);
        says(&["run", "-k", "symlink", "-n", &lock, "true"], 75, UNKNOWN);
        says(&["break", "-k", "symlink", &lock], 75, "not removed");
        assert_eq!(fs::read_link(&lock).unwrap().to_str(), Some(&*target));
        says(&["break", "-k", "symlink", "--force", &lock], 0, "");
    }
}

#[test]
fn a_script_that_names_no_interpreter_has_as_many_arguments_as_any_program() {
    for count in [253, 254, 20_000] {
        let scratch = Scratch::new(&format!("script-{count}"));
        let (lock, script) = (scratch.path("lock"), scratch.path("script"));
        fs::write(&script, "echo \"$# $1 ${20000-none}\"\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut run = Command::new(lockbox());
        run.args(["flock", &lock, &script]).args((1..=count).map(|at| at.to_string()));
        let output = run.output().unwrap();
        let last = if count == 20_000 { "20000" } else { "none" };
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{count} 1 {last}\n"));
    }
}
