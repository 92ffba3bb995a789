//! Debian packages, downloaded once and unpacked into the cache; nothing is installed. A name
//! that apt does not know is a failure. To have newer versions, remove the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lock_std::Lock;

use super::{cache, once, tool};

/// Where programs stand in a package.
const PROGRAM_DIRS: [&str; 4] = ["usr/sbin", "sbin", "usr/bin", "bin"];
/// Where libraries stand in a package.
const LIBRARY_DIRS: [&str; 4] =
    ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib"];
/// What of a kernel package is unpacked: the kernel, and modules that a virtual machine may want.
const KERNEL_PARTS: [&str; 11] = [
    "./boot/vmlinuz-*",
    "./lib/modules/*/modules.builtin",
    "./lib/modules/*/kernel/arch",
    "./lib/modules/*/kernel/crypto",
    "./lib/modules/*/kernel/drivers/block",
    "./lib/modules/*/kernel/drivers/char",
    "./lib/modules/*/kernel/drivers/net/*.ko*",
    "./lib/modules/*/kernel/drivers/virtio",
    "./lib/modules/*/kernel/fs",
    "./lib/modules/*/kernel/lib",
    "./lib/modules/*/kernel/net",
];

/// Unpacked packages.
#[derive(Debug)]
pub struct Packages {
    roots: Vec<PathBuf>,
}

impl Packages {
    /// These packages, downloaded if need be. Their dependencies do not come along.
    ///
    /// # Panics
    ///
    /// If one is not to be had.
    pub fn unpacked(names: &[&str]) -> Packages {
        let cache = cache();
        let _guard = Lock::at(cache.join("lock")).lock().expect("the cache's lock");
        let root = |name: &str| cache.join("packages").join(name);
        let missing: Vec<&str> =
            names.iter().copied().filter(|name| !root(name).exists()).collect();
        fs::create_dir_all(cache.join("packages")).expect("a directory for packages");
        if !missing.is_empty() {
            let archives = cache.join("archives");
            download(&missing, &archives);
            for name in missing {
                once(&root(name), |dir| unpack(&archive(&archives, name), dir));
            }
            fs::remove_dir_all(archives).expect("the archives are ours");
        }
        Packages { roots: names.iter().map(|name| root(name)).collect() }
    }

    /// Debian's kernel for this architecture, with its modules.
    ///
    /// # Panics
    ///
    /// If it is not to be had.
    pub fn kernel() -> PathBuf {
        let newest = cache().join("kernel-package");
        if !newest.exists() {
            let depends =
                || Command::new("apt-cache").args(["depends", "linux-image-amd64"]).output();
            let named =
                |text: &str| Some(text.split("Depends: ").nth(1)?.lines().next()?.to_owned());
            let text = depends().expect("apt-cache runs").stdout;
            let name = named(&String::from_utf8_lossy(&text)).unwrap_or_else(|| {
                update();
                let text = depends().expect("apt-cache runs").stdout;
                named(&String::from_utf8_lossy(&text)).expect("Debian has a kernel")
            });
            once(&newest, |path| fs::write(path, name).expect("a note of the kernel's name"));
        }
        let name = fs::read_to_string(newest).expect("the kernel's name");
        Packages::unpacked(&[&name]).roots.remove(0)
    }

    /// The file at this path in one of the packages.
    pub fn file(&self, path: &str) -> Option<PathBuf> {
        self.roots.iter().map(|root| root.join(path)).find(|path| path.exists())
    }

    /// The program of this name.
    ///
    /// # Panics
    ///
    /// If no package has it.
    pub fn program(&self, name: &str) -> PathBuf {
        let found = PROGRAM_DIRS.iter().find_map(|dir| self.file(&format!("{dir}/{name}")));
        found.unwrap_or_else(|| panic!("no package has the program {name}"))
    }

    /// The library of this name.
    ///
    /// # Panics
    ///
    /// If no package has it.
    pub fn library(&self, name: &str) -> PathBuf {
        let found = LIBRARY_DIRS.iter().find_map(|dir| self.file(&format!("{dir}/{name}")));
        found.unwrap_or_else(|| panic!("no package has the library {name}"))
    }
}

/// The names of the libraries that a program or library asks the dynamic loader for.
///
/// # Panics
///
/// If it is no ELF file.
pub fn needed(program: &Path) -> Vec<String> {
    let dynamic = tool(Command::new("readelf").args(["--dynamic", "--wide"]).arg(program));
    let dynamic = String::from_utf8_lossy(&dynamic).into_owned();
    let names = dynamic.lines().filter_map(|line| line.split_once("Shared library: ["));
    names.map(|(_, name)| name.trim_end().trim_end_matches(']').to_owned()).collect()
}

fn download(names: &[&str], archives: &Path) {
    let fetch = || {
        let _ = fs::remove_dir_all(archives);
        fs::create_dir_all(archives).expect("a directory for archives");
        let mut command = Command::new("apt-get");
        // Without a change of user, who could not write here.
        command.args(["--quiet", "--option", "APT::Sandbox::User=root", "download"]);
        command.args(names).current_dir(archives).output().expect("apt-get runs")
    };
    if !fetch().status.success() {
        // The lists of what there is may be missing or old.
        update();
        let output = fetch();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cannot download {names:?}: {said}");
    }
}

fn update() {
    tool(Command::new("apt-get").args(["--quiet", "update"]));
}

/// The archive of this package: `NAME_VERSION_ARCHITECTURE.deb`.
fn archive(archives: &Path, name: &str) -> PathBuf {
    let start = format!("{name}_");
    let entries =
        fs::read_dir(archives).expect("the archives").map(|entry| entry.expect("one").path());
    let mut named = entries.filter(|path| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&start))
    });
    named.next().unwrap_or_else(|| panic!("apt-get did not download {name}"))
}

fn unpack(archive: &Path, dir: &Path) {
    fs::create_dir_all(dir).expect("a directory for the package");
    if archive.to_string_lossy().contains("linux-image") {
        // All of it would be 400 MB.
        let parts = KERNEL_PARTS.map(|part| format!("'{part}'")).join(" ");
        let script = format!("dpkg-deb --fsys-tarfile \"$0\" | tar -xC \"$1\" $2 {parts}");
        let wildcards = "--wildcards --no-wildcards-match-slash";
        tool(Command::new("sh").args(["-ec", &script]).args([archive, dir]).arg(wildcards));
    } else {
        tool(Command::new("dpkg-deb").arg("--extract").args([archive, dir]));
    }
}
