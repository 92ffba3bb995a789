//! Every attempt, on a system that answers anything.

use lock_core::os::{Access, Files, Node};
use lock_core::payload::message::Message;
use lock_core::scheme::breaking::{self, Rule, Terms, TryLockError, if_stale};
use lock_core::scheme::kernel::{self, ByBoth, ByFlock, ByOfd, ByPosix, Convention};
use lock_core::scheme::{hardlink, lease, look, mkdir, symlink};
use lock_core::staleness::{Claim, Policy};

use crate::codecs::claim;
use crate::machines::observer;
use crate::outside::{Anything, bytes, flag, keep, mode, number, signed};

fn by<C: Convention<Anything>>() {
    let os = &Anything;
    keep(kernel::probe::<C, _>(os));
    bytes(|text| {
        if let Ok(message) = Message::new(text) {
            if let Ok(locked) = kernel::try_lock_signed::<C, _>(os, &message) {
                keep((locked.mode(), locked.stat(), kernel::sign(os, &locked, &message)));
            }
        }
    });
    if let Ok(file) = os.open(Node::Lock, Access::Read) {
        keep(os.fstat(&file).map(|stat| kernel::probe_opened::<C, _>(os, &file, stat)));
        keep(kernel::try_lock_opened::<C, _>(os, file, mode()).map(kernel::Locked::into_file));
    }
    if let (Ok(file), Ok(stat)) = (kernel::open::<C, _>(os, mode()), os.stat(Node::Lock)) {
        keep(kernel::confirm_known::<C, _>(os, file, stat, mode()));
    }
    match kernel::try_lock::<C, _>(os, mode()) {
        Ok(locked) => match kernel::convert(os, locked, mode()) {
            Ok(locked) => keep(kernel::unlock_and_unlink(os, locked)),
            Err(error) => keep(error),
        },
        Err(kernel::TryLockError::Held(file)) => keep(kernel::confirm::<C, _>(os, file, mode())),
        Err(error) => keep(error),
    }
}

#[unsafe(no_mangle)]
extern "C" fn kernel_locks() {
    by::<ByFlock>();
    by::<ByPosix>();
    by::<ByOfd>();
    by::<ByBoth>();
}

fn decode(_: &[u8]) -> Option<Claim> {
    flag().then(claim)
}

fn rule() -> Rule {
    match number() {
        0 => Rule::Strict(Policy { trust_host_name: flag() }),
        1 => Rule::JaneStreet,
        2 => Rule::Pidfile { stale_age_ms: number(), live_factor: number() },
        3 => Rule::Lease { ttl_ms: number() },
        _ => Rule::Age { stale_age_ms: number() },
    }
}

fn with_terms(run: impl FnOnce(&Terms<'_>)) {
    let observer = observer();
    bytes(|payload| {
        let (rule, local) = (rule(), flag());
        run(&Terms { payload, decode, observer: &observer, rule, local });
    });
}

fn refused<F>(error: TryLockError<F>) {
    keep(error);
}

/// The steps of a break, in the one order that their types allow.
#[unsafe(no_mangle)]
extern "C" fn breaking_locks() {
    let os = &Anything;
    with_terms(|terms| {
        let claim = claim();
        let verdict = breaking::verdict(os, terms, Some(&claim), signed(), flag());
        let broken = os
            .open(Node::Lock, Access::Read)
            .map_err(TryLockError::from)
            .and_then(|file| breaking::exclude(os, file))
            .and_then(|excluded| breaking::judge(excluded, |_| Ok(if_stale(None, verdict))))
            .and_then(|dead| breaking::verify(dead, |file| breaking::names(os, file)));
        match broken {
            Ok(breakable) => {
                keep(breakable.done::<_, ()>(os.stat(Node::Lock)));
                keep((os.fstat(breakable.file()), breakable.why()));
            }
            Err(error) => refused(error),
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn hardlink_locks() {
    let os = &Anything;
    with_terms(|terms| {
        for attempt in
            [hardlink::try_lock_linked, hardlink::try_lock_named, hardlink::try_lock_unnamed]
        {
            match attempt(os, terms) {
                Ok(locked) => {
                    keep((os.fstat(locked.file()), hardlink::still_held(os, &locked)));
                    keep(hardlink::unlock(os, locked));
                }
                Err(error) => refused(error),
            }
        }
        for attempt in [
            hardlink::try_prepared_linked,
            hardlink::try_prepared_named,
            hardlink::try_prepared_unnamed,
            hardlink::try_prepared_unnamed_linked,
        ] {
            let prepared = [hardlink::prepare_named, hardlink::prepare_unnamed]
                .map(|prepare| prepare(os, terms));
            for prepared in prepared {
                let Ok(mut prepared) = prepared else { continue };
                keep((prepared.is_named(), prepared.file().map(|file| os.fstat(file))));
                match attempt(os, terms, &mut prepared) {
                    Ok(locked) => keep(hardlink::unlock(os, locked)),
                    Err(error) => refused(error),
                }
                hardlink::discard(os, prepared);
            }
        }
        for layout in [hardlink::Layout::Single, hardlink::Layout::WithCompanion] {
            let now_ms = signed();
            keep(hardlink::remove(os, terms, layout, now_ms, &if_stale));
            keep(hardlink::remove_by_force(os, layout, decode));
        }
        keep(look::file(os, terms, signed()));
    });
    keep(hardlink::sweep(os));
}

#[unsafe(no_mangle)]
extern "C" fn lease_locks() {
    let os = &Anything;
    with_terms(|terms| {
        match lease::try_lock(os, terms) {
            Ok(locked) => {
                keep(lease::still_held(os, &locked));
                let guard = breaking::open_guard(os).map_err(TryLockError::from);
                match guard.and_then(|guard| breaking::exclude(os, guard)) {
                    Ok(guard) => keep(lease::unlock(os, guard, locked)),
                    Err(error) => refused(error),
                }
            }
            Err(error) => refused(error),
        }
        keep(lease::remove(os, terms, signed(), &if_stale));
    });
}

#[unsafe(no_mangle)]
extern "C" fn symlink_locks() {
    let os = &Anything;
    with_terms(|terms| {
        match symlink::try_lock(os, terms) {
            Ok(locked) => {
                keep(symlink::still_held(os, terms.payload));
                keep(symlink::unlock(os, locked, terms.payload));
            }
            Err(error) => refused(error),
        }
        keep(symlink::remove(os, terms, &if_stale));
        keep(symlink::remove_by_force(os));
        keep(look::link(os, terms));
    });
}

#[unsafe(no_mangle)]
extern "C" fn mkdir_locks() {
    let os = &Anything;
    with_terms(|terms| {
        match mkdir::try_lock(os, terms) {
            Ok(locked) => {
                keep((os.fstat(locked.directory()), mkdir::still_held(os, &locked)));
                keep(mkdir::unlock(os, locked));
            }
            Err(error) => refused(error),
        }
        if let Ok(mut prepared) = mkdir::prepare(os, terms) {
            keep(prepared.directory().map(|directory| os.fstat(directory)));
            match mkdir::try_prepared(os, terms, &mut prepared) {
                Ok(locked) => keep(mkdir::unlock(os, locked)),
                Err(error) => refused(error),
            }
            mkdir::discard(os, prepared);
        }
        keep(mkdir::remove(os, terms, &if_stale));
        keep(mkdir::remove_by_force(os));
        keep(look::directory(os, terms, signed()));
    });
    keep(mkdir::sweep(os));
}
