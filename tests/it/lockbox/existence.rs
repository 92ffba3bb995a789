//! Locks that outlive a process: taken for another, given back, refreshed, broken, explained.

use core::time::Duration;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use lock_tests::lockbox::lockbox;

use crate::run::start;
use crate::status::{Scratch, run};

const KINDS: [&str; 4] = ["nfs", "symlink", "mkdir", "pidfile"];

/// A process to take locks for; it ends when its standard input does.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Sleeper {
        Sleeper(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn acquire(kind: &str, pid: &str, path: &str) -> Option<i32> {
    run(&["acquire", "-n", "-k", kind, "--pid", pid, path]).0
}

fn status(kind: &str, path: &str) -> serde_json::Value {
    serde_json::from_str(&run(&["status", "-j", "-k", kind, path]).1).unwrap()
}

fn is_empty(scratch: &Scratch) -> bool {
    fs::read_dir(&scratch.0).unwrap().next().is_none()
}

#[test]
fn a_lock_is_taken_for_another_process_and_given_back() {
    let scratch = Scratch::new("acquire");
    let path = scratch.path("lock");
    for kind in KINDS {
        let (mine, other) = (Sleeper::new(), Sleeper::new());
        assert_eq!(acquire(kind, &mine.pid(), &path), Some(0), "{kind}");
        let said = status(kind, &path);
        assert_eq!(said["state"], "held", "{kind}: {said}");
        assert_eq!(said["owner"]["pid"].to_string(), mine.pid(), "{kind}");
        assert_eq!(said["owner"]["command"], "cat", "{kind}");
        assert_eq!(run(&["wait", "-k", kind, "-w", "0.02", &path]).0, Some(75), "{kind}");
        assert_eq!(acquire(kind, &other.pid(), &path), Some(75), "{kind}");
        let (refused, _, error) = run(&["release", "-k", kind, "--pid", &other.pid(), &path]);
        assert_eq!(refused, Some(75), "{kind}");
        assert!(error.contains(&mine.pid()), "{kind}: {error}");
        assert_eq!(run(&["break", "-k", kind, &path]).0, Some(75), "{kind}");
        let release = ["release", "-k", kind, "--pid", &mine.pid(), &path];
        assert_eq!(run(&release).0, Some(0), "{kind}");
        assert_eq!(run(&release).0, Some(1), "{kind}");
        assert!(is_empty(&scratch), "{kind}");
        assert_eq!(run(&["wait", "-k", kind, &path]).0, Some(0), "{kind}");
    }
}

/// The script's shell is the process that starts lockbox.
#[test]
fn without_a_pid_the_caller_is_the_holder() {
    let scratch = Scratch::new("caller");
    let path = scratch.path("lock");
    for kind in KINDS {
        let script = "\"$0\" acquire -k $1 \"$2\" && \"$0\" status -j -k $1 \"$2\"; echo $$
            \"$0\" release -k $1 \"$2\"";
        let output = Command::new("sh")
            .args(["-c", script, lockbox().to_str().unwrap(), kind, &path])
            .output()
            .unwrap();
        assert!(output.status.success(), "{kind}: {output:?}");
        let output = String::from_utf8(output.stdout).unwrap();
        let (said, pid) = output.trim().split_once('\n').unwrap();
        let said: serde_json::Value = serde_json::from_str(said).unwrap();
        assert_eq!(said["owner"]["pid"].to_string(), pid, "{kind}");
        assert!(is_empty(&scratch), "{kind}");
    }
}

#[test]
fn the_lock_of_a_dead_process_is_stale_and_can_be_broken_or_taken() {
    let scratch = Scratch::new("dead");
    let path = scratch.path("lock");
    for kind in KINDS {
        let sleeper = Sleeper::new();
        let pid = sleeper.pid();
        assert_eq!(acquire(kind, &pid, &path), Some(0), "{kind}");
        drop(sleeper);
        let said = status(kind, &path);
        assert_eq!((&said["state"], said["why"].is_string()), (&"stale".into(), true), "{kind}");
        assert_eq!(said["owner"]["command"], serde_json::Value::Null, "{kind}");
        assert_eq!(run(&["status", "-k", kind, &path]).0, Some(1), "{kind}");
        assert_eq!(run(&["wait", "-k", kind, &path]).0, Some(0), "{kind}");
        let (broken, told, _) = run(&["break", "-k", kind, &path]);
        assert_eq!(broken, Some(0), "{kind}");
        assert!(told.contains(&pid), "{kind}: {told}");
        assert_eq!(run(&["break", "-k", kind, &path]).0, Some(1), "{kind}");

        let sleeper = Sleeper::new();
        assert_eq!(acquire(kind, &sleeper.pid(), &path), Some(0), "{kind}");
        drop(sleeper);
        let sleeper = Sleeper::new();
        assert_eq!(acquire(kind, &sleeper.pid(), &path), Some(0), "{kind}: taken over");
        assert_eq!(run(&["break", "--force", "-k", kind, &path]).0, Some(0), "{kind}");
        assert!(is_empty(&scratch), "{kind}");
    }
}

#[test]
fn each_run_has_a_larger_token() {
    let scratch = Scratch::new("token");
    let path = scratch.path("lock");
    for (at, kind) in KINDS.into_iter().enumerate() {
        let script = ["run", "-k", kind, &path, "sh", "-c", "echo $LOCKBOX_TOKEN"];
        assert_eq!(run(&script).1, format!("{}\n", 2 * at + 1), "{kind}");
        assert_eq!(run(&script).1, format!("{}\n", 2 * at + 2), "{kind}");
        let script = ["run", "--no-token", "-k", kind, &path, "sh", "-c", "echo $LOCKBOX_TOKEN"];
        assert_eq!(run(&script).1, "\n", "{kind}");
    }
}

#[test]
fn a_lost_lock_is_reported_and_the_next_ones_is_left_alone() {
    let scratch = Scratch::new("lost");
    for kind in KINDS {
        let path = scratch.path(kind);
        let script = "\"$0\" break --force -k $1 \"$2\" >&2
            \"$0\" acquire -k $1 --pid $PPID \"$2\"; echo";
        let (status, _, error) = run(&[
            "run",
            "-k",
            kind,
            &path,
            "sh",
            "-c",
            script,
            lockbox().to_str().unwrap(),
            kind,
            &path,
        ]);
        assert_eq!(status, Some(0), "{kind}: {error}");
        assert!(error.contains("lost"), "{kind}: {error}");
        assert_eq!(run(&["status", "-k", kind, &path]).0, Some(1), "{kind}: the next one's stands");
    }
}

#[test]
fn a_refreshed_pid_file_stays_young() {
    let scratch = Scratch::new("refresh");
    let path = scratch.path("lock");
    let args = ["-k", "pidfile", "--stale-age", "1000", "--refresh", "0.01", &path];
    let (mut child, _) = start(&args, "echo; read line || :");
    let past = SystemTime::now() - Duration::from_secs(900);
    // Only its owner may set the time of a file that he cannot write.
    fs::File::open(&path).unwrap().set_modified(past).unwrap();
    while fs::metadata(&path).unwrap().modified().unwrap() == past {
        std::thread::yield_now();
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    // Not refreshed, a lock of a living process falls to age in the end.
    let sleeper = Sleeper::new();
    assert_eq!(acquire("pidfile", &sleeper.pid(), &path), Some(0));
    let aged = |age_s| {
        let past = SystemTime::now() - Duration::from_secs(age_s);
        fs::File::open(&path).unwrap().set_modified(past).unwrap();
        run(&["status", "-k", "pidfile", "--stale-age", "10", &path]).0
    };
    assert_eq!((aged(200), aged(300)), (Some(0), Some(1)));
    assert_eq!(run(&["touch", "-k", "pidfile", "--pid", &sleeper.pid(), &path]).0, Some(0));
    assert_eq!(run(&["status", "-k", "pidfile", "--stale-age", "10", &path]).0, Some(0));
    let (refused, _, error) = run(&["touch", "-k", "pidfile", "--pid", "1", &path]);
    assert_eq!(refused, Some(75), "{error}");
    assert_eq!(run(&["touch", "-k", "nfs", &path]).0, Some(1));
}

#[test]
fn what_is_not_understood_is_unknown_and_stays() {
    let scratch = Scratch::new("unknown");
    let path = scratch.path("lock");
    fs::create_dir(&path).unwrap();
    assert_eq!(run(&["status", "-k", "mkdir", &path]).0, Some(4));
    assert_eq!(acquire("mkdir", "1", &path), Some(75));
    assert_eq!(run(&["break", "-k", "mkdir", &path]).0, Some(75));
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("free text", &path).unwrap();
    assert_eq!(run(&["status", "-k", "symlink", &path]).0, Some(4));
    assert_eq!(run(&["break", "-k", "symlink", &path]).0, Some(75));
    assert_eq!(run(&["break", "--force", "-k", "symlink", &path]).0, Some(0));
    assert!(is_empty(&scratch));
}

#[test]
fn usage_errors_name_the_argument_and_make_nothing() {
    let scratch = Scratch::new("existence-usage");
    let path = scratch.path("lock");
    for (args, named) in [
        (&["acquire"][..], "PATH"),
        (&["acquire", "-k", "flock", &path], "flock"),
        (&["acquire", "-k", "nfs", "--pid", "0", &path], "pid"),
        (&["acquire", "-k", "nfs", "--pid", "4194304", &path], "no such process"),
        (&["acquire", "-k", "symlink", "-m", "text", &path], "symlink"),
        (&["acquire", "-k", "mkdir", "-s", &path], "shared"),
        (&["release", "-k", "nfs", "--force", &path], "force"),
        (&["break", "-k", "nfs", "--stale-age", "5", &path], "nfs"),
        (&["touch", "-k", "file", &path], "file"),
        (&["run", "--inherit", "-k", "symlink", &path, "true"], "symlink"),
        (&["explain"], "PATH"),
    ] {
        let (status, out, error) = run(args);
        assert_eq!((status, out.as_str()), (Some(64), ""), "{args:?}");
        assert!(error.contains(named), "{args:?}: {error}");
    }
    assert_eq!(run(&["acquire", "-k", "nfs", &scratch.path("none/lock")]).0, Some(66));
    assert!(is_empty(&scratch));
}

#[test]
fn explain_names_convention_and_holder() {
    let scratch = Scratch::new("explain");
    let me = std::process::id();
    let path = |name: &str, text: &str| {
        fs::write(scratch.path(name), text).unwrap();
        scratch.path(name)
    };
    let link = |name: &str, target: &str| {
        std::os::unix::fs::symlink(target, scratch.path(name)).unwrap();
        scratch.path(name)
    };
    for (file, convention, state) in [
        (path("daemon.pid", &format!("{me}\n")), "a daemon's pid file", "held"),
        (path("dead.pid", "4194304\n"), "a daemon's pid file", "stale"),
        (path("x.pidfile", "1234 elsewhere"), "Pidfile.jl", "unknown"),
        (
            path("a.nfs_lock", "((host elsewhere)(pid 5)(message m))"),
            "Lock_file_blocking.Nfs",
            "unknown",
        ),
        (path("b.nfs_lock", ""), "Lock_file_blocking.Nfs", "unknown"),
        (link(".#notes.txt", &format!("me@elsewhere.{me}")), "Emacs", "unknown"),
        (link("wlock", "elsewhere:5"), "Mercurial", "unknown"),
    ] {
        let (status, out, _) = run(&["explain", &file]);
        assert_eq!(status, Some(0), "{file}");
        assert!(out.contains(&format!("written by {convention}")), "{out}");
        assert!(out.contains("rule: "), "{out}");
        let said: serde_json::Value =
            serde_json::from_str(&run(&["explain", "-j", &file]).1).unwrap();
        let first = &said["conventions"][0];
        assert_eq!((&first["name"], &first["state"]), (&convention.into(), &state.into()), "{out}");
    }
    for kind in KINDS {
        let file = scratch.path(kind);
        assert_eq!(acquire(kind, &me.to_string(), &file), Some(0));
        let name = if kind == "nfs" { format!("{file}.nfs_lock") } else { file.clone() };
        let (_, out, _) = run(&["explain", &name]);
        assert!(out.contains(&format!("pid {me}")), "{kind}: {out}");
    }
    assert_eq!(run(&["explain", &scratch.path("nothing")]).0, Some(66));
    assert_eq!(run(&["explain", "/dev/null"]).0, Some(66));
}

/// A lease falls to others though its holder runs, and he hears of it.
#[test]
fn a_lease_that_is_not_refreshed_is_lost() {
    let scratch = Scratch::new("lease");
    let path = scratch.path("lock");
    // Its own refresh would come after 500 s.
    let (mut child, _) =
        start(&["-k", "pidfile", "--lease", "1000", &path], "echo; read line || :");
    let attempt = ["run", "-n", "-k", "pidfile", "--lease", "1000", &path, "true"];
    assert_eq!(run(&attempt).0, Some(75));
    let past = SystemTime::now() - Duration::from_secs(2000);
    fs::File::open(&path).unwrap().set_modified(past).unwrap();
    assert_eq!(run(&["status", "-k", "pidfile", "--lease", "1000", &path]).0, Some(1));
    assert_eq!(run(&attempt).0, Some(0));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let (mut child, _) = start(
        &["-k", "pidfile", "--lease", "1000", "--refresh", "0.01", &path],
        "echo; read line || :",
    );
    fs::File::open(&path).unwrap().set_modified(past).unwrap();
    while fs::metadata(&path).unwrap().modified().unwrap() == past {
        std::thread::yield_now();
    }
    assert_eq!(run(&attempt).0, Some(75), "refreshed");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
