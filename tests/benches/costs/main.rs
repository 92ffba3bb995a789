//! What a lock costs that nobody else wants: ours beside other libraries and tools, in one run.
//! `cargo bench -p lock-tests --bench costs` writes docs/costs.md and its pictures; with names of
//! ways behind `--` it measures only these, and writes nothing.
//!
//! Counts are exact. Times are medians of interleaved passes, shown as ratios.

mod command_line;
mod cycles;
mod scale;

use std::path::Path;
use std::process::Command;

use lock_tests::bench::bars::{Bar, chart};
use lock_tests::bench::{machine, rivals, root, write_doc};

const PASSES: usize = 7;

/// A group: where its lock files are, its title, and its picture if it has one.
type Group = (&'static str, Where, &'static str, Option<&'static str>);

#[derive(Clone, Copy, Eq, PartialEq)]
enum Where {
    Memory,
    Disk,
}

const GROUPS: [Group; 11] = [
    ("open", Where::Memory, "On an open file", None),
    ("open, disk", Where::Disk, "On an open file, on the disk", None),
    ("path", Where::Memory, "By path", Some("costs-path.svg")),
    ("path, disk", Where::Disk, "By path, on the disk", None),
    ("message", Where::Memory, "By path, with a message", None),
    ("message", Where::Disk, "By path, with a message, on the disk", None),
    ("existence", Where::Memory, "Locks that exist", Some("costs-existence.svg")),
    ("existence, disk", Where::Disk, "Locks that exist, on the disk", None),
    ("refused, open", Where::Memory, "Refused on an open file: another has it", None),
    ("refused, path", Where::Memory, "Refused by path", None),
    ("refused, existence", Where::Memory, "Refused by what exists", None),
];

/// The names of the ways that were asked for; all, if none were.
pub(crate) struct Wanted(Vec<String>);

impl Wanted {
    fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| name.contains(wanted.as_str()))
    }
}

fn bar(name: &str, value: f64) -> Bar {
    Bar { name: name.replace("**", ""), value, ours: name.starts_with("**") }
}

fn head() -> String {
    format!(
        "# What a lock costs\n\nWritten by `cargo bench -p lock-tests --bench costs`, which \
         installs what it compares with and runs for about two minutes: a lock that nobody else \
         wants is taken and given back. System calls and instructions in user space are exact \
         counts. Times are medians of {PASSES} interleaved passes and mean little elsewhere; \
         ratios to the nearest plain call above, in the same run, mean more.\n\nMachine: {}. Lock \
         files are on tmpfs unless it says otherwise. Plain calls are made through the C library \
         and checked.\n\n![by path](costs-path.svg)\n\n![locks that \
         exist](costs-existence.svg)\n\n![many locks](costs-scale.svg)\n\n![command \
         line](costs-command.svg)\n",
        machine()
    )
}

fn main() {
    let wanted = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let wanted = Wanted(wanted);
    let write = |name: &str, text: &str| {
        if wanted.0.is_empty() {
            write_doc(name, text);
        }
    };
    let peers = rivals::install();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "lockbox", "--target-dir"])
        .arg(root().join("target"))
        .current_dir(root())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "lockbox must build");
    let groups = cycles::groups(&peers, &wanted);
    let name = format!("lock-costs-{}", std::process::id());
    let (memory, disk) = (Path::new("/dev/shm").join(&name), root().join("target").join(&name));
    for dir in [&memory, &disk] {
        std::fs::create_dir_all(dir).expect("room");
    }
    let mut text = head();
    for (group, place, title, picture) in GROUPS {
        println!("{title}");
        let dir = if place == Where::Disk { &disk } else { &memory };
        let costs = cycles::measure(&groups[group], &dir.join(group));
        text += &cycles::table(title, &costs);
        if let Some(picture) = picture {
            let bars: Vec<Bar> = costs.iter().map(|cost| bar(&cost.name, cost.us)).collect();
            let title = format!("{title}: to take and give back (median)");
            write(picture, &chart(&title, "µs", 0.5, &bars));
        }
    }
    println!("Many locks");
    let (table, lines) = scale::table(&memory.join("scale"), &wanted);
    text += &table;
    write("costs-scale.svg", &lines);
    println!("The command line");
    let (table, bars) = command_line::table(&memory, &peers, &wanted);
    text += &table;
    write("costs-command.svg", &chart("`TOOL PATH CHILD`, × util-linux flock", "×", 0.1, &bars));
    write("costs.md", &text);
    for dir in [&memory, &disk] {
        std::fs::remove_dir_all(dir).expect("it was made");
    }
}
