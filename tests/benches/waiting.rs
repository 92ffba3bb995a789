//! What waiting costs, and how soon a waiter has what was given back: ours beside others, in one
//! run. `cargo bench -p lock-tests --bench waiting` writes docs/waiting.md and its pictures;
//! with names of ways after `--` it runs these only, and writes nothing.
//!
//! Processes take turns with a lock; a hand-over is the time from one's release to the next one's
//! return, if that one was waiting by then.

use core::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lock_tests::bench::plot::{Series, chart};
use lock_tests::bench::{dead, figure, late, machine, percentile, rivals, root, write_doc};

const HOLD_US: u64 = 300;
const CROWDS: [usize; 4] = [2, 8, 64, 256];

/// A way of locking, whose it is, and the largest crowd it is tried with.
struct Way {
    name: &'static str,
    ours: bool,
    most: usize,
}

/// What came of a crowd.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// Time of a hand-over, in microseconds: half are shorter, 99 of 100 are shorter.
    p50_us: f64,
    p99_us: f64,
    /// Processor time for each second that somebody waited, in milliseconds.
    cpu_ms: f64,
    /// Turns a second.
    turns: f64,
    /// The share of the contenders that never had the lock.
    starved: f64,
}

/// What everything else is compared with: no file at all, and the plain call.
const BASES: [&str; 2] = ["futex(2)", "flock(2)"];

fn ways() -> Vec<Way> {
    let ours = [
        "flock",
        "flock, timed by a signal",
        "flock, timed",
        "lockf",
        "lockf, timed by a signal",
        "lockf, timed",
        "ofd",
        "ofd, timed by a signal",
        "ofd, timed",
        "file",
        "file, timed by a signal",
        "file, timed",
        "nfs",
        "nfs, timed",
        "symlink",
        "symlink, timed",
        "mkdir",
        "mkdir, timed",
        "pidfile",
        "pidfile, timed",
    ];
    let others = [
        ("flock -w", 64),
        ("Lock_file_blocking's rule", 256),
        ("Pidfile.jl's rule", 64),
        ("Python filelock", 64),
        ("Python filelock, soft", 64),
        ("Python portalocker", 64),
        ("Python fasteners", 64),
        ("npm proper-lockfile", 64),
    ];
    let mut ways: Vec<Way> =
        BASES.map(|name| Way { name, ours: false, most: 256 }).into_iter().collect();
    ways.extend(ours.map(|name| Way { name, ours: true, most: 256 }));
    ways.push(Way { name: "lockbox flock -w", ours: true, most: 64 });
    ways.extend(others.map(|(name, most)| Way { name, ours: false, most }));
    ways
}

fn start(way: &Way, path: &Path, peers: &Path, ms: u64) -> Child {
    let mut command = rivals::contender(way.name, peers)
        .unwrap_or_else(|| Command::new(env!("CARGO_BIN_EXE_waiter")));
    command
        .arg(way.name)
        .arg(path)
        .args([HOLD_US.to_string(), ms.to_string()])
        .env("LOCKBOX", root().join("target/release/lockbox"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a contender starts")
}

fn run(way: &Way, crowd: usize, peers: &Path) -> Outcome {
    let dir = Path::new("/dev/shm").join(format!("lock-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("memory");
    let path = dir.join("lock");
    // Long enough that even slow ways have some turns each.
    let ms = if crowd > 8 { 2500 } else { 1500 };
    let mut contenders: Vec<_> = (0..crowd).map(|_| start(way, &path, peers, ms)).collect();
    let mut readers: Vec<_> = contenders
        .iter_mut()
        .map(|child| BufReader::new(child.stdout.take().expect("a pipe")))
        .collect();
    for reader in &mut readers {
        let mut line = String::new();
        reader.read_line(&mut line).expect("it speaks");
        assert_eq!(line, "ready\n", "{}", way.name);
    }
    for child in &mut contenders {
        child.stdin.take().expect("a pipe").write_all(b"go\n").expect("it listens");
    }
    let (mut turns, mut used_us, mut starved) = (Vec::new(), 0.0, 0);
    for (mut reader, mut child) in readers.into_iter().zip(contenders) {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("it speaks");
        assert!(child.wait().expect("it ends").success(), "{}: {text}", way.name);
        let before = turns.len();
        for line in text.lines() {
            if let Some(us) = line.strip_prefix("used ") {
                used_us += us.parse::<f64>().expect("a number");
                continue;
            }
            let mut times = line.split(' ').map(|word| word.parse::<u64>().expect("a time"));
            let mut next = || times.next().expect("three times");
            turns.push((next(), next(), next()));
        }
        starved += usize::from(turns.len() == before);
    }
    fs::remove_dir_all(&dir).expect("it was made");
    outcome(turns, used_us, starved, crowd)
}

#[allow(clippy::cast_precision_loss)]
fn outcome(mut turns: Vec<(u64, u64, u64)>, used_us: f64, starved: usize, crowd: usize) -> Outcome {
    turns.sort_by_key(|&(_, acquired, _)| acquired);
    let mut handovers = Vec::new();
    for pair in turns.windows(2) {
        let ((_, _, released), (requested, acquired, _)) = (pair[0], pair[1]);
        assert!(acquired >= released, "two had the lock at once");
        if requested < released {
            handovers.push((acquired - released) as f64 / 1000.0);
        }
    }
    handovers.sort_by(f64::total_cmp);
    let waited_ns: u64 = turns.iter().map(|(requested, acquired, _)| acquired - requested).sum();
    let span_ns = turns.last().map_or(1, |last| last.2) - turns.first().map_or(0, |first| first.1);
    Outcome {
        p50_us: percentile(&handovers, 0.5),
        p99_us: percentile(&handovers, 0.99),
        cpu_ms: used_us / 1000.0 / (waited_ns as f64 / 1e9),
        turns: turns.len() as f64 / (span_ns as f64 / 1e9),
        starved: starved as f64 / crowd as f64,
    }
}

fn main() {
    let peers = rivals::install();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "lockbox"])
        .current_dir(root())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "lockbox must build");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let is_wanted = |way: &Way| wanted.is_empty() || wanted.iter().any(|name| name == way.name);
    let mut rows = Vec::new();
    for way in ways().into_iter().filter(is_wanted) {
        let mut row = Vec::new();
        for crowd in CROWDS.into_iter().filter(|&crowd| crowd <= way.most) {
            let outcome = run(&way, crowd, &peers);
            println!(
                "{:28} {crowd:4}: p50 {} µs, p99 {} µs, {} ms/s waited, {}/s, {:.0} % starved",
                way.name,
                figure(outcome.p50_us),
                figure(outcome.p99_us),
                figure(outcome.cpu_ms),
                figure(outcome.turns),
                outcome.starved * 100.0
            );
            row.push(outcome);
        }
        rows.push((way, row));
    }
    let limited: Vec<&str> = rows
        .iter()
        .filter(|(way, _)| way.ours && way.name.contains(", timed"))
        .map(|(way, _)| way.name)
        .collect();
    let late =
        late::table(Path::new(env!("CARGO_BIN_EXE_waiter")), &limited, Path::new("/dev/shm"));
    let ours = rows.iter().filter(|(way, _)| way.ours && !way.name.contains(' '));
    let ended: Vec<&str> = [BASES[1]].into_iter().chain(ours.map(|(way, _)| way.name)).collect();
    let dead = dead::table(Path::new(env!("CARGO_BIN_EXE_waiter")), &ended, Path::new("/dev/shm"));
    if !wanted.is_empty() {
        return;
    }
    write_doc("waiting.md", &page(&rows, &late, &dead));
    draw(&rows);
}

fn draw(rows: &[(Way, Vec<Outcome>)]) {
    let picture = |title: &str, unit: &str, of: fn(&Outcome) -> f64| {
        let shown = |way: &Way| !way.name.contains("ofd") && !way.name.contains("lockf");
        let series: Vec<Series> = rows
            .iter()
            .filter(|(way, _)| shown(way))
            .map(|(way, row)| Series {
                name: way.name.to_owned(),
                values: row.iter().map(of).collect(),
                ours: way.ours,
            })
            .collect();
        chart(
            title,
            unit,
            &CROWDS.map(|crowd| crowd.to_string()).each_ref().map(String::as_str),
            &series,
        )
    };
    let latency =
        picture("From release to the next one's return (median), by processes", "µs", |o| {
            o.p50_us
        });
    write_doc("waiting-handover.svg", &latency);
    let cost = picture("Processor time for a second of waiting, by processes", "ms", |o| o.cpu_ms);
    write_doc("waiting-cost.svg", &cost);
}

fn page(rows: &[(Way, Vec<Outcome>)], late: &str, dead: &str) -> String {
    let mut text = format!(
        "# Waiting, measured\n\nWritten by `cargo bench -p lock-tests --bench waiting`. Processes \
         take turns with one lock on tmpfs, each holding it for {HOLD_US} µs. A hand-over is the \
         time from a release to the return of the next one, who was waiting. Times mean little \
         elsewhere; ratios to `futex(2)`, a lock in shared memory, in the same run mean \
         more.\n\nMachine: {}.\n\n\
         ![hand-over](waiting-handover.svg)\n\n![cost](waiting-cost.svg)\n",
        machine()
    );
    for (at, crowd) in CROWDS.iter().enumerate() {
        let _ = write!(
            text,
            "\n## {crowd} processes\n\n| way | hand-over p50, µs | × futex(2) | p99, µs | CPU ms \
             per second waited | turns per second | never had it |\n|---|---|---|---|---|---|---|\n"
        );
        let base = rows[0].1[at].p50_us;
        for (way, row) in rows {
            let Some(outcome) = row.get(at) else { continue };
            let name = if way.ours { format!("**{}**", way.name) } else { way.name.to_owned() };
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {:.0} % |",
                figure(outcome.p50_us),
                figure(outcome.p50_us / base),
                figure(outcome.p99_us),
                figure(outcome.cpu_ms),
                figure(outcome.turns),
                outcome.starved * 100.0
            );
        }
    }
    text + "\n## How late a limit of 5 ms is noticed\n\nNever early: the bench would fail.\n\n"
        + late
        + "\n## How soon a killed holder's lock is the next one's\n\nFrom before the kill to the \
           waiter's return.\n\n"
        + dead
}
