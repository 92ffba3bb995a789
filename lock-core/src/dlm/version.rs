//! Which protocol a kernel speaks: what every device answers to a read of twelve bytes.

use core::fmt;

/// How many bytes a version is. Only a read of exactly so many gets it.
pub const VERSION_LEN: usize = 12;

/// A version of the device protocol.
///
/// ```
/// use lock_core::dlm::version::Version;
///
/// let kernel = Version { major: 6, minor: 0, patch: 2 };
/// assert!(kernel.understands(Version::OURS));
/// assert_eq!(kernel.to_string(), "6.0.2");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Version {
    /// Must be equal.
    pub major: u32,
    /// The kernel's must be as high as the program's.
    pub minor: u32,
    /// Does not count.
    pub patch: u32,
}

impl Version {
    /// What this library writes: the lowest with these layouts, so that every such kernel takes it.
    pub const OURS: Version = Version { major: 6, minor: 0, patch: 0 };

    /// Whether a kernel of this version takes a request of that one. One that does not answers
    /// `EBADE`.
    pub const fn understands(self, request: Version) -> bool {
        self.major == request.major && self.minor >= request.minor
    }

    /// Reads what a device answered.
    ///
    /// ```
    /// use lock_core::dlm::version::Version;
    ///
    /// let kernel = Version { major: 6, minor: 0, patch: 2 };
    /// assert_eq!(Version::decode(kernel.encode()), kernel);
    /// ```
    pub fn decode(bytes: [u8; VERSION_LEN]) -> Version {
        let mut words = bytes
            .chunks_exact(4)
            .map(|word| word.first_chunk().copied().map_or(0, u32::from_ne_bytes));
        let mut next = || words.next().unwrap_or(0);
        Version { major: next(), minor: next(), patch: next() }
    }

    /// What a device would answer.
    ///
    /// ```
    /// use lock_core::dlm::version::Version;
    ///
    /// let version = Version { major: 6, minor: 0, patch: 2 };
    /// assert_eq!(version.encode()[8..], 2u32.to_ne_bytes());
    /// ```
    pub fn encode(self) -> [u8; VERSION_LEN] {
        let mut bytes = [0; VERSION_LEN];
        let words = [self.major, self.minor, self.patch];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.iter_mut().zip(word.to_ne_bytes()).for_each(|(to, from)| *to = from);
        }
        bytes
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_takes_its_own_major_version_and_no_later_minor_one() {
        let version = |major, minor| Version { major, minor, patch: 9 };
        let kernel = version(6, 1);
        for (request, taken) in
            [(version(6, 0), true), (version(6, 1), true), (version(6, 2), false)]
        {
            assert_eq!(kernel.understands(request), taken, "{request}");
        }
        assert!(!kernel.understands(version(5, 0)) && !kernel.understands(version(7, 0)));
    }

    #[test]
    fn comes_back() {
        let version = Version { major: 6, minor: 0x0102_0304, patch: u32::MAX };
        assert_eq!(Version::decode(version.encode()), version);
    }
}
