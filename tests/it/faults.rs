//! Every system call of every command and kind, going wrong in every way that fits it.
//!
//! After each: no second holder while the first is there, an error that names the errno, nothing
//! left that the next command does not clean up, and the next process gets the lock without help.
//! Prints the matrix.
#![cfg(target_arch = "x86_64")]

use core::cell::RefCell;
use core::fmt::Write;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lock_tests::inject::{Ended, Mishap, Nth, run};
use lock_tests::lockbox::lockbox;
use nix::errno::Errno;

const KERNEL: [&str; 4] = ["file", "flock", "lockf", "ofd"];
const EXISTENCE: [&str; 4] = ["nfs", "symlink", "mkdir", "pidfile"];

/// Exit statuses of lockbox itself that are neither success nor a refusal.
const FAILURES: [i32; 8] = [1, 4, 66, 71, 73, 74, 77, 126];
/// Held by another, or not ours.
const REFUSED: i32 = 75;

/// What is done with a lock, and what the world is like before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operation {
    /// `run` on a free lock; the command under it tries for the same lock.
    Run,
    /// The same where a process that is gone left its lock.
    RunOverStale,
    /// `run -w` on a lock that another process holds.
    Wait,
    /// The same, and the other gives it back meanwhile.
    HandOver,
    /// `run --refresh`, every millisecond.
    RunRefreshing,
    Acquire,
    Release,
    Touch,
    Status,
    Break,
    BreakByForce,
}

const ALWAYS: [Operation; 4] =
    [Operation::Run, Operation::Wait, Operation::HandOver, Operation::Status];
const OF_EXISTENCE: [Operation; 7] = [
    Operation::RunRefreshing,
    Operation::RunOverStale,
    Operation::Acquire,
    Operation::Release,
    Operation::Touch,
    Operation::Break,
    Operation::BreakByForce,
];

/// A directory and a living process to lock for.
struct World {
    dir: PathBuf,
    kind: &'static str,
    living: Child,
    /// Who holds the lock for some milliseconds, and has the marker while he does.
    before: RefCell<Option<Child>>,
}

impl World {
    fn new(kind: &'static str, operation: Operation) -> World {
        let name = format!("lock-faults-{kind}-{operation:?}-{}", std::process::id());
        let dir = Path::new("/dev/shm").join(name);
        fs::create_dir_all(&dir).unwrap();
        let living = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        World { dir, kind, living, before: RefCell::new(None) }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    fn tool(&self, command: &str, options: &[&str]) -> Command {
        let mut tool = Command::new(lockbox());
        tool.args([command, "-k", self.kind]).args(options).arg(self.path());
        tool
    }

    fn status(&self, command: &str, options: &[&str]) -> Option<i32> {
        self.tool(command, options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .code()
    }

    fn acquire(&self, pid: u32) {
        assert_eq!(self.status("acquire", &["-n", "--pid", &pid.to_string()]), Some(0));
    }

    /// Leaves the lock of a process that is gone.
    fn make_stale(&self) {
        let mut ended = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        self.acquire(ended.id());
        drop(ended.stdin.take());
        ended.wait().unwrap();
    }

    fn marker(&self) -> PathBuf {
        self.dir.with_extension("marker")
    }

    /// Somebody takes the lock, and will give it back soon.
    fn have_a_holder(&self) {
        let mut holder = self.tool("run", &["-n"]);
        let script = "touch \"$0\"; echo; sleep 0.004; rm \"$0\"";
        holder.args(["--", "sh", "-c", script]).arg(self.marker());
        let mut holder = holder.stdout(Stdio::piped()).spawn().unwrap();
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        *self.before.borrow_mut() = Some(holder);
    }

    fn wait_for_the_holder(&self) {
        if let Some(mut holder) = self.before.borrow_mut().take() {
            assert!(holder.wait().unwrap().success());
        }
    }

    fn empty(&self) {
        self.wait_for_the_holder();
        fs::remove_dir_all(&self.dir).unwrap();
        fs::create_dir(&self.dir).unwrap();
    }

    /// Makes the world as the operation finds it, and the command line.
    fn prepare(&self, operation: Operation) -> Command {
        self.empty();
        let living = self.living.id().to_string();
        match operation {
            Operation::RunOverStale | Operation::Break => self.make_stale(),
            Operation::Release | Operation::Touch | Operation::BreakByForce | Operation::Status
                if EXISTENCE.contains(&self.kind) =>
            {
                self.acquire(self.living.id());
            }
            _ => {}
        }
        match operation {
            Operation::Run | Operation::RunOverStale => {
                let mut outer = self.tool("run", &["-n"]);
                outer.arg(lockbox()).args(["run", "-n", "-k", self.kind]).arg(self.path());
                outer.arg("true");
                outer
            }
            Operation::Wait => {
                let mut waiter = self.tool("run", &["-w", "0.002"]);
                waiter.arg("true");
                waiter
            }
            Operation::HandOver => {
                self.have_a_holder();
                let mut waiter = self.tool("run", &["-w", "10"]);
                waiter.args(["--", "test", "!", "-e"]).arg(self.marker());
                waiter
            }
            Operation::RunRefreshing => {
                let mut outer = self.tool("run", &["-n", "--refresh", "0.001"]);
                outer.args(["--", "sh", "-c", "sleep 0.005; exec \"$0\" run -n -k \"$@\" true"]);
                outer.arg(lockbox()).arg(self.kind).arg(self.path());
                outer
            }
            Operation::Acquire => self.tool("acquire", &["-n", "--pid", &living]),
            Operation::Release => self.tool("release", &["--pid", &living]),
            Operation::Touch => self.tool("touch", &["--pid", &living]),
            Operation::Status => self.tool("status", &[]),
            Operation::Break => self.tool("break", &[]),
            Operation::BreakByForce => self.tool("break", &["--force"]),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
        drop(self.living.stdin.take());
        let _ = self.living.wait();
    }
}

/// What can happen to a call of this name.
fn mishaps(call: &str) -> Vec<Mishap> {
    use Errno::{
        EACCES, EAGAIN, EDQUOT, EEXIST, EINTR, EIO, ELOOP, EMFILE, EMLINK, ENAMETOOLONG, ENFILE,
        ENOENT, ENOLCK, ENOMEM, ENOSPC, ENOSYS, EPERM, EROFS, ESTALE, EXDEV,
    };
    let changes = [EINTR, EIO, ENOSPC, EDQUOT, EACCES, EPERM, EROFS, ESTALE];
    let (errnos, lie): (Vec<Errno>, Option<Errno>) = match call {
        "open" => (
            [EMFILE, ENFILE, ENOENT, EEXIST, ENAMETOOLONG, ELOOP]
                .into_iter()
                .chain(changes)
                .collect(),
            None,
        ),
        "flock" => (vec![EINTR, ENOLCK, EIO, EAGAIN], None),
        "fcntl" => (vec![EINTR, ENOLCK, EIO, EACCES, EAGAIN], None),
        "pread" | "read" => (vec![EINTR, EIO, ESTALE], None),
        "pwrite" => (vec![EINTR, EIO, ENOSPC, EDQUOT, ESTALE], None),
        "stat" => (vec![EIO, ESTALE, EACCES, ENOENT], None),
        "ftruncate" | "utimensat" => (changes.to_vec(), None),
        "link" | "renameat2" => {
            let own = [EEXIST, ENOENT, EMLINK, ENOSYS, EXDEV];
            (own.into_iter().chain(changes).collect(), Some(EEXIST))
        }
        "symlink" | "mkdir" => {
            ([EEXIST, ENOENT].into_iter().chain(changes).collect(), Some(EEXIST))
        }
        "rename" | "unlink" => ([ENOENT].into_iter().chain(changes).collect(), Some(ENOENT)),
        "readlink" => (vec![EIO, ENOENT, EACCES, ESTALE], None),
        "fstat" | "getdents" | "fstatfs" => (vec![EIO, ESTALE], None),
        "getrandom" => (vec![EINTR, EAGAIN, ENOSYS], None),
        "clone" => (vec![EAGAIN, ENOMEM], None),
        "rt_sigtimedwait" | "wait4" => (vec![EINTR], None),
        _ => (Vec::new(), None),
    };
    let cut = matches!(call, "pread" | "pwrite" | "read").then_some(Mishap::IsShort);
    errnos
        .into_iter()
        .map(Mishap::Fails)
        .chain(lie.map(Mishap::Lies))
        .chain(cut)
        .chain([Mishap::KilledBefore, Mishap::KilledAfter])
        .collect()
}

/// What is wrong with how it went; nothing, if all is well.
fn complaint(world: &World, operation: Operation, mishap: Mishap, ended: &Ended) -> Option<String> {
    let killed = matches!(mishap, Mishap::KilledBefore | Mishap::KilledAfter);
    match ended.status {
        None if killed => {}
        None => return Some("killed by a signal".into()),
        // The command under the lock got the same lock.
        Some(0)
            if matches!(
                operation,
                Operation::Run | Operation::RunOverStale | Operation::RunRefreshing
            ) =>
        {
            return Some("two holders".into());
        }
        // The marker was there.
        Some(1) if operation == Operation::HandOver => return Some("two holders".into()),
        Some(0) if operation == Operation::Wait => return Some("took a held lock".into()),
        Some(0 | REFUSED) => {}
        // Free, says `status`.
        Some(3) if operation == Operation::Status => {}
        Some(status) if FAILURES.contains(&status) => {
            if let Mishap::Fails(errno) = mishap {
                // That what was to be removed is gone already is no error; that it is still there
                // shows in a later call.
                let number = if errno == Errno::ENOENT { 39 } else { errno as i32 };
                let names_it = [errno as i32, number]
                    .iter()
                    .any(|number| ended.error.contains(&format!("errno {number}")));
                // A lock that is gone or not ours is an answer, and so is one that cannot be told.
                if !names_it && !matches!(status, 1 | 4) {
                    return Some(format!("status {status} without the errno: {}", ended.error));
                }
            }
            if ended.error.is_empty() && status != 4 {
                return Some(format!("status {status} without a word"));
            }
        }
        Some(status) => return Some(format!("status {status}: {}", ended.error)),
    }
    after(world, operation)
}

/// Whether the next process gets the lock, and what is left when it has gone.
fn after(world: &World, operation: Operation) -> Option<String> {
    world.wait_for_the_holder();
    let mut next = world.tool("run", &["-n"]);
    let held_for_another = matches!(
        operation,
        Operation::Acquire
            | Operation::Release
            | Operation::Touch
            | Operation::BreakByForce
            | Operation::Status
    ) && EXISTENCE.contains(&world.kind);
    if held_for_another {
        let pid = world.living.id().to_string();
        match world.status("release", &["--pid", &pid]) {
            Some(0 | 1) => {}
            status => return Some(format!("the holder cannot give it back: {status:?}")),
        }
    }
    let output = next.arg("true").output().unwrap();
    if output.status.code() != Some(0) {
        return Some(format!("the next gets nothing: {}", String::from_utf8_lossy(&output.stderr)));
    }
    if EXISTENCE.contains(&world.kind) {
        world.status("break", &[]);
    }
    let mut left: Vec<_> = fs::read_dir(&world.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".lock.token")
        .filter(|name| !(KERNEL.contains(&world.kind) && name == "lock"))
        .collect();
    left.sort();
    (!left.is_empty()).then(|| format!("left behind: {left:?}"))
}

#[derive(Default)]
struct Tally {
    calls: usize,
    runs: usize,
    complaints: Vec<String>,
}

fn sweep(kind: &'static str, operation: Operation) -> Tally {
    let world = World::new(kind, operation);
    let holder = (operation == Operation::Wait).then(|| Holder::new(&world));
    let prepare = || match holder {
        // The holder's lock stays.
        Some(_) => {
            let mut waiter = world.tool("run", &["-w", "0.002"]);
            waiter.arg("true");
            waiter
        }
        None => world.prepare(operation),
    };
    let plain = run(prepare(), None);
    let mut tally = Tally { calls: plain.calls.len(), ..Tally::default() };
    for (at, call) in plain.calls.iter().enumerate() {
        let nth = Nth(call, plain.calls.iter().take(at).filter(|earlier| *earlier == call).count());
        for mishap in mishaps(call) {
            let ended = run(prepare(), Some((nth, mishap)));
            tally.runs += 1;
            let complaint = if holder.is_some() {
                Holder::complaint(&world, mishap, &ended)
            } else {
                complaint(&world, operation, mishap, &ended)
            };
            if let Some(complaint) = complaint {
                tally.complaints.push(format!(
                    "{kind} {operation:?}: {call} number {}, {mishap}: {complaint}",
                    nth.1
                ));
            }
        }
    }
    tally
}

/// A process that holds the lock while others wait for it.
struct Holder(Child);

impl Holder {
    fn new(world: &World) -> Holder {
        let mut holder = world.tool("run", &["-n"]);
        let script = ["--", "sh", "-c", "echo; read line || :"];
        let mut holder =
            holder.args(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        Holder(holder)
    }

    /// The waiter must have failed or been refused, and the lock must still be the holder's.
    fn complaint(world: &World, mishap: Mishap, ended: &Ended) -> Option<String> {
        let killed = matches!(mishap, Mishap::KilledBefore | Mishap::KilledAfter);
        match ended.status {
            None if killed => {}
            Some(REFUSED) => {}
            Some(status) if FAILURES.contains(&status) => {}
            status => return Some(format!("{status:?}: {}", ended.error)),
        }
        match world.tool("run", &["-n"]).arg("true").stderr(Stdio::null()).status().unwrap().code()
        {
            Some(REFUSED) => None,
            status => Some(format!("the holder has lost it: {status:?}")),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn no_fault_at_any_call_breaks_a_lock() {
    let jobs: Vec<_> = KERNEL
        .into_iter()
        .flat_map(|kind| ALWAYS.into_iter().map(move |operation| (kind, operation)))
        .chain(EXISTENCE.into_iter().flat_map(|kind| {
            // Nobody judges a symbolic link by its age, and only pid files are refreshed.
            let meaningless = move |it: &Operation| match it {
                Operation::Touch => kind == "symlink",
                Operation::RunRefreshing => kind != "pidfile",
                _ => false,
            };
            let operations = ALWAYS.into_iter().chain(OF_EXISTENCE);
            operations.filter(move |it| !meaningless(it)).map(move |operation| (kind, operation))
        }))
        .collect();
    let tallies = std::sync::Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&(kind, operation)) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let tally = sweep(kind, operation);
                    tallies.lock().unwrap().insert((kind, format!("{operation:?}")), tally);
                }
            });
        }
    });
    let mut table = String::new();
    let mut complaints = Vec::new();
    for ((kind, operation), tally) in tallies.into_inner().unwrap() {
        let Tally { calls, runs, .. } = tally;
        let failed = tally.complaints.len();
        writeln!(table, "{kind:8} {operation:13} {calls:4} calls {runs:5} runs {failed:3} failed")
            .unwrap();
        complaints.extend(tally.complaints);
    }
    println!("{table}");
    assert!(complaints.is_empty(), "{} failed:\n{}", complaints.len(), complaints.join("\n"));
}
