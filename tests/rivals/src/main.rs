//! One way of locking, again and again, to be counted and timed: `rivals WAY PATH TIMES` prints the
//! nanoseconds that all cycles took together. `rivals` alone prints the ways, a line each:
//! GROUP, a tab, and the name. The first way of a group is what the others are compared with.

mod by_path;
mod existing;
mod liblockfile;
mod open_file;
mod raw;
mod refused;

use std::path::Path;
use std::time::Instant;

/// A way of locking: makes what its cycles share, then goes through that many of them.
struct Way {
    name: &'static str,
    run: fn(&Path, u32) -> Timed,
}

/// When the first cycle began.
struct Timed(Instant);

/// Times the cycles, and nothing before them.
fn cycles(times: u32, mut cycle: impl FnMut()) -> Timed {
    // What is done once only, as opening or reading who we are, is no part of a cycle.
    cycle();
    let start = Instant::now();
    for _ in 0..times {
        cycle();
    }
    Timed(start)
}

const GROUPS: [(&str, &[Way]); 10] = [
    ("open", open_file::WAYS),
    ("open, disk", open_file::ON_DISK),
    ("path", by_path::WAYS),
    ("path, disk", by_path::ON_DISK),
    ("message", by_path::WITH_MESSAGE),
    ("existence", existing::WAYS),
    ("existence, disk", existing::ON_DISK),
    ("refused, open", refused::OPEN),
    ("refused, path", refused::BY_PATH),
    ("refused, existence", refused::EXISTING),
];

fn main() {
    let mut args = std::env::args_os().skip(1);
    let Some(name) = args.next() else {
        for (group, ways) in GROUPS {
            for way in ways {
                println!("{group}\t{}", way.name);
            }
        }
        return;
    };
    let path = args.next().expect("PATH");
    let times = args.next().and_then(|times| times.to_str()?.parse().ok()).expect("TIMES");
    let (group, name) = name.to_str().and_then(|name| name.split_once('\t')).expect("a way");
    let of_group = GROUPS.iter().find(|(other, _)| *other == group).expect("a group").1;
    let way = of_group.iter().find(|way| way.name == name).expect("a way");
    let Timed(start) = (way.run)(Path::new(&path), times);
    println!("{}", start.elapsed().as_nanos());
}
