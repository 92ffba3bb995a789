//! The applets beside the programs whose names they have: the same command lines in the same
//! situations, compared by exit status and by what is on disk afterwards.
//!
//! `flock` has a suite of its own. BSD's lockf is in no Debian package: it is held to its manual.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use lock_tests::lockbox::lockbox;

use crate::status::Scratch;

/// What a directory holds: modes and contents by name.
type Disk = BTreeMap<String, (u32, Vec<u8>)>;

/// What it is called, and what lays it out in a directory.
type Situation<'a> = (&'a str, &'a dyn Fn(&Path));

fn disk(dir: &Path) -> Disk {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            let content = fs::read(entry.path()).unwrap_or_default();
            (entry.file_name().into_string().unwrap(), (mode, content))
        })
        .collect()
}

/// Runs one command line in a directory that `prepare` has laid out.
fn outcome(
    program: &Path,
    name: &str,
    args: &[&str],
    prepare: &dyn Fn(&Path),
) -> (Option<i32>, bool, Disk) {
    let scratch = Scratch::new(&format!("applet-{name}"));
    fs::remove_dir_all(&scratch.0).unwrap();
    fs::create_dir(&scratch.0).unwrap();
    prepare(&scratch.0);
    let output = Command::new(program)
        .arg0(name)
        .args(args)
        .current_dir(&scratch.0)
        .env("LOGNAME", "nobody")
        .env_remove("MAIL")
        .stdin(Stdio::null())
        .output()
        .expect("the original program is needed: see .ci/stages/tools");
    let on_disk = disk(&scratch.0);
    for name in on_disk.keys() {
        let path = scratch.0.join(name);
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o755));
    }
    (output.status.code(), !output.stderr.is_empty(), on_disk)
}

/// Compares every line in every situation; the contents of files named in `signed` may differ.
fn compare(
    original: &str,
    name: &str,
    lines: &[&[&str]],
    situations: &[Situation<'_>],
    except: &[(&str, &str)],
) {
    let mut compared = 0;
    for (situation, prepare) in situations {
        for line in lines {
            let shown = line.join(" ");
            if except.contains(&(situation, &shown[..])) {
                continue;
            }
            let theirs = outcome(Path::new(original), name, line, prepare);
            let ours = outcome(lockbox(), name, line, prepare);
            assert_eq!(ours, theirs, "{name} {shown}, {situation}: status, stderr, disk");
            compared += 1;
        }
    }
    println!("{name}: {compared} command lines compared with the original's");
    assert!(compared > 0);
}

fn old(path: &Path, content: &str, age_s: u64) {
    fs::write(path, content).unwrap();
    let then = SystemTime::now() - Duration::from_secs(age_s);
    let file = fs::File::open(path).unwrap();
    let times = fs::FileTimes::new().set_modified(then).set_accessed(SystemTime::now());
    file.set_times(times).unwrap();
}

fn dead_pid() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn dotlockfile_does_what_liblockfiles_does() {
    let dead = format!("{}\n", dead_pid());
    let mine = format!("{}\n", std::process::id());
    let lines: [&[&str]; 18] = [
        &["-l", "-r", "0", "a"],
        &["-r", "0", "a"],
        &["-p", "-l", "-r", "0", "a"],
        &["-u", "a"],
        &["-t", "a"],
        &["-c", "b"],
        &["-l", "-r", "0", "a", "echo", "hi"],
        &["-l", "-r", "0", "a", "sh", "-c", "exit 7"],
        &["-l", "-r", "0", "-P", "a", "sh", "-c", "exit 7"],
        &["-l", "-r", "0", "-P", "a", "sh", "-c", "kill -9 $$"],
        &["-l", "-r", "0", "nodir/a"],
        &["-l", "-r", "0", "-q", "nodir/a"],
        &["-q", "-r", "0", "a"],
        &["-l", "-r", "x", "a"],
        &["-l", "-i", "", "a"],
        &["-Z", "a"],
        &[],
        &["-l", "-r", "0", "-P", "a", "/nonexistent"],
    ];
    let situations: [Situation<'_>; 5] = [
        ("free", &|_| {}),
        ("held, no pid", &|dir| fs::write(dir.join("a"), "0\n").unwrap()),
        ("held by the living", &|dir| fs::write(dir.join("a"), &mine).unwrap()),
        ("of the dead", &|dir| fs::write(dir.join("a"), &dead).unwrap()),
        ("a directory", &|dir| fs::create_dir(dir.join("a")).unwrap()),
    ];
    // A directory is no lock file: ours says so, the original calls it held without a word.
    let directory: Vec<_> = lines.iter().map(|line| ("a directory", line.join(" "))).collect();
    let mut except: Vec<(&str, &str)> = directory
        .iter()
        .filter(|(_, line)| line.contains(" a") || line.starts_with("-u"))
        .map(|(situation, line)| (*situation, &line[..]))
        .collect();
    // The pid that is written is the asker's or the program's own: it differs from run to run.
    except.extend([("of the dead", "-p -l -r 0 a")]);
    compare("/usr/bin/dotlockfile", "dotlockfile", &lines, &situations, &except);
}

#[test]
fn dotlockfile_writes_the_askers_pid_and_breaks_what_is_old() {
    let scratch = Scratch::new("dotlockfile");
    let applet = |args: &[&str]| {
        Command::new(lockbox())
            .arg0("dotlockfile")
            .args(args)
            .current_dir(&scratch.0)
            .status()
            .unwrap()
            .code()
    };
    let lock = scratch.0.join("a");
    assert_eq!(applet(&["-p", "a"]), Some(0));
    assert_eq!(fs::read_to_string(&lock).unwrap(), format!("{}\n", std::process::id()));
    assert_eq!(applet(&["-c", "-p", "a"]), Some(0));
    assert_eq!(applet(&["-u", "a"]), Some(0));
    for (age_s, status) in [(290, Some(4)), (310, Some(0))] {
        old(&lock, "0\n", age_s);
        assert_eq!(applet(&["-r", "0", "a"]), status, "{age_s} s old");
    }
    old(&lock, "0\n", 310);
    assert_eq!(applet(&["-c", "a"]), Some(1));
    assert_eq!(applet(&["-t", "a"]), Some(0));
    assert_eq!(applet(&["-c", "a"]), Some(0));
    fs::write(&lock, format!("{}\n", dead_pid())).unwrap();
    assert_eq!(applet(&["-r", "0", "a"]), Some(4), "without -p no pid counts");
    assert_eq!(applet(&["-p", "-r", "0", "a"]), Some(0));
}

#[test]
fn lockfile_does_what_procmails_does() {
    let lines: [&[&str]; 14] = [
        &["-r", "0", "a"],
        &["-r0", "a"],
        &["-r", "0", "-!", "a"],
        &["-!", "-r", "0", "a"],
        &["-r", "0", "b", "a"],
        &["-r0", "b", "c", "a"],
        &["-1", "-r", "1", "a"],
        &["-r", "0", "-l", "5", "-s", "0", "a"],
        &["-r", "0", "nodir/a"],
        &["-!", "-r", "0", "nodir/a"],
        &["-r", "x", "a"],
        &["-l"],
        &["-Z"],
        &[],
    ];
    let situations: [Situation<'_>; 3] = [
        ("free", &|_| {}),
        ("held", &|dir| fs::write(dir.join("a"), "0").unwrap()),
        ("old", &|dir| old(&dir.join("a"), "0", 600)),
    ];
    compare("/usr/bin/lockfile", "lockfile", &lines, &situations, &[]);
}

/// A process that has the lock.
struct Holder(Child);

impl Holder {
    fn new(program: &Path, name: &str, args: &[&str]) -> Holder {
        let mut child = Command::new(program)
            .arg0(name)
            .args(args)
            .args(["sh", "-c", "echo; read line || :"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn setlock_does_what_daemontools_does() {
    let lines: [&[&str]; 12] = [
        &["a", "true"],
        &["-n", "a", "sh", "-c", "exit 7"],
        &["-nx", "a", "echo", "hi"],
        &["-nX", "a", "true"],
        &["-xX", "nodir/a", "true"],
        &["-x", "nodir/a", "true"],
        &["nodir/a", "true"],
        &["a"],
        &[],
        &["-q", "a", "true"],
        &["-n", "a", "/nonexistent"],
        &["-x", "a", "/nonexistent"],
    ];
    let situations: [Situation<'_>; 2] =
        [("free", &|_| {}), ("there already", &|dir| fs::write(dir.join("a"), "text").unwrap())];
    compare("/usr/bin/setlock", "setlock", &lines, &situations, &[]);
    // Held by the other's program, both ways.
    let scratch = Scratch::new("setlock-held");
    let path = scratch.path("a");
    for (holder, other) in
        [("/usr/bin/setlock".as_ref(), lockbox()), (lockbox(), "/usr/bin/setlock".as_ref())]
    {
        let _holder = Holder::new(holder, "setlock", &[&path]);
        for (flags, status) in [("-n", 111), ("-nx", 0)] {
            let ended = Command::new(other)
                .arg0("setlock")
                .args([flags, &path, "echo", "never"])
                .stderr(Stdio::null())
                .output()
                .unwrap();
            assert_eq!((ended.status.code(), ended.stdout.len()), (Some(status), 0), "{flags}");
        }
    }
}

#[test]
fn mail_programs_respect_each_others_locks() {
    let scratch = Scratch::new("mail-peers");
    let run = |program: &Path, name: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.arg0(name).args(args).current_dir(&scratch.0).stderr(Stdio::null());
        command.status().unwrap().code()
    };
    let dotlockfile = Path::new("/usr/bin/dotlockfile");
    let lockfile = Path::new("/usr/bin/lockfile");
    for (one, other) in [(dotlockfile, lockbox()), (lockbox(), dotlockfile)] {
        assert_eq!(run(one, "dotlockfile", &["-p", "-r", "0", "a"]), Some(0));
        assert_eq!(run(other, "dotlockfile", &["-p", "-r", "0", "a"]), Some(4));
        assert_eq!(run(other, "dotlockfile", &["-u", "a"]), Some(0));
    }
    for (one, other) in [(lockfile, lockbox()), (lockbox(), lockfile)] {
        assert_eq!(run(one, "lockfile", &["-r", "0", "b"]), Some(0));
        assert_eq!(run(other, "lockfile", &["-r", "0", "b"]), Some(73));
        fs::remove_file(scratch.0.join("b")).unwrap();
    }
}

/// BSD's manual, sentence by sentence.
#[test]
fn lockf_does_what_its_manual_says() {
    let scratch = Scratch::new("lockf");
    let run = |args: &[&str]| {
        let output = Command::new(lockbox())
            .arg0("lockf")
            .args(args)
            .current_dir(&scratch.0)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), !output.stderr.is_empty())
    };
    let exists = |name: &str| scratch.0.join(name).exists();
    assert_eq!(run(&["a", "sh", "-c", "test -e a && exit 3"]), (Some(3), false), "its status");
    assert!(!exists("a"), "the file is removed");
    assert_eq!(run(&["-k", "a", "true"]), (Some(0), false));
    assert!(exists("a"), "-k: it is kept");
    assert_eq!(run(&["-n", "b", "true"]), (Some(69), true), "-n: it must be there");
    assert_eq!(run(&["-n", "-k", "a", "true"]), (Some(0), false));
    assert_eq!(run(&["a", "sh", "-c", "kill -9 $$"]), (Some(70), false), "a signal");
    assert_eq!(run(&["nodir/a", "true"]), (Some(73), true), "cannot be opened");
    assert_eq!(run(&["-s", "nodir/a", "true"]), (Some(73), false), "-s: silent");
    for usage in [&[][..], &["-t", "x", "a", "true"], &["-Z"], &["not a number"]] {
        assert_eq!(run(usage), (Some(64), true), "{usage:?}");
    }
    let path = scratch.path("held");
    let holder = Holder::new(lockbox(), "lockf", &[&path]);
    assert_eq!(run(&["-t", "0", "held", "true"]), (Some(75), true), "held");
    assert_eq!(run(&["-s", "-t", "0", "held", "true"]), (Some(75), false));
    assert_eq!(run(&["-s", "-t", "1", "held", "true"]), (Some(75), false));
    drop(holder);
    assert_eq!(run(&["-t", "0", "held", "true"]), (Some(0), false));
    // A descriptor of the shell's, locked for as long as the shell has it.
    let script = "exec 9> fd; \"$0\" lockf -t 0 9 && flock -n fd true; echo $?";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(lockbox())
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1\n");
}
