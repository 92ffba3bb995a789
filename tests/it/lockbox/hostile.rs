//! Surroundings that somebody made to do harm, or that nobody thought of: planted names, foreign
//! files, absurd paths, payloads and pids.

use core::sync::atomic::{AtomicBool, Ordering};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use lock_tests::lockbox::lockbox;

use crate::status::{KINDS, Scratch, run};

const NAMES: [&str; 4] = ["nfs", "symlink", "mkdir", "pidfile"];

/// What stands on disk, for comparing.
fn picture(dir: &Path) -> Vec<(OsString, u64, u64, u32, Vec<u8>)> {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let facts = fs::symlink_metadata(entry.path()).unwrap();
            let content =
                if facts.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
            (entry.file_name(), facts.ino(), facts.nlink(), facts.mode(), content)
        })
        .collect();
    entries.sort();
    entries
}

/// The exit status of `lockbox`, with an argument that need not be text.
fn status_of(args: &[&str], path: &OsStr, more: &[&str]) -> (Option<i32>, Vec<u8>) {
    let mut tool = Command::new(lockbox());
    let output = tool.args(args).arg(path).args(more).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), [output.stdout, output.stderr].concat())
}

/// Every way in which the tool uses a lock, none of which may touch what is not its own.
fn use_it(kind: &str, path: &str) -> Vec<Option<i32>> {
    let mut outcomes = vec![
        run(&["run", "-n", "-k", kind, path, "true"]).0,
        run(&["status", "-k", kind, path]).0,
        run(&["wait", "-w", "0", "-k", kind, path]).0,
    ];
    if NAMES.contains(&kind) {
        outcomes.push(run(&["acquire", "-n", "-k", kind, "--pid", "1", path]).0);
        outcomes.push(run(&["touch", "-k", kind, "--pid", "1", path]).0);
        outcomes.push(run(&["release", "-k", kind, "--pid", "1", path]).0);
        outcomes.push(run(&["break", "-k", kind, path]).0);
    }
    outcomes
}

#[test]
fn nothing_is_written_through_planted_links() {
    for kind in KINDS {
        let (scratch, victims) = (Scratch::new("planted"), Scratch::new("victims"));
        let victim = victims.path("victim");
        fs::write(&victim, "precious").unwrap();
        let before = picture(&victims.0);
        for name in ["lock", "lock.nfs_lock", ".lock.guard", "lock.lock"] {
            symlink(&victim, scratch.path(name)).unwrap();
        }
        use_it(kind, &scratch.path("lock"));
        assert_eq!(picture(&victims.0), before, "{kind}");
        // A person may say so; then the link goes, and what it leads to stays.
        run(&["break", "--force", "-k", kind, &scratch.path("lock")]);
        assert_eq!(picture(&victims.0), before, "{kind}");
    }
}

#[test]
fn a_planted_hard_link_is_not_written_to() {
    for kind in KINDS {
        let scratch = Scratch::new("hard");
        let victim = scratch.path("victim");
        fs::write(&victim, "precious").unwrap();
        fs::hard_link(&victim, scratch.path("lock")).unwrap();
        use_it(kind, &scratch.path("lock"));
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{kind}");
        let facts = fs::metadata(&victim).unwrap();
        assert_eq!(facts.len(), 8, "{kind}");
    }
}

#[test]
fn what_is_no_lock_is_refused_and_stays() {
    for kind in KINDS {
        let scratch = Scratch::new("odd");
        let path = scratch.path("lock");
        let own = if kind == "nfs" { scratch.path("lock.nfs_lock") } else { path.clone() };
        let _socket = UnixListener::bind(&own).unwrap();
        let before = picture(&scratch.0);
        assert_ne!(use_it(kind, &path)[0], Some(0), "{kind}: a socket");
        assert_eq!(picture(&scratch.0), before, "{kind}: a socket");
        fs::remove_file(&own).unwrap();
        nix::unistd::mkfifo(own.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let before = picture(&scratch.0);
        assert_ne!(use_it(kind, &path)[0], Some(0), "{kind}: a FIFO");
        assert_eq!(picture(&scratch.0), before, "{kind}: a FIFO");
        if kind != "nfs" {
            assert_ne!(use_it(kind, "/dev/null")[0], Some(0), "{kind}: a device");
        }
    }
    assert_eq!(fs::metadata("/dev/null").unwrap().mode() & 0o777, 0o666);
}

#[test]
fn paths_may_be_long_and_need_not_be_text() {
    for kind in KINDS {
        let scratch = Scratch::new("paths");
        // Longer than a path may be; longer than a name may be; a directory that is no directory.
        let endless = format!("/{}", "d/".repeat(2047));
        let long_name = scratch.path(&"n".repeat(256));
        for path in [endless, long_name, scratch.path("none/lock")] {
            let (status, _) = status_of(&["run", "-n", "-k", kind], path.as_ref(), &["true"]);
            assert!(matches!(status, Some(64 | 66 | 73)), "{kind}: {status:?}");
        }
        assert_eq!(picture(&scratch.0), [], "{kind}");
        // As long as a name can be: taken, or refused with nothing left.
        let longest = scratch.path(&"n".repeat(255));
        let (status, _) = status_of(&["run", "-n", "-k", kind], longest.as_ref(), &["true"]);
        assert!(matches!(status, Some(0 | 64 | 66 | 73)), "{kind}: {status:?}");
        let _ = fs::remove_file(&longest);
        assert_eq!(picture(&scratch.0), [], "{kind}");
        let name = OsStr::from_bytes(b"\xff\xfe\x1b[2J\n");
        let odd = scratch.0.join(name);
        let (status, _) = status_of(&["run", "-n", "-k", kind], odd.as_os_str(), &["true"]);
        assert_eq!(status, Some(0), "{kind}: any bytes");
        let (_, said) = status_of(&["status", "-k", kind], odd.as_os_str(), &[]);
        assert!(!said.contains(&0x1b), "{kind}: made visible");
        let (_, json) = status_of(&["status", "-j", "-k", kind], odd.as_os_str(), &[]);
        serde_json::from_slice::<serde_json::Value>(&json).unwrap();
    }
}

#[test]
fn a_payload_of_gigabytes_is_neither_read_nor_touched() {
    for kind in ["file", "nfs", "pidfile"] {
        let scratch = Scratch::new("huge");
        let own = scratch.path(if kind == "nfs" { "lock.nfs_lock" } else { "lock" });
        let file = File::create(&own).unwrap();
        (&file).write_all(b"1 elsewhere").unwrap();
        file.set_len(8 << 30).unwrap();
        drop(file);
        let path = scratch.path("lock");
        let status = run(&["status", "-k", kind, &path]).0;
        // Whatever a pid file says, it is held until it is old enough.
        assert!(matches!(status, Some(0 | 3 | 4)), "{kind}: {status:?}");
        if kind != "file" {
            assert_eq!(run(&["run", "-n", "-k", kind, &path, "true"]).0, Some(75), "{kind}");
            assert_eq!(run(&["break", "-k", kind, &path]).0, Some(75), "{kind}");
            assert_eq!(fs::metadata(&own).unwrap().len(), 8 << 30, "{kind}");
        }
        assert_eq!(run(&["explain", &own]).0, run(&["explain", &own]).0);
    }
}

/// A writer that never stops: whatever part of it is read, nobody is taken for dead. A plain pid
/// has no end that could be missed, so there the writer does what is right: he renames.
#[test]
fn a_payload_that_changes_while_it_is_read_is_never_broken() {
    let ended = {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    };
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    for kind in ["nfs", "pidfile"] {
        let scratch = Scratch::new("changing");
        let own = scratch.path(if kind == "nfs" { "lock.nfs_lock" } else { "lock" });
        // A part of one and a part of the other would be a dead process of this host.
        let texts = match kind {
            "nfs" => [
                format!("((host {host}) (pid 1) (message \"\"))"),
                format!("((host {host}x) (pid {ended}) (message \"\"))"),
            ],
            _ => [format!("1 {host}"), format!("{ended} {host}x")],
        };
        fs::write(&own, &texts[0]).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for text in texts.iter().cycle() {
                    if kind == "nfs" {
                        let file = File::options().write(true).open(&own).unwrap();
                        file.write_all_at(text.as_bytes(), 0).unwrap();
                        file.set_len(text.len() as u64).unwrap();
                    } else {
                        let new = scratch.path("new");
                        fs::write(&new, text).unwrap();
                        fs::rename(&new, &own).unwrap();
                    }
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let path = scratch.path("lock");
            let taken = (0..200).any(|_| {
                let took = run(&["run", "-n", "-k", kind, &path, "true"]).0;
                let broke = run(&["break", "-k", kind, &path]).0;
                took == Some(0) || broke == Some(0)
            });
            stop.store(true, Ordering::Relaxed);
            assert!(!taken, "{kind}");
        });
        assert!(Path::new(&own).exists());
    }
}

#[test]
fn no_lock_falls_by_an_absurd_pid() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    for pid in ["0", "-1", "1", "-2147483648", "99999999999999999999"] {
        for kind in ["nfs", "pidfile", "symlink"] {
            let scratch = Scratch::new("pids");
            let path = scratch.path("lock");
            match kind {
                "nfs" => {
                    let text = format!("((host {host}) (pid {pid}) (message \"\"))");
                    fs::write(scratch.path("lock.nfs_lock"), text).unwrap();
                }
                "pidfile" => fs::write(&path, format!("{pid} {host}")).unwrap(),
                _ => symlink(format!("{host}:{pid}"), &path).unwrap(),
            }
            let before = picture(&scratch.0);
            assert_eq!(run(&["run", "-n", "-k", kind, &path, "true"]).0, Some(75), "{kind} {pid}");
            assert_eq!(run(&["break", "-k", kind, &path]).0, Some(75), "{kind} {pid}");
            let status = run(&["status", "-k", kind, &path]).0;
            assert!(matches!(status, Some(0 | 4)), "{kind} {pid}: {status:?}");
            assert_eq!(picture(&scratch.0), before, "{kind} {pid}");
        }
    }
}

/// No process can have such a number, whatever is left of it in 32 bits: here, that of the first.
#[test]
fn a_pid_beyond_all_numbers_is_nobodys() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let scratch = Scratch::new("beyond");
    for pid in ["2147483649", "4294967297"] {
        let text = format!("((host {}) (pid {pid}) (message \"\"))", host.trim());
        fs::write(scratch.path("lock.nfs_lock"), text).unwrap();
        assert_eq!(run(&["status", "-k", "nfs", &scratch.path("lock")]).0, Some(1), "{pid}");
        assert_eq!(run(&["run", "-n", "-k", "nfs", &scratch.path("lock"), "true"]).0, Some(0));
    }
}

/// Another user may look, and wait; what he may not remove he is told about.
#[test]
fn another_users_lock_in_a_sticky_directory() {
    assert!(rustix::process::geteuid().is_root(), "must be root, to be somebody else");
    let scratch = Scratch::new("sticky");
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o1777)).unwrap();
    // The other user must be able to reach both.
    let tool = scratch.0.join("tool");
    fs::copy(lockbox(), &tool).unwrap();
    let away = std::env::temp_dir().join(format!("lockbox-sticky-{}", std::process::id()));
    fs::create_dir(&away).unwrap();
    fs::set_permissions(&away, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::rename(&tool, away.join("tool")).unwrap_or_else(|_| {
        fs::copy(&tool, away.join("tool")).unwrap();
    });
    let other = |args: &[&str]| {
        let mut tool = Command::new(away.join("tool"));
        tool.args(args).uid(65534).gid(65534).stdin(Stdio::null());
        tool.output().unwrap().status.code()
    };
    for kind in NAMES {
        let path = away.join(kind);
        let path = path.to_str().unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id().to_string();
        assert_eq!(run(&["acquire", "-k", kind, "--pid", &pid, path]).0, Some(0));
        assert_eq!(other(&["status", "-k", kind, path]), Some(0), "{kind}: held");
        assert_eq!(other(&["run", "-n", "-k", kind, path, "true"]), Some(75), "{kind}");
        assert_eq!(other(&["release", "-k", kind, "--pid", &pid, path]), Some(77), "{kind}");
        child.kill().unwrap();
        child.wait().unwrap();
        let before = picture(&away);
        assert_eq!(other(&["run", "-n", "-k", kind, path, "true"]), Some(77), "{kind}: stale");
        assert_eq!(picture(&away), before, "{kind}");
        assert_eq!(run(&["run", "-n", "-k", kind, path, "true"]).0, Some(0), "{kind}");
    }
    fs::remove_dir_all(away).unwrap();
}
