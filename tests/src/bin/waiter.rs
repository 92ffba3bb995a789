//! One of several that want a lock in turn, for the waiting bench: `waiter WAY PATH HOLD_US MS`.
//!
//! Says `ready`, waits for a line, then takes the lock, holds it and gives it back, again and again
//! for MS milliseconds. At last it prints, a line each, when it asked for the lock, had it and gave
//! it back, by the monotonic clock in nanoseconds; and how much processor time all that took.
//! `waiter stamp HOLD_US` is what runs under a locking command. `waiter late WAY PATH US TIMES`
//! waits so long in vain, so many times, and prints how late each wait ended, in nanoseconds;
//! `waiter have WAY PATH` is why; `waiter next WAY PATH` says `ready`, waits for the end of that,
//! and prints when it had the lock.

use core::time::Duration;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use lock_rustix::clock::monotonic_ns;
use lock_std::{ExistenceLock, Kind, Lock, WakeSignal};
use lock_tests::bench::futex::Word;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rustix::fs::{FlockOperation, flock};

/// Longer than any run.
const LIMIT: Duration = Duration::from_secs(600);

fn main() {
    let mut args = std::env::args_os().skip(1);
    let mut next = || args.next().expect("WAY PATH HOLD_US MILLISECONDS");
    let way = next().into_string().expect("a name");
    if way == "stamp" {
        let (acquired, released) = hold(number(next()));
        println!("{acquired} {released}");
        return;
    }
    if way == "late" {
        let (way, path) = (next().into_string().expect("a name"), PathBuf::from(next()));
        return late(&way, &path, number(next()), number(next()));
    }
    if way == "have" {
        let way = next().into_string().expect("a name");
        return have(&way, Path::new(&next()));
    }
    if way == "next" {
        let way = next().into_string().expect("a name");
        println!("ready");
        let (acquired, _) = take(&way, Path::new(&next()), 0);
        println!("{acquired}");
        return;
    }
    let (path, hold_us, ms) = (PathBuf::from(next()), number(next()), number(next()));
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a line");
    let (end_ns, start_us) = (monotonic_ns() + ms * 1_000_000, used_us());
    let mut log = Vec::new();
    while monotonic_ns() < end_ns {
        let requested = monotonic_ns();
        let (acquired, released) = take(&way, &path, hold_us);
        log.push((requested, acquired, released));
        // Back in the queue before the next one is done.
        thread::sleep(Duration::from_micros(hold_us / 2));
    }
    let used_us = used_us() - start_us;
    let mut out = std::io::stdout().lock();
    for (requested, acquired, released) in log {
        writeln!(out, "{requested} {acquired} {released}").expect("a reader");
    }
    writeln!(out, "used {used_us}").expect("a reader");
}

fn number(text: OsString) -> u64 {
    text.into_string().ok().and_then(|text| text.parse().ok()).expect("a number")
}

/// Processor time of this process and its children, in microseconds.
fn used_us() -> i64 {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .map(|who| {
            let usage = getrusage(who).expect("it is known");
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
        })
        .sum()
}

/// Holds what is held, and says from when to when.
fn hold(us: u64) -> (u64, u64) {
    let acquired = monotonic_ns();
    thread::sleep(Duration::from_micros(us));
    (acquired, monotonic_ns())
}

fn take(way: &str, path: &Path, hold_us: u64) -> (u64, u64) {
    match way {
        "flock(2)" => {
            let file = File::create(path).expect("it opens");
            flock(&file, FlockOperation::LockExclusive).expect("a lock");
            hold(hold_us)
        }
        "futex(2)" => {
            static WORD: OnceLock<Word> = OnceLock::new();
            let open = || {
                let mut options = File::options();
                Word::map(
                    &options.read(true).write(true).create(true).open(path).expect("it opens"),
                )
            };
            let word = WORD.get_or_init(open);
            word.lock();
            let acquired = monotonic_ns();
            thread::sleep(Duration::from_micros(hold_us));
            let released = monotonic_ns();
            word.unlock();
            (acquired, released)
        }
        "Lock_file_blocking's rule" => loop {
            match Lock::at(path).try_lock() {
                Ok(_guard) => return hold(hold_us),
                // The original sleeps up to 0.3 s, at random.
                Err(_) => thread::sleep(Duration::from_nanos(monotonic_ns() * 7919 % 300_000_000)),
            }
        },
        "Pidfile.jl's rule" => loop {
            let made = File::options().write(true).create_new(true).open(path);
            if let Ok(mut file) = made {
                write!(file, "{} host", std::process::id()).expect("room");
                let held = hold(hold_us);
                std::fs::remove_file(path).expect("it was made");
                return held;
            }
            watch(path);
        },
        "flock -w" => under("flock", &[], path, hold_us),
        "lockbox flock -w" => {
            let tool = std::env::current_exe().expect("a path");
            let tool = std::env::var_os("LOCKBOX").map_or(tool, PathBuf::from);
            under(tool.to_str().expect("a name"), &["flock"], path, hold_us)
        }
        _ => by_name(way, path, hold_us),
    }
}

/// Until the file changes or goes, or 10 s are over, as the original does.
fn watch(path: &Path) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    let events = init(CreateFlags::CLOEXEC).expect("a descriptor");
    let what = WatchFlags::ATTRIB | WatchFlags::MODIFY | WatchFlags::DELETE_SELF;
    if add_watch(&events, path, what).is_ok() {
        let timeout = Timespec { tv_sec: 10, tv_nsec: 0 };
        let _ = poll(&mut [PollFd::new(&events, PollFlags::IN)], Some(&timeout));
    }
}

fn under(tool: &str, first: &[&str], path: &Path, hold_us: u64) -> (u64, u64) {
    let output = Command::new(tool)
        .args(first)
        .args(["-w", "600"])
        .arg(path)
        .arg(std::env::current_exe().expect("a path"))
        .args(["stamp", &hold_us.to_string()])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let mut numbers = text.split_whitespace().map(|word| word.parse().expect("a number"));
    (numbers.next().expect("acquired"), numbers.next().expect("released"))
}

/// A way of ours: `KIND`, `KIND, timed`, or `KIND, timed by a signal`.
struct Ours {
    kind: Kind,
    timed: bool,
    signal: Option<WakeSignal>,
}

impl Ours {
    fn parse(way: &str) -> Ours {
        let (name, how) = way.split_once(", ").unwrap_or((way, ""));
        let signal = || WakeSignal::install(40).expect("nobody else uses it");
        Ours {
            kind: Kind::from_name(name.as_bytes()).expect("a kind"),
            timed: !how.is_empty(),
            signal: (how == "timed by a signal").then(signal),
        }
    }

    fn existence(&self, path: &Path) -> ExistenceLock {
        let lock = ExistenceLock::at(path, self.kind);
        match self.signal {
            Some(signal) => lock.timed_by(signal),
            None => lock,
        }
    }

    fn lock(&self, path: &Path) -> Lock {
        let lock = Lock::at(path).kind(self.kind);
        match self.signal {
            Some(signal) => lock.timed_by(signal),
            None => lock,
        }
    }
}

fn by_name(way: &str, path: &Path, hold_us: u64) -> (u64, u64) {
    let ours = Ours::parse(way);
    if ours.kind.is_existence() {
        let lock = ours.existence(path);
        let guard =
            if ours.timed { lock.lock_timeout(LIMIT) } else { lock.lock() }.expect("a lock");
        let held = hold(hold_us);
        guard.unlock().expect("it was ours");
        held
    } else {
        let lock = ours.lock(path);
        let guard =
            if ours.timed { lock.lock_timeout(LIMIT) } else { lock.lock() }.expect("a lock");
        let held = hold(hold_us);
        drop(guard);
        held
    }
}

/// Waits in vain; another process has the lock.
fn late(way: &str, path: &Path, limit_us: u64, times: u64) {
    let (ours, limit) = (Ours::parse(way), Duration::from_micros(limit_us));
    for _ in 0..times {
        let start_ns = monotonic_ns();
        let refused = if ours.kind.is_existence() {
            ours.existence(path).lock_timeout(limit).is_err()
        } else {
            ours.lock(path).lock_timeout(limit).is_err()
        };
        assert!(refused, "nobody held it");
        let spent_ns = i128::from(monotonic_ns() - start_ns);
        println!("{}", spent_ns - i128::from(limit_us) * 1000);
    }
}

/// Has the lock until there is nothing more to read.
fn have(way: &str, path: &Path) {
    let until_told = || {
        println!("ready");
        let _ = std::io::stdin().read_line(&mut String::new());
    };
    if way == "flock(2)" {
        let file = File::create(path).expect("it opens");
        flock(&file, FlockOperation::LockExclusive).expect("a lock");
        return until_told();
    }
    let kind = Ours::parse(way).kind;
    if kind.is_existence() {
        let guard = ExistenceLock::at(path, kind).lock().expect("a lock");
        until_told();
        guard.unlock().expect("it was ours");
    } else {
        let _guard = Lock::at(path).kind(kind).lock().expect("a lock");
        until_told();
    }
}
