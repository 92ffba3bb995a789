//! What a program costs in exact counts: system calls, instructions, page faults.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

/// A program with its arguments, to be run again and again.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [String],
    /// Its locale.
    pub locale: &'a str,
}

impl<'a> Run<'a> {
    /// In the plain locale.
    pub fn new(program: &'a Path, args: &'a [String]) -> Run<'a> {
        Run { program, args, locale: "C" }
    }

    /// The program itself.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.args).env("LC_ALL", self.locale).stdout(Stdio::null());
        command
    }

    /// Runs it.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn run(&self) {
        let status = self.command().status();
        assert!(status.is_ok_and(|status| status.success()), "{}", self.program.display());
    }

    /// The instructions that it and all that it starts execute in user space, by callgrind. What a
    /// process executes before it executes something else instead of itself is lost.
    ///
    /// # Panics
    ///
    /// If valgrind or the program fails.
    pub fn instructions(&self) -> u64 {
        let valgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
        let mut command = self.under("valgrind", &valgrind);
        let output = command.arg("--trace-children=yes").arg(self.program).args(self.args).output();
        let output = output.expect("valgrind is installed");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {text}", self.program.display());
        let counts =
            text.lines().filter_map(|line| line.split_once("Collected : ")?.1.parse::<u64>().ok());
        counts.sum::<u64>()
    }

    /// The system calls of the whole tree of processes, by strace; the first `execve` is left out.
    ///
    /// # Panics
    ///
    /// If strace or the program fails.
    pub fn calls(&self, log: &Path) -> usize {
        let mut command = self.under("strace", &["-f", "-qqq", "-o"]);
        let status = command.arg(log).arg(self.program).args(self.args).status();
        assert!(status.expect("strace is installed").success(), "{}", self.program.display());
        let text = std::fs::read_to_string(log).expect("a log");
        let _ = std::fs::remove_file(log);
        // A call that others interrupt has a second line.
        text.lines().filter(|line| line.contains('(') && !line.contains("resumed>")).count() - 1
    }

    /// The page faults of the tree of processes that needed no disk.
    ///
    /// # Panics
    ///
    /// If the program fails.
    pub fn faults(&self) -> i64 {
        let faults =
            || getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is known").minor_page_faults();
        let before = faults();
        self.run();
        faults() - before
    }

    fn under(&self, tool: &str, args: &[&str]) -> Command {
        let mut command = Command::new(tool);
        command.args(args).env("LC_ALL", self.locale).stdout(Stdio::null());
        command
    }
}
