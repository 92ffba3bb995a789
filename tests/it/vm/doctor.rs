//! `lockbox doctor` on file systems that this machine may not have: NFS, mounted in every way that
//! changes what locks do, with its server stopped, and 9p.

use std::fs;

use lock_tests::lockbox::lockbox;
use lock_tests::vm::packages::Packages;
use lock_tests::vm::{Image, Machine, Options, cache};
use serde_json::Value;

const PACKAGES: [&str; 37] = [
    "libc6",
    "libgcc-s1",
    "nfs-common",
    "nfs-kernel-server",
    "rpcbind",
    "libtirpc3",
    "libtirpc-common",
    "netbase",
    "libwrap0",
    "libevent-core-2.1-7",
    "libsqlite3-0",
    "libmount1",
    "libselinux1",
    "libpcre2-8-0",
    "libnfsidmap1",
    "libkeyutils1",
    "libkrb5-3",
    "libgssapi-krb5-2",
    "libk5crypto3",
    "libkrb5support0",
    "libssl3",
    "libcap2",
    "libdevmapper1.02.1",
    "libudev1",
    "libreadline8",
    "libtinfo6",
    "libnsl2",
    "libblkid1",
    "libcom-err2",
    "libsystemd0",
    "liblz4-1",
    "libzstd1",
    "liblzma5",
    "libgcrypt20",
    "libgpg-error0",
    "libuuid1",
    "zlib1g",
];
const PROGRAMS: [&str; 7] =
    ["rpcbind", "rpc.statd", "sm-notify", "rpc.mountd", "rpc.nfsd", "exportfs", "mount.nfs"];
const EXPORTS: &[u8] = b"/export *(rw,async,no_root_squash,no_subtree_check,fsid=1,insecure)\n";
const USERS: &[u8] = b"root:x:0:0::/:/bin/sh\n_rpc:x:0:0::/:/bin/sh\nstatd:x:0:0::/:/bin/sh\n";
const NAMES: [&str; 4] = ["etc/netconfig", "etc/services", "etc/protocols", "etc/rpc"];
/// Server and client are one machine; locks go through the server all the same.
const SERVE: &str = "
    set -e
    mkdir -p /export /var/lib/nfs && cd /var/lib/nfs
    mount -t tmpfs tmpfs /export
    mkdir -p sm sm.bak v4recovery rpc_pipefs
    touch etab rmtab state
    mount -t rpc_pipefs rpc_pipefs rpc_pipefs
    mount -t nfsd nfsd /proc/fs/nfsd
    rpcbind -w
    echo 3 >/proc/sys/fs/nfs/nlm_timeout
    echo 3 >/proc/sys/fs/nfs/nlm_grace_period
    rpc.statd
    rpc.mountd --port 20048
    exportfs -ra
    echo 10 >/proc/fs/nfsd/nfsv4leasetime
    echo 10 >/proc/fs/nfsd/nfsv4gracetime
    rpc.nfsd 2
    echo Y >/proc/fs/nfsd/v4_end_grace";

const SAFE: &str = "safe";
const UNSAFE: &str = "unsafe";
const UNKNOWN: &str = "unknown";

/// How it is mounted, the exit status, what is found for file, flock, lockf and ofd, and the kind
/// to choose. Existence kinds are safe everywhere.
type Expected = (&'static str, &'static str, i32, [&'static str; 4], &'static str);

const NFS: [Expected; 6] = [
    ("v3", "vers=3", 0, [SAFE; 4], "file"),
    ("nolock", "vers=3,nolock", 1, [UNSAFE; 4], "nfs"),
    ("flock", "vers=3,local_lock=flock", 1, [SAFE, UNSAFE, SAFE, SAFE], "file"),
    ("posix", "vers=3,local_lock=posix", 1, [SAFE, SAFE, UNSAFE, UNSAFE], "file"),
    ("v40", "vers=4.0,soft", 0, [SAFE; 4], "file"),
    ("v42", "vers=4.2", 0, [SAFE; 4], "file"),
];

fn examine(machine: &Machine, dir: &str, status: i32) -> Value {
    let output = machine.run(&format!("lockbox doctor -j -w 100 {dir}"));
    println!("{dir}: {}{}", output.status, output.text);
    assert_eq!(output.status, status, "{dir}");
    assert_eq!(machine.check(&format!("ls -A {dir}")), "", "nothing is left");
    serde_json::from_str(&output.text).unwrap()
}

fn findings(report: &Value) -> Vec<&str> {
    let kinds = report["kinds"].as_array().unwrap().iter();
    kinds.map(|kind| kind["finding"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "boots virtual machines: cargo test -p lock-tests --test vm -- --ignored"]
fn the_doctor_knows_nfs_and_9p() {
    let share = cache().join(format!("doctor-{}", std::process::id()));
    fs::create_dir_all(&share).unwrap();
    let packages = Packages::unpacked(&PACKAGES);
    let named = |image: Image, path: &&str| {
        let file = packages.file(path).expect("Debian has it");
        image.with_file(path, 0o644, &fs::read(file).unwrap())
    };
    let image = NAMES
        .iter()
        .fold(Image::new(), named)
        .with_sharing()
        .with_modules(&["nfsd", "nfs", "nfsv3", "nfsv4"])
        .with_packages(&PACKAGES)
        .with_programs(&PROGRAMS)
        .with_libraries(&["libgcc_s.so.1"])
        .with_binary(lockbox())
        .with_file("etc/nsswitch.conf", 0o644, b"hosts: files\nservices: files\nprotocols: files\n")
        .with_file("etc/exports", 0o644, EXPORTS)
        .with_file("etc/passwd", 0o644, USERS)
        .build();
    let machine = Machine::boot(&image, &Options::new("doctor").share(&share, "/share"));

    let report = examine(&machine, "/share", 4);
    assert_eq!(report["file_system"], "9p");
    let found = findings(&report);
    assert_eq!((&found[..4], &found[4..]), (&[UNKNOWN; 4][..], &[SAFE; 4][..]), "{report}");
    assert_eq!(report["choose"], "nfs");

    machine.check(&format!("({SERVE})"));
    for (name, options, status, kernel, choice) in NFS {
        let dir = format!("/mnt/{name}");
        machine.check(&format!(
            "mkdir -p {dir} /export/{name} && \
             mount.nfs 127.0.0.1:/export/{name} {dir} -o nosharecache,{options} && \
             [ $(stat -f -c %T {dir}) = nfs ]"
        ));
        // Whoever locks first waits until the server is sure that nobody claims older locks.
        machine.check(&format!("lockbox run -k lockf {dir}/first true && rm {dir}/first"));
        let report = examine(&machine, &dir, status);
        let found = findings(&report);
        assert_eq!(found[..4], kernel, "{report}");
        assert_eq!(found[4..], [SAFE; 4], "{report}");
        assert_eq!(report["choose"], choice);
        assert_eq!(report["clock_skew_ms"], 0, "one clock: {report}");
        let option = options.split(',').next_back().unwrap();
        assert!(report["options"].as_str().unwrap().split(',').any(|one| one == option));
    }

    // Without its server a hard mount waits for ever, and a signal to kill ends that.
    machine.check("rpc.nfsd 0");
    let output = machine.run("lockbox doctor -w 2 /mnt/v42");
    println!("{}", output.text);
    assert_eq!(output.status, 74);
    assert!(output.text.contains("\nnfs: hangs: no answer within the limit"));
    machine.check("rpc.nfsd 2");
    fs::remove_dir_all(share).unwrap();
}
