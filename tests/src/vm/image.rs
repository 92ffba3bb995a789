//! What a machine boots: a kernel, and an initramfs with busybox and whatever is asked for.

use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::initramfs::Archive;
use super::kernel::Kernel;
use super::packages::{Packages, needed};
use super::{cache, modules, tool};

/// The first process, unless another is asked for.
const AGENT: &str = include_str!("agent.sh");
/// Directories that are there from the start.
const DIRECTORIES: [&str; 12] =
    ["proc", "sys", "dev", "run", "tmp", "etc", "var", "bin", "sbin", "mnt", "root", "modules"];

/// A recipe for an initramfs. Busybox and all its applets are always in it.
#[derive(Clone, Debug)]
pub struct Image {
    archive: Archive,
    init: String,
    modules: Vec<String>,
    packages: Vec<String>,
    programs: Vec<String>,
    libraries: Vec<String>,
    files: Vec<String>,
}

/// An image on disk and its kernel. It is removed when dropped.
#[derive(Debug)]
pub struct Bootable {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
}

impl Image {
    /// An image whose first process takes commands from [`Machine`](super::Machine).
    pub fn new() -> Image {
        let mut archive = Archive::new();
        for directory in DIRECTORIES {
            archive.directory(directory);
        }
        archive.symlink("var/run", "/run");
        // Before devtmpfs is mounted.
        archive.character_device("dev/console", 5, 1);
        archive.character_device("dev/null", 1, 3);
        archive.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n".to_vec());
        archive.file("etc/group", 0o644, b"root:x:0:\n".to_vec());
        archive.file("etc/hosts", 0o644, b"127.0.0.1 localhost\n".to_vec());
        Image {
            archive,
            init: AGENT.to_owned(),
            modules: Vec::new(),
            packages: Vec::new(),
            programs: Vec::new(),
            libraries: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Another first process than the one that takes commands. It finds modules in `/modules`,
    /// their order in `/modules/order`, and nothing mounted.
    #[must_use]
    pub fn with_init(mut self, script: &str) -> Image {
        script.clone_into(&mut self.init);
        self
    }

    /// Kernel modules to load, in this order, and all that they depend on.
    #[must_use]
    pub fn with_modules(mut self, names: &[&str]) -> Image {
        self.modules.extend(names.iter().map(ToString::to_string));
        self
    }

    /// What a machine on a [`Hub`](super::Hub) needs.
    #[must_use]
    pub fn with_network(self) -> Image {
        self.with_modules(&["virtio_pci", "virtio_net"])
    }

    /// What [`Options::disk`](super::Options::disk) needs, with ext4 on it.
    #[must_use]
    pub fn with_disk(self) -> Image {
        self.with_modules(&["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"])
            .with_packages(&["libc6", "e2fsprogs", "libext2fs2"])
            .with_packages(&["libcom-err2", "libblkid1", "libuuid1"])
            .with_programs(&["mke2fs"])
    }

    /// What [`Options::share`](super::Options::share) needs.
    #[must_use]
    pub fn with_sharing(self) -> Image {
        self.with_modules(&["virtio_pci", "9p", "9pnet_virtio"])
    }

    /// Debian packages to take programs and libraries from; nothing of them is in the image yet.
    #[must_use]
    pub fn with_packages(mut self, names: &[&str]) -> Image {
        self.packages.extend(names.iter().map(ToString::to_string));
        self
    }

    /// Programs of those packages, in `/sbin`, and the libraries that they are linked with. One
    /// that busybox has too needs its path to be run: the shell takes its own for a mere name.
    #[must_use]
    pub fn with_programs(mut self, names: &[&str]) -> Image {
        self.programs.extend(names.iter().map(ToString::to_string));
        self
    }

    /// Libraries of those packages that programs load while they run.
    #[must_use]
    pub fn with_libraries(mut self, names: &[&str]) -> Image {
        self.libraries.extend(names.iter().map(ToString::to_string));
        self
    }

    /// Other files of those packages, where the packages have them.
    #[must_use]
    pub fn with_package_files(mut self, paths: &[&str]) -> Image {
        self.files.extend(paths.iter().map(ToString::to_string));
        self
    }

    /// A static program of this machine, in `/bin`.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[must_use]
    pub fn with_binary(self, path: &Path) -> Image {
        let name = path.file_name().expect("a program's name").to_string_lossy().into_owned();
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.with_file(&format!("bin/{name}"), 0o755, &bytes)
    }

    /// A file with these permissions.
    #[must_use]
    pub fn with_file(mut self, path: &str, permissions: u32, content: &[u8]) -> Image {
        self.archive.file(path, permissions, content.to_vec());
        self
    }

    /// A directory, with those above it.
    #[must_use]
    pub fn with_directory(mut self, path: &str) -> Image {
        self.archive.directory(path);
        self
    }

    /// A symbolic link.
    #[must_use]
    pub fn with_symlink(mut self, path: &str, target: &str) -> Image {
        self.archive.symlink(path, target);
        self
    }

    /// Puts all of it together; downloads what is not in the cache.
    ///
    /// # Panics
    ///
    /// If anything is missing.
    pub fn build(mut self) -> Bootable {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let kernel = Kernel::debian();
        self.add_programs();
        self.add_modules(&kernel.modules);
        self.add_busybox();
        self.archive.file("init", 0o755, self.init.clone().into_bytes());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let initramfs = cache().join(format!("{}-{number}.cpio", std::process::id()));
        fs::write(&initramfs, self.archive.bytes()).expect("room for an image");
        Bootable { kernel: kernel.vmlinux, initramfs }
    }

    fn add_programs(&mut self) {
        let packages: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        let packages = Packages::unpacked(&packages);
        for path in &self.files {
            let file = packages.file(path).unwrap_or_else(|| panic!("no package has {path}"));
            self.archive.file(path, 0o644, fs::read(file).expect("a file"));
        }
        let mut libraries: Vec<String> = self.libraries.clone();
        for name in &self.programs {
            let path = packages.program(name);
            self.archive.file(&format!("sbin/{name}"), 0o755, fs::read(&path).expect("a program"));
            // A script needs no library.
            if fs::read(&path).expect("a program").starts_with(b"\x7fELF") {
                libraries.extend(needed(&path));
            }
        }
        let mut seen = BTreeSet::new();
        while let Some(name) = libraries.pop() {
            if seen.insert(name.clone()) {
                let path = packages.library(&name);
                let loader = name.starts_with("ld-linux");
                let dir = if loader { "lib64" } else { "lib/x86_64-linux-gnu" };
                let bytes = fs::read(&path).expect("a library");
                self.archive.file(&format!("{dir}/{name}"), 0o755, bytes);
                libraries.extend(needed(&path));
            }
        }
    }

    fn add_modules(&mut self, dir: &Path) {
        let names: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        let mut order = String::new();
        for module in modules::in_order(dir, &names) {
            order += &module.name;
            order += "\n";
            self.archive.file(&format!("modules/{}.ko", module.name), 0o644, module.bytes);
        }
        self.archive.file("modules/order", 0o644, order.into_bytes());
    }

    /// Busybox under each of its names, unless a program of a package has it.
    fn add_busybox(&mut self) {
        let path = Packages::unpacked(&["busybox-static"]).program("busybox");
        let names = tool(Command::new(&path).arg("--list"));
        for name in String::from_utf8_lossy(&names).lines() {
            if !self.archive.has(&format!("sbin/{name}"))
                && !self.archive.has(&format!("bin/{name}"))
            {
                self.archive.symlink(&format!("bin/{name}"), "busybox");
            }
        }
        self.archive.file("bin/busybox", 0o755, fs::read(path).expect("busybox"));
    }
}

impl Default for Image {
    fn default() -> Image {
        Image::new()
    }
}

impl Drop for Bootable {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.initramfs);
    }
}
