//! How late a wait with a limit ends: it must not be early, and should not be late.

use core::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{figure, percentile};

const LIMIT_US: u64 = 5000;
const TIMES: usize = 100;

/// A row for each way: the waiter waits in vain, while another has the lock.
///
/// # Panics
///
/// If a wait ends early, or the waiter fails.
pub fn table(waiter: &Path, ways: &[&str], dir: &Path) -> String {
    let mut text = String::from("| way | p50, µs late | p99, µs late |\n|---|---|---|\n");
    for way in ways {
        // Of its own: one kind leaves what another cannot lock.
        let own = dir.join(format!("lock-late-{}", std::process::id()));
        std::fs::create_dir(&own).expect("room");
        let late_us = late_us(waiter, way, &own.join("lock"));
        std::fs::remove_dir_all(&own).expect("it was made");
        let (p50, p99) = (percentile(&late_us, 0.5), percentile(&late_us, 0.99));
        println!("{way:28} late: p50 {} µs, p99 {} µs", figure(p50), figure(p99));
        let _ = writeln!(text, "| {way} | {} | {} |", figure(p50), figure(p99));
    }
    text
}

fn late_us(waiter: &Path, way: &str, path: &Path) -> Vec<f64> {
    let mut holder = Command::new(waiter)
        .args(["have", way])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a holder starts");
    let mut line = String::new();
    let out = holder.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("it speaks");
    assert_eq!(line, "ready\n", "{way}");
    let output = Command::new(waiter)
        .args(["late", way])
        .arg(path)
        .args([LIMIT_US.to_string(), TIMES.to_string()])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{way}: {}", String::from_utf8_lossy(&output.stderr));
    drop(holder.stdin.take());
    assert!(holder.wait().expect("it ends").success(), "{way}");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let mut late_us: Vec<f64> =
        text.lines().map(|ns| ns.parse::<f64>().expect("a number") / 1000.0).collect();
    assert_eq!(late_us.len(), TIMES);
    late_us.sort_by(f64::total_cmp);
    assert!(late_us[0] >= 0.0, "{way}: early by {} µs", -late_us[0]);
    late_us
}
