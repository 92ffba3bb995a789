//! Whether locking is real in a directory, for programs that want to know before they trust it, and
//! as a text for people.

use core::error::Error;
use core::fmt;
use core::time::Duration;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::os::Node;
use lock_rustix::doctor::{LIMIT_NS, examine};

pub use lock_rustix::doctor::{
    Advice, Doubt, FileSystem, Finding, Flaw, LocalLocks, Nature, Remark, Report,
};

/// What was found out about a directory, and which.
///
/// As text: its file system, how it is mounted, one line for each kind, remarks, and which kind to
/// choose.
///
/// ```
/// let diagnosis = lock_std::doctor::doctor("/dev/shm")?;
/// let text = diagnosis.to_string();
/// assert!(text.starts_with("/dev/shm: tmpfs"));
/// assert!(text.contains("\nmkdir: safe\n"));
/// # Ok::<(), lock_std::doctor::CannotExamine>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The directory, as it was given.
    pub path: PathBuf,
    /// What is known about it.
    pub report: Report,
}

/// A directory that cannot be examined, because it cannot be opened or no process can be made.
///
/// ```
/// let error = lock_std::doctor::doctor("/no such directory").unwrap_err();
/// assert_eq!(error.fault.errno, 2);
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CannotExamine {
    /// The directory, as it was given.
    pub path: PathBuf,
    /// What failed.
    pub fault: Fault,
}

/// Examines a directory: file system, mount options, clock, and a self-test of every kind of lock
/// by several processes.
///
/// It comes back though the file system may hang: what takes longer than 10 seconds is given up and
/// told. The self-test makes a directory of its own in this one, and removes it. A child process
/// makes all calls; it runs none of the program's code, and the program's own waits do not see it.
///
/// Errors: the directory cannot be opened, or no child can be made. A directory that cannot be
/// written to is no error: its file system is told.
///
/// ```
/// use lock_std::Kind;
/// use lock_std::doctor::{Finding, doctor};
///
/// let diagnosis = doctor("/tmp")?;
/// match diagnosis.report.finding(Kind::File) {
///     Finding::Sound => println!("{:?} it is", diagnosis.report.advice().kind),
///     finding => println!("not here, because it is {finding}\n{diagnosis}"),
/// }
/// # assert!(diagnosis.to_string().contains("\nflock: safe\n"));
/// # Ok::<(), lock_std::doctor::CannotExamine>(())
/// ```
pub fn doctor(dir: impl AsRef<Path>) -> Result<Diagnosis, CannotExamine> {
    doctor_within(dir, Duration::from_nanos(LIMIT_NS))
}

/// [`doctor`], with another limit for each of its three parts. A child that the kernel does not let
/// die is waited for two seconds more, and then left alone: [`Report::stuck`].
///
/// ```
/// use std::time::Duration;
///
/// let error = lock_std::doctor::doctor_within("/none", Duration::from_secs(1)).unwrap_err();
/// assert!(error.to_string().contains("no such file or directory"));
/// ```
pub fn doctor_within(dir: impl AsRef<Path>, limit: Duration) -> Result<Diagnosis, CannotExamine> {
    let path = dir.as_ref().to_owned();
    let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let examined = match CString::new(path.as_os_str().as_bytes()) {
        Ok(dir) => examine(&dir, limit_ns),
        // No path has a NUL.
        Err(_) => Err(Fault {
            call: Call::Open,
            node: Node::Directory,
            kind: FaultKind::Missing,
            errno: 0,
        }),
    };
    match examined {
        Ok(report) => Ok(Diagnosis { path, report }),
        Err(fault) => Err(CannotExamine { path, fault }),
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.report;
        write!(out, "{}: ", self.path.display())?;
        match &report.file_system {
            Some(found) => {
                write!(out, "{}", found.name.escape_ascii())?;
                if !found.options.is_empty() {
                    write!(out, " ({})", found.options.escape_ascii())?;
                }
                write!(out, ", {}", found.nature.reach())?;
            }
            None => out.write_str("the file system does not answer")?,
        }
        if let Some(skew_ms) = report.clock_skew_ms {
            write!(out, "; its clock is {skew_ms} ms ahead of this machine's")?;
        }
        for (kind, finding) in &report.findings {
            write!(out, "\n{}: {finding}", kind.name())?;
        }
        for remark in report.remarks() {
            write!(out, "\nnote: {}", remark.sentence())?;
        }
        if let Some(leftover) = &report.leftover {
            let name = leftover.as_c_str().to_bytes().escape_ascii();
            write!(out, "\nnote: remove {}/{name} when it can be", self.path.display())?;
        }
        if let Some(pid) = report.stuck {
            write!(out, "\nnote: process {pid} hangs in the kernel until the file system answers")?;
        }
        let advice = report.advice();
        match advice.kind {
            Some(kind) => write!(out, "\nchoose {}: {}", kind.name(), advice.why),
            None => write!(out, "\nchoose none: {}", advice.why),
        }
    }
}

impl fmt::Display for CannotExamine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot examine {}: {}", self.path.display(), self.fault)
    }
}

impl Error for CannotExamine {}

impl From<CannotExamine> for io::Error {
    fn from(error: CannotExamine) -> io::Error {
        let kind = io::Error::from_raw_os_error(i32::from(error.fault.errno)).kind();
        io::Error::new(kind, error)
    }
}
