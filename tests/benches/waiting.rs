//! What waiting costs, and how soon a waiter has what was given back: ours beside others, in one
//! run. `cargo bench -p lock-tests --bench waiting` writes docs/waiting.md and its pictures;
//! with names of ways after `--` it runs these only, and with `dead` only how soon the locks of
//! killed holders come; then it writes nothing.
//!
//! Processes take turns with a lock; a hand-over is the time from one's release to the next one's
//! return, if that one was waiting by then.

use core::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use lock_tests::bench::crowd::{Crowd, HOLD_US, Outcome, run};
use lock_tests::bench::plot::{Series, chart};
use lock_tests::bench::{dead, figure, late, machine, rivals, root, write_doc};

const CROWDS: [Crowd; 5] = [
    Crowd { processes: 2, together: true },
    Crowd { processes: 2, together: false },
    Crowd { processes: 8, together: false },
    Crowd { processes: 64, together: false },
    Crowd { processes: 256, together: false },
];

/// How often each of ours and of the bases is measured, one way after the other in every pass; of
/// the others once, for longer.
const PASSES: usize = 5;

/// A way of locking, whose it is, and the largest crowd it is tried with.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    ours: bool,
    most: usize,
}

/// A way and what came of each crowd that it was tried with.
type Row = (Way, Vec<Outcome>);

/// What everything else is compared with: no file at all, and the plain call.
const BASES: [&str; 2] = ["futex(2)", "flock(2)"];

const OURS: [&str; 24] = [
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
    "nfs, timed by a signal",
    "nfs, timed",
    "symlink",
    "symlink, timed by a signal",
    "symlink, timed",
    "mkdir",
    "mkdir, timed by a signal",
    "mkdir, timed",
    "pidfile",
    "pidfile, timed by a signal",
    "pidfile, timed",
];

fn ways() -> Vec<Way> {
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
    ways.extend(OURS.map(|name| Way { name, ours: true, most: 256 }));
    ways.push(Way { name: "lockbox flock -w", ours: true, most: 64 });
    ways.extend(others.map(|(name, most)| Way { name, ours: false, most }));
    ways
}

/// How long one pass takes with this crowd, in milliseconds; how many there are.
fn passes(way: &Way, crowd: Crowd) -> (usize, u64) {
    let many = crowd.processes > 8;
    // Long enough that even slow ways have some turns each.
    if !OURS.contains(&way.name) && !BASES.contains(&way.name) {
        return (1, if many { 2500 } else { 1500 });
    }
    (PASSES, if many { 900 } else { 300 })
}

/// The figures of every way with every crowd, pass by pass.
fn measure(ways: &[Way], peers: &Path) -> Vec<Row> {
    let waiter = Path::new(env!("CARGO_BIN_EXE_waiter"));
    let mut rows: Vec<Row> = ways.iter().map(|way| (*way, Vec::new())).collect();
    for crowd in CROWDS {
        let mut outcomes = vec![Vec::new(); ways.len()];
        for pass in 0..PASSES {
            for (way, outcomes) in ways.iter().zip(&mut outcomes) {
                let (passes, ms) = passes(way, crowd);
                if pass < passes && crowd.processes <= way.most {
                    outcomes.push(run(waiter, way.name, crowd, peers, ms));
                }
            }
        }
        for ((way, row), outcomes) in rows.iter_mut().zip(&outcomes) {
            if outcomes.is_empty() {
                continue;
            }
            let outcome = Outcome::middle(outcomes);
            println!(
                "{:28} {:4}{}: p50 {} µs, p99 {} µs, {} ms/s waited, {} µs/turn, {}/s, {:.0} % \
                 starved",
                way.name,
                crowd.processes,
                if crowd.together { " together" } else { "" },
                figure(outcome.p50_us),
                figure(outcome.p99_us),
                figure(outcome.cpu_ms),
                figure(outcome.turn_us),
                figure(outcome.turns),
                outcome.starved * 100.0
            );
            row.push(outcome);
        }
    }
    rows
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
    let rows = measure(&ways().into_iter().filter(is_wanted).collect::<Vec<Way>>(), &peers);
    let limited: Vec<&str> = rows
        .iter()
        .filter(|(way, _)| way.ours && way.name.contains(", timed"))
        .map(|(way, _)| way.name)
        .collect();
    let late =
        late::table(Path::new(env!("CARGO_BIN_EXE_waiter")), &limited, Path::new("/dev/shm"));
    let all = wanted.iter().any(|name| name == "dead");
    let plain = |name: &&str| !name.contains(' ');
    let is_ours = |name: &&str| all || rows.iter().any(|(way, _)| way.name == *name);
    let ours = OURS.into_iter().filter(plain).filter(is_ours);
    let ended: Vec<&str> = [BASES[1]].into_iter().chain(ours).collect();
    let dead = dead::table(Path::new(env!("CARGO_BIN_EXE_waiter")), &ended, Path::new("/dev/shm"));
    if !wanted.is_empty() {
        print!("\n{dead}");
        return;
    }
    write_doc("waiting.md", &page(&rows, &late, &dead));
    draw(&rows);
}

fn draw(rows: &[Row]) {
    // From two processes, each on a processor of its own, on.
    let names = CROWDS.iter().skip(1).map(|crowd| crowd.processes.to_string());
    let names: Vec<String> = names.collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let picture = |title: &str, unit: &str, of: fn(&Outcome) -> f64| {
        let shown = |way: &Way| {
            !["ofd", "lockf", "by a signal"].iter().any(|word| way.name.contains(word))
                || way.name == "flock, timed by a signal"
        };
        let series: Vec<Series> = rows
            .iter()
            .filter(|(way, _)| shown(way))
            .map(|(way, row)| Series {
                name: way.name.to_owned(),
                values: row.iter().skip(1).map(of).collect(),
                ours: way.ours,
            })
            .collect();
        chart(title, unit, &names, &series)
    };
    let latency =
        picture("From release to the next one's return (median), by processes", "µs", |o| {
            o.p50_us
        });
    write_doc("waiting-handover.svg", &latency);
    let cost = picture("Processor time for a second of waiting, by processes", "ms", |o| o.cpu_ms);
    write_doc("waiting-cost.svg", &cost);
}

fn page(rows: &[Row], late: &str, dead: &str) -> String {
    let mut text = format!(
        "# Waiting, measured\n\nWritten by `cargo bench -p lock-tests --bench waiting`. Processes \
         take turns with one lock on tmpfs, each holding it for {HOLD_US} µs. A hand-over is the \
         time from a release to the return of the next one, who was waiting. Times mean little \
         elsewhere; ratios to `futex(2)`, a lock in shared memory, in the same run mean more. Each \
         figure of the first two and of ours is the middle of {PASSES} passes, in each of which \
         every way has its turn; others have one, longer.\n\nEach process stays on one processor. \
         To wake an idle processor takes some 20 µs on this virtual machine, and to change from \
         one process to the next on the same processor less than 10: else the ratios would say \
         where the scheduler happened to put whom. On one processor the calls that we make weigh \
         the most.\n\nMachine: {}.\n\n\
         ![hand-over](waiting-handover.svg)\n\n![cost](waiting-cost.svg)\n",
        machine()
    );
    for (at, crowd) in CROWDS.iter().enumerate() {
        let place = match (crowd.together, crowd.processes) {
            (true, _) => ", on one processor",
            (false, 2) => ", each on a processor of its own",
            _ => ", dealt out to all processors",
        };
        let _ = write!(
            text,
            "\n## {} processes{place}\n\n| way | hand-over p50, µs | × futex(2) | p99, µs | CPU ms \
             per second waited | CPU µs per turn | turns per second | never had it \
             |\n|---|---|---|---|---|---|---|---|\n",
            crowd.processes
        );
        let base = rows[0].1[at].p50_us;
        for (way, row) in rows {
            let Some(outcome) = row.get(at) else { continue };
            let name = if way.ours { format!("**{}**", way.name) } else { way.name.to_owned() };
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {} | {:.0} % |",
                figure(outcome.p50_us),
                figure(outcome.p50_us / base),
                figure(outcome.p99_us),
                figure(outcome.cpu_ms),
                figure(outcome.turn_us),
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
