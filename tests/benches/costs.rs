//! What a lock costs that nobody else wants: ours beside other libraries and tools, in one run.
//! `cargo bench -p lock-tests --bench costs` writes docs/costs.md and its pictures.
//!
//! Counts are exact. Times are medians of interleaved passes, shown as ratios.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use lock_tests::bench::bars::{Bar, chart};
use lock_tests::bench::counts::{calls_of_tree, faults_of_tree, instructions};
use lock_tests::bench::{figure, machine, median, rivals, root, write_doc};
use lock_tests::syscalls::trace;

const PASSES: usize = 9;
const CYCLES: u32 = 2000;
const PYTHON: [(&str, &str); 4] = [
    ("path", "Python filelock"),
    ("path", "Python portalocker"),
    ("path", "Python fasteners"),
    ("existence", "Python filelock, soft"),
];

/// A program that goes through cycles: `PROGRAM ARGS PATH TIMES`.
struct Way {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    rust: bool,
}

/// What one cycle costs.
struct Cost {
    name: String,
    calls: f64,
    instructions: Option<f64>,
    us: f64,
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

fn groups(peers: &Path) -> BTreeMap<String, Vec<Way>> {
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
    for (group, name) in PYTHON {
        let script =
            root().join("tests/benches/peers/cycle.py").to_str().expect("a path").to_owned();
        let program = peers.join("python/bin/python");
        let way = Way {
            name: name.to_owned(),
            program,
            args: vec![script, name.to_owned()],
            rust: false,
        };
        groups.get_mut(group).expect("a group").push(way);
    }
    groups
}

fn measure(ways: &[Way], path: &Path) -> Vec<Cost> {
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
        let cost = Cost {
            name: way.name.clone(),
            calls: way.per_cycle(path, |program, args| trace(program, args).len() as u64),
            instructions: way.rust.then(|| way.per_cycle(path, instructions)),
            us: median(&mut passes[at].clone()),
            ratio: [middle, ratios[0], ratios[ratios.len() - 1]],
        };
        println!(
            "{:50} {} calls, {} µs, × {}",
            cost.name,
            cost.calls,
            figure(cost.us),
            figure(middle)
        );
        costs.push(cost);
    }
    costs
}

fn table(title: &str, costs: &[Cost]) -> String {
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

/// A command that runs `true` under a lock.
struct Tool {
    name: &'static str,
    program: PathBuf,
    before: &'static [&'static str],
}

fn tools() -> Vec<Tool> {
    let lockbox = || root().join("target/release/lockbox");
    let tool = |name, program: &str, before| Tool { name, program: program.into(), before };
    let ours = |name, before| Tool { name, program: lockbox(), before };
    vec![
        tool("util-linux flock", "/usr/bin/flock", &[]),
        tool("`true` without a lock", "/bin/true", &[]),
        ours("**lockbox flock**", &["flock"]),
        ours("**lockbox run**", &["run"]),
        ours("**lockbox run -k nfs**", &["run", "-k", "nfs"]),
        ours("**lockbox run -k symlink**", &["run", "-k", "symlink"]),
        ours("**lockbox run -k mkdir**", &["run", "-k", "mkdir"]),
        ours("**lockbox run -k pidfile**", &["run", "-k", "pidfile"]),
        tool("daemontools setlock", "/usr/bin/setlock", &[]),
        ours("**lockbox setlock**", &["setlock"]),
    ]
}

fn command_line(dir: &Path) -> (String, Vec<Bar>) {
    let mut text = String::from(
        "\n## The command line\n\n`TOOL PATH true`, the whole tree of processes; `true` is \
         included.\n\n| tool | system calls | instructions | page faults | bytes | ms | × \
         util-linux | from, to |\n|---|---|---|---|---|---|---|---|\n",
    );
    let (tools, path) = (tools(), dir.join("lock"));
    let args = |tool: &Tool| -> Vec<String> {
        let before = tool.before.iter().map(|&word| word.to_owned());
        let separator = if tool.before.first() == Some(&"run") { "--" } else { "" };
        let after = [path.to_str().expect("a path"), separator, "/bin/true"];
        before.chain(after.into_iter().filter(|word| !word.is_empty()).map(str::to_owned)).collect()
    };
    let mut passes = vec![Vec::new(); tools.len()];
    for _ in 0..PASSES {
        for (tool, times) in tools.iter().zip(&mut passes) {
            let (args, start) = (args(tool), Instant::now());
            for _ in 0..40 {
                let status = Command::new(&tool.program).args(&args).stdout(Stdio::null()).status();
                assert!(status.is_ok_and(|status| status.success()), "{}", tool.name);
            }
            times.push(start.elapsed().as_secs_f64() * 1000.0 / 40.0);
            let _ = std::fs::remove_file(&path);
        }
    }
    let mut bars = Vec::new();
    for (at, tool) in tools.iter().enumerate() {
        let args = args(tool);
        let mut ratios: Vec<f64> =
            passes[at].iter().zip(&passes[0]).map(|(ms, base)| ms / base).collect();
        let ratio = median(&mut ratios);
        let calls = calls_of_tree(&tool.program, &args, &dir.join("log"));
        let _ = writeln!(
            text,
            "| {} | {calls} | {} | {} | {} | {} | {} | {}, {} |",
            tool.name,
            instructions(&tool.program, &args),
            faults_of_tree(&tool.program, &args),
            std::fs::metadata(&tool.program).expect("it is there").len(),
            figure(median(&mut passes[at].clone())),
            figure(ratio),
            figure(ratios[0]),
            figure(ratios[ratios.len() - 1])
        );
        println!("{:50} {calls} calls, × {}", tool.name, figure(ratio));
        let _ = std::fs::remove_file(&path);
        bars.push(bar(tool.name, ratio));
    }
    (text, bars)
}

fn bar(name: &str, value: f64) -> Bar {
    Bar { name: name.replace("**", ""), value, ours: name.starts_with("**") }
}

fn main() {
    let peers = rivals::install();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "lockbox"])
        .current_dir(root())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "lockbox must build");
    let groups = groups(&peers);
    let name = format!("lock-costs-{}", std::process::id());
    let (memory, disk) = (Path::new("/dev/shm").join(&name), root().join("target").join(&name));
    for dir in [&memory, &disk] {
        std::fs::create_dir_all(dir).expect("room");
    }
    let mut text = format!(
        "# What a lock costs\n\nWritten by `cargo bench -p lock-tests --bench costs`: a lock \
         that nobody else wants is taken and given back. System calls and instructions in \
         user space are exact counts. Times are medians of {PASSES} interleaved passes and \
         mean little elsewhere; ratios to the nearest plain call above, in the same run, \
         mean more.\n\nMachine: {}. Lock files are on tmpfs unless it says \
         otherwise.\n\n![by path](costs-path.svg)\n\n![locks that \
         exist](costs-existence.svg)\n\n![command line](costs-command.svg)\n",
        machine()
    );
    let titles = [
        ("open", "On an open file"),
        ("path", "By path"),
        ("message", "By path, with a message"),
        ("existence", "Locks that exist"),
        ("refused", "Refused: another has it"),
    ];
    for (group, title) in titles {
        println!("{title}");
        let costs = measure(&groups[group], &memory.join(group));
        text += &table(title, &costs);
        if ["path", "existence"].contains(&group) {
            let bars: Vec<Bar> = costs.iter().map(|cost| bar(&cost.name, cost.us)).collect();
            let title = format!("{title}: to take and give back (median)");
            write_doc(&format!("costs-{group}.svg"), &chart(&title, "µs", 0.5, &bars));
        }
        if group == "message" {
            text += &table(
                "By path, with a message, on the disk",
                &measure(&groups[group], &disk.join(group)),
            );
        }
    }
    let (table, bars) = command_line(&memory);
    text += &table;
    write_doc("costs-command.svg", &chart("`TOOL PATH true`, × util-linux flock", "×", 0.1, &bars));
    write_doc("costs.md", &text);
    for dir in [&memory, &disk] {
        std::fs::remove_dir_all(dir).expect("it was made");
    }
}
