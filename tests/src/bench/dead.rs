//! How soon a waiter has the lock of a holder that was killed.

use core::fmt::Write as _;
use core::time::Duration;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use lock_rustix::clock::monotonic_ns;

use super::{figure, percentile};

const TIMES: usize = 15;
/// By then the waiter waits. If it did not, the time from the kill would be short by that only.
const SETTLED: Duration = Duration::from_millis(30);

/// A row for each way: a holder is killed, the next one comes. The first way is the base.
///
/// # Panics
///
/// If holder or waiter fail.
pub fn table(waiter: &Path, ways: &[&str], dir: &Path) -> String {
    let base = ways.first().copied().unwrap_or_default();
    let mut text = format!("| way | p50, µs | × {base} | longest, µs |\n|---|---|---|---|\n");
    let mut base_us = None;
    let mut took = vec![Vec::new(); ways.len()];
    for _ in 0..TIMES {
        for (way, took_us) in ways.iter().zip(&mut took) {
            let own = dir.join(format!("lock-dead-{}", std::process::id()));
            std::fs::create_dir(&own).expect("room");
            took_us.push(self::took_us(waiter, way, &own.join("lock")));
            std::fs::remove_dir_all(&own).expect("it was made");
        }
    }
    for (way, mut took_us) in ways.iter().zip(took) {
        took_us.sort_by(f64::total_cmp);
        let (p50, longest) = (percentile(&took_us, 0.5), percentile(&took_us, 1.0));
        let ratio = p50 / *base_us.get_or_insert(p50);
        println!("{way:28} dead holder: p50 {} µs, {} × {base}", figure(p50), figure(ratio));
        let cells = [p50, ratio, longest].map(figure);
        let _ = writeln!(text, "| {way} | {} |", cells.join(" | "));
    }
    text
}

#[allow(clippy::cast_precision_loss)]
fn took_us(waiter: &Path, way: &str, path: &Path) -> f64 {
    let (mut holder, _holder_says) = start(waiter, "have", way, path);
    let (mut next, mut next_says) = start(waiter, "next", way, path);
    thread::sleep(SETTLED);
    let killed_ns = monotonic_ns();
    holder.kill().expect("it is ours");
    let mut text = String::new();
    next_says.read_to_string(&mut text).expect("it speaks");
    holder.wait().expect("it ended");
    assert!(next.wait().expect("it ends").success(), "{way}");
    let acquired_ns: u64 = text.trim().parse().expect("a time");
    assert!(acquired_ns >= killed_ns, "{way}: two had the lock at once");
    (acquired_ns - killed_ns) as f64 / 1000.0
}

/// Starts it, and comes back when it is ready.
fn start(waiter: &Path, part: &str, way: &str, path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(waiter)
        .args([part, way])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut says = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    says.read_line(&mut line).expect("it speaks");
    assert_eq!(line, "ready\n", "{way}");
    (child, says)
}
