//! The schemes of lock-core by name, as this board runs them.

use core::cell::Cell;

use arrayvec::ArrayVec;
use critical_section::Mutex;
use lock_core::fault::Fault;
use lock_core::owner::{Owner, Pid};
use lock_core::payload::link_identity::{LINK_IDENTITY_LEN, LinkIdentity};
use lock_core::scheme::breaking::{Rule, Terms, TryLockError, exclude, open_guard};
use lock_core::scheme::hardlink::{self, Layout, Unlocked};
use lock_core::scheme::look::{self, Found};
use lock_core::scheme::{lease, mkdir, symlink};
use lock_core::staleness::{Claim, Observer, Policy};

use crate::kernel;
use crate::task::{OpenFile, Task};

/// How long a lease lasts that its holder does not refresh.
pub const TTL_MS: u64 = 60_000;

/// A way to hold a lock by a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// [`hardlink::try_lock_linked`].
    Linked,
    /// [`hardlink::try_lock_named`].
    Named,
    /// [`hardlink::try_lock_unnamed`].
    Unnamed,
    /// [`lease`].
    Lease,
    /// [`symlink`].
    Symlink,
    /// [`mkdir`].
    Mkdir,
}

/// What a target is made of.
type Payload = ArrayVec<u8, LINK_IDENTITY_LEN>;

/// A held lock.
#[derive(Debug)]
pub enum Locked {
    /// A file.
    File(hardlink::Locked<OpenFile>),
    /// A file that is held for a time.
    Lease(hardlink::Locked<OpenFile>),
    /// A symbolic link, and what is in it.
    Link(symlink::Locked, Payload),
    /// A directory.
    Directory(mkdir::Locked<OpenFile>),
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 6] = [
        Scheme::Linked,
        Scheme::Named,
        Scheme::Unnamed,
        Scheme::Lease,
        Scheme::Symlink,
        Scheme::Mkdir,
    ];

    /// One try at the lock.
    pub fn try_lock(self, task: &Task) -> Result<Locked, TryLockError<OpenFile>> {
        let payload = self.payload(task);
        let observer = observer(task);
        let terms = self.terms(&payload, &observer);
        match self {
            Scheme::Linked => hardlink::try_lock_linked(task, &terms).map(Locked::File),
            Scheme::Named => hardlink::try_lock_named(task, &terms).map(Locked::File),
            Scheme::Unnamed => hardlink::try_lock_unnamed(task, &terms).map(Locked::File),
            Scheme::Lease => lease::try_lock(task, &terms).map(Locked::Lease),
            Scheme::Symlink => {
                symlink::try_lock(task, &terms).map(|it| Locked::Link(it, payload.clone()))
            }
            Scheme::Mkdir => mkdir::try_lock(task, &terms).map(Locked::Directory),
        }
    }

    /// Who holds the lock, if anybody does.
    pub fn look(self, task: &Task) -> Result<Option<Found>, Fault> {
        let observer = observer(task);
        let terms = self.terms(&[], &observer);
        let now_ms = kernel::with(|kernel| kernel.clock_ms());
        match self {
            Scheme::Symlink => look::link(task, &terms),
            Scheme::Mkdir => look::directory(task, &terms, now_ms),
            _ => look::file(task, &terms, now_ms),
        }
    }

    /// Removes the lock, whoever holds it.
    pub fn remove_by_force(self, task: &Task) -> Result<bool, Fault> {
        match self {
            Scheme::Linked => hardlink::remove_by_force(task, Layout::WithCompanion, decode),
            Scheme::Symlink => symlink::remove_by_force(task),
            Scheme::Mkdir => mkdir::remove_by_force(task),
            _ => hardlink::remove_by_force(task, Layout::Single, decode),
        }
    }

    /// Removes what a task of this one's pid left under its private name.
    pub fn sweep(self, task: &Task) -> Result<bool, Fault> {
        match self {
            Scheme::Mkdir => mkdir::sweep(task),
            _ => hardlink::sweep(task),
        }
    }

    /// What a holder writes, different each time.
    fn payload(self, task: &Task) -> Payload {
        let flocked = !matches!(self, Scheme::Lease | Scheme::Symlink);
        let identity = LinkIdentity {
            pid: task.pid(),
            boot: Some(kernel::with(|kernel| kernel.boot())),
            pid_namespace: None,
            time_namespace: None,
            start: Some(task.start()),
            nonce: nonce(),
            flocked,
        };
        identity.write().expect("small numbers")
    }

    fn terms<'a>(self, payload: &'a [u8], observer: &'a Observer) -> Terms<'a> {
        let rule = match self {
            Scheme::Lease => Rule::Lease { ttl_ms: TTL_MS },
            _ => Rule::Strict(Policy::default()),
        };
        Terms { payload, decode, observer, rule, local: true }
    }
}

impl Locked {
    /// Whether nobody removed or replaced it.
    pub fn still_held(&self, task: &Task) -> Result<bool, Fault> {
        match self {
            Locked::File(locked) => hardlink::still_held(task, locked),
            Locked::Lease(locked) => lease::still_held(task, locked),
            Locked::Link(_, target) => symlink::still_held(task, target),
            Locked::Directory(locked) => mkdir::still_held(task, locked),
        }
    }

    /// Gives it back, and tells whether it was there to give.
    pub fn unlock(self, task: &Task) -> Result<Unlocked, TryLockError<OpenFile>> {
        Ok(match self {
            Locked::File(locked) => hardlink::unlock(task, locked)?,
            Locked::Lease(locked) => {
                lease::unlock(task, exclude(task, open_guard(task)?)?, locked)?
            }
            Locked::Link(locked, target) => symlink::unlock(task, locked, &target)?,
            Locked::Directory(locked) => mkdir::unlock(task, locked)?,
        })
    }
}

fn observer(task: &Task) -> Observer {
    let owner = Owner {
        pid: Pid::new(u64::from(task.pid())),
        start: Some(task.start()),
        boot: Some(kernel::with(|kernel| kernel.boot())),
        ..Owner::default()
    };
    Observer { owner, time_namespace: None }
}

fn decode(payload: &[u8]) -> Option<Claim> {
    LinkIdentity::parse(payload).ok().map(|identity| identity.claim())
}

/// A number that no other attempt has: there is no other host, and a restart does not reset it.
fn nonce() -> [u8; 8] {
    static LAST: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));
    critical_section::with(|cs| {
        let nonce = LAST.borrow(cs).get() + 1;
        LAST.borrow(cs).set(nonce);
        nonce.to_be_bytes()
    })
}
