//! Who holds an existence lock, without touching it.

use lock_core::fault::{Call, Fault, FaultKind};
use lock_core::kind::Kind;
use lock_core::scheme::breaking::Terms;
use lock_core::scheme::look::{self, Found};

use super::built::{FILES, MKDIR, SYMLINK};
use super::{Spot, fault};
use crate::clock;
use crate::descriptor::lend;
use crate::place::Place;
use crate::sys::Sys;

/// Looks at the lock without taking it, not for an instant; `None` if there is none. Of `terms` the
/// payload is not used. An age is counted by this machine's clock, which on a network file system
/// need not be the server's.
///
/// Fails with [`Unsupported`](FaultKind::Unsupported) for kernel kinds and those that are not built
/// in, and with [`Denied`](FaultKind::Denied) where the lock may not be read.
///
/// ```
/// use lock_core::kind::Kind;
/// use lock_core::scheme::breaking::{Rule, Terms};
/// use lock_core::staleness::Policy;
/// use lock_rustix::existence::{Spot, look};
/// use lock_rustix::{identity::myself, signature::decode};
///
/// let spot = Spot::open(Kind::Mkdir, c"/tmp/lock-rustix-doc-existence-look").unwrap();
/// let (me, rule) = (myself(), Rule::Strict(Policy::default()));
/// let (decode, observer) = (decode(Kind::Mkdir), &me.observer);
/// let terms = Terms { payload: b"", decode, observer, rule, local: false };
/// assert!(look(&spot, &terms).unwrap().is_none());
/// ```
pub fn look(spot: &Spot, terms: &Terms<'_>) -> Result<Option<Found>, Fault> {
    look_again(spot, terms, None)
}

/// [`look`]; of the lock that stood there it is known whether it was `flocked`.
pub(super) fn look_again(
    spot: &Spot,
    terms: &Terms<'_>,
    flocked: Option<bool>,
) -> Result<Option<Found>, Fault> {
    let sys = Sys::new(Place::in_directory(lend(&spot.dir), spot.lock.as_c_str()));
    let sys = sys.known_to_be_flocked(flocked);
    let now_ms = clock::wall_us() / 1000;
    match spot.kind {
        Kind::Nfs | Kind::Pidfile if FILES => look::file(&sys, terms, now_ms),
        Kind::Symlink if SYMLINK => look::link(&sys, terms),
        Kind::Mkdir if MKDIR => look::directory(&sys, terms, now_ms),
        _ => Err(fault(Call::Open, FaultKind::Unsupported)),
    }
}
