//! A DLM device: under which of its two names it is found, its version, and one write.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use lock_core::dlm::Layout;
use lock_core::dlm::name::NAME_MAX;
use lock_core::dlm::request::Request;
use lock_core::dlm::version::{VERSION_LEN, Version};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::fault::{DlmFault, Reason, Step};
use crate::descriptor::{lend, openat};

/// Where devices are: first where udev puts them, then where the kernel does.
const DIRECTORIES: [&[u8]; 2] = [b"/dev/misc/", b"/dev/"];

/// The longest path of a device, with its NUL.
const PATH_MAX: usize = "/dev/misc/dlm_".len() + NAME_MAX + 1;

/// A path of a device.
pub(super) struct Path(ArrayVec<u8, PATH_MAX>);

impl Path {
    /// `None` if a part has a NUL in it, or all are too long: no device has such a name.
    fn new(parts: [&[u8]; 3]) -> Option<Path> {
        let mut path = ArrayVec::new();
        for part in parts.into_iter().chain([&b"\0"[..]]) {
            path.try_extend_from_slice(part).ok()?;
        }
        Some(Path(path)).filter(|path| CStr::from_bytes_with_nul(&path.0).is_ok())
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.0).unwrap_or_default()
    }
}

/// Does something at the place where this device is.
pub(super) fn at_place<T>(
    prefix: &[u8],
    name: &[u8],
    mut act: impl FnMut(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut outcome = Err(Errno::NOENT);
    for directory in DIRECTORIES {
        let Some(path) = Path::new([directory, prefix, name]) else { continue };
        outcome = act(path.as_c_str());
        if !matches!(outcome, Err(Errno::NOENT | Errno::NOTDIR)) {
            break;
        }
    }
    outcome
}

/// An open device that speaks our version.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) fd: OwnedFd,
    pub(super) version: Version,
}

impl Device {
    /// Opens it, and asks for its version.
    pub(super) fn open(step: Step, prefix: &[u8], name: &[u8]) -> Result<Device, DlmFault> {
        let fd = open(prefix, name).map_err(|errno| DlmFault::from_errno(step, errno))?;
        let mut bytes = [0; VERSION_LEN];
        let len = rustix::io::read(lend(&fd), &mut bytes)
            .map_err(|errno| DlmFault::from_errno(Step::Version, errno))?;
        let version = Version::decode(bytes);
        if len != VERSION_LEN || !version.understands(Version::OURS) {
            return Err(DlmFault::without_errno(Step::Version, Reason::Version(version)));
        }
        Ok(Device { fd, version })
    }

    /// Writes one request. The number that it returns is the request's own.
    pub(super) fn write(&self, request: &Request) -> Result<u32, Errno> {
        let bytes = request.encode(Layout::NATIVE, Version::OURS);
        // Ids and minor numbers are positive numbers of 32 bits.
        rustix::io::write(lend(&self.fd), bytes.as_bytes())
            .map(|answer| u32::try_from(answer).unwrap_or_default())
    }

    /// What a failed write means.
    pub(super) fn fault(&self, step: Step, errno: Errno) -> DlmFault {
        let fault = DlmFault::from_errno(step, errno);
        if errno == Errno::BADE {
            return DlmFault { reason: Reason::Version(self.version), ..fault };
        }
        fault
    }
}

/// Opens a device, not blocking and closed on `exec`.
pub(super) fn open(prefix: &[u8], name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    at_place(prefix, name, |path| openat(CWD, path, flags, Mode::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_fits_and_no_name_hides_another() {
        let longest = [b'x'; NAME_MAX];
        let path = Path::new([b"/dev/misc/", b"dlm_", &longest]).unwrap();
        assert_eq!(path.as_c_str().to_bytes().len(), PATH_MAX - 1);
        assert!(Path::new([b"/dev/misc/", b"dlm_x", &longest]).is_none());
        assert!(Path::new([b"/dev/", b"dlm_", b"a\0b"]).is_none());
    }

    #[test]
    fn the_second_place_is_tried_when_there_is_nothing_at_the_first() {
        for (first, tried) in [(Errno::NOENT, 2), (Errno::NOTDIR, 2), (Errno::ACCESS, 1)] {
            let mut places = 0;
            let outcome: Result<(), Errno> = at_place(b"dlm-", b"control", |_| {
                places += 1;
                Err(first)
            });
            assert_eq!((outcome, places), (Err(first), tried));
        }
    }
}
