//! How deep a program's stack goes: the stack is painted before the program's first instruction,
//! and looked at when a process ends or becomes another program. What is reserved but not written
//! to, as the rest of a buffer, leaves the paint; so the stack pointer is looked at too, at each
//! system call, where it is lowest.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Below where it starts, the kernel gives a program 128 KiB at once.
const PAINTED: u64 = 112 * 1024;
const PAINT: u8 = 0xA5;
const RT_SIGRETURN: u64 = 15;
const EXECVE: u64 = 59;
const EXIT_GROUP: u64 = 231;

/// Runs a program to its end, and its children until they become other programs; answers the most
/// stack that one of them took, in bytes, without what the kernel put there for signals.
///
/// # Panics
///
/// If it does not start, cannot be traced, or takes more than is painted.
pub fn stack_of(command: &mut Command) -> u64 {
    // SAFETY: between fork and exec only one system call is made.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    #[allow(clippy::zombie_processes, reason = "the tracer waits for it")]
    let child = command.spawn().expect("the program starts");
    let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
    assert!(matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(_, Signal::SIGTRAP))));
    let top = ptrace::getregs(pid).expect("its registers").rsp;
    paint(pid, top - PAINTED, top);
    let watched = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(pid, watched).expect("it can be traced");
    let most = follow(pid, top);
    assert!(most < PAINTED, "{command:?} takes more than {PAINTED} bytes of stack");
    most
}

fn follow(first: Pid, top: u64) -> u64 {
    let (mut most, mut living) = (0, 1);
    let (mut signal, mut returning) = (None, None);
    ptrace::syscall(first, None).expect("it goes on");
    while living > 0 {
        // Children of this thread only: other tests have theirs.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let status = waitpid(None, Some(flags)).expect("one stops or ends");
        match status {
            WaitStatus::PtraceSyscall(pid) => {
                let registers = ptrace::getregs(pid).expect("its registers");
                if returning.take() == Some(pid) {
                    // What a signal's handler left is below what it interrupted.
                    paint(pid, top - PAINTED, registers.rsp - 128);
                } else if registers.orig_rax == RT_SIGRETURN {
                    returning = Some(pid);
                } else if (top - PAINTED..top).contains(&registers.rsp) {
                    most = most.max(top - registers.rsp);
                }
                if matches!(registers.orig_rax, EXECVE | EXIT_GROUP) {
                    most = most.max(taken(pid, top));
                }
            }
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => {
                ptrace::detach(pid, None).expect("it can be let go");
                if pid == first {
                    waitpid(pid, None).expect("a child of this process");
                }
                living -= 1;
                continue;
            }
            WaitStatus::PtraceEvent(..) => living += 1,
            // A new child's first stop.
            WaitStatus::Stopped(_, Signal::SIGSTOP) => {}
            WaitStatus::Stopped(pid, stopped) => {
                most = most.max(taken(pid, top));
                signal = Some(stopped);
            }
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                living -= 1;
                continue;
            }
            status => panic!("unexpected: {status:?}"),
        }
        let pid = status.pid().expect("a pid");
        // One that was killed meanwhile is told of by the next wait.
        let _ = ptrace::syscall(pid, signal.take());
    }
    most
}

fn paint(pid: Pid, from: u64, to: u64) {
    let memory = File::options().write(true).open(format!("/proc/{pid}/mem")).expect("its memory");
    let paint = vec![PAINT; usize::try_from(to - from).expect("some kilobytes")];
    memory.write_all_at(&paint, from).expect("the stack is there");
}

/// How far below `top` the paint is gone.
fn taken(pid: Pid, top: u64) -> u64 {
    let mut stack = vec![0; usize::try_from(PAINTED).expect("some kilobytes")];
    let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory");
    if memory.read_exact_at(&mut stack, top - PAINTED).is_err() {
        // Another program already.
        return 0;
    }
    let untouched = stack.iter().take_while(|&&byte| byte == PAINT).count();
    PAINTED - u64::try_from(untouched).expect("no more than was read")
}
