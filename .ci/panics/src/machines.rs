//! Owners, verdicts, waits, heartbeats, kinds, and the table of held files.

use lock_core::fault::Call;
use lock_core::held::Held;
use lock_core::kind::Kind;
use lock_core::os::{Inode, Node};
use lock_core::refresh::Refresh;
use lock_core::staleness::{self, Evidence, Observer, Policy, TimeNamespace};
use lock_core::wait::Wait;

use crate::codecs::{claim, owner};
use crate::outside::{
    AnyFile, bytes, fault, flag, keep, maybe, mode, number, print, process, signed,
};

static HELD: Held<u64> = Held::new();

/// Any judge.
pub fn observer() -> Observer {
    Observer { owner: owner(), time_namespace: maybe().map(TimeNamespace) }
}

#[unsafe(no_mangle)]
extern "C" fn owners_and_kinds() {
    let (one, other) = (owner(), owner());
    keep(one.same_process(&other));
    print(&one);
    if let Some(pid) = one.pid {
        print(pid);
    }
    keep(lock_core::owner::Owner::from_pid(number() as u32));
    print(fault(Call::Open, Node::Lock));
    bytes(|name| {
        if let Some(kind) = Kind::from_name(name) {
            keep((kind.name(), kind.can_be_shared(), kind.is_existence()));
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn staleness_rules() {
    let (claim, observer) = (claim(), observer());
    let evidence = Evidence {
        process: Some(process()).filter(|_| flag()),
        flock_obtained: flag(),
        local: flag(),
        age_ms: signed(),
    };
    keep(staleness::pid_is_comparable(&claim, &observer));
    keep(staleness::strict(&claim, &observer, &evidence, Policy { trust_host_name: flag() }));
    keep(staleness::jane_street(&claim, &observer, &evidence));
    keep(staleness::pidfile(&claim, &observer, &evidence, number(), number()));
    keep(staleness::by_age(&evidence, number()));
}

#[unsafe(no_mangle)]
extern "C" fn waits_and_heartbeats() {
    let mut wait = Wait::until(maybe());
    let mut refresh = Refresh::new(number(), number(), number());
    while flag() {
        match number() {
            0 => wait.handle_held(number(), number()),
            1 => wait.handle_woken(),
            2 => refresh.handle_touched(number()),
            3 => refresh.handle_failed(number()),
            _ => keep((wait.poll(number()), refresh.poll(number()))),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn held_files() {
    let inode = Inode { dev: number(), ino: number() };
    let pid = number() as u32;
    keep((HELD.is_empty(), HELD.mode(inode, pid), HELD.insert(inode, pid, mode())));
    HELD.set_mode(inode, mode());
    keep(HELD.close(inode, pid, number()));
    HELD.remove(inode);
    keep(Held::<AnyFile>::new());
}
