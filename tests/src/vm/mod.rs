//! Virtual machines for what one machine cannot show: a boot, other hosts, other kernels' file
//! systems. QEMU without hardware virtualisation boots a Debian kernel on an image that holds
//! what the test names and nothing else, in a few seconds.
//!
//! ```no_run
//! use lock_tests::vm::{Image, Machine, Options};
//!
//! let image = Image::new()
//!     .with_modules(&["ext4", "loop"])
//!     .with_packages(&["libc6", "e2fsprogs", "libext2fs2"])
//!     .with_packages(&["libcom-err2", "libblkid1", "libuuid1"])
//!     .with_programs(&["mke2fs"])
//!     .with_binary(lock_tests::lockbox::lockbox())
//!     .build();
//! let machine = Machine::boot(&image, &Options::new("disk"));
//! machine.check("mke2fs -q /tmp/disk 4096");
//! let job = machine.spawn("exec lockbox run /tmp/lock -- sleep 1000");
//! machine.check("until [ -s /tmp/lock ]; do sleep 0.1; done");
//! assert_eq!(machine.run("lockbox run -n /tmp/lock -- true").status, 75);
//! machine.check(&format!("kill -9 {}", job.pid));
//! assert_eq!(machine.wait(&job).status, 137);
//! ```
//!
//! | room | what it holds |
//! |---|---|
//! | [`packages`] | Debian packages, downloaded once and unpacked |
//! | [`kernel`] | the kernel as QEMU boots it fastest |
//! | [`modules`] | kernel modules in the order of loading |
//! | [`initramfs`] | an archive that the kernel unpacks as its first file system |
//! | [`image`] | all of these together: what a machine boots |
//! | [`machine`] | a running machine: its console, its commands |
//! | [`channel`] | how commands go in and results come out |
//! | [`hub`] | the network between machines, which can be cut |

pub mod channel;
pub mod hub;
pub mod image;
pub mod initramfs;
pub mod kernel;
pub mod machine;
pub mod modules;
pub mod packages;

pub use channel::{Job, Output};
pub use hub::Hub;
pub use image::Image;
pub use machine::{Machine, Options};

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where everything downloaded, unpacked and logged is kept: `vm` in the target directory.
///
/// # Panics
///
/// If it cannot be made.
pub fn cache() -> PathBuf {
    // This program is TARGET/PROFILE/deps/NAME.
    let program = std::env::current_exe().expect("this program's path");
    let cache = program.ancestors().nth(3).expect("a target directory").join("vm");
    fs::create_dir_all(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
    cache
}

/// Runs a tool of this machine and answers what it printed.
///
/// # Panics
///
/// If it is missing or fails.
fn tool(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    output.stdout
}

/// Makes `path` by `make`, which gets a name to fill in first, unless it is there already; so a
/// run that is cut short leaves nothing that looks whole. For one process at a time.
fn once(path: &Path, make: impl FnOnce(&Path)) {
    if path.exists() {
        return;
    }
    let unfinished = path.with_extension("unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    let _ = fs::remove_file(&unfinished);
    make(&unfinished);
    fs::rename(&unfinished, path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
