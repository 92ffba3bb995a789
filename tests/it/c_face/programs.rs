//! Running C programs and lockbox, to their ends or as holders.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use lock_tests::lockbox::lockbox;

pub(crate) const KINDS: [&str; 8] =
    ["file", "flock", "lockf", "ofd", "nfs", "symlink", "mkdir", "pidfile"];

/// Numbers of `enum lockbox_code`.
pub(crate) const OK: i32 = 0;
pub(crate) const HELD: i32 = 1;
pub(crate) const CANCELLED: i32 = 3;
pub(crate) const LOST: i32 = 4;
pub(crate) const NO_LOCK: i32 = 5;
pub(crate) const MISSING: i32 = 8;
pub(crate) const NOT_A_LOCK: i32 = 11;
pub(crate) const TOO_LONG: i32 = 12;

pub(crate) fn path(scratch: &Path, name: &str) -> String {
    scratch.join(name).to_str().unwrap().to_owned()
}

/// An empty directory of this test's own.
pub(crate) fn scratch(test: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("c-face-{test}"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Runs a C program to its end, without input; its status and what it said.
pub(crate) fn run(program: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Runs lockbox; its status and what it said.
pub(crate) fn tool(args: &[&str]) -> (i32, String) {
    run(lockbox(), args)
}

/// Whether lockbox can have the lock now.
pub(crate) fn tool_can_have(kind: &str, path: &str, options: &[&str]) -> bool {
    let args = [&["run", "-n", "-k", kind], options, &[path, "true"]].concat();
    match tool(&args).0 {
        0 => true,
        75 => false,
        status => panic!("lockbox: {status}"),
    }
}

/// A program that holds a lock until its input ends.
pub(crate) struct Holder {
    pub(crate) child: Child,
    pub(crate) said: BufReader<ChildStdout>,
}

impl Holder {
    pub(crate) fn spawn(program: &Path, args: &[&str]) -> Holder {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Holder { child, said }
    }

    /// A C program that has taken the lock.
    pub(crate) fn take(program: &Path, kind: &str, path: &str, options: &[&str]) -> Holder {
        let mut holder = Holder::spawn(program, &[&["take", kind, path], options].concat());
        assert_eq!(holder.line(), "0 0 done", "{kind}");
        holder
    }

    /// lockbox that has taken the lock.
    pub(crate) fn tool(kind: &str, path: &str, options: &[&str]) -> Holder {
        let script = ["--", "sh", "-c", "echo held; cat"];
        let args = [&["run", "-k", kind], options, &[path], &script].concat();
        let mut holder = Holder::spawn(lockbox(), &args);
        assert_eq!(holder.line(), "held", "{kind}");
        holder
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lets the program do what the letter says, and answers what it says.
    pub(crate) fn tell(&mut self, letter: &str) -> String {
        self.child.stdin.as_mut().unwrap().write_all(letter.as_bytes()).unwrap();
        self.line()
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Ends the input, and waits for the end.
    pub(crate) fn finish(mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.child.wait().unwrap()
    }

    pub(crate) fn release(self) {
        assert_eq!(self.finish().code(), Some(0));
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
