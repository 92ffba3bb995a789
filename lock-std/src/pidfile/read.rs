//! Reading, writing and judging pid files.

use core::time::Duration;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use lock_core::owner::Pid;
use lock_core::payload::pidfile::{self, Pidfile};
use lock_core::scheme::hardlink::PAYLOAD_MAX;
use lock_rustix::process;
use rustix::fs::OFlags;

/// The longest file that is understood, in bytes: no part is taken for the whole.
const LONGEST: u64 = PAYLOAD_MAX as u64;

/// What a pid file says.
///
/// ```
/// use lock_std::pidfile::parse_pidfile;
///
/// # let path = format!("/tmp/lock-std-doc-pidinfo-{}", std::process::id());
/// std::fs::write(&path, "1234 vm").unwrap();
/// let info = parse_pidfile(&path);
/// assert_eq!((info.pid, &info.host[..]), (1234, &b"vm"[..]));
/// # std::fs::remove_file(path).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PidInfo {
    /// The process id; 0 if there is none.
    pub pid: u32,
    /// The host's name; empty stands for this one.
    pub host: Vec<u8>,
    /// Seconds since the file was written or touched; negative if that is in the future.
    pub age: f64,
}

/// Writes what [`parse_pidfile`] reads, for this host: no newline behind it.
///
/// ```
/// let mut file = Vec::new();
/// lock_std::pidfile::write_pidfile(&mut file, 1234).unwrap();
/// assert!(file.starts_with(b"1234 ") && !file.ends_with(b"\n"));
/// ```
pub fn write_pidfile(mut file: impl Write, pid: u32) -> io::Result<()> {
    file.write_all(&pidfile::write(pid, &process::host()))
}

/// What the file says. One that cannot be read says pid 0, no host and age 0, as it does to Julia;
/// so does one that is no pid file: longer than 8192 bytes, or not a regular file.
///
/// ```
/// use lock_std::pidfile::{PidInfo, parse_pidfile};
///
/// assert_eq!(parse_pidfile("/no such file"), PidInfo::default());
/// ```
pub fn parse_pidfile(path: impl AsRef<Path>) -> PidInfo {
    // Without waiting for a FIFO's other end.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    opened.and_then(read).unwrap_or_default()
}

/// Whether the process may be alive: one of another host may, one of this host if the kernel knows
/// it, though it may be another user's. `host` empty is this one.
///
/// ```
/// use lock_std::pidfile::isvalidpid;
///
/// assert!(isvalidpid(b"", std::process::id()));
/// assert!(isvalidpid(b"another host", 0));
/// assert!(!isvalidpid(b"", 0) && !isvalidpid(b"", u32::MAX));
/// ```
pub fn isvalidpid(host: &[u8], pid: u32) -> bool {
    if !host.is_empty() && host != &process::host()[..] {
        return true;
    }
    i32::try_from(pid).is_ok() && Pid::new(u64::from(pid)).is_some_and(process::exists)
}

/// Whether Julia calls the lock abandoned: older than `stale_age`, and either without a process
/// that may be alive, or older than 25 times that; 5 times for an asker who refreshes his own.
/// Never for a `stale_age` of zero.
///
/// A file that is younger than now by more than the stale age, which the original warns of, is not
/// stale: see [`PidInfo::age`]. The rule reads and judges without excluding anybody: nothing may be
/// removed on its word alone.
///
/// ```
/// use std::time::Duration;
///
/// # let path = format!("/tmp/lock-std-doc-stale-pidfile-{}", std::process::id());
/// std::fs::write(&path, "1234 another host").unwrap();
/// assert!(!lock_std::pidfile::stale_pidfile(&path, Duration::from_secs(10), Duration::ZERO));
/// # std::fs::remove_file(path).unwrap();
/// ```
pub fn stale_pidfile(path: impl AsRef<Path>, stale_age: Duration, refresh: Duration) -> bool {
    let info = parse_pidfile(path);
    let limit = stale_age.as_secs_f64();
    let factor = if refresh.is_zero() { 25.0 } else { 5.0 };
    let old = !stale_age.is_zero() && info.age > limit;
    old && (info.age > limit * factor || !isvalidpid(&info.host, info.pid))
}

fn read(mut file: File) -> io::Result<PidInfo> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = Vec::new();
    (&mut file).take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let Pidfile { pid, host } = Pidfile::parse(&text);
    let modified = metadata.modified()?;
    let age = match SystemTime::now().duration_since(modified) {
        Ok(age) => age.as_secs_f64(),
        Err(ahead) => -ahead.duration().as_secs_f64(),
    };
    Ok(PidInfo { pid, host: host.to_vec(), age })
}
