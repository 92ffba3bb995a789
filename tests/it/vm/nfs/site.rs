//! A server and two clients that mount its disk in every way at once. All of them can lose their
//! power and come back; what they had on disk is there again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use lock_tests::lockbox::lockbox;
use lock_tests::vm::image::Bootable;
use lock_tests::vm::{Hub, Image, Machine, Options, cache};

/// How clients mount: a name, which is the directory's below `/mnt` too, and the options.
pub(super) const MOUNTS: [(&str, &str); 5] = [
    ("v3", "vers=3"),
    ("v3-nolock", "vers=3,nolock"),
    ("v4.0", "vers=4.0"),
    ("v4.2", "vers=4.2"),
    ("v4.2-noac", "vers=4.2,noac"),
];
/// How long a client may be silent before a server of NFS v4 lets others have its locks.
pub(super) const LEASE_SECONDS: u32 = 10;

/// The kinds of lock that the kernel holds.
pub(super) const KERNEL_KINDS: [&str; 4] = ["file", "flock", "lockf", "ofd"];
/// All kinds of lock.
pub(super) const KINDS: [&str; 8] =
    ["file", "flock", "lockf", "ofd", "nfs", "symlink", "mkdir", "pidfile"];

const MACHINES: [&str; 3] = ["server", "anna", "bert"];
const DISK_BYTES: u64 = 64 << 20;

const PACKAGES: [&str; 36] = [
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
    "zlib1g",
];
const SCRIPTS: [(&str, &str); 8] = [
    ("serve", include_str!("guest/serve")),
    ("join", include_str!("guest/join")),
    ("hold", include_str!("guest/hold")),
    ("drop", include_str!("guest/drop")),
    ("slay", include_str!("guest/slay")),
    ("count", include_str!("guest/count")),
    ("each", include_str!("guest/each")),
    ("wait-all", include_str!("guest/wait-all")),
];
const EXPORTS: &[u8] = b"/export *(rw,sync,no_root_squash,no_subtree_check,fsid=1,insecure)\n";
const USERS: &[u8] = b"root:x:0:0::/:/bin/sh\n_rpc:x:0:0::/:/bin/sh\nstatd:x:0:0::/:/bin/sh\n";

const PROGRAMS: [&str; 8] = [
    "rpcbind",
    "rpc.statd",
    "sm-notify",
    "rpc.mountd",
    "rpc.nfsd",
    "exportfs",
    "nfsdcld",
    "mount.nfs",
];

/// The three machines.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) server: Machine,
    pub(super) anna: Machine,
    pub(super) bert: Machine,
    pub(super) hub: Hub,
    image: Bootable,
    options: [Options; 3],
    dir: PathBuf,
}

impl Site {
    /// Boots the machines; the server serves and the clients have mounted.
    pub(super) fn new() -> Site {
        let hub = Hub::new(MACHINES.len());
        let dir = cache().join(format!("nfs-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory for disks");
        let mut port = 0;
        let options = MACHINES.map(|name| {
            port += 1;
            let disk = dir.join(name);
            File::create(&disk).and_then(|file| file.set_len(DISK_BYTES)).expect("a disk");
            Options::new(name).network(&hub, port).disk(&disk)
        });
        let image = image();
        let mut machines = Machine::boot_all(&image, &options).into_iter();
        let mut next = || machines.next().expect("three machines");
        let site = Site { server: next(), anna: next(), bert: next(), hub, image, options, dir };
        for machine in [&site.server, &site.anna, &site.bert] {
            machine.check("/sbin/mke2fs -q -t ext4 /dev/vda");
        }
        serve(&site.server);
        site.server.check(&format!("cd /export && mkdir {}", mount_names().join(" ")));
        join(&site.anna);
        join(&site.bert);
        site
    }

    /// The server comes back, with the disk it had.
    pub(super) fn boot_server(&mut self) {
        self.server = Machine::boot(&self.image, &self.options[0]);
        serve(&self.server);
    }

    /// This client comes back, with the disk it had.
    pub(super) fn boot_anna(&mut self) {
        self.anna = Machine::boot(&self.image, &self.options[1]);
        join(&self.anna);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(super) fn mount_names() -> [&'static str; MOUNTS.len()] {
    MOUNTS.map(|(name, _)| name)
}

/// Mount and kind, and the exit status of a command.
pub(super) type Answers = BTreeMap<(&'static str, &'static str), i32>;

/// Asks `lockbox` the same of every kind of lock in `directory` of each mount.
pub(super) fn each(machine: &Machine, directory: &str, command: &str) -> Answers {
    let text = machine.check(&format!("/each {directory} {command}"));
    let answers: Answers = text.lines().filter_map(answer).collect();
    assert_eq!(answers.len(), MOUNTS.len() * KINDS.len(), "{command}: {text}");
    answers
}

fn answer(line: &str) -> Option<((&'static str, &'static str), i32)> {
    let mut words = line.strip_prefix("= ")?.split(' ');
    let mount = words.next().and_then(|word| MOUNTS.iter().find(|(name, _)| *name == word))?.0;
    let kind = words.next().and_then(|word| KINDS.iter().find(|kind| **kind == word))?;
    Some(((mount, kind), words.next()?.parse().ok()?))
}

/// Whether the kernel holds locks of this kind, and not names.
pub(super) fn is_kernel_kind(kind: &str) -> bool {
    KERNEL_KINDS.contains(&kind)
}

/// Whether a lock of this kind on this mount keeps out another client. The kernel's locks stay on
/// their own client where the mount says so.
pub(super) fn is_safe(mount: &str, kind: &str) -> bool {
    !(is_kernel_kind(kind) && mount.ends_with("nolock"))
}

/// Seconds since this machine was switched on, by its own clock.
pub(super) fn uptime(machine: &Machine) -> f64 {
    let text = machine.check("cat /proc/uptime");
    text.split(' ').next().and_then(|word| word.parse().ok()).expect("seconds")
}

fn image() -> Bootable {
    let lease = LEASE_SECONDS.to_string();
    let image = Image::new();
    let image = SCRIPTS
        .iter()
        .fold(image, |image, (name, script)| image.with_file(name, 0o755, script.as_bytes()));
    image
        .with_network()
        .with_disk()
        .with_modules(&["nfsd", "nfs", "nfsv3", "nfsv4"])
        .with_packages(&PACKAGES)
        .with_programs(&PROGRAMS)
        .with_libraries(&["libgcc_s.so.1"])
        .with_binary(lockbox())
        .with_file("mounts", 0o644, mount_names().join("\n").as_bytes())
        .with_file("kinds", 0o644, KINDS.join("\n").as_bytes())
        .with_file("lease", 0o644, lease.as_bytes())
        .with_file("etc/hosts", 0o644, include_bytes!("guest/hosts"))
        .with_file("etc/nsswitch.conf", 0o644, b"hosts: files\nservices: files\nprotocols: files\n")
        .with_package_files(&["etc/netconfig", "etc/services", "etc/protocols", "etc/rpc"])
        .with_file("etc/exports", 0o644, EXPORTS)
        .with_file("etc/passwd", 0o644, USERS)
        .build()
}

fn serve(server: &Machine) {
    server.check("/serve");
}

fn join(client: &Machine) {
    client.check("/join");
    for (name, options) in MOUNTS {
        client.check(&format!(
            "mkdir -p /mnt/{name} && mount.nfs server:/export/{name} /mnt/{name} -o {options} && \
             [ $(stat -f -c %T /mnt/{name}) = nfs ]"
        ));
    }
}
