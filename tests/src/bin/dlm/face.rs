//! Checks of `lock_std::dlm` on one node.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use lock_std::dlm::{DlmError, DlmErrorKind, Guard, Lockspace, Mode, Options, Reason};

use crate::common::report;

/// Long enough for anything that is sure to come.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

/// All checks of this file, in a lockspace that nobody else uses.
pub(crate) fn all(name: &str) {
    for (what, check) in [
        ("with_lock", with_lock as fn(&str)),
        ("limits", limits),
        ("values", values),
        ("conversions", conversions),
        ("callbacks", callbacks),
        ("threads", threads),
        ("an orphan of a killed process", orphans),
        ("what a killed process held", killed_holder),
        ("10 000 locks", many),
        ("a lockspace that stands still", still),
    ] {
        let begin = Instant::now();
        check(name);
        report(what, begin);
    }
}

fn open(name: &str) -> Lockspace {
    Lockspace::open(name).unwrap_or_else(|error| panic!("{error}"))
}

fn is(outcome: Result<Guard, DlmError>, kind: DlmErrorKind) {
    assert_eq!(outcome.map(drop).unwrap_err().kind, kind);
}

fn with_lock(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let shared = Options { mode: Mode::PR, ..Options::default() };
    let impatient = Options { try_: true, ..Options::default() };
    let hurried = Options { timeout: Some(SHORT), ..Options::default() };
    let result = mine.with_lock("with", &shared, || {
        theirs.with_lock("with", &shared, || ()).unwrap();
        let held = theirs.with_lock("with", &impatient, || ()).unwrap_err();
        let over = theirs.with_lock("with", &hurried, || ()).unwrap_err();
        (held.kind, over.kind)
    });
    assert_eq!(result.unwrap(), (DlmErrorKind::Held, DlmErrorKind::TimedOut));
    theirs.with_lock("with", &impatient, || ()).unwrap();
    // Everything is given back, so that the lockspace could be left.
    mine.close();
    theirs.close();
}

fn limits(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let held = mine.resource("limits").lock().unwrap();
    is(theirs.resource("limits").try_lock(), DlmErrorKind::Held);
    let begin = Instant::now();
    is(theirs.resource("limits").lock_timeout(SHORT), DlmErrorKind::TimedOut);
    assert!(begin.elapsed() >= SHORT);
    report("a limit of 200 ms", begin);
    drop(held);
    theirs.resource("limits").lock_timeout(LONG).unwrap().unlock().unwrap();
    mine.resource("limits").try_lock().unwrap().unlock().unwrap();
    let long = mine.resource([b'x'; 65]).lock().unwrap_err();
    let DlmErrorKind::Fault(fault) = long.kind else { panic!("{long}") };
    assert!(matches!(fault.reason, Reason::Name(_)), "{long}");
}

fn values(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let keeper = mine.resource("face values").mode(Mode::NL).lock().unwrap();
    let resource = theirs.resource("face values").value();
    let mut guard = resource.lock().unwrap();
    guard.set_value([3; 32]);
    guard.unlock().unwrap();
    // Who only looks changes nothing.
    drop(resource.lock().unwrap());
    let mut guard = resource.lock().unwrap();
    assert_eq!(guard.value().map(|value| (value.bytes, value.valid)), Some(([3; 32], true)));
    guard.set_value([4; 32]);
    guard.convert(Mode::PR).unwrap();
    let reader = mine.resource("face values").mode(Mode::PR).value().lock().unwrap();
    assert_eq!(reader.value().unwrap().bytes, [4; 32]);
    drop((reader, guard));
    let mut guard = resource.lock().unwrap();
    guard.invalidate_value();
    guard.unlock().unwrap();
    // Nor does it make an invalid value valid.
    drop(resource.lock().unwrap());
    let mut guard = resource.lock().unwrap();
    assert!(!guard.value().unwrap().valid);
    guard.set_value([5; 32]);
    guard.convert(Mode::NL).unwrap();
    guard.convert(Mode::EX).unwrap();
    assert!(guard.value().unwrap().valid);
    drop(keeper);
}

fn conversions(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let resource = |lockspace: &Lockspace, mode| {
        lockspace.resource("face conversions").mode(mode).lock_timeout(LONG).unwrap()
    };
    let mut guard = resource(&mine, Mode::EX);
    guard.convert(Mode::PR).unwrap();
    let mut other = resource(&theirs, Mode::PR);
    assert_eq!(guard.try_convert(Mode::EX).unwrap_err().kind, DlmErrorKind::Held);
    assert_eq!(guard.mode(), Some(Mode::PR));
    assert_eq!(guard.convert_timeout(Mode::EX, SHORT).unwrap_err().kind, DlmErrorKind::TimedOut);
    // The next operation waits until the last is taken back; or the other's would be refused.
    guard.convert(Mode::PR).unwrap();
    assert_eq!(other.convert_timeout(Mode::EX, SHORT).unwrap_err().kind, DlmErrorKind::TimedOut);
    other.convert(Mode::PR).unwrap();
    // Whichever of the two comes second is refused, and lets the other have it by giving up.
    let waiting = thread::spawn(move || guard.convert(Mode::EX).map_err(|error| error.kind));
    let outcome = other.convert_timeout(Mode::EX, LONG).map_err(|error| error.kind);
    drop(other);
    let other_outcome = waiting.join().unwrap();
    let mut outcomes = [outcome.is_ok(), other_outcome.is_ok()];
    outcomes.sort_unstable();
    assert_eq!(outcomes, [false, true], "{outcome:?} {other_outcome:?}");
}

fn callbacks(name: &str) {
    let (mine, theirs) = (open(name), open(name));
    let holder: Arc<Mutex<Option<Guard>>> = Arc::default();
    let (tell, told) = mpsc::channel();
    let weak = Arc::downgrade(&holder);
    let resource = mine.resource("callbacks").on_blocking(move |mode| {
        tell.send(mode).unwrap();
        drop(weak.upgrade().map(|holder| holder.lock().unwrap().take()));
    });
    *holder.lock().unwrap() = Some(resource.lock().unwrap());
    let begin = Instant::now();
    theirs.resource("callbacks").mode(Mode::PR).lock_timeout(LONG).unwrap().unlock().unwrap();
    report("until a holder that is called has given way", begin);
    assert_eq!(told.recv_timeout(LONG), Ok(Mode::PR));

    let guard = mine.resource("callbacks").blocking_asts().lock().unwrap();
    assert_eq!(guard.wait_wanted(Duration::ZERO), None);
    thread::scope(|scope| {
        scope.spawn(|| theirs.resource("callbacks").lock_timeout(LONG).unwrap());
        assert_eq!(guard.wait_wanted(LONG), Some(Mode::EX));
        drop(guard);
    });
}

/// Threads of one lockspace, each with several locks in flight, and a counter that they protect.
fn threads(name: &str) {
    const THREADS: u32 = 8;
    const TIMES: u32 = 250;
    let lockspace = open(name);
    let counter = AtomicU32::new(0);
    let begin = Instant::now();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (lockspace, counter) = (&lockspace, &counter);
            scope.spawn(move || {
                for _ in 0..TIMES {
                    let _own = lockspace.resource(format!("own {number}")).lock().unwrap();
                    let _all = lockspace.resource("shared by threads").lock().unwrap();
                    let seen = counter.load(Ordering::Relaxed);
                    thread::yield_now();
                    counter.store(seen + 1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(counter.into_inner(), THREADS * TIMES);
    report("8 threads, 4000 locks, half of them contended", begin);
}

/// This program again, as another process that holds a lock until it is killed; and who it is to
/// the kernel.
fn holder(name: &str, resource: &str, how: &str) -> (Child, u32) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["hold", name, resource, "EX", how])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    let owner = line.strip_prefix("HELD ").expect("it holds the lock").trim_end().parse().unwrap();
    (child, owner)
}

fn orphans(name: &str) {
    let lockspace = open(name);
    let resource = lockspace.resource("face orphan");
    let (mut child, _) = holder(name, "face orphan", "persistent");
    child.kill().unwrap();
    child.wait().unwrap();
    is(resource.try_lock(), DlmErrorKind::Held);
    let error = resource.clone().mode(Mode::PR).adopt().unwrap_err();
    let DlmErrorKind::Fault(fault) = error.kind else { panic!("{error}") };
    assert_eq!(fault.reason, Reason::OtherMode);
    let mut guard = resource.adopt().unwrap();
    guard.convert(Mode::PR).unwrap();
    guard.unlock().unwrap();
    resource.try_lock().unwrap().unlock().unwrap();
    let (mut child, owner) = holder(name, "face orphan", "persistent");
    child.kill().unwrap();
    child.wait().unwrap();
    lockspace.purge(0, owner).unwrap();
    resource.try_lock().unwrap().unlock().unwrap();
}

fn killed_holder(name: &str) {
    let lockspace = open(name);
    let (mut child, _) = holder(name, "killed", "plain");
    is(lockspace.resource("killed").try_lock(), DlmErrorKind::Held);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let guard = lockspace.resource("killed").lock_timeout(LONG).unwrap();
            (guard, Instant::now())
        });
        thread::sleep(SHORT);
        let begin = Instant::now();
        child.kill().unwrap();
        let (guard, granted) = waiter.join().unwrap();
        let ms = granted.duration_since(begin).as_secs_f64() * 1e3;
        println!("MEASURED from kill -9 of the holder to the grant: {ms:.1} ms");
        guard.unlock().unwrap();
    });
    child.wait().unwrap();
}

fn many(name: &str) {
    let lockspace = open(name);
    let begin = Instant::now();
    let guards: Vec<Guard> = (0..10_000)
        .map(|number| lockspace.resource(format!("many {number}")).lock().unwrap())
        .collect();
    report("10 000 locks taken one after the other", begin);
    let begin = Instant::now();
    drop(guards);
    lockspace.close();
    report("10 000 locks given back and the lockspace closed", begin);
    let again = open(name);
    again.resource("many 9999").try_lock().unwrap().unlock().unwrap();
}

/// Limits hold though the kernel blocks every write, and nothing stays behind.
fn still(name: &str) {
    let control = format!("/sys/kernel/dlm/{name}/control");
    let (mine, theirs) = (open(name), open(name));
    let mut held = mine.resource("held while still").lock().unwrap();
    let dropped = mine.resource("dropped while still").lock().unwrap();
    fs::write(&control, "0").unwrap();
    let begin = Instant::now();
    is(mine.resource("still").lock_timeout(SHORT), DlmErrorKind::TimedOut);
    report("a limit of 200 ms while the lockspace stands still", begin);
    is(mine.resource("still").try_lock_timeout(SHORT), DlmErrorKind::TimedOut);
    let error = held.convert_timeout(Mode::PR, SHORT).unwrap_err();
    assert_eq!(error.kind, DlmErrorKind::TimedOut);
    let begin = Instant::now();
    drop(dropped);
    report("dropping a guard meanwhile", begin);
    let error = held.unlock_timeout(SHORT).unwrap_err();
    assert_eq!(error.kind, DlmErrorKind::TimedOut);
    is(theirs.resource("still too").lock_timeout(SHORT), DlmErrorKind::TimedOut);
    let begin = Instant::now();
    fs::write(&control, "1").unwrap();
    for resource in ["still", "held while still", "dropped while still", "still too"] {
        theirs.resource(resource).lock_timeout(LONG).unwrap().unlock().unwrap();
    }
    report("until everything is given back after it goes on", begin);
    mine.close();
    theirs.close();
}
