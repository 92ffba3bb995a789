//! Removing locks and lock files when the process exits: when main returns, when a panic or an
//! error ends it, and when anything calls `exit`; on signals if the program asks for that. Not when
//! it is killed or aborts, nor after `_exit`.
//!
//! C runs the functions given to `atexit` before it closes anything, so the names go while the
//! locks are held. Only the process that took a lock removes its file, not a forked child of it,
//! and only while the name still means the locked file.
#![allow(unsafe_code)]

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use lock_core::fault::{Fault, FaultKind};
use lock_core::os::{Files, Inode, Names, Node};
use lock_rustix::process;
use lock_rustix::sys::Sys;

use crate::site::Site;

/// What removes a lock or its file, unless it is called in a forked child.
type Removal = Box<dyn FnOnce() -> Result<(), Fault> + Send>;

/// Something that goes when this is dropped, or else at exit. To be dropped while the lock is held.
#[derive(Debug)]
pub(crate) struct RemovedAtExit {
    id: u64,
}

struct Registry {
    entries: BTreeMap<u64, Removal>,
    last_id: u64,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { entries: BTreeMap::new(), last_id: 0 });

/// The process that registered last.
static REGISTERED_BY: AtomicU32 = AtomicU32::new(0);

// SAFETY: C's own declaration of `atexit`, in every libc. It may be called from any thread, with
// any function; ours never unwinds.
unsafe extern "C" {
    safe fn atexit(callback: extern "C" fn()) -> c_int;
}

impl RemovedAtExit {
    /// Has the file of a held lock removed.
    pub(crate) fn file(site: Site, inode: Inode) -> RemovedAtExit {
        let pid = site.pid();
        let removal = move || {
            if process::id() == pid { unlink_if_named(site.sys(), inode) } else { Ok(()) }
        };
        RemovedAtExit::register(pid, Box::new(removal))
    }

    /// Has this done once by the calling process, whose pid is `pid`.
    pub(crate) fn register(pid: u32, removal: Removal) -> RemovedAtExit {
        static AT_EXIT: Once = Once::new();
        // Refused only when memory is short: then the file goes with the guard, or stays.
        AT_EXIT.call_once(|| {
            let _ = atexit(remove_all);
        });
        let mut registry = registry();
        registry.last_id += 1;
        let id = registry.last_id;
        registry.entries.insert(id, removal);
        REGISTERED_BY.store(pid, Ordering::Release);
        RemovedAtExit { id }
    }

    /// Removes it, and says how that went.
    pub(crate) fn remove(self) -> Result<(), Fault> {
        let id = self.id;
        core::mem::forget(self);
        remove(id)
    }

    /// There is nothing to remove any more.
    pub(crate) fn forget(self) {
        registry().entries.remove(&self.id);
        core::mem::forget(self);
    }
}

impl Drop for RemovedAtExit {
    fn drop(&mut self) {
        let _ = remove(self.id);
    }
}

/// Does an entry's removal, unless exit was faster. The registry stays locked until that is done:
/// whoever then closes its lock knows that no unlink is still to come.
fn remove(id: u64) -> Result<(), Fault> {
    let mut registry = registry();
    registry.entries.remove(&id).map_or(Ok(()), |removal| removal())
}

pub(crate) extern "C" fn remove_all() {
    // A forked child that registered nothing stays away from the registry: another thread of its
    // parent may have had it locked.
    if REGISTERED_BY.load(Ordering::Acquire) == process::id() {
        for removal in core::mem::take(&mut registry().entries).into_values() {
            // Nobody is left to be told.
            let _ = removal();
        }
    }
}

fn unlink_if_named(sys: Sys<'_>, inode: Inode) -> Result<(), Fault> {
    match sys.stat(Node::Lock) {
        Ok(named) if named.inode == inode => sys.unlink(Node::Lock),
        Ok(_) => Ok(()),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn registry() -> MutexGuard<'static, Registry> {
    // Nothing in between can panic halfway.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}
