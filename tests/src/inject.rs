//! Runs a program and makes one of its system calls go wrong: fails it, cuts it short, loses its
//! answer, or kills the program just before or after. By tracing, so on the program as it ships.
//!
//! Only the program itself is traced, not what it forks. x86-64 only.

use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::syscalls::name;

/// What goes wrong with a system call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mishap {
    /// It is not made, and fails with this error.
    Fails(Errno),
    /// It is made, and then said to have failed with this error, as when a file server repeats a
    /// request whose answer was lost.
    Lies(Errno),
    /// It reads or writes half of what it was asked for.
    IsShort,
    /// The program is killed instead of making it.
    KilledBefore,
    /// The program is killed when it has made it.
    KilledAfter,
}

/// How a program ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Its exit status; `None` if a signal killed it.
    pub status: Option<i32>,
    /// What it wrote to standard error.
    pub error: String,
    /// The names of the system calls it made, in order.
    pub calls: Vec<String>,
}

impl fmt::Display for Mishap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mishap::Fails(errno) => write!(out, "fails with {errno:?}"),
            Mishap::Lies(errno) => write!(out, "is made but reports {errno:?}"),
            Mishap::IsShort => out.write_str("is cut short"),
            Mishap::KilledBefore => out.write_str("is never made: killed"),
            Mishap::KilledAfter => out.write_str("is the last: killed"),
        }
    }
}

/// No command makes as many system calls; one that does is in a loop.
const CALLS_MAX: usize = 20_000;

/// A call of a program, by name: the first is number 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Nth<'a>(pub &'a str, pub usize);

/// Runs a program to its end, and everything that it started and that has its standard error; makes
/// one of its calls go wrong.
///
/// # Panics
///
/// If the program cannot be started or traced, or does not end.
#[allow(clippy::zombie_processes, reason = "the tracer waits for it")]
pub fn run(mut command: Command, mishap: Option<(Nth<'_>, Mishap)>) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // SAFETY: between fork and exec only one system call is made.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let mut child = command.spawn().expect("the program starts");
    // Else this process would keep the pipe's writing end open.
    drop(command);
    let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
    assert!(matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(_, Signal::SIGTRAP))));
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).expect("it can be traced");
    let mut calls = Vec::new();
    let status = follow(pid, mishap, &mut calls);
    let mut error = String::new();
    let mut pipe = child.stderr.take().expect("a pipe");
    pipe.read_to_string(&mut error).expect("text");
    Ended { status, error, calls }
}

fn follow(pid: Pid, mishap: Option<(Nth<'_>, Mishap)>, calls: &mut Vec<String>) -> Option<i32> {
    let mut inside = false;
    let mut signal = None;
    let mut still_right = mishap.map_or(0, |(Nth(_, at), _)| at);
    let mut now = None;
    loop {
        match ptrace::syscall(pid, signal.take()) {
            // It was killed: there is only its end to be seen.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => panic!("it does not go on: {errno}"),
        }
        match waitpid(pid, None).expect("it stops or ends") {
            WaitStatus::PtraceSyscall(_) => {
                if !inside {
                    let call = name(ptrace::getregs(pid).expect("its registers").orig_rax);
                    assert!(calls.len() < CALLS_MAX, "it makes calls without end");
                    now = None;
                    if let Some((_, mishap)) = mishap.filter(|(Nth(name, _), _)| *name == call) {
                        now = (still_right == 0).then_some(mishap);
                        still_right = still_right.wrapping_sub(1);
                    }
                    calls.push(call);
                }
                if inside {
                    leave(pid, now);
                } else {
                    enter(pid, now);
                }
                inside = !inside;
            }
            WaitStatus::Stopped(_, stopped) => signal = Some(stopped),
            WaitStatus::Exited(_, status) => return Some(status),
            WaitStatus::Signaled(..) => return None,
            status => panic!("unexpected: {status:?}"),
        }
    }
}

/// The program is about to make a call.
fn enter(pid: Pid, mishap: Option<Mishap>) {
    let mut registers = ptrace::getregs(pid).expect("its registers");
    match mishap {
        // No call has this number.
        Some(Mishap::Fails(_)) => registers.orig_rax = u64::MAX,
        Some(Mishap::IsShort) => registers.rdx = registers.rdx.div_ceil(2),
        Some(Mishap::KilledBefore) => {
            kill(pid, Signal::SIGKILL).expect("it can be killed");
            return;
        }
        _ => return,
    }
    ptrace::setregs(pid, registers).expect("its registers can be set");
}

/// The program has made a call.
fn leave(pid: Pid, mishap: Option<Mishap>) {
    match mishap {
        Some(Mishap::Fails(errno) | Mishap::Lies(errno)) => {
            let mut registers = ptrace::getregs(pid).expect("its registers");
            registers.rax = u64::from((errno as i32).unsigned_abs()).wrapping_neg();
            ptrace::setregs(pid, registers).expect("its registers can be set");
        }
        Some(Mishap::KilledAfter) => kill(pid, Signal::SIGKILL).expect("it can be killed"),
        _ => {}
    }
}
