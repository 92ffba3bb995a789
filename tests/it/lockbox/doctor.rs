//! `lockbox doctor` on real file systems: disk, memory, layers, one that is read-only, and two that
//! never answer.

use serde_json::Value;

use crate::status::{Scratch, run};
use crate::surroundings::in_own_mounts;

const KINDS: [&str; 8] = ["file", "flock", "lockf", "ofd", "nfs", "symlink", "mkdir", "pidfile"];

/// Runs the doctor in a mount namespace of its own, on what the script mounts on `$1`: its exit
/// status, its report, and what is left in the directory.
fn examine(test: &str, mount: &str) -> (String, Value, String) {
    let script = format!(
        r#"{mount}
        "$0" doctor -j "$1" && status=0 || status=$?
        echo "$status"; ls -A "$1""#
    );
    let out = in_own_mounts(test, &script);
    let mut lines = out.splitn(3, '\n');
    let report = serde_json::from_str(lines.next().unwrap()).unwrap();
    let status = lines.next().unwrap().to_owned();
    (status, report, lines.next().unwrap_or_default().to_owned())
}

/// What is found for each kind.
fn findings(report: &Value) -> Vec<(&str, &str)> {
    let kinds = report["kinds"].as_array().unwrap().iter();
    kinds.map(|kind| (kind["kind"].as_str().unwrap(), kind["finding"].as_str().unwrap())).collect()
}

fn all(finding: &'static str) -> Vec<(&'static str, &'static str)> {
    KINDS.map(|kind| (kind, finding)).to_vec()
}

#[test]
fn memory_is_safe() {
    let (status, report, left) = examine("tmpfs", r#"mount -t tmpfs tmpfs "$1""#);
    assert_eq!((status.as_str(), left.as_str()), ("0", ""));
    assert_eq!(findings(&report), all("safe"));
    assert_eq!(report["file_system"], "tmpfs");
    assert_eq!((&report["clock_skew_ms"], &report["events"]), (&0.into(), &true.into()));
    assert_eq!((&report["choose"], &report["notes"]), (&"file".into(), &Value::Array(Vec::new())));
}

#[test]
fn a_disk_is_safe() {
    let mount = r#"truncate -s 8M "$1/image"; mkfs.ext4 -q "$1/image"
        mount -o loop "$1/image" "$1"; rmdir "$1/lost+found""#;
    let (status, report, left) = examine("ext4", mount);
    assert_eq!((status.as_str(), left.as_str()), ("0", ""));
    assert_eq!(findings(&report), all("safe"));
    assert_eq!(report["file_system"], "ext4");
}

#[test]
fn layers_are_safe_for_those_who_use_the_same_mount() {
    let mount = r#"mount -t tmpfs tmpfs "$1"; cd "$1"; mkdir lower upper work all
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay all
        set -- "$1/all""#;
    let (status, report, left) = examine("overlay", mount);
    assert_eq!((status.as_str(), left.as_str()), ("0", ""));
    assert_eq!(findings(&report), all("safe"));
    assert_eq!(report["file_system"], "overlay");
    assert!(report["because"].as_str().unwrap().contains("this mount"), "{report}");
}

#[test]
fn what_cannot_be_written_to_is_not_tested_and_says_so() {
    let (status, report, _) = examine("ro", r#"mount -t tmpfs -o ro tmpfs "$1""#);
    assert_eq!(status, "73");
    assert_eq!(findings(&report), all("unknown"));
    assert_eq!((&report["options"], &report["kinds"][0]["errno"]), (&"ro".into(), &30.into()));
    assert_eq!(report["choose"], Value::Null);
}

#[test]
fn a_full_file_system_is_told_and_left_as_it_was() {
    let mount = r#"mount -t tmpfs -o size=16k,nr_inodes=4 tmpfs "$1""#;
    let (status, report, left) = examine("inodes", mount);
    assert_eq!((status.as_str(), left.as_str()), ("73", ""));
    assert!(findings(&report).contains(&("nfs", "unknown")), "{report}");
    assert_eq!(report["leftover"], Value::Null);
}

/// Whoever waits for it can be killed.
#[test]
fn a_file_system_that_does_not_answer_is_given_up() {
    let script = format!(
        r#"{} deaf "$1" "$0" doctor -j -w 0.2 "$1" || echo "$?""#,
        env!("CARGO_BIN_EXE_silent_fuse")
    );
    let out = in_own_mounts("deaf", &script);
    let (report, status) = out.split_once('\n').unwrap();
    let report = serde_json::from_str::<Value>(report).unwrap();
    assert_eq!(status, "74\n");
    assert_eq!(findings(&report), all("hangs"));
    assert_eq!((&report["stuck"], &report["file_system"]), (&Value::Null, &"fuse.silent".into()));
}

/// Whoever waits for it waits where no signal reaches him.
#[test]
fn a_child_that_cannot_be_killed_is_left_alone() {
    let script = format!(
        r#"{} reading "$1" "$0" doctor -w 0.2 "$1" || echo "$?""#,
        env!("CARGO_BIN_EXE_silent_fuse")
    );
    let out = in_own_mounts("reading", &script);
    assert!(out.ends_with("\n74\n"), "{out}");
    assert!(out.contains(": fuse.silent, driven by a program"), "{out}");
    for kind in KINDS {
        assert!(out.contains(&format!("\n{kind}: hangs: no answer within the limit")), "{out}");
    }
    assert!(out.contains(" hangs in the kernel until the file system answers\n"), "{out}");
    assert!(out.contains("\nchoose none: "), "{out}");
}

#[test]
fn the_status_can_be_that_of_one_kind() {
    let scratch = Scratch::new("doctor-kind");
    let dir = scratch.path("");
    let (status, out, error) = run(&["doctor", "-k", "flock", &dir]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.ends_with("choose file: a kernel lock falls with its holder, however he ends\n"));
    let missing = scratch.path("missing");
    let (status, out, error) = run(&["doctor", &missing]);
    assert_eq!((status, out.as_str()), (Some(66), ""));
    assert!(error.contains("no such file or directory"), "{error}");
    assert_eq!(run(&["doctor"]).0, Some(64));
    assert_eq!(run(&["doctor", "-n", &dir]).0, Some(64));
}
