//! Cycles of taking a lock and giving it back, or of being refused: a table for each group.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use lock_tests::bench::counts::Run;
use lock_tests::bench::{figure, median, root};
use lock_tests::syscalls::trace;

use crate::{PASSES, Wanted};

const CYCLES: u32 = 2000;

/// Python's libraries: of which group, below which way, and their names.
const PYTHON: [(&str, &str, &str); 10] = [
    ("path", "named-lock", "Python filelock"),
    ("path", "Python filelock", "Python portalocker"),
    ("path", "Python portalocker", "Python zc.lockfile"),
    ("path", "file-lock", "Python fasteners"),
    ("path, disk", "fslock", "Python filelock"),
    ("path, disk", "Python filelock", "Python portalocker"),
    ("path, disk", "Python portalocker", "Python fasteners"),
    ("existence, disk", "the same with a pid", "Python filelock, soft"),
    ("existence", "pidfile-rs", "Python filelock, soft"),
    ("existence", "liblockfile", "Python flufl.lock"),
];

/// A program that goes through cycles: `PROGRAM ARGS PATH TIMES`.
pub(crate) struct Way {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    rust: bool,
}

/// What one cycle costs.
pub(crate) struct Cost {
    pub(crate) name: String,
    pub(crate) us: f64,
    calls: f64,
    instructions: Option<f64>,
    /// To the nearest way above that is a plain call: the middle, the least, the most.
    ratio: [f64; 3],
}

impl Way {
    fn command_args(&self, path: &Path, times: u32) -> Vec<String> {
        let path = path.to_str().expect("a path").to_owned();
        self.args.iter().cloned().chain([path, times.to_string()]).collect()
    }

    fn run_us(&self, path: &Path, times: u32) -> f64 {
        let output = Command::new(&self.program)
            .args(self.command_args(path, times))
            .output()
            .expect("it runs");
        assert!(
            output.status.success(),
            "{}: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("a number");
        text.trim().parse::<f64>().expect("a number") / 1000.0 / f64::from(times)
    }

    /// The difference that more cycles make.
    #[allow(clippy::cast_precision_loss)]
    fn per_cycle(&self, path: &Path, count: impl Fn(&Path, &[String]) -> u64) -> f64 {
        let of = |times| count(&self.program, &self.command_args(path, times));
        (of(60) as f64 - of(20) as f64) / 40.0
    }
}

/// All ways that are wanted, in their groups.
pub(crate) fn groups(peers: &Path, wanted: &Wanted) -> BTreeMap<String, Vec<Way>> {
    let program = root().join("target/rivals/release/rivals");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--locked", "--manifest-path"])
        .arg(root().join("tests/rivals/Cargo.toml"))
        .arg("--target-dir")
        .arg(root().join("target/rivals"))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the rivals must build");
    let list = Command::new(&program).output().expect("it runs").stdout;
    let mut groups = BTreeMap::<String, Vec<Way>>::new();
    for line in String::from_utf8(list).expect("names").lines() {
        let (group, name) = line.split_once('\t').expect("a group");
        let (program, args) = (program.clone(), vec![line.to_owned()]);
        let way = Way { name: name.to_owned(), program, args, rust: true };
        groups.entry(group.to_owned()).or_default().push(way);
    }
    let script = root().join("tests/benches/peers/cycle.py").to_str().expect("a path").to_owned();
    for (group, above, name) in PYTHON {
        let ways = groups.get_mut(group).expect("a group");
        let at = ways.iter().position(|way| way.name == above).expect("a way") + 1;
        let program = peers.join("python/bin/python");
        let args = vec![script.clone(), name.to_owned()];
        ways.insert(at, Way { name: name.to_owned(), program, args, rust: false });
    }
    for ways in groups.values_mut() {
        ways.retain(|way| wanted.has(&way.name));
    }
    groups
}

/// Measures a group, in this place.
pub(crate) fn measure(ways: &[Way], path: &Path) -> Vec<Cost> {
    let mut passes = vec![Vec::new(); ways.len()];
    for pass in 0..=PASSES {
        for (way, times) in ways.iter().zip(&mut passes) {
            let us = way.run_us(path, if way.rust { CYCLES } else { CYCLES / 10 });
            // The first pass warms up.
            if pass > 0 {
                times.push(us);
            }
        }
    }
    let mut base = 0;
    let mut costs = Vec::new();
    for (at, way) in ways.iter().enumerate() {
        if way.name.contains("(2)") {
            base = at;
        }
        let mut ratios: Vec<f64> =
            passes[at].iter().zip(&passes[base]).map(|(us, base)| us / base).collect();
        let middle = median(&mut ratios);
        let count = |program: &Path, args: &[String]| Run::new(program, args).instructions();
        let cost = Cost {
            name: way.name.clone(),
            calls: way.per_cycle(path, |program, args| trace(program, args).len() as u64),
            instructions: way.rust.then(|| way.per_cycle(path, count)),
            us: median(&mut passes[at].clone()),
            ratio: [middle, ratios[0], ratios[ratios.len() - 1]],
        };
        println!(
            "{:54} {} calls, {} µs, × {}",
            cost.name,
            cost.calls,
            figure(cost.us),
            figure(middle)
        );
        costs.push(cost);
    }
    costs
}

/// The table of a group.
pub(crate) fn table(title: &str, costs: &[Cost]) -> String {
    let mut text = format!(
        "\n## {title}\n\n| way | system calls | instructions | µs | × the plain call above | from, \
         to |\n|---|---|---|---|---|---|\n"
    );
    for cost in costs {
        let instructions =
            cost.instructions.map_or("–".to_owned(), |count| format!("{:.0}", count.round()));
        let [middle, least, most] = cost.ratio.map(figure);
        let _ = writeln!(
            text,
            "| {} | {:.0} | {instructions} | {} | {middle} | {least}, {most} |",
            cost.name,
            cost.calls,
            figure(cost.us)
        );
    }
    text
}
