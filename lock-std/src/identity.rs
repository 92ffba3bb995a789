//! Who this process is, asked once: the kernel need not be asked for each lock. A forked child and
//! a host with a new name are noticed.

use std::sync::Mutex;

use lock_core::owner::Pid;
use lock_rustix::identity::{self, Identity};
use lock_rustix::process;

static KNOWN: Mutex<Option<Identity>> = Mutex::new(None);

/// The calling process.
pub(crate) fn myself() -> Identity {
    // Not waited for: in a forked child, the thread that would let go of it may not exist.
    let Ok(mut known) = KNOWN.try_lock() else { return identity::myself() };
    let (pid, host) = (Pid::new(u64::from(process::id())), Some(process::host()));
    let still_is = |me: &&Identity| {
        let owner = &me.observer.owner;
        // Where /proc was not there yet, it may be now.
        owner.pid == pid && owner.host == host && owner.start.is_some()
    };
    match known.as_ref().filter(still_is) {
        Some(me) => me.clone(),
        None => known.insert(identity::myself()).clone(),
    }
}
