//! What is as long as it may be, and one byte longer: that is refused in plain words, and nothing
//! on disk has changed. The lengths are those of docs/stack.md.

use core::sync::atomic::{AtomicU32, Ordering};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lock_core::payload::message::MESSAGE_MAX;
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
