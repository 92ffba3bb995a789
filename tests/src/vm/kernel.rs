//! Debian's kernel as QEMU boots it fastest: as an ELF file, by its PVH entry. Debian's bzImage is
//! packed with xz, and unpacking it on an emulated processor takes longer than all the rest of the
//! boot.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::packages::Packages;
use super::{cache, once, tool};

/// A kernel, ready to boot, and where its modules are.
#[derive(Debug)]
pub struct Kernel {
    /// The unpacked kernel.
    pub vmlinux: PathBuf,
    /// `lib/modules/VERSION`.
    pub modules: PathBuf,
}

impl Kernel {
    /// Debian's kernel, downloaded and unpacked if need be.
    ///
    /// # Panics
    ///
    /// If it is not to be had or packed in a way that is not known.
    pub fn debian() -> Kernel {
        let root = Packages::kernel();
        let modules = only_entry(&root.join("lib/modules"));
        let version = modules.file_name().expect("a version").to_string_lossy().into_owned();
        let cache = cache();
        let vmlinux = cache.join(format!("vmlinux-{version}"));
        let _guard = lock_std::Lock::at(cache.join("lock")).lock().expect("the cache's lock");
        once(&vmlinux, |path| {
            let image = root.join("boot").join(format!("vmlinuz-{version}"));
            let image = fs::read(image).expect("the kernel's image");
            let packed = path.with_extension("xz");
            fs::write(&packed, payload(&image)).expect("the kernel's payload");
            // After the payload stands its length, so one stream is all that is wanted.
            let mut xz = Command::new("xz");
            xz.args(["--decompress", "--stdout", "--single-stream"]);
            xz.stdin(File::open(&packed).expect("the payload"));
            fs::write(path, tool(&mut xz)).expect("the unpacked kernel");
            fs::remove_file(packed).expect("the payload is ours");
        });
        Kernel { vmlinux, modules }
    }
}

/// The packed kernel in a bzImage. The header's fields are those of the Linux/x86 boot protocol,
/// version 2.08 and later: `setup_sects`, `payload_offset`, `payload_length`.
fn payload(image: &[u8]) -> &[u8] {
    let word = |at: usize| {
        let bytes = image[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    assert_eq!(&image[0x202..0x206], b"HdrS", "a bzImage");
    let setup_sectors = if image[0x1f1] == 0 { 4 } else { usize::from(image[0x1f1]) };
    let start = (setup_sectors + 1) * 512 + word(0x248);
    let payload = &image[start..start + word(0x24c)];
    assert!(payload.starts_with(b"\xfd7zXZ\0"), "the kernel is not packed with xz");
    payload
}

fn only_entry(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("one").path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn the_payload_is_where_the_header_says() {
        let mut image = vec![0; 5 * 512];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x1f1] = 4;
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&8_u32.to_le_bytes());
        image.extend([0; 16]);
        image.extend(b"\xfd7zXZ\0ab and more");
        assert_eq!(payload(&image), b"\xfd7zXZ\0ab");
        image[0x1f1] = 0;
        assert_eq!(payload(&image), b"\xfd7zXZ\0ab", "none means four");
    }
}
