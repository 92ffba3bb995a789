//! A boot whose tasks exclude each other: `initramfs/init` is the first process of a machine that
//! has Debian's kernel, busybox and lockbox.

use lock_tests::lockbox::lockbox;
use lock_tests::vm::{Image, Machine, Options};

const INIT: &str = include_str!("initramfs/init");
/// The kinds that one machine can have.
const KINDS: [&str; 8] = ["file", "flock", "lockf", "ofd", "nfs", "symlink", "mkdir", "pidfile"];
const TASKS: [&str; 3] = ["network", "disks", "clock"];

#[test]
#[ignore = "boots virtual machines: cargo test -p lock-tests --test vm -- --ignored"]
fn boot_tasks_exclude_each_other() {
    let image = Image::new()
        .with_init(INIT)
        .with_file("kinds", 0o644, KINDS.join("\n").as_bytes())
        .with_binary(lockbox())
        .build();
    let console = Machine::start(&image, &Options::new("boot")).until_power_off();
    println!("{console}");
    let reports: Vec<&str> =
        console.lines().filter_map(|line| line.strip_prefix("boot: ")).collect();
    for kind in KINDS {
        let prefix = format!("{kind} ");
        check(reports.iter().filter_map(|line| line.strip_prefix(&prefix)).collect());
    }
    // The files of kernel locks stay; of the others, the numbers of their holders.
    let left = "left: .mkdir.token .nfs.token .pidfile.token .symlink.token file flock lockf ofd";
    assert_eq!(reports[reports.len() - 2..], [left, "done"]);
}

/// What was reported of one kind of lock: how one holder died and the next came, then how tasks
/// took turns.
fn check(reports: Vec<&str>) {
    let (succession, turns): (Vec<&str>, Vec<&str>) =
        reports.into_iter().partition(|report| !TASKS.iter().any(|task| report.starts_with(task)));
    // The next one may be there before the shell has seen the other's end.
    let (next, others): (Vec<_>, Vec<_>) =
        succession.iter().enumerate().partition(|(_, report)| **report == "is next");
    let others: Vec<&str> = others.into_iter().map(|(_, report)| *report).collect();
    assert_eq!(others, ["held: 0", "refused: 75", "killing", "killed: 137", "next: 0", "free: 3"]);
    assert!(matches!(next[..], [(3 | 4, _)]), "after the killing: {succession:?}");

    let (mut ends, turns): (Vec<&str>, Vec<&str>) =
        turns.into_iter().partition(|report| report.ends_with(": 0"));
    ends.sort_unstable();
    assert_eq!(ends, ["clock: 0", "disks: 0", "network: 0"]);
    assert_eq!(turns.len(), 2 * TASKS.len(), "{turns:?}");
    for turn in turns.chunks(2) {
        let task = turn[0].strip_suffix(" begins").expect("a task begins");
        assert_eq!(turn[1].strip_suffix(" ends"), Some(task), "and none comes between: {turns:?}");
    }
}
