//! File systems that are full or read-only, and users without permission: real ones, in a mount
//! namespace of their own.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use lock_tests::lockbox::lockbox;

use crate::status::Scratch;

/// Runs a shell script as root of its own mount namespace, with lockbox as `$0` and an empty
/// directory as `$1`; what it prints.
pub(crate) fn in_own_mounts(test: &str, script: &str) -> String {
    let scratch = Scratch::new(test);
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let output = command
        .args(["--mount", "sh", "-euc", script])
        .arg(lockbox())
        .arg(&scratch.0)
        .stdin(Stdio::null())
        .output()
        .expect("util-linux's unshare is needed");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "the script needs to mount a tmpfs: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn on_a_full_disk_the_lock_is_given_back_and_the_reason_told() {
    let script = r#"
        mount -t tmpfs -o size=16k tmpfs "$1"; cd "$1"
        dd if=/dev/zero of=filler bs=4096 2>/dev/null || true
        "$0" run lock echo "never runs" 2>&1 || echo "status $?"
        "$0" run -n -k flock lock echo "others get it" 2>&1
        rm filler
        "$0" run -n lock cat lock >/dev/null && echo "and now it works""#;
    let out = in_own_mounts("full", script);
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].contains("write of the lock file: no space left on device"), "{out}");
    assert_eq!(lines[1..], ["status 73", "others get it", "and now it works"]);
}

#[test]
fn a_read_only_file_system_says_so_and_readers_can_still_lock() {
    let script = r#"
        mount -t tmpfs tmpfs "$1"; cd "$1"; touch lock; mount -o remount,ro "$1"
        for kind in file lockf ofd; do
            "$0" run -k $kind lock true 2>/dev/null || echo "$kind $?"
            "$0" run -k $kind new true 2>/dev/null || echo "$kind new $?"
        done
        "$0" run -k flock lock echo "flock works"
        "$0" run -k flock new true 2>/dev/null || echo "flock new $?"
        "$0" run -s -k ofd lock echo "shared works"; ls"#;
    let expected = "file 73\nfile new 73\nlockf 73\nlockf new 73\nofd 73\nofd new 73\n\
                    flock works\nflock new 73\nshared works\nlock\n";
    assert_eq!(in_own_mounts("read-only", script), expected);
}

#[test]
fn a_user_without_permission_is_told_so() {
    let chmod = |path: &str, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // The way there, and the tool, must be open to everybody.
    let tool = std::env::temp_dir().join(format!("lockbox-permission-{}", std::process::id()));
    let dir = std::env::temp_dir().join(format!("lockbox-denied-{}", std::process::id()));
    std::fs::copy(lockbox(), &tool).unwrap();
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("lock"), "").unwrap();
    chmod(dir.join("lock").to_str().unwrap(), 0);
    chmod(dir.to_str().unwrap(), 0o555);
    for kind in ["file", "flock", "lockf", "ofd"] {
        for name in ["lock", "new"] {
            let root = rustix::process::geteuid().is_root();
            let mut command = if root { Command::new("setpriv") } else { Command::new("env") };
            if root {
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            }
            let status = command
                .arg(&tool)
                .args(["run", "-k", kind])
                .arg(dir.join(name))
                .arg("true")
                .stderr(Stdio::null())
                .status()
                .expect("util-linux's setpriv is needed");
            assert_eq!(status.code(), Some(77), "{kind} {name}");
        }
    }
    chmod(dir.to_str().unwrap(), 0o755);
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::remove_file(&tool).unwrap();
}
