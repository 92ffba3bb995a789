//! Facts about processes, from `/proc` and `uname`, without allocation.
//!
//! All of them can change or vanish between two calls, and another user's may be hidden: what
//! cannot be read is absent, never guessed.

use arrayvec::ArrayVec;
use lock_core::os::ProcessState;
use lock_core::owner::{Host, Pid, StartTime};
use lock_core::payload::message::Message;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::clock;
use crate::descriptor::{lend, openat};
use crate::place::FileName;

/// The longest command name the kernel keeps, in bytes: `TASK_COMM_LEN` less its end.
pub const COMMAND_MAX: usize = 15;

/// A process's command name, as `ps -o comm` shows it.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::process::{Command, command};
///
/// let init: Command = command(Pid::new(1).unwrap()).unwrap();
/// assert!(!init.is_empty());
/// ```
pub type Command = ArrayVec<u8, COMMAND_MAX>;

/// The calling process's id.
///
/// ```
/// assert_eq!(lock_rustix::process::id(), std::process::id());
/// ```
pub fn id() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}

/// The process that started the calling one; `None` if it is of another pid namespace.
///
/// ```
/// let parent = lock_rustix::process::parent().map(|pid| pid.get());
/// assert_eq!(parent.unwrap_or(0), u64::from(std::os::unix::process::parent_id()));
/// ```
pub fn parent() -> Option<Pid> {
    let parent = rustix::process::getppid()?;
    Pid::new(u64::from(parent.as_raw_nonzero().get().unsigned_abs()))
}

/// The host's name, as `uname(2)` gives it. Empty if it is longer than any host's name may be.
///
/// ```
/// let host = lock_rustix::process::host();
/// let told = std::fs::read("/proc/sys/kernel/hostname").unwrap();
/// assert_eq!(&host[..], told.trim_ascii_end());
/// ```
pub fn host() -> Host {
    let name = rustix::system::uname();
    Host::try_from(name.nodename().to_bytes()).unwrap_or_default()
}

/// Whether a process of this pid exists, as far as this pid namespace can see. A process of
/// another user exists too: the kernel answers `EPERM`, and that means alive.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::process;
///
/// assert!(process::exists(Pid::new(u64::from(process::id())).unwrap()));
/// // The kernel gives out no number above 4194304.
/// assert!(!process::exists(Pid::new(4_194_305).unwrap()));
/// ```
pub fn exists(pid: Pid) -> bool {
    let raw = i32::try_from(pid.get()).ok().and_then(rustix::process::Pid::from_raw);
    raw.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH))
}

/// What has become of the process: gone, a zombie, or running since when.
///
/// ```
/// use lock_core::os::ProcessState;
/// use lock_core::owner::Pid;
/// use lock_rustix::process::state;
///
/// let mut child = std::process::Command::new("true").spawn().unwrap();
/// let pid = Pid::new(u64::from(child.id())).unwrap();
/// child.wait().unwrap();
/// assert_eq!(state(pid), ProcessState::Gone);
/// ```
pub fn state(pid: Pid) -> ProcessState {
    if !exists(pid) {
        return ProcessState::Gone;
    }
    let mut buffer = [0; STAT_MAX];
    let stat = read_fact(pid, b"stat", &mut buffer).and_then(Stat::parse);
    match stat {
        Some(Stat { state: b'Z' | b'X', threads: 0 | 1, .. }) => ProcessState::Zombie,
        // Hidden, or ended just now: the next look will tell.
        None => ProcessState::Running { start: None, started_at_us: None },
        Some(Stat { start, .. }) => ProcessState::Running {
            start: Some(start),
            started_at_us: Some(clock::wall_time_of_start_us(start)),
        },
    }
}

/// The process's command name, if it can be read.
///
/// ```
/// use lock_core::owner::Pid;
///
/// let pid = Pid::new(u64::from(std::process::id())).unwrap();
/// assert!(lock_rustix::process::command(pid).is_some());
/// ```
pub fn command(pid: Pid) -> Option<Command> {
    let mut buffer = [0; COMMAND_MAX + 1];
    let text = read_fact(pid, b"comm", &mut buffer)?;
    Command::try_from(text.strip_suffix(b"\n").unwrap_or(text)).ok()
}

/// When the process started: clock ticks since boot. `None` if there is no such process, or it is
/// hidden. With the pid it names a process of one boot: a later one with the same pid has another
/// start.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::process;
///
/// let me = process::start_time(Pid::new(u64::from(process::id())).unwrap());
/// let init = process::start_time(Pid::new(1).unwrap());
/// assert!(init <= me);
/// ```
pub fn start_time(pid: Pid) -> Option<StartTime> {
    let mut buffer = [0; STAT_MAX];
    read_fact(pid, b"stat", &mut buffer).and_then(Stat::parse).map(|stat| stat.start)
}

/// Enough of `/proc/PID/stat` for the fields below, with the longest name and numbers.
const STAT_MAX: usize = 512;

/// Fields of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    /// Field 3: one letter. `Z` is also the state of a process whose first thread has ended while
    /// others run on.
    state: u8,
    /// Field 20.
    threads: u64,
    /// Field 22.
    start: StartTime,
}

impl Stat {
    /// The second field is the command's name in parentheses and can contain anything, so fields
    /// are counted from the last parenthesis.
    fn parse(line: &[u8]) -> Option<Stat> {
        let name_end = line.iter().rposition(|&byte| byte == b')')?;
        let after_name = line.get(name_end.checked_add(1)?..)?;
        let mut fields = after_name.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let state = *fields.next()?.first()?;
        let threads = number(fields.nth(16)?)?;
        let start = number(fields.nth(1)?).map(StartTime)?;
        Some(Stat { state, threads, start })
    }
}

/// A number in decimal digits and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    digits.first()?;
    digits.iter().try_fold(0u64, |sum, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads `/proc/PID/NAME` with one read: the kernel makes such a file up on the spot.
fn read_fact<'b>(pid: Pid, name: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let pid = u32::try_from(pid.get()).ok()?;
    // The message of a pid is its digits and a newline.
    let digits = Message::from_pid(pid);
    let path = FileName::new(&[b"/proc/", digits.text(), b"/", name]).ok()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(CWD, path.as_c_str(), flags, Mode::empty()).ok()?;
    let len = rustix::io::read(lend(&file), &mut *buffer).ok()?;
    buffer.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_counted_from_the_last_parenthesis() {
        let stat = b"12 (a) R 1 (b) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654 9 10";
        let expected = Stat { state: b'S', threads: 3, start: StartTime(987_654) };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse(b"12 (a) S 1 2"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn knows_itself() {
        let pid = Pid::new(u64::from(id())).unwrap();
        assert!(exists(pid));
        assert!(start_time(pid).is_some());
        assert!(!exists(Pid::new(u64::MAX).unwrap()));
    }
}
