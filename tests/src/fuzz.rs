//! What fuzzing holds the codecs to. Any bytes may be in a lock file, so each body takes any bytes.
//!
//! The bodies live here and not in `fuzz/`, so that stable replays the corpus in the test command:
//! see `it/corpus.rs`. A body panics where a promise is broken, and is silent otherwise.
// Panicking is how a body speaks.
#![allow(clippy::missing_panics_doc)]

mod arguments;
mod attempts;
mod machines;
mod oracle;
mod reference;

pub use arguments::options;
pub use attempts::{kernel_attempts, link_attempts, name_attempts};
pub use machines::{clocks, dlm_answer, dlm_lock};

use lock_core::os::{FileType, Mode};
use lock_core::owner::Host;
use lock_core::payload::date_time::WallTime;
use lock_core::payload::identify::identify;
use lock_core::payload::link_identity::LinkIdentity;
use lock_core::payload::link_target::{Chromium, Emacs, Firefox, Mercurial};
use lock_core::payload::message::parse_pid;
use lock_core::payload::nfs_info::{NFS_INFO_MAX, NfsInfo};
use lock_core::payload::parse::ParseError;
use lock_core::payload::pid_text::{self, Dialect, PidText};
use lock_core::payload::pidfile::{self, Pidfile};
use lock_core::payload::proc_locks::{self, Class, Line};
use lock_core::payload::sexp::{Reader, Token};

/// What one target does with one input.
pub type Body = fn(&[u8]);

/// Every target: its name, which is also its file's in `fuzz/fuzz_targets` and its folder's in
/// `fuzz/corpus`.
///
/// ```
/// for (_, body) in lock_tests::fuzz::TARGETS {
///     body(b"");
/// }
/// ```
pub const TARGETS: [(&str, Body); 17] = [
    ("clocks", clocks),
    ("date_time", date_time),
    ("dlm_answer", dlm_answer),
    ("dlm_lock", dlm_lock),
    ("identify", identify_lock),
    ("kernel_attempts", kernel_attempts),
    ("link_attempts", link_attempts),
    ("link_identity", link_identity),
    ("link_target", link_target),
    ("message", message),
    ("name_attempts", name_attempts),
    ("nfs_info", nfs_info),
    ("options", options),
    ("pid_text", pid_text),
    ("pidfile", pidfile),
    ("proc_locks", proc_locks),
    ("sexp", sexp),
];

/// A date, a newline, a time of day: what is read is written as the same time.
pub fn date_time(bytes: &[u8]) {
    let (date, time_of_day) = halves(bytes);
    match WallTime::parse(date, time_of_day) {
        Ok(time) => assert_eq!(WallTime::parse(&time.date(), &time.time_of_day()), Ok(time)),
        Err(error) => check_error(error, &[date, b" ", time_of_day].concat()),
    }
}

/// A file name, a newline, the content: each reading of it is offered once.
pub fn identify_lock(bytes: &[u8]) {
    let (name, content) = halves(bytes);
    for carrier in [FileType::Regular, FileType::Directory, FileType::Symlink, FileType::Special] {
        let mut names: Vec<&str> =
            identify(carrier, name, content).map(|finding| finding.convention.name).collect();
        let offered = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), offered, "a convention is offered twice");
    }
}

/// Our own links have one spelling.
pub fn link_identity(bytes: &[u8]) {
    match LinkIdentity::parse(bytes) {
        Ok(identity) => assert_eq!(identity.write().as_deref(), Ok(bytes)),
        Err(error) => check_error(error, bytes),
    }
}

/// Other programs' links: what can be written again is read as the same.
pub fn link_target(bytes: &[u8]) {
    match Emacs::parse(bytes) {
        Ok(lock) => lock.write().iter().for_each(|link| assert_eq!(Emacs::parse(link), Ok(lock))),
        Err(error) => check_error(error, bytes),
    }
    match Mercurial::parse(bytes) {
        Ok(lock) => {
            lock.write().iter().for_each(|link| assert_eq!(Mercurial::parse(link), Ok(lock)));
        }
        Err(error) => check_error(error, bytes),
    }
    match Chromium::parse(bytes) {
        Ok(lock) => {
            lock.write().iter().for_each(|link| assert_eq!(Chromium::parse(link), Ok(lock)));
        }
        Err(error) => check_error(error, bytes),
    }
    match Firefox::parse(bytes) {
        Ok(lock) => lock.write().iter().for_each(|link| assert_eq!(Firefox::parse(link), Ok(lock))),
        Err(error) => check_error(error, bytes),
    }
}

/// Local lock files: the pid is what a slower and plainer reader finds.
pub fn message(bytes: &[u8]) {
    assert_eq!(parse_pid(bytes).map(lock_core::owner::Pid::get), reference::pid(bytes));
}

/// The s-expression: both layouts carry all of it.
pub fn nfs_info(bytes: &[u8]) {
    let info = match NfsInfo::parse(bytes) {
        Ok(info) => info,
        Err(error) => return check_error(error, bytes),
    };
    assert_eq!(info.claim().owner.pid, Some(info.pid));
    let mut file = [0; NFS_INFO_MAX];
    for write in [NfsInfo::write_human, NfsInfo::write_machine] {
        let len = write(&info, &mut file).expect("there is always enough room");
        assert_eq!(NfsInfo::parse(&file[..len]).as_ref(), Ok(&info));
    }
}

/// Plain pid files: one that is said to be some program's is what that program writes.
pub fn pid_text(bytes: &[u8]) {
    let text = match PidText::parse(bytes) {
        Ok(text) => text,
        Err(error) => return check_error(error, bytes),
    };
    assert_eq!(text.claim().owner.pid, text.pid);
    let Some(pid) = text.pid.and_then(|pid| u32::try_from(pid.get()).ok()) else { return };
    match text.dialect {
        Dialect::Bare => assert_eq!(pid_text::bare(pid).as_slice(), bytes),
        Dialect::Line => assert_eq!(pid_text::line(pid).as_slice(), bytes),
        Dialect::Column => assert_eq!(pid_text::column(pid).as_slice(), bytes),
        _ => {}
    }
}

/// Pidfile.jl's: what can be written again is read as the same.
pub fn pidfile(bytes: &[u8]) {
    let read = Pidfile::parse(bytes);
    match Host::try_from(read.host) {
        Ok(host) => assert_eq!(Pidfile::parse(&pidfile::write(read.pid, &host)), read),
        Err(_) => assert!(read.claim().is_err(), "a host name is cut short"),
    }
}

/// The kernel's list: a line that is understood is understood as much when the kernel prints it.
pub fn proc_locks(bytes: &[u8]) {
    if let Some(line) = proc_locks::parse(bytes) {
        assert_eq!(proc_locks::parse(printed(line).as_bytes()), Some(line));
    }
}

/// S-expressions: reading ends, and lists close as often as they open.
pub fn sexp(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut open = 0u32;
    // Every token but the last takes a byte at least.
    for _ in 0..=bytes.len() {
        match reader.next_token() {
            Ok(Token::Open) => open += 1,
            Ok(Token::Close) => open = open.checked_sub(1).expect("more lists end than start"),
            Ok(Token::Atom(atom)) => assert!(atom.bytes().count() <= bytes.len()),
            Ok(Token::End) => return assert_eq!(open, 0, "a list has no end"),
            Err(error) => return check_error(error, bytes),
        }
        assert!(reader.at() <= bytes.len());
    }
    panic!("reading does not end");
}

/// An error points into the text, or just behind it, and has words for a person.
fn check_error(error: ParseError, text: &[u8]) {
    assert!(error.at as usize <= text.len(), "{error}, of {}", text.len());
}

/// What stands before the first newline, and what behind it.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// A line as Linux prints it.
fn printed(line: Line) -> String {
    let arrow = if line.waiting { "-> " } else { "" };
    let class = match line.class {
        Class::Flock => "FLOCK ",
        Class::Posix => "POSIX ",
        Class::Ofd => "OFDLCK",
    };
    let mode = match line.mode {
        Mode::Shared => "READ ",
        Mode::Exclusive => "WRITE",
    };
    let pid = line.pid.map_or(-1, i64::from);
    let Line { major, minor, ino, .. } = line;
    format!("1: {arrow}{class} ADVISORY  {mode} {pid} {major:02x}:{minor:02x}:{ino} 0 EOF")
}
