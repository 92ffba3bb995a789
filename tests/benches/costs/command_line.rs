//! Commands that run another under a lock: whole trees of processes, beside util-linux.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use lock_tests::bench::bars::Bar;
use lock_tests::bench::counts::Run;
use lock_tests::bench::{figure, median, root, steps};

use crate::{PASSES, Wanted, bar};

const HEAD: &str = "
## The command line

`TOOL PATH CHILD`, the whole tree of processes. The child is a static program that only ends: \
its one system call and ten instructions are included. The least is a static program of thirty \
lines of C without libc, options or messages. Instructions are counted by single steps; Python's \
are too many for that. Of BusyBox, Debian has no `flock`: neither `busybox` nor `busybox-static` \
is built with that applet.

| tool | system calls | instructions | page faults | bytes | ms | × util-linux | from, to |
|---|---|---|---|---|---|---|---|
";

/// A command that runs another under a lock.
struct Tool {
    name: &'static str,
    program: PathBuf,
    /// What stands before the path of the lock, and behind it.
    before: Vec<String>,
    behind: &'static [&'static str],
    locale: &'static str,
    /// How often in a pass.
    times: u32,
    stepped: bool,
}

impl Tool {
    fn new(name: &'static str, program: impl Into<PathBuf>, before: &[&str]) -> Tool {
        let before = before.iter().map(|&word| word.to_owned()).collect();
        let program = program.into();
        Tool { name, program, before, behind: &[], locale: "C", times: 40, stepped: true }
    }

    fn args(&self, path: &Path, child: &Path) -> Vec<String> {
        let word = |path: &Path| path.to_str().expect("a path").to_owned();
        let mut args = self.before.clone();
        // The child alone takes no lock.
        if self.program != child {
            args.push(word(path));
            args.extend(self.behind.iter().map(|&word| word.to_owned()));
            args.push(word(child));
        }
        args
    }
}

/// Builds the programs that are here as sources; answers where they are.
fn build() -> PathBuf {
    let (from, to) = (root().join("tests/benches/peers"), root().join("target/ci/command-line"));
    std::fs::create_dir_all(&to).expect("room");
    let run = |command: &mut Command| {
        let status = command.status();
        assert!(status.is_ok_and(|status| status.success()), "{command:?}");
    };
    let bare = ["-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"];
    for (name, more) in [("least", "-DLEAST"), ("nothing", "-DNOTHING")] {
        let mut gcc = Command::new("gcc");
        gcc.args(bare).args([more, "-fno-asynchronous-unwind-tables", "-s"]);
        run(gcc
            .args(["-Wl,--build-id=none", "-Wall", "-Werror"])
            .arg(from.join("least.c"))
            .arg("-o")
            .arg(to.join(name)));
    }
    for (name, linked) in [("std-dynamic", "-crt-static"), ("std-static", "+crt-static")] {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "-Copt-level=3", "-Clto=fat", "-Ccodegen-units=1"]);
        rustc.args(["-Cpanic=abort", "-Cstrip=symbols"]);
        run(rustc
            .arg(format!("-Ctarget-feature={linked}"))
            .arg(from.join("with_std.rs"))
            .arg("-o")
            .arg(to.join(name)));
    }
    to
}

fn tools(built: &Path, peers: &Path) -> Vec<Tool> {
    let lockbox = |name, before: &[&str]| {
        let behind: &[&str] = if before[0] == "run" { &["--"] } else { &[] };
        Tool { behind, ..Tool::new(name, root().join("target/release/lockbox"), before) }
    };
    let script = root().join("tests/benches/peers/run.py");
    let python = peers.join("python/bin/python");
    vec![
        Tool::new("util-linux flock", "/usr/bin/flock", &[]),
        Tool {
            locale: "C.UTF-8",
            ..Tool::new("util-linux flock, UTF-8 locale", "/usr/bin/flock", &[])
        },
        Tool::new("the child without a lock", built.join("nothing"), &[]),
        Tool::new("the least, static", built.join("least"), &[]),
        lockbox("**lockbox flock**", &["flock"]),
        lockbox("**lockbox run**", &["run"]),
        lockbox("**lockbox run -k nfs**", &["run", "-k", "nfs"]),
        lockbox("**lockbox run -k symlink**", &["run", "-k", "symlink"]),
        lockbox("**lockbox run -k mkdir**", &["run", "-k", "mkdir"]),
        lockbox("**lockbox run -k pidfile**", &["run", "-k", "pidfile"]),
        Tool::new("daemontools setlock", "/usr/bin/setlock", &[]),
        lockbox("**lockbox setlock**", &["setlock"]),
        Tool::new("runit chpst -l", "/usr/bin/chpst", &["-l"]),
        Tool::new("dotlockfile", "/usr/bin/dotlockfile", &["-p", "-l"]),
        lockbox("**lockbox dotlockfile**", &["dotlockfile", "-p", "-l"]),
        Tool::new("Rust's std, dynamic", built.join("std-dynamic"), &[]),
        Tool::new("Rust's std, static", built.join("std-static"), &[]),
        Tool {
            times: 2,
            stepped: false,
            ..Tool::new("Python filelock", python, &[script.to_str().expect("a path")])
        },
    ]
}

/// The table, and its bars.
pub(crate) fn table(dir: &Path, peers: &Path, wanted: &Wanted) -> (String, Vec<Bar>) {
    let (built, path) = (build(), dir.join("lock"));
    let child = built.join("nothing");
    let mut tools = tools(&built, peers);
    tools.retain(|tool| wanted.has(tool.name));
    let mut passes = vec![Vec::new(); tools.len()];
    for _ in 0..PASSES {
        for (tool, times) in tools.iter().zip(&mut passes) {
            let args = tool.args(&path, &child);
            let run = Run { program: &tool.program, args: &args, locale: tool.locale };
            let start = Instant::now();
            for _ in 0..tool.times {
                run.run();
            }
            times.push(start.elapsed().as_secs_f64() * 1000.0 / f64::from(tool.times));
            let _ = std::fs::remove_file(&path);
        }
    }
    let (mut text, mut bars) = (HEAD.to_owned(), Vec::new());
    for (at, tool) in tools.iter().enumerate() {
        let args = tool.args(&path, &child);
        let run = Run { program: &tool.program, args: &args, locale: tool.locale };
        let mut ratios: Vec<f64> =
            passes[at].iter().zip(&passes[0]).map(|(ms, base)| ms / base).collect();
        let ratio = median(&mut ratios);
        let calls = run.calls(&dir.join("log"));
        let instructions =
            if tool.stepped { steps::instructions(&run).to_string() } else { "–".to_owned() };
        let _ = writeln!(
            text,
            "| {} | {calls} | {instructions} | {} | {} | {} | {} | {}, {} |",
            tool.name,
            run.faults(),
            std::fs::metadata(&tool.program).expect("it is there").len(),
            figure(median(&mut passes[at].clone())),
            figure(ratio),
            figure(ratios[0]),
            figure(ratios[ratios.len() - 1])
        );
        println!(
            "{:54} {calls} calls, {instructions} instructions, × {}",
            tool.name,
            figure(ratio)
        );
        let _ = std::fs::remove_file(&path);
        bars.push(bar(tool.name, ratio));
    }
    (text, bars)
}
