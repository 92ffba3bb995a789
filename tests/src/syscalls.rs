//! Counts a child's system calls by tracing it: exact, and without any tool.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

const FCNTL: u64 = 72;
const F_GETFD: u64 = 1;

/// The numbers of the system calls that a program makes, in order, its own `execve` left out.
///
/// # Panics
///
/// If the program cannot be started or traced, or ends other than with status 0.
pub fn trace<A: AsRef<OsStr>>(program: &Path, args: &[A]) -> Vec<u64> {
    let mut calls = Vec::new();
    trace_each(program, args, &mut |call, _| calls.push(call));
    calls
}

/// Shows each of these calls with its second argument before it is made, which it is when `see`
/// returns.
///
/// # Panics
///
/// As [`trace`].
pub fn trace_each<A: AsRef<OsStr>>(program: &Path, args: &[A], see: &mut dyn FnMut(u64, u64)) {
    let pid = start_traced(program, args);
    let mut entering = true;
    loop {
        ptrace::syscall(pid, None).expect("it goes on");
        match waitpid(pid, None).expect("it stops or ends") {
            WaitStatus::PtraceSyscall(_) => {
                if let (true, Some((call, second))) = (entering, counted(pid)) {
                    see(call, second);
                }
                entering = !entering;
            }
            WaitStatus::Exited(_, 0) => return,
            status => panic!("{} ended with {status:?}", program.display()),
        }
    }
}

/// The numbers of the system calls between the first and the second breakpoint that a program comes
/// to, the third and the fourth, and so on.
///
/// # Panics
///
/// As [`trace`], or if it comes to an odd number of them.
pub fn between_breakpoints<A: AsRef<OsStr>>(program: &Path, args: &[A]) -> Vec<Vec<u64>> {
    let pid = start_traced(program, args);
    let (mut stretches, mut inside, mut entering) = (Vec::<Vec<u64>>::new(), false, true);
    loop {
        if inside { ptrace::syscall(pid, None) } else { ptrace::cont(pid, None) }
            .expect("it goes on");
        match waitpid(pid, None).expect("it stops or ends") {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                inside = !inside;
                if inside {
                    stretches.push(Vec::new());
                }
            }
            WaitStatus::PtraceSyscall(_) => {
                if let (true, Some(calls)) = (entering, stretches.last_mut()) {
                    calls.extend(counted(pid).map(|(call, _)| call));
                }
                entering = !entering;
            }
            WaitStatus::Exited(_, 0) if !inside => return stretches,
            status => panic!("{} ended with {status:?}", program.display()),
        }
    }
}

/// The system call that the process is about to make, and its second argument, unless only a build
/// without optimisation makes it: std then asks before each close whether the descriptor is open.
fn counted(pid: Pid) -> Option<(u64, u64)> {
    let registers = ptrace::getregs(pid).expect("its registers");
    let call = registers.orig_rax;
    let traced = (call, registers.rsi);
    (traced != (FCNTL, F_GETFD)).then_some(traced)
}

/// Starts a program, which stops before its first instruction.
#[allow(clippy::zombie_processes, reason = "the tracer waits for it")]
fn start_traced<A: AsRef<OsStr>>(program: &Path, args: &[A]) -> Pid {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null());
    // SAFETY: between fork and exec only one system call is made.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let child = command.spawn().expect("the program starts");
    let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
    assert!(matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(_, Signal::SIGTRAP))));
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).expect("it can be traced");
    pid
}

/// The names of system calls on x86-64, as far as locks make them.
pub fn name(call: u64) -> String {
    let name = match call {
        0 => "read",
        1 => "write",
        3 => "close",
        7 | 271 => "poll",
        13 => "rt_sigaction",
        14 => "rt_sigprocmask",
        16 => "ioctl",
        38 => "setitimer",
        56 => "clone",
        61 => "wait4",
        62 => "kill",
        63 => "uname",
        110 => "getppid",
        128 => "rt_sigtimedwait",
        202 => "futex",
        217 => "getdents",
        228 => "clock_gettime",
        231 => "exit_group",
        280 => "utimensat",
        4 | 262 => "stat",
        5 => "fstat",
        17 => "pread",
        18 => "pwrite",
        39 => "getpid",
        72 => "fcntl",
        73 => "flock",
        77 => "ftruncate",
        83 | 258 => "mkdir",
        254 => "inotify_add_watch",
        255 => "inotify_rm_watch",
        257 => "open",
        263 => "unlink",
        264 => "rename",
        265 => "link",
        266 => "symlink",
        267 => "readlink",
        316 => "renameat2",
        318 => "getrandom",
        138 => "fstatfs",
        332 => "statx",
        434 => "pidfd_open",
        457 => "statmount",
        _ => return call.to_string(),
    };
    name.to_string()
}
