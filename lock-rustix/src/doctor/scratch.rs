//! The directory in which all is tried out: made, used and removed by children.

use core::ffi::CStr;

use lock_core::fault::{Call, Fault};
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::payload::message::Message;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, fstat, inotify, mkdirat, unlinkat};
use rustix::io::Errno;

use super::child::elsewhere;
use super::sheet::{Sheet, Step};
use super::{existence, file_system, kernel};
use crate::clock::wall_us;
use crate::descriptor::{inotify_init, lend, openat};
use crate::entries::Entries;
use crate::fault::fault;
use crate::place::{FileName, Nonce};

/// A directory that is examined, and the name of the one that is made in it.
pub(super) struct Scratch<'d> {
    dir: &'d CStr,
    name: FileName,
}

impl Scratch<'_> {
    pub(super) fn new<'d>(dir: &'d CStr, nonce: &Nonce) -> Scratch<'d> {
        Scratch { dir, name: FileName::private(c"lock-doctor", nonce) }
    }

    /// What the directory that is made is called.
    pub(super) fn name(&self) -> &FileName {
        &self.name
    }

    /// The first child's work: what is around, and the kernel kinds.
    pub(super) fn kernel_part(&self, sheet: &Sheet) {
        sheet.enter(Step::Surroundings);
        if let Some(guessed) = file_system::guess(self.dir.to_bytes()) {
            sheet.guessed.put(guessed);
        }
        let dir = match open_directory(self.dir) {
            Ok(dir) => dir,
            Err(errno) => return sheet.opened.put(Err(directory_fault(Call::Open, errno))),
        };
        sheet.opened.put(Ok(()));
        if let Ok(found) = file_system::look(lend(&dir)) {
            sheet.file_system.put(found);
        }
        sheet.enter(Step::Writing);
        let made = self.make(&dir);
        sheet.made.put(made.as_ref().map(|_| ()).map_err(|fault| *fault));
        let Ok(scratch) = made else { return };
        if let Ok(skew_ms) = clock_skew_ms(&scratch) {
            sheet.clock_skew_ms.put(skew_ms);
        }
        if let Some(events) = delivers_events(&scratch) {
            sheet.events.put(events);
        }
        for ((number, kind), slot) in (0..).zip(Kind::KERNEL).zip(&sheet.outcomes) {
            sheet.enter(Step::Kind(number));
            slot.put(kernel::test(&scratch, kind));
        }
        if let Some(refuses) = kernel::refuses_both(&scratch) {
            sheet.refuses_both.put(refuses);
        }
    }

    /// The second child's work: the existence kinds.
    #[inline(never)]
    pub(super) fn existence_part(&self, sheet: &Sheet) {
        let slots = sheet.outcomes.iter().zip(&sheet.gates).skip(Kind::KERNEL.len());
        for ((number, kind), (slot, gate)) in (4..).zip(Kind::EXISTENCE).zip(slots) {
            sheet.enter(Step::Kind(number));
            let Ok(scratch) = self.open() else { return };
            slot.put(existence::test(scratch, kind, gate));
        }
    }

    /// The last child's work: removes all that was made.
    pub(super) fn clean(&self, sheet: &Sheet) {
        sheet.enter(Step::Cleaning);
        let removed = open_directory(self.dir).and_then(|dir| {
            let scratch = open_in(&dir, self.name.as_c_str())?;
            empty(&scratch)?;
            drop(scratch);
            unlinkat(lend(&dir), self.name.as_c_str(), AtFlags::REMOVEDIR)
        });
        sheet.cleaned.put(removed.is_ok());
    }

    fn make(&self, dir: &OwnedFd) -> Result<OwnedFd, Fault> {
        mkdirat(lend(dir), self.name.as_c_str(), Mode::RWXU)
            .map_err(|errno| directory_fault(Call::Mkdir, errno))?;
        open_in(dir, self.name.as_c_str()).map_err(|errno| directory_fault(Call::Open, errno))
    }

    fn open(&self) -> Result<OwnedFd, Errno> {
        open_in(&open_directory(self.dir)?, self.name.as_c_str())
    }
}

fn directory_fault(call: Call, errno: Errno) -> Fault {
    fault(call, Node::Directory, errno)
}

fn open_directory(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(CWD, path, flags, Mode::empty()) {
        // One that may not be listed can be used all the same.
        Err(Errno::ACCESS) => {
            openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        }
        opened => opened,
    }
}

fn open_in(dir: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(lend(dir), name, flags, Mode::empty())
}

/// Makes a new file for a test.
pub(super) fn create(dir: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    openat(lend(dir), name, flags, Mode::RUSR | Mode::WUSR)
}

/// How far the file system's clock is ahead of ours: what a new file's time is beyond the moments
/// before and after it was made. Up to a clock tick is none.
#[allow(clippy::unnecessary_cast, reason = "widths differ between architectures")]
fn clock_skew_ms(dir: &OwnedFd) -> Result<i64, Errno> {
    /// The kernel's coarse clock lags behind by up to a tick of 10 ms.
    const TICK_MS: i64 = 20;
    let before_ms = wall_us() / 1000;
    let stat = fstat(lend(&create(dir, c"clock")?))?;
    let after_ms = wall_us() / 1000;
    let made_ms = (stat.st_mtime as i64)
        .saturating_mul(1000)
        .saturating_add(i64::try_from(stat.st_mtime_nsec as u64 / 1_000_000).unwrap_or(0));
    Ok(match made_ms {
        ms if ms.saturating_add(TICK_MS) < before_ms => ms.saturating_sub(before_ms),
        ms if ms > after_ms => ms.saturating_sub(after_ms),
        _ => 0,
    })
}

/// Whether what another process does to a file is told to who watches it.
fn delivers_events(dir: &OwnedFd) -> Option<bool> {
    let events = inotify_init().ok()?;
    drop(create(dir, c"events").ok()?);
    let number = Message::from_pid(dir.as_raw_fd().unsigned_abs());
    let path = FileName::new(&[b"/proc/self/fd/", number.text(), b"/events"]).ok()?;
    let wanted = inotify::WatchFlags::ATTRIB | inotify::WatchFlags::DELETE_SELF;
    inotify::add_watch(lend(&events), path.as_c_str(), wanted).ok()?;
    elsewhere(&mut || {
        let opened = openat(lend(dir), c"events", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let _ = opened.and_then(|file| fchmod(lend(&file), Mode::RWXU));
        u8::from(unlinkat(lend(dir), c"events", AtFlags::empty()).is_err())
    })
    .filter(|&answer| answer == 0)?;
    // An event is there before the call that causes it comes back.
    let mut buffer = [0; 512];
    Some(rustix::io::read(lend(&events), &mut buffer).is_ok_and(|len| len > 0))
}

/// How often a directory is listed until there is nothing in it.
const PASSES_MAX: u32 = 100;

/// Removes all that is in a directory, and in those right under it.
fn empty(dir: &OwnedFd) -> Result<(), Errno> {
    for _ in 0..PASSES_MAX {
        let Some(name) = unlink_entries(dir)? else { return Ok(()) };
        let inner = open_in(dir, name.as_c_str())?;
        if unlink_entries(&inner)?.is_some() {
            break;
        }
        unlinkat(lend(dir), name.as_c_str(), AtFlags::REMOVEDIR)?;
    }
    Err(Errno::NOTEMPTY)
}

/// Unlinks the entries of a directory; answers one that is a directory itself, if there is one.
/// What goes while it is listed can hide others, so it is listed until there is nothing to unlink.
fn unlink_entries(dir: &OwnedFd) -> Result<Option<FileName>, Errno> {
    for _ in 0..PASSES_MAX {
        let listed = openat(lend(dir), c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut entries = Entries::of(lend(&listed));
        let (mut found, mut directory) = (false, None);
        while let Some(name) = entries.next()? {
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match unlinkat(lend(dir), name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => found = true,
                Err(Errno::ISDIR | Errno::PERM) => {
                    directory = FileName::new(&[name.to_bytes()]).ok();
                }
                Err(errno) => return Err(errno),
            }
        }
        if !found {
            return Ok(directory);
        }
    }
    Err(Errno::NOTEMPTY)
}
