//! `lockbox run`: statuses, signals, environment, descriptors, and waits that end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lock_tests::lockbox::lockbox;
use rustix::process::{Pid, Signal, kill_process};

use crate::status::{KINDS, Scratch, run};

/// Starts lockbox with a shell script under the lock, and waits for its first line.
pub(crate) fn start(args: &[&str], script: &str) -> (Child, String) {
    let mut child = Command::new(lockbox())
        .arg("run")
        .args(args)
        .args(["--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_string())
}

#[test]
fn the_commands_status_comes_through() {
    let scratch = Scratch::new("run-status");
    for kind in KINDS {
        let path = scratch.path(kind);
        assert_eq!(run(&["run", "-k", kind, &path, "true"]).0, Some(0));
        assert_eq!(run(&["run", "-k", kind, &path, "--", "sh", "-c", "exit 7"]).0, Some(7));
        assert_eq!(run(&["run", "-k", kind, &path, "sh", "-c", "kill -9 $$"]).0, Some(137));
    }
    let path = scratch.path("lock");
    assert_eq!(run(&["run", &path, "no such command"]).0, Some(127));
    assert_eq!(run(&["run", &path, "/"]).0, Some(126));
    let script = scratch.path("script");
    fs::write(&script, "not run").unwrap();
    assert_eq!(run(&["run", &path, &script]).0, Some(126), "no permission");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run(&["run", &path, "true"]).0, Some(0), "the lock was released each time");
}

#[test]
fn a_caller_who_ignores_what_becomes_of_children_does_not_hide_it() {
    let scratch = Scratch::new("run-ignored");
    let lock = scratch.path("lock");
    for command in ["run", "flock"] {
        let ended = Command::new("env")
            .arg("--ignore-signal=CHLD")
            .arg(lockbox())
            .args([command, &lock, "sh", "-c", "exit 7"])
            .status();
        assert_eq!(ended.unwrap().code(), Some(7), "{command}");
    }
}

#[test]
fn a_script_without_an_interpreter_is_the_shells() {
    let scratch = Scratch::new("run-script");
    let script = scratch.path("script");
    fs::write(&script, "echo \"$# $1 $2\"; exit 3\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let lock = scratch.path("lock");
    let expected = (Some(3), "2 a b c\n".to_string(), String::new());
    assert_eq!(run(&["run", &lock, "--", &script, "a", "b c"]), expected);
    let flock = scratch.path("flock");
    std::os::unix::fs::symlink(lockbox(), &flock).unwrap();
    for program in [flock.as_str(), "/usr/bin/flock"] {
        let output = Command::new(program).args([&lock, &script, "a", "b c"]).output().unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"2 a b c\n"[..]));
    }
}

#[test]
fn a_held_lock_is_refused_and_the_holder_named() {
    let scratch = Scratch::new("run-held");
    for kind in KINDS {
        let path = scratch.path(kind);
        let (mut holder, _) = start(&["-k", kind, &path], "echo; read line");
        for args in [&["-n"][..], &["-w", "0"], &["-w", "0.05"]] {
            let line = [&["run", "-k", kind], args, &[path.as_str(), "true"]].concat();
            let (status, _, error) = run(&line);
            assert_eq!(status, Some(75), "{kind} {args:?}");
            assert!(error.contains(&path) && error.contains("held by "), "{error}");
        }
        assert_eq!(run(&["run", "-k", kind, "-n", "-E", "9", &path, "true"]).0, Some(9));
        drop(holder.stdin.take());
        holder.wait().unwrap();
        assert_eq!(run(&["run", "-k", kind, "-n", &path, "true"]).0, Some(0));
    }
}

#[test]
fn shared_holders_stand_side_by_side() {
    let scratch = Scratch::new("run-shared");
    for kind in ["flock", "lockf", "ofd"] {
        let path = scratch.path(kind);
        let (mut holder, _) = start(&["-s", "-k", kind, &path], "echo; read line");
        assert_eq!(run(&["run", "-n", "-s", "-k", kind, &path, "true"]).0, Some(0));
        assert_eq!(run(&["run", "-n", "-k", kind, &path, "true"]).0, Some(75));
        drop(holder.stdin.take());
        holder.wait().unwrap();
    }
    let (status, _, error) = run(&["run", "-s", &scratch.path("x"), "true"]);
    assert_eq!(status, Some(64));
    assert!(error.contains("cannot be shared"), "{error}");
}

#[test]
fn a_waiter_gets_the_lock_and_one_that_timed_out_never_does() {
    let scratch = Scratch::new("run-wait");
    for kind in KINDS {
        let path = scratch.path(kind);
        let (mut holder, _) = start(&["-k", kind, &path], "echo; read line");
        let mark = scratch.path("mark");
        let late = ["run", "-k", kind, "-w", "0.05", &path, "touch", &mark];
        assert_eq!(run(&late).0, Some(75));
        let mut waiter = Command::new(lockbox())
            .args(["run", "-v", "-k", kind, &path, "true"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(waiter.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
        assert!(told.contains("waiting for") && told.contains(&path), "{told}");
        drop(holder.stdin.take());
        holder.wait().unwrap();
        assert!(waiter.wait().unwrap().success(), "{kind}");
        assert!(!fs::exists(&mark).unwrap(), "{kind}: a wait that ran out took the lock");
    }
}

#[test]
fn a_killed_holders_lock_is_free() {
    let scratch = Scratch::new("run-killed");
    for kind in KINDS {
        let path = scratch.path(kind);
        // The command does not inherit the lock, and outlives the tool until its input ends.
        let (mut holder, _) = start(&["-k", kind, &path], "echo; read line");
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert_eq!(run(&["run", "-n", "-k", kind, &path, "true"]).0, Some(0), "{kind}");
    }
}

#[test]
fn the_command_finds_path_and_kind_in_its_environment() {
    let scratch = Scratch::new("run-environment");
    let path = scratch.path("lock");
    let script = "echo \"$LOCKBOX_PATH $LOCKBOX_KIND $KEPT\"; env | grep -c ^LOCKBOX_";
    let output = Command::new(lockbox())
        .args(["run", "-k", "ofd", &path, "sh", "-c", script])
        .env("LOCKBOX_KIND", "an outer one's")
        .env("KEPT", "kept")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{path} ofd kept\n2\n"));
    let empty = Command::new(lockbox())
        .args(["run", &path, "/bin/sh", "-c", "echo \"$LOCKBOX_PATH\""])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(empty.stdout).unwrap(), format!("{path}\n"));
}

#[test]
fn the_descriptor_stays_with_lockbox_unless_it_is_to_be_inherited() {
    let scratch = Scratch::new("run-inherit");
    let path = scratch.path("lock");
    let count =
        "n=0; for fd in /proc/self/fd/*; do [ \"$fd\" -ef \"$0\" ] && n=$((n+1)); done; echo $n";
    let (_, out, _) = run(&["run", &path, "sh", "-c", count, &path]);
    assert_eq!(out, "0\n");
    let (_, out, _) = run(&["run", "--inherit", &path, "sh", "-c", count, &path]);
    assert_eq!(out, "1\n");
    // And then the lock lives as long as the command, whatever becomes of lockbox.
    let (mut holder, _) = start(&["--inherit", "-k", "flock", &path], "echo; read line");
    // Waiting for the child would close its input.
    let input = holder.stdin.take();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(run(&["run", "-n", "-k", "flock", &path, "true"]).0, Some(75));
    drop(input);
    assert_eq!(run(&["run", "-k", "flock", &path, "true"]).0, Some(0), "the command has ended");
}

#[test]
fn stop_signals_reach_the_command_and_the_lock_goes_after_it() {
    let scratch = Scratch::new("run-signals");
    let path = scratch.path("lock");
    for (signal, name) in
        [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP"), (Signal::QUIT, "QUIT")]
    {
        // The command answers with a status of its own, after it looked whether the lock is held.
        let script = format!(
            "trap '\"$0\" run -n \"$1\" true; exit $((100 + $?))' {name}; echo; \
             while :; do read line; done"
        );
        let mut child = Command::new(lockbox())
            .args(["run", &path, "--", "sh", "-c", &script])
            .arg(lockbox())
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(175), "{name}: held until it ended");
        assert_eq!(run(&["run", "-n", &path, "true"]).0, Some(0));
    }
}

#[test]
fn the_command_gets_the_callers_signal_mask_and_dispositions() {
    let scratch = Scratch::new("run-mask");
    let path = scratch.path("lock");
    let facts = "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status";
    for ignored in ["--ignore-signal=CHLD", "--ignore-signal=INT"] {
        let by_env = |program: &Path, args: &[&str]| {
            let output = Command::new("env").arg(ignored).arg(program).args(args).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let under = by_env(lockbox(), &["run", "-w", "5", &path, "sh", "-c", facts]);
        assert_eq!(under, by_env(Path::new("sh"), &["-c", facts]), "{ignored}");
    }
}

#[test]
fn a_new_lock_file_is_never_writable_for_the_world() {
    let scratch = Scratch::new("run-mode");
    for (umask, options, mode) in
        [(0, &[][..], 0o664), (0o022, &[], 0o644), (0o777, &[], 0), (0, &["-p", "0600"], 0o600)]
    {
        let path = scratch.path(&format!("{umask}-{}", options.len()));
        let mut command = Command::new(lockbox());
        command.arg("run").args(options).args([&path, "true"]);
        // SAFETY: one system call between fork and exec.
        unsafe {
            command.pre_exec(move || {
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
                Ok(())
            });
        }
        assert!(command.status().unwrap().success());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
}

#[test]
fn what_cannot_be_locked_has_its_own_status_and_nothing_is_made() {
    let scratch = Scratch::new("run-surroundings");
    fs::create_dir(scratch.0.join("directory")).unwrap();
    std::os::unix::fs::symlink("nowhere", scratch.0.join("dangling")).unwrap();
    fs::write(scratch.0.join("file"), "").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &*scratch.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let long = "x".repeat(300);
    for name in ["directory", "dangling", "none/lock", "file/lock", "fifo", &long] {
        for kind in KINDS {
            let flock_of_a_directory = (name, kind) == ("directory", "flock");
            // The lock is another file, beside what has the name that readers would look at.
            let beside = kind == "nfs" && ["directory", "dangling", "fifo"].contains(&name);
            if flock_of_a_directory || beside {
                let args = ["run", "--no-token", "-k", kind, &scratch.path(name), "true"];
                assert_eq!(run(&args).0, Some(0));
                continue;
            }
            let (status, _, error) = run(&["run", "-n", "-k", kind, &scratch.path(name), "true"]);
            // A lock of somebody who does not say who he is.
            let held = [("directory", "mkdir"), ("dangling", "symlink")].contains(&(name, kind));
            let expected = if held { 75 } else { 66 };
            assert_eq!(status, Some(expected), "{kind} {name}: {error}");
            assert!(error.contains(&scratch.path(name)), "{error}");
        }
    }
    let mut names: Vec<_> =
        fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dangling", "directory", "fifo", "file"]);
    assert!(fs::symlink_metadata(scratch.path("fifo")).unwrap().file_type().is_fifo());
    assert!(fs::symlink_metadata(scratch.path("dangling")).unwrap().is_symlink());
}

#[test]
fn usage_errors_name_the_argument_and_make_nothing() {
    let scratch = Scratch::new("run-usage");
    let path = scratch.path("lock");
    for (args, named) in [
        (&["-k", "nonsense"][..], "nonsense"),
        (&["-w", "soon"], "soon"),
        (&["-p", "abc"], "abc"),
        (&["-E", "256"], "256"),
        (&["--bogus"], "bogus"),
        (&["--=x"], "'=x'"),
        (&["-q"], "q"),
        (&["--stale-age", "5"], "stale-age"),
        (&["-k", "flock", "-m", "text"], "message"),
    ] {
        let line = [&["run"], args, &[path.as_str(), "true"]].concat();
        let (status, _, error) = run(&line);
        assert_eq!(status, Some(64), "{args:?}");
        assert!(error.contains(named), "{args:?}: {error}");
    }
    assert_eq!(run(&["run"]).0, Some(64));
    assert_eq!(run(&["run", &path]).0, Some(64));
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
}

#[test]
fn killing_the_command_is_reported_as_shells_do() {
    let scratch = Scratch::new("run-kill");
    let (mut child, pid) = start(&[&scratch.path("lock")], "echo $$; read line");
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(137), None));
}
