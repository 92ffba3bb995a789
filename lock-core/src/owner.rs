//! Who holds a lock, and whether two descriptions mean the same process.
//!
//! A pid alone is no identity: pids are reused, and mean different processes in different pid
//! namespaces and on different hosts. Every fact that a lock or the system can tell has its
//! place here, and may be missing.

use core::fmt;
use core::num::NonZeroU64;

use arrayvec::ArrayVec;

use crate::payload::message::{MESSAGE_MAX, parse_pid};

/// The longest host name, in bytes: Linux's `__NEW_UTS_LEN`.
pub const HOST_MAX: usize = 64;

/// A process id as some text states it: positive, perhaps larger than any that exists.
///
/// ```
/// use lock_core::owner::Pid;
///
/// assert_eq!(Pid::new(4711).unwrap().get(), 4711);
/// assert_eq!(Pid::new(0), None, "what kill(2) takes for a whole group");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Pid(NonZeroU64);

/// A host's name as `uname(2)` gives it.
pub type Host = ArrayVec<u8, HOST_MAX>;

/// The holder's own words.
pub type Text = ArrayVec<u8, MESSAGE_MAX>;

/// The 128 bits of `/proc/sys/kernel/random/boot_id`: which run of which kernel.
///
/// ```
/// use lock_core::owner::{BootId, Owner, Pid, Same};
///
/// let before = Owner { boot: Some(BootId([1; 16])), ..Owner::from_pid(4711) };
/// let after = Owner { boot: Some(BootId([2; 16])), ..Owner::from_pid(4711) };
/// assert_eq!(before.same_process(&after), Same::No, "the machine was started anew between them");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BootId(pub [u8; 16]);

/// When a process started: clock ticks since boot, field 22 of `/proc/PID/stat`.
///
/// ```
/// use lock_core::owner::{Owner, Same, StartTime};
///
/// let first = Owner { start: Some(StartTime(500)), ..Owner::from_pid(4711) };
/// let second = Owner { start: Some(StartTime(900)), ..Owner::from_pid(4711) };
/// assert_eq!(first.same_process(&second), Same::No, "the pid was used again");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StartTime(pub u64);

/// A pid namespace: the inode number of `/proc/PID/ns/pid`.
///
/// ```
/// use lock_core::owner::{Owner, PidNamespace, Same};
///
/// let host = Owner { pid_namespace: Some(PidNamespace(0xEFFF_FFFC)), ..Owner::from_pid(7) };
/// let container = Owner { pid_namespace: Some(PidNamespace(4026532201)), ..Owner::from_pid(7) };
/// assert_eq!(host.same_process(&container), Same::No, "each counts its own pid 7");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PidNamespace(pub u64);

/// What is known about the holder of a lock.
///
/// ```
/// use lock_core::owner::{Owner, Pid};
///
/// let owner = Owner { pid: Pid::new(4711), ..Owner::default() };
/// assert_eq!(owner.to_string(), "pid 4711");
/// assert_eq!(Owner::default().to_string(), "an unknown process");
/// ```
#[derive(Debug, Default, Eq, Hash, PartialEq)]
pub struct Owner {
    /// Its host, by name: for people, and for formats that know nothing better.
    pub host: Option<Host>,
    /// Its process id.
    pub pid: Option<Pid>,
    /// When it started.
    pub start: Option<StartTime>,
    /// The run of the kernel it lives in.
    pub boot: Option<BootId>,
    /// The namespace that its pid is counted in.
    pub pid_namespace: Option<PidNamespace>,
    /// What it wrote for others to read.
    pub message: Option<Text>,
}

/// See [`Owner::same_process`].
///
/// ```
/// use lock_core::owner::{BootId, Owner, PidNamespace, Same, StartTime};
///
/// let mut one = Owner::from_pid(4711);
/// assert_eq!(one.same_process(&one), Same::Unknown, "equal, but a pid alone is no identity");
/// one.start = Some(StartTime(500));
/// one.boot = Some(BootId([1; 16]));
/// one.pid_namespace = Some(PidNamespace(0xEFFF_FFFC));
/// assert_eq!(one.same_process(&one), Same::Yes);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Same {
    /// Nothing else can have these facts.
    Yes,
    /// At least one fact differs.
    No,
    /// What both sides know is equal, and too little to tell.
    Unknown,
}

impl Pid {
    /// A pid, unless it is 0.
    pub fn new(pid: u64) -> Option<Pid> {
        NonZeroU64::new(pid).map(Pid)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl Owner {
    /// An owner of whom only the pid is known.
    ///
    /// ```
    /// use lock_core::owner::{Owner, Pid};
    ///
    /// assert_eq!(Owner::from_pid(4711).pid, Pid::new(4711));
    /// assert_eq!(Owner::from_pid(0), Owner::default(), "nobody in particular");
    /// ```
    pub fn from_pid(pid: u32) -> Owner {
        Owner { pid: Pid::new(u64::from(pid)), ..Owner::default() }
    }

    /// Whether both describe one process. `Yes` takes an equal pid, start time, boot and pid
    /// namespace, known to both sides; host names decide nothing when boots are known.
    ///
    /// ```
    /// use lock_core::owner::{Host, Owner, Same};
    ///
    /// let here = Owner { host: Host::try_from(&b"vm"[..]).ok(), ..Owner::from_pid(4711) };
    /// let renamed = Owner { host: Host::try_from(&b"vm2"[..]).ok(), ..Owner::from_pid(4711) };
    /// assert_eq!(here.same_process(&renamed), Same::Unknown, "hosts can be renamed");
    /// assert_eq!(here.same_process(&Owner::from_pid(4712)), Same::No);
    /// ```
    pub fn same_process(&self, other: &Owner) -> Same {
        let facts = [
            compare(self.boot, other.boot),
            compare(self.pid_namespace, other.pid_namespace),
            compare(self.pid, other.pid),
            compare(self.start, other.start),
        ];
        if facts.contains(&Same::No) {
            Same::No
        } else if facts.contains(&Same::Unknown) {
            Same::Unknown
        } else {
            Same::Yes
        }
    }
}

impl Owner {
    /// Notes the host, unless its name is longer than any; answers whether it is not.
    pub(crate) fn note_host(&mut self, host: &[u8]) -> bool {
        note(&mut self.host, host)
    }

    /// Notes the holder's words, unless they are longer than any; answers whether they are not.
    pub(crate) fn note_message(&mut self, message: &[u8]) -> bool {
        note(&mut self.message, message)
    }
}

/// Fills in a text where it is to be: each move of one takes as many instructions as this.
fn note<const N: usize>(place: &mut Option<ArrayVec<u8, N>>, text: &[u8]) -> bool {
    let noted = place.insert(ArrayVec::new()).try_extend_from_slice(text).is_ok();
    if !noted {
        *place = None;
    }
    noted
}

impl Clone for Owner {
    fn clone(&self) -> Owner {
        Owner {
            host: self.host.as_ref().map(copy),
            message: self.message.as_ref().map(copy),
            ..*self
        }
    }
}

/// What `ArrayVec`'s own `clone` does, without its panic for a text that is longer than itself.
fn copy<const N: usize>(text: &ArrayVec<u8, N>) -> ArrayVec<u8, N> {
    ArrayVec::try_from(text.as_slice()).unwrap_or_default()
}

fn compare<T: PartialEq>(one: Option<T>, other: Option<T>) -> Same {
    match (one, other) {
        (Some(one), Some(other)) if one == other => Same::Yes,
        (Some(_), Some(_)) => Same::No,
        _ => Same::Unknown,
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Display for Owner {
    /// `pid 4711 on vm ("nightly backup")`, as much of it as is known.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(out, "pid {pid}")?,
            None => out.write_str("an unknown process")?,
        }
        if let Some(host) = &self.host {
            write!(out, " on {}", host.escape_ascii())?;
        }
        match &self.message {
            // The default message is the pid: once is enough.
            Some(message) if parse_pid(message).is_none() || parse_pid(message) != self.pid => {
                write!(out, " (\"{}\")", message.escape_ascii())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn owner(pid: u64, start: u64) -> Owner {
        Owner {
            pid: Pid::new(pid),
            start: Some(StartTime(start)),
            boot: Some(BootId([7; 16])),
            pid_namespace: Some(PidNamespace(4_026_531_836)),
            ..Owner::default()
        }
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        assert_eq!(owner(5, 100).same_process(&owner(5, 100)), Same::Yes);
        assert_eq!(owner(5, 100).same_process(&owner(5, 200)), Same::No);
    }

    #[test]
    fn an_equal_pid_alone_proves_nothing() {
        assert_eq!(Owner::from_pid(5).same_process(&owner(5, 100)), Same::Unknown);
        assert_eq!(Owner::from_pid(5).same_process(&Owner::from_pid(6)), Same::No);
        assert_eq!(Owner::default().same_process(&Owner::default()), Same::Unknown);
    }

    #[test]
    fn prints_what_is_known_and_escapes_the_rest() {
        let mut owner = Owner::from_pid(12);
        owner.host = Some(Host::try_from(&b"vm"[..]).unwrap());
        owner.message = Some(Text::try_from(&b"a\x1b[2J"[..]).unwrap());
        assert_eq!(owner.to_string(), "pid 12 on vm (\"a\\x1b[2J\")");
        owner.message = Some(Text::try_from(&b"13"[..]).unwrap());
        assert_eq!(owner.to_string(), "pid 12 on vm (\"13\")");
        owner.message = Some(Text::try_from(&b"12"[..]).unwrap());
        assert_eq!(owner.to_string(), "pid 12 on vm");
    }
}
