//! Instructions of a whole tree of processes, by single steps: slower than an emulator, and exact
//! also for what a process does before it executes something else.

use std::os::unix::process::CommandExt;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::counts::Run;

/// How many instructions the program and all that it starts execute in user space, from its first.
///
/// # Panics
///
/// If the program cannot be traced, or fails.
pub fn instructions(run: &Run<'_>) -> u64 {
    each(run, &mut |_| {})
}

/// The same, and how many of them are system calls.
///
/// # Panics
///
/// If the program cannot be traced, or fails.
#[cfg(target_arch = "x86_64")]
pub fn instructions_and_calls(run: &Run<'_>) -> (u64, u64) {
    const SYSCALL: i64 = 0x050F;
    let mut calls = 0;
    let mut see = |pid| {
        let next = ptrace::getregs(pid).ok().map(|registers| registers.rip);
        let code = next.and_then(|at| ptrace::read(pid, at as ptrace::AddressType).ok());
        calls += u64::from(code.is_some_and(|code| code & 0xFFFF == SYSCALL));
    };
    (each(run, &mut see), calls)
}

/// Shows each process before each of its steps; answers how many there were.
#[allow(clippy::zombie_processes, reason = "the tracer waits for it")]
#[allow(unsafe_code)]
fn each(run: &Run<'_>, see: &mut dyn FnMut(Pid)) -> u64 {
    let mut command = run.command();
    // SAFETY: between fork and exec only one system call is made.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let child = command.spawn().expect("the program starts");
    let first = Pid::from_raw(child.id().try_into().expect("a pid"));
    assert!(matches!(waitpid(first, None), Ok(WaitStatus::Stopped(_, Signal::SIGTRAP))));
    let options = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(first, options).expect("it can be traced");
    see(first);
    ptrace::step(first, None).expect("it goes on");
    let (mut steps, mut failed) = (0, None);
    loop {
        // Children of this thread only: other tests have theirs.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let stopped = waitpid(None, Some(flags));
        let (pid, signal) = match stopped {
            Ok(WaitStatus::Stopped(pid, Signal::SIGTRAP)) => {
                steps += 1;
                (pid, None)
            }
            // A new process is stopped at first.
            Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP) | WaitStatus::PtraceEvent(pid, ..)) => {
                (pid, None)
            }
            Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
            Ok(WaitStatus::Exited(pid, status)) => {
                failed = failed.or((pid == first && status != 0).then_some(status));
                continue;
            }
            Ok(_) => continue,
            // None is left.
            Err(_) => break,
        };
        see(pid);
        // It may be gone meanwhile.
        let _ = ptrace::step(pid, signal);
    }
    assert_eq!(failed, None, "{}", run.program.display());
    steps
}
