//! What the scenarios share: the image, and words for what nodes are told to do.

use std::path::Path;

use lock_tests::vm::{Image, Job, Machine};

/// The checks' own program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_dlm");

/// An image with the kernel's DLM and the program that the scenarios run.
pub(crate) fn with_dlm(image: Image) -> Image {
    image
        .with_modules(&["configfs", "dlm"])
        .with_packages(&["libc6", "libgcc-s1"])
        .with_libraries(&["libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"])
        .with_binary(Path::new(PROGRAM))
}

/// Starts a program that says `HELD` once it holds its lock, and waits until it does.
pub(crate) fn hold(machine: &Machine, command: &str) -> Job {
    let job = machine.spawn(command);
    let Job { number, pid } = &job;
    machine.check(&format!(
        "until grep -q HELD /run/job/{number}.out; do \
         kill -0 {pid} || {{ cat /run/job/{number}.out; exit 1; }}; sleep 0.05; done"
    ));
    job
}

/// Kills a job's program and waits for its end.
pub(crate) fn kill(machine: &Machine, job: &Job) {
    machine.check(&format!("kill -9 {}", job.pid));
    assert_eq!(machine.wait(job).status, 128 + 9);
}

/// Hands what was measured in a machine to whoever reads the test's output.
pub(crate) fn measured(text: &str) {
    for line in text.lines().filter(|line| line.starts_with("MEASURED")) {
        println!("{line}");
    }
}
