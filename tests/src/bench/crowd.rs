//! A crowd that takes turns with one lock: how soon each has it after the one before, and what the
//! processor does meanwhile.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{median, percentile, rivals, root};

/// How long each has the lock, in microseconds.
pub const HOLD_US: u64 = 300;

/// How many processes, and where.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// How many there are.
    pub processes: usize,
    /// Whether all are on one processor; else they are dealt out to all that there are, and stay.
    /// To wake an idle processor takes longer than to change from one process to another: where the
    /// scheduler happens to put them must not decide what is compared.
    pub together: bool,
}

/// What came of a crowd.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Time of a hand-over, in microseconds: half are shorter.
    pub p50_us: f64,
    /// 99 of 100 are shorter.
    pub p99_us: f64,
    /// Processor time for each second that somebody waited, in milliseconds.
    pub cpu_ms: f64,
    /// Processor time for each turn, in microseconds.
    pub turn_us: f64,
    /// Turns a second.
    pub turns: f64,
    /// The share of the contenders that never had the lock.
    pub starved: f64,
}

impl Outcome {
    /// The middle of several, figure by figure.
    pub fn middle(of: &[Outcome]) -> Outcome {
        let middle =
            |figure: fn(&Outcome) -> f64| median(&mut of.iter().map(figure).collect::<Vec<f64>>());
        Outcome {
            p50_us: middle(|it| it.p50_us),
            p99_us: middle(|it| it.p99_us),
            cpu_ms: middle(|it| it.cpu_ms),
            turn_us: middle(|it| it.turn_us),
            turns: middle(|it| it.turns),
            starved: middle(|it| it.starved),
        }
    }
}

/// Starts this contender where it belongs: what it starts itself stays there too.
fn start(waiter: &Path, way: &str, path: &Path, peers: &Path, ms: u64, place: &CpuSet) -> Child {
    let mut command = rivals::contender(way, peers).unwrap_or_else(|| Command::new(waiter));
    let everywhere = sched_getaffinity(None).expect("it is known");
    sched_setaffinity(None, place).expect("it is there");
    let child = command
        .arg(way)
        .arg(path)
        .args([HOLD_US.to_string(), ms.to_string()])
        .env("LOCKBOX", root().join("target/release/lockbox"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a contender starts");
    sched_setaffinity(None, &everywhere).expect("it was so");
    child
}

/// The processors that may be used, each by itself.
fn places() -> Vec<CpuSet> {
    let all = sched_getaffinity(None).expect("it is known");
    let there = (0..CpuSet::MAX_CPU).filter(|&at| all.is_set(at));
    there
        .map(|at| {
            let mut place = CpuSet::new();
            place.set(at);
            place
        })
        .collect()
}

/// Lets the crowd take turns for so many milliseconds.
///
/// # Panics
///
/// If two had the lock at once, or a contender fails.
pub fn run(waiter: &Path, way: &str, crowd: Crowd, peers: &Path, ms: u64) -> Outcome {
    let dir = Path::new("/dev/shm").join(format!("lock-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("memory");
    let path = dir.join("lock");
    let mut places = places();
    places.truncate(if crowd.together { 1 } else { usize::MAX });
    let mut contenders: Vec<_> = (0..crowd.processes)
        .zip(places.iter().cycle())
        .map(|(_, place)| start(waiter, way, &path, peers, ms, place))
        .collect();
    let mut readers: Vec<_> = contenders
        .iter_mut()
        .map(|child| BufReader::new(child.stdout.take().expect("a pipe")))
        .collect();
    for reader in &mut readers {
        let mut line = String::new();
        reader.read_line(&mut line).expect("it speaks");
        assert_eq!(line, "ready\n", "{way}");
    }
    for child in &mut contenders {
        child.stdin.take().expect("a pipe").write_all(b"go\n").expect("it listens");
    }
    let (mut turns, mut used_us, mut starved) = (Vec::new(), 0.0, 0);
    for (mut reader, mut child) in readers.into_iter().zip(contenders) {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("it speaks");
        assert!(child.wait().expect("it ends").success(), "{way}: {text}");
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
    outcome(turns, used_us, starved, crowd.processes)
}

#[allow(clippy::cast_precision_loss)]
fn outcome(
    mut turns: Vec<(u64, u64, u64)>,
    used_us: f64,
    starved: usize,
    processes: usize,
) -> Outcome {
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
        turn_us: used_us / turns.len() as f64,
        turns: turns.len() as f64 / (span_ns as f64 / 1e9),
        starved: starved as f64 / processes as f64,
    }
}
