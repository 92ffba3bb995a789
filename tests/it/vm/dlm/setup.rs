//! What the scenarios share: the image, and words for what nodes are told to do.

use std::path::{Path, PathBuf};
use std::process::Command;

use lock_tests::vm::packages::Packages;
use lock_tests::vm::{Image, Job, Machine, cache};

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

/// Debian's packages with what three nodes need besides.
const PACKAGES: [&str; 26] = [
    "corosync",
    "libcorosync-common4",
    "libqb100",
    "libcfg7",
    "libcmap4",
    "libcpg4",
    "libquorum5",
    "libvotequorum8",
    "libknet1",
    "libnozzle1",
    "libstatgrab10",
    "libsystemd0",
    "libnl-3-200",
    "libnl-route-3-200",
    "libcap2",
    "liblzma5",
    "libzstd1",
    "liblz4-1",
    "libgcrypt20",
    "libgpg-error0",
    "dlm-controld",
    "libdlm3",
    "libdlmcontrol3",
    "libuuid1",
    "libudev1",
    "zlib1g",
];

const START: &str = include_str!("cluster.sh");

/// A node that is dead for a second is out. Nobody is fenced, since nothing here can switch a
/// machine off but the scenario; who has no quorum stands still.
fn cluster_files(image: Image) -> Image {
    let node = |number: usize| {
        format!("node {{\n ring0_addr: 10.77.0.{number}\n name: n{number}\n nodeid: {number}\n}}\n")
    };
    let nodes: String = (1..=NODES).map(node).collect();
    let corosync = format!(
        "totem {{\nversion: 2\ncluster_name: locks\ntransport: knet\ncrypto_cipher: none\n\
         crypto_hash: none\ntoken: 1000\njoin: 50\n}}\nnodelist {{\n{nodes}}}\n\
         quorum {{\nprovider: corosync_votequorum\nexpected_votes: {NODES}\n}}\n\
         logging {{\nto_stderr: no\nto_syslog: no\nto_logfile: yes\n\
         logfile: /var/log/cluster/corosync.log\n}}\n\
         system {{\nsched_rr: no\nmove_to_root_cgroup: no\n}}\n"
    );
    let dlm = "log_debug=1\nprotocol=tcp\nenable_fencing=0\nenable_startup_fencing=0\n\
               enable_quorum_lockspace=1\n";
    image
        .with_file("etc/corosync/corosync.conf", 0o644, corosync.as_bytes())
        .with_file("etc/dlm/dlm.conf", 0o644, dlm.as_bytes())
        .with_file("bin/cluster", 0o755, format!("#!/bin/sh\n{START}").as_bytes())
}

/// How many nodes the cluster has.
pub(crate) const NODES: usize = 3;

/// An image with corosync, `dlm_controld`, a program that uses libdlm, and one of our examples.
pub(crate) fn with_cluster(image: Image) -> Image {
    let programs = ["corosync", "corosync-quorumtool", "dlm_controld", "dlm_tool"];
    cluster_files(with_dlm(image))
        .with_network()
        .with_packages(&PACKAGES)
        .with_programs(&programs)
        .with_libraries(&["libdlm.so.3"])
        .with_binary(&peer())
        .with_binary(&example("dlm_worker"))
        .with_binary(&lockbox())
}

/// The program that uses libdlm, compiled with the headers of Debian's package.
fn peer() -> PathBuf {
    let packages = Packages::unpacked(&["libdlm-dev", "libdlm3"]);
    let header = packages.file("usr/include/libdlm.h").expect("libdlm's header");
    let program = cache().join("peer");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/vm/dlm/peer.c");
    let compiled = Command::new("cc")
        .args(["-Wall", "-Werror", "-D_REENTRANT", "-I"])
        .arg(header.parent().expect("its directory"))
        .arg("-o")
        .args([&program, &source, &packages.library("libdlm.so.3")])
        .args(["-lpthread", "-Wl,--unresolved-symbols=ignore-in-shared-libs"])
        .status()
        .expect("cc runs");
    assert!(compiled.success(), "the peer can be compiled");
    program
}

/// An example of `lock-std`, built.
fn example(name: &str) -> PathBuf {
    build(&["-p", "lock-std", "--example", name]).join("debug/examples").join(name)
}

/// The tool with the kind that it does not have by default.
fn lockbox() -> PathBuf {
    let features = ["--no-default-features", "--features", "commands,dlm,list"];
    build(&[&["-p", "lockbox", "--release"], &features[..]].concat()).join("release/lockbox")
}

/// Has cargo build this, and answers where.
fn build(what: &[&str]) -> PathBuf {
    let target = cache().join("target");
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--target-dir"])
        .arg(&target)
        .args(what)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{what:?} can be built");
    target
}
