//! What the tests with processes share: children that play a part, and hear and say by pipes when.
//!
//! A child is this test program again, told by its environment to run the test `role` only. It says
//! something by a line on its standard error, and waits for orders on its standard input.
// Every test program uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use core::sync::atomic::{AtomicU32, Ordering};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use lock_std::{Kind, Lock, LockError};
use nix::errno::Errno;
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

const ROLE: &str = "LOCK_STD_ROLE";
const PATH: &str = "LOCK_STD_PATH";

pub const KINDS: [Kind; 4] = [Kind::File, Kind::Flock, Kind::Lockf, Kind::Ofd];

/// One test at a time: a child that another thread is just starting has copies of our locked
/// descriptors until its exec.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory of the test's own.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Where every user can get at it.
    pub fn new(test: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("lock-std-{test}-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        Scratch(dir)
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    pub fn path(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub fn lock(&self, kind: Kind) -> Lock {
        Lock::at(self.path()).kind(kind)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A child that plays a part. Dropped, it is killed.
pub struct Actor {
    process: Child,
    says: BufReader<ChildStderr>,
    orders: Option<ChildStdin>,
}

impl Actor {
    /// Starts a child to play `role` with the lock at `path`.
    pub fn start(role: &str, path: &Path) -> Actor {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "role", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(PATH, path)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(process.stderr.take().unwrap());
        let orders = process.stdin.take();
        Actor { process, says, orders }
    }

    /// What the child says next.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    #[track_caller]
    pub fn expect(&mut self, word: &str) {
        assert_eq!(self.hear(), word);
    }

    /// Tells the child to go on.
    pub fn order(&mut self) {
        self.orders.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Lets the child run to its end; answers how it ended, and what it said until then.
    pub fn end(mut self) -> (ExitStatus, String) {
        drop(self.orders.take());
        let mut rest = String::new();
        self.says.read_to_string(&mut rest).unwrap();
        (self.process.wait().unwrap(), rest)
    }

    /// Lets the child run to an end that must be a good one.
    #[track_caller]
    pub fn end_well(self) {
        let (status, rest) = self.end();
        assert!(status.success(), "{status}: {rest}");
    }

    /// Waits until the child has ended by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Kills the child and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the child: its part and its lock.
pub fn role() -> (String, PathBuf) {
    let var = |name| std::env::var_os(name).expect("a part of the other tests, not one by itself");
    (var(ROLE).into_string().unwrap(), var(PATH).into())
}

/// In the child: says something to the parent.
pub fn say(word: &str) {
    // One write, so that two children's lines do not mix.
    std::io::stderr().write_all(format!("{word}\n").as_bytes()).unwrap();
}

/// In the child: waits for an order; answers whether there will be more.
pub fn await_order() -> bool {
    let mut byte = [0];
    std::io::stdin().read(&mut byte).unwrap() > 0
}

/// In the child: the kind that a part is about, as in `hold flock`.
pub fn kind_of(role: &str) -> Kind {
    let name = role.rsplit(' ').next().unwrap();
    Kind::from_name(name.as_bytes()).unwrap()
}

/// In the child: holds the lock until it is told to stop.
pub fn hold(lock: &Lock) {
    let guard = lock.try_lock().unwrap();
    say("held");
    await_order();
    guard.unlock().unwrap();
}

/// In the child: tries the lock at every order, and says how that went.
pub fn try_again_and_again(lock: &Lock) {
    while await_order() {
        // The guard is gone before the word is out.
        let word = match lock.try_lock() {
            Ok(_) => "free",
            Err(LockError::Held { .. }) => "held",
            Err(_) => "wrong",
        };
        say(word);
    }
}

/// In a child that runs one test: forks. Answers the forked child's pid, and in the child nothing.
#[allow(unsafe_code)]
pub fn fork() -> Option<Pid> {
    // SAFETY: the test runs on this thread alone; no other holds a lock that the child could miss.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => Some(child),
        ForkResult::Child => None,
    }
}

/// Waits for a forked child that must end well.
pub fn reap(child: Pid) {
    let status = waitpid(child, None).unwrap();
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}

/// Ends this process, and nothing else: no unwinding, no handlers.
#[allow(unsafe_code)]
pub fn exit_at_once(well: bool) -> ! {
    // SAFETY: does not return, and touches nothing.
    unsafe { nix::libc::_exit(i32::from(!well)) }
}

/// Waits until the kernel has somebody in its queue for a lock on the file.
pub fn until_queued(path: &Path) {
    let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let queued = |line: &str| line.contains("-> ") && line.contains(&inode);
    while !std::fs::read_to_string("/proc/locks").unwrap().lines().any(queued) {
        thread::yield_now();
    }
}

/// Runs `wait` in a thread, and meanwhile sends that thread a signal, which is handled without
/// restarting system calls, until it has handled so many or the wait is over; then runs `release`.
#[allow(unsafe_code)]
pub fn with_signals<T: Send>(
    times: u32,
    wait: impl FnOnce() -> T + Send,
    release: impl FnOnce(),
) -> T {
    static HANDLED: AtomicU32 = AtomicU32::new(0);
    extern "C" fn handler(_: i32) {
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }
    let handler = SigHandler::Handler(handler);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: all that the handler does is an atomic addition.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let before = HANDLED.load(Ordering::Relaxed);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            tell.send(pthread_self()).unwrap();
            wait()
        });
        let thread = told.recv().unwrap();
        while !waiter.is_finished() && HANDLED.load(Ordering::Relaxed) - before < times {
            // Again: one that comes before the system call is lost on it.
            pthread_kill(thread, Signal::SIGUSR1).unwrap();
            thread::yield_now();
        }
        release();
        waiter.join().unwrap()
    })
}

/// Runs with one system call, by its number, failing for this thread of the program.
pub fn with_failing<T: Send>(call: i64, errno: Errno, run: impl FnOnce() -> T + Send) -> T {
    let action = SeccompAction::Errno((errno as i32).unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().expect("an architecture with filters");
    let rules = [(call, Vec::new())].into_iter().collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            apply_filter(&program).unwrap();
            run()
        });
        thread.join().unwrap()
    })
}
