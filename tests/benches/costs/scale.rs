//! Cycles beside many locks that the same process holds: the cost should not grow.

use core::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use lock_tests::bench::plot::{Series, chart};
use lock_tests::bench::{figure, median};
use lock_tests::syscalls::between_breakpoints;

use crate::Wanted;

const LEVELS: [&str; 4] = ["1", "100", "9000", "100000"];
const PASSES: &str = "5";
/// The way whose cost grows with the locks of the file: a hundred thousand would take minutes.
const SLOW: &str = "fcntl(2), each a range of one file";

const HEAD: &str = "
## With many locks held

One process holds so many locks, in one directory on tmpfs, and goes through cycles of one more. \
Calls are counted with 1 and with 9 000 held. Times are medians of 5 passes of 200 cycles in one \
process after another. 9 000 are what 20 000 descriptors, a common limit, suffice for; a dash is \
where the limits of the machine end, or of the table in which a process keeps its POSIX locks. \
Plain calls are std's here, and come with a path that is copied. POSIX ranges of one file are a \
list that the kernel walks: nothing of ours holds more than one in a file.

| way | calls with 1 | with 9 000 | µs with 1 | with 100 | with 9 000 | with 100 000 | 9 000 : 1 | \
100 000 : 1 |
|---|---|---|---|---|---|---|---|---|
";

/// The table, and its picture.
pub(crate) fn table(dir: &Path, wanted: &Wanted) -> (String, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_scale"));
    let ways = Command::new(program).output().expect("it runs").stdout;
    let ways = String::from_utf8(ways).expect("names");
    let (mut text, mut lines) = (HEAD.to_owned(), Vec::new());
    for way in ways.lines().filter(|way| wanted.has(way)) {
        let [few, many] = calls(program, way, dir);
        let us = times_us(program, way, dir);
        let ratio = |level: usize| figure(us[level] / us[0]);
        let times: Vec<String> = us.iter().map(|&us| figure(us)).collect();
        let _ = writeln!(
            text,
            "| {way} | {few} | {many} | {} | {} | {} |",
            times.join(" | "),
            ratio(2),
            ratio(3)
        );
        println!("{way:54} {}, {} calls, {} µs, × {}", few, many, times.join(", "), ratio(3));
        let ours = way.starts_with("**");
        lines.push(Series { name: way.replace("**", ""), values: us, ours });
    }
    let title = "A cycle, with so many locks held (median)";
    (text, chart(title, "µs", &["1", "100", "9 000", "100 000"], &lines))
}

/// The calls of one cycle with 1 and with 9 000 held.
fn calls(program: &Path, way: &str, dir: &Path) -> [String; 2] {
    let args = [way, dir.to_str().expect("a path"), "0", LEVELS[0], LEVELS[2]];
    let counted = between_breakpoints(program, &args);
    let cell = |calls: &Vec<u64>| (calls.len() / 10).to_string();
    [0, 1].map(|level| counted.get(level).map_or("–".to_owned(), cell))
}

/// The microseconds at each level; not a number where the limits end.
fn times_us(program: &Path, way: &str, dir: &Path) -> Vec<f64> {
    let levels = if way == SLOW { &LEVELS[..3] } else { &LEVELS };
    let output = Command::new(program).args([way]).arg(dir).arg(PASSES).args(levels).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{way}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("numbers");
    let us = |line: &str| {
        let numbers = line.split_whitespace().filter_map(|ns| ns.parse::<f64>().ok());
        let mut us: Vec<f64> = numbers.map(|ns| ns / 1000.0).collect();
        median(&mut us)
    };
    let mut all: Vec<f64> = text.lines().map(us).collect();
    assert_eq!(all.len(), levels.len(), "{way}");
    all.resize(LEVELS.len(), f64::NAN);
    all
}
