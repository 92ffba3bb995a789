//! A lockspace or a lock for the time of a function: what OCaml's `Dlm` offers.

use core::time::Duration;
use std::time::Instant;

use lock_core::dlm::flags::LockFlags;
use lock_core::dlm::mode::Mode;

use super::error::DlmError;
use super::lockspace::Lockspace;

/// How [`Lockspace::with_lock`] takes its lock.
///
/// ```
/// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
/// use std::time::Duration;
/// use lock_std::dlm::{Mode, Options};
///
/// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
/// let timeout = Some(Duration::from_secs(5));
/// let reading = Options { mode: Mode::PR, timeout, ..Options::default() };
/// assert_eq!(lockspace.with_lock("disk1", &reading, || 42).unwrap(), 42);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// In this mode; exclusive by default.
    pub mode: Mode,
    /// Whether to fail at once if it is held.
    pub try_: bool,
    /// For how long to wait for it.
    pub timeout: Option<Duration>,
}

/// Opens a lockspace for the time of this function, and waits until everything taken in it is given
/// back.
///
/// Fails as [`Lockspace::open`] does.
///
/// ```
/// let error = lock_std::dlm::with_lockspace("never joined", |_| ()).unwrap_err();
/// assert_eq!(error.lockspace, "never joined");
/// ```
pub fn with_lockspace<T>(name: &str, act: impl FnOnce(&Lockspace) -> T) -> Result<T, DlmError> {
    let lockspace = Lockspace::open(name)?;
    let result = act(&lockspace);
    lockspace.close();
    Ok(result)
}

impl Lockspace {
    /// Holds a lock for the time of this function.
    ///
    /// As OCaml's `Dlm` does, it asks for a null lock and converts it, and conversions come before
    /// new requests: among programs that do so too, that is fair. The function does not run unless
    /// the lock is held. Nothing is held afterwards.
    ///
    /// The limit is for the taking. Giving back waits, without a limit, until the kernel has done
    /// it.
    ///
    /// Fails with [`Held`](super::DlmErrorKind::Held) or
    /// [`TimedOut`](super::DlmErrorKind::TimedOut) before the function runs, and with
    /// [`Lost`](super::DlmErrorKind::Lost) after it, if somebody else ended the lock meanwhile.
    ///
    /// ```
    /// # mod m { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dlm/doc.rs")); } use m::*;
    /// use lock_std::dlm::Options;
    ///
    /// let lockspace = in_memory(); // in a cluster: Lockspace::open("cluster1")
    /// let options = Options { try_: true, ..Options::default() };
    /// let sum = lockspace.with_lock("disk1", &options, || 1 + 1).unwrap();
    /// assert_eq!(sum, 2);
    /// ```
    pub fn with_lock<T>(
        &self,
        name: impl AsRef<[u8]>,
        options: &Options,
        act: impl FnOnce() -> T,
    ) -> Result<T, DlmError> {
        let until = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let null = self.resource(name).mode(Mode::NL);
        let mut guard = null.lock_until(LockFlags::EXPEDITE, until)?;
        let flags = if options.try_ { LockFlags::NOQUEUE } else { LockFlags::empty() };
        guard.convert_until(options.mode, flags, until)?;
        let result = act();
        guard.unlock()?;
        Ok(result)
    }
}
