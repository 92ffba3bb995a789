//! Named records on any device that can read, write and seek: what the board has for a disk.
//!
//! The device starts with two pages of names; the one with the higher number counts, and a change
//! writes the other. So every change of names happens at once or not at all, whenever power fails.
//! Records follow, in slots of one size. A slot is free when it has no name and nobody has it open,
//! and its number is used again: it means the same record only while that is open.

use embedded_io::{Read, Seek, SeekFrom, Write};
use lock_core::fault::FaultKind;
use lock_core::os::FileType;

/// How many names there can be at a time.
const NAMES_MAX: usize = 16;
/// How many records.
const RECORDS_MAX: u8 = 12;
/// The most that a record can hold, in bytes.
pub const CONTENT_MAX: usize = 496;
/// The slot number of the directory that everything is in; it is no record.
pub const ROOT: u8 = 0;

const PAGE_LEN: usize = NAMES_MAX * 3 + 8;
const PAGES_LEN: u64 = 128;
const HEADER_LEN: u64 = 16;
const SLOT_LEN: u64 = HEADER_LEN + CONTENT_MAX as u64;

/// A name: in which directory, and which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Name {
    /// The directory's slot.
    pub directory: u8,
    /// Not 0, which marks a free place in a page.
    pub code: u8,
}

/// What stands before a record's content.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// What it is.
    pub file_type: FileType,
    /// How many bytes it holds.
    pub len: u16,
    /// When it was last written, in milliseconds.
    pub modified_ms: i64,
}

#[derive(Clone, Copy)]
struct Entry {
    name: Name,
    slot: u8,
}

const FREE: Entry = Entry { name: Name { directory: 0, code: 0 }, slot: 0 };

/// The device and the page of names that counts.
pub struct Store<D> {
    device: D,
    entries: [Entry; NAMES_MAX],
    number: u32,
}

type Answer<T> = Result<T, FaultKind>;

impl<D: Read + Write + Seek> Store<D> {
    /// Reads what a device holds. One without a valid page is empty.
    pub fn mount(device: D) -> Answer<Store<D>> {
        let mut store = Store { device, entries: [FREE; NAMES_MAX], number: 0 };
        for page in 0..2 {
            let mut bytes = [0; PAGE_LEN];
            store.read_at(page * PAGES_LEN / 2, &mut bytes)?;
            if let Some((entries, number)) = parse(&bytes).filter(|it| it.1 > store.number) {
                store.entries = entries;
                store.number = number;
            }
        }
        Ok(store)
    }

    /// The device alone, as after the end of everything that ran.
    pub fn into_device(self) -> D {
        self.device
    }

    /// The device.
    pub fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.entries.iter().filter(|entry| entry.name.code != 0).count()
    }

    /// The slot that a name means.
    pub fn find(&self, name: Name) -> Answer<u8> {
        self.place(name).map(|at| self.entries[at].slot).ok_or(FaultKind::Missing)
    }

    /// How many names a record has.
    pub fn links(&self, slot: u8) -> u64 {
        self.entries.iter().map(|it| u64::from(it.name.code != 0 && it.slot == slot)).sum()
    }

    /// Whether no name is in the directory.
    pub fn is_empty(&self, directory: u8) -> bool {
        !self.entries.iter().any(|it| it.name.code != 0 && it.name.directory == directory)
    }

    /// What is known of a record.
    pub fn header(&mut self, slot: u8) -> Answer<Header> {
        if slot == ROOT {
            return Ok(Header { file_type: FileType::Directory, len: 0, modified_ms: 0 });
        }
        let mut bytes = [0; HEADER_LEN as usize];
        self.read_at(start(slot), &mut bytes)?;
        let [kind, _, len @ .., _, _, _, _] = bytes;
        let [l0, l1, modified_ms @ ..] = len;
        let file_type = match kind {
            0 => FileType::Regular,
            1 => FileType::Directory,
            2 => FileType::Symlink,
            _ => FileType::Special,
        };
        let len = u16::from_le_bytes([l0, l1]);
        Ok(Header { file_type, len, modified_ms: i64::from_le_bytes(modified_ms) })
    }

    /// Makes a record without a name in a slot that is free and not open.
    pub fn create(
        &mut self,
        file_type: FileType,
        content: &[u8],
        now_ms: i64,
        is_open: impl Fn(u8) -> bool,
    ) -> Answer<u8> {
        let free = |slot: &u8| self.links(*slot) == 0 && !is_open(*slot);
        let slot = (1..=RECORDS_MAX).find(free).ok_or(FaultKind::NoSpace)?;
        self.write_header(slot, Header { file_type, len: 0, modified_ms: now_ms })?;
        self.write(slot, content, 0, now_ms)?;
        Ok(slot)
    }

    /// Reads a record from an offset; how many bytes were read.
    pub fn read(&mut self, slot: u8, buffer: &mut [u8], offset: usize) -> Answer<usize> {
        let len = usize::from(self.header(slot)?.len).saturating_sub(offset).min(buffer.len());
        self.read_at(start(slot) + HEADER_LEN + offset as u64, &mut buffer[..len])?;
        Ok(len)
    }

    /// Writes a record at an offset; how many bytes had room.
    pub fn write(&mut self, slot: u8, bytes: &[u8], offset: usize, now_ms: i64) -> Answer<usize> {
        let header = self.header(slot)?;
        let len = bytes.len().min(CONTENT_MAX.saturating_sub(offset));
        self.write_at(start(slot) + HEADER_LEN + offset as u64, &bytes[..len])?;
        let end = u16::try_from(offset + len).map_err(|_| FaultKind::NoSpace)?;
        let header = Header { len: header.len.max(end), modified_ms: now_ms, ..header };
        self.write_header(slot, header)?;
        Ok(len)
    }

    /// Cuts a record, or lengthens it by what its slot holds.
    pub fn set_len(&mut self, slot: u8, len: usize, now_ms: i64) -> Answer<()> {
        let header = self.header(slot)?;
        let len = u16::try_from(len.min(CONTENT_MAX)).map_err(|_| FaultKind::NoSpace)?;
        self.write_header(slot, Header { len, modified_ms: now_ms, ..header })
    }

    /// Gives a record a name that is not taken.
    pub fn bind(&mut self, name: Name, slot: u8) -> Answer<()> {
        if self.place(name).is_some() {
            return Err(FaultKind::Exists);
        }
        let at = self.entries.iter().position(|it| it.name.code == 0).ok_or(FaultKind::NoSpace)?;
        let mut entries = self.entries;
        entries[at] = Entry { name, slot };
        self.commit(entries)
    }

    /// Takes a name away.
    pub fn unbind(&mut self, name: Name) -> Answer<()> {
        let at = self.place(name).ok_or(FaultKind::Missing)?;
        let mut entries = self.entries;
        entries[at] = FREE;
        self.commit(entries)
    }

    /// Gives a name to what has another; what had it before loses it.
    pub fn rename(&mut self, from: Name, to: Name) -> Answer<()> {
        let at = self.place(from).ok_or(FaultKind::Missing)?;
        let mut entries = self.entries;
        if let Some(replaced) = self.place(to) {
            if entries[replaced].slot == entries[at].slot {
                return Ok(());
            }
            entries[replaced] = FREE;
        }
        entries[at].name = to;
        self.commit(entries)
    }

    /// Exchanges what two names mean.
    pub fn exchange(&mut self, one: Name, other: Name) -> Answer<()> {
        let at = self.place(one).ok_or(FaultKind::Missing)?;
        let by = self.place(other).ok_or(FaultKind::Missing)?;
        let mut entries = self.entries;
        (entries[at].slot, entries[by].slot) = (entries[by].slot, entries[at].slot);
        self.commit(entries)
    }

    fn place(&self, name: Name) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    /// Writes the page that does not count with the next number, by which it does.
    fn commit(&mut self, entries: [Entry; NAMES_MAX]) -> Answer<()> {
        let number = self.number.checked_add(1).ok_or(FaultKind::NoSpace)?;
        let bytes = build(&entries, number);
        self.write_at(u64::from(number % 2) * PAGES_LEN / 2, &bytes)?;
        self.entries = entries;
        self.number = number;
        Ok(())
    }

    fn write_header(&mut self, slot: u8, header: Header) -> Answer<()> {
        let kind = match header.file_type {
            FileType::Regular => 0,
            FileType::Directory => 1,
            FileType::Symlink => 2,
            FileType::Special => 3,
        };
        let mut bytes = [0; HEADER_LEN as usize];
        bytes[0] = kind;
        bytes[2..4].copy_from_slice(&header.len.to_le_bytes());
        bytes[4..12].copy_from_slice(&header.modified_ms.to_le_bytes());
        self.write_at(start(slot), &bytes)
    }

    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> Answer<()> {
        self.device.seek(SeekFrom::Start(at)).map_err(|_| FaultKind::Io)?;
        self.device.read_exact(buffer).map_err(|_| FaultKind::Io)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Answer<()> {
        self.device.seek(SeekFrom::Start(at)).map_err(|_| FaultKind::Io)?;
        self.device.write_all(bytes).map_err(|_| FaultKind::Io)
    }
}

fn start(slot: u8) -> u64 {
    PAGES_LEN + u64::from(slot - 1) * SLOT_LEN
}

fn build(entries: &[Entry; NAMES_MAX], number: u32) -> [u8; PAGE_LEN] {
    let mut bytes = [0; PAGE_LEN];
    for (place, entry) in bytes.chunks_exact_mut(3).zip(entries) {
        place.copy_from_slice(&[entry.name.directory, entry.name.code, entry.slot]);
    }
    bytes[PAGE_LEN - 8..PAGE_LEN - 4].copy_from_slice(&number.to_le_bytes());
    let sum = sum(&bytes[..PAGE_LEN - 4]);
    bytes[PAGE_LEN - 4..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The names of a page and its number; `None` for one that was not written to its end.
fn parse(bytes: &[u8; PAGE_LEN]) -> Option<([Entry; NAMES_MAX], u32)> {
    let (page, stated) = bytes.split_last_chunk::<4>()?;
    let (_, number) = page.split_last_chunk::<4>()?;
    if sum(page) != u32::from_le_bytes(*stated) {
        return None;
    }
    let mut entries = [FREE; NAMES_MAX];
    for (entry, place) in entries.iter_mut().zip(page.chunks_exact(3)) {
        let name = Name { directory: place[0], code: place[1] };
        *entry = Entry { name, slot: place[2] };
    }
    Some((entries, u32::from_le_bytes(*number)))
}

/// FNV-1a, 32 bits.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0x811c_9dc5, |sum: u32, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
