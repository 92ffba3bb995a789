//! What a program costs in exact counts: system calls, instructions, page faults.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

/// The instructions that a program and the processes it forks execute in user space, by callgrind;
/// what they execute instead of themselves is not counted.
///
/// # Panics
///
/// If valgrind or the program fails.
pub fn instructions<A: AsRef<OsStr>>(program: &Path, args: &[A]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(args)
        .output()
        .expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", program.display());
    let counts =
        text.lines().filter_map(|line| line.split_once("Collected : ")?.1.parse::<u64>().ok());
    counts.sum::<u64>()
}

/// The system calls of a whole tree of processes, by strace; the first `execve` is left out.
///
/// # Panics
///
/// If strace or the program fails.
pub fn calls_of_tree<A: AsRef<OsStr>>(program: &Path, args: &[A], log: &Path) -> usize {
    let status = Command::new("strace")
        .args(["-f", "-qqq", "-o"])
        .arg(log)
        .arg(program)
        .args(args)
        .stdout(Stdio::null())
        .status()
        .expect("strace is installed");
    assert!(status.success(), "{}", program.display());
    let text = std::fs::read_to_string(log).expect("a log");
    let _ = std::fs::remove_file(log);
    // A call that others interrupt has a second line.
    text.lines().filter(|line| line.contains('(') && !line.contains("resumed>")).count() - 1
}

/// The page faults of a tree of processes that needed no disk.
///
/// # Panics
///
/// If the program fails.
pub fn faults_of_tree<A: AsRef<OsStr>>(program: &Path, args: &[A]) -> i64 {
    let faults = || getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is known").minor_page_faults();
    let before = faults();
    let status = Command::new(program).args(args).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{}", program.display());
    faults() - before
}
