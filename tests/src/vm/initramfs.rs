//! An archive that the kernel unpacks as its first file system: cpio, as the kernel's
//! `buffer-format` document has it ("newc"), unpacked, owned by root.

use std::collections::BTreeMap;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// What will be the files of a machine, by path without a slash in front.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    mode: u32,
    content: Vec<u8>,
    device: (u32, u32),
}

impl Archive {
    /// An archive of nothing.
    pub fn new() -> Archive {
        Archive::default()
    }

    /// A directory, with those above it.
    pub fn directory(&mut self, path: &str) {
        self.put(path, DIRECTORY | 0o755, Vec::new(), (0, 0));
    }

    /// A file with these permissions; it replaces one of the same path.
    pub fn file(&mut self, path: &str, permissions: u32, content: Vec<u8>) {
        self.put(path, FILE | permissions, content, (0, 0));
    }

    /// A symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.put(path, SYMLINK | 0o777, target.as_bytes().to_vec(), (0, 0));
    }

    /// A character device.
    pub fn character_device(&mut self, path: &str, major: u32, minor: u32) {
        self.put(path, CHARACTER_DEVICE | 0o600, Vec::new(), (major, minor));
    }

    /// Whether there is anything at this path.
    pub fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_matches('/'))
    }

    /// The archive's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for ((path, entry), number) in self.entries.iter().zip(1..) {
            append(&mut bytes, number, path, entry);
        }
        let end = Entry { mode: 0, content: Vec::new(), device: (0, 0) };
        append(&mut bytes, 0, "TRAILER!!!", &end);
        bytes
    }

    fn put(&mut self, path: &str, mode: u32, content: Vec<u8>, device: (u32, u32)) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            let above = Entry { mode: DIRECTORY | 0o755, content: Vec::new(), device: (0, 0) };
            self.entries.entry(path[..at].to_owned()).or_insert(above);
        }
        self.entries.insert(path.to_owned(), Entry { mode, content, device });
    }
}

/// Thirteen numbers of eight hexadecimal digits, the name, the content; each ends at a multiple
/// of four.
fn append(bytes: &mut Vec<u8>, number: u32, path: &str, entry: &Entry) {
    let (major, minor) = entry.device;
    let size = u32::try_from(entry.content.len()).expect("no file so big");
    let name_size = u32::try_from(path.len() + 1).expect("no name so long");
    let fields = [number, entry.mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
    bytes.extend(b"070701");
    for field in fields {
        bytes.extend(format!("{field:08X}").into_bytes());
    }
    bytes.extend(path.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(&entry.content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn directories_above_come_first_and_once() {
        let mut archive = Archive::new();
        archive.file("/a/b/c", 0o644, b"text".to_vec());
        archive.directory("a/b");
        archive.symlink("a/b/d", "c");
        let bytes = archive.bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let modes: Vec<&str> =
            text.match_indices("070701").map(|(at, _)| &text[at + 14..at + 22]).collect();
        assert_eq!(modes, ["000041ED", "000041ED", "000081A4", "0000A1FF", "00000000"]);
        assert_eq!(text.matches("TRAILER!!!").count(), 1);
        assert_eq!(bytes.len() % 4, 0);
        assert!(archive.has("/a/b/d") && !archive.has("a/d"));
    }
}
