//! The self-test of existence locks: held against others, given back, taken over from the dead, and
//! the calls they stand on raced by two processes.

use core::ffi::CStr;

use lock_core::fault::Call;
use lock_core::kind::Kind;
use lock_core::os::Node;
use lock_core::scheme::breaking::TryLockError;
use lock_core::scheme::hardlink::Unlocked;
use lock_core::scheme::look::Found;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, fstat, linkat, mkdirat, statat, symlinkat};
use rustix::io::Errno;

use super::Flaw;
use super::child::{Gate, Rival, elsewhere};
use super::scratch::create;
use super::sheet::Outcome;
use crate::descriptor::{duplicate, lend};
use crate::existence::{Contender, Spot, Taken};
use crate::fault::fault;
use crate::place::FileName;

/// What another process found.
const FREE: u8 = 1;
const HELD: u8 = 2;
const FAILED: u8 = 3;
/// More than any number of rounds: a call failed.
const RACE_FAILED: u8 = 255;

/// How many names two processes make at once.
const ROUNDS: u8 = 16;

/// Tests an existence kind under a name of its own; answers whether the holder can be read by
/// looking.
#[inline(never)]
pub(super) fn test(dir: OwnedFd, kind: Kind, gate: &Gate) -> Outcome {
    race(&dir, kind, gate)?;
    if matches!(kind, Kind::Nfs | Kind::Pidfile) {
        check_links(&dir, kind)?;
    }
    match &contender(dir, kind) {
        Ok(contender) => test_turns(contender),
        Err(flaw) => Err(*flaw),
    }
}

/// The lock goes from us to another process, who dies with it, and back.
fn test_turns(contender: &Contender) -> Outcome {
    take_turn(contender, Flaw::NotReleased, test_held)?;
    if elsewhere(&mut || try_elsewhere(contender)) != Some(FREE) {
        return Err(Flaw::NotReleased);
    }
    take_turn(contender, Flaw::NotTakenOver, |_| Ok(()))?;
    Ok(true)
}

/// Takes the lock, which must be free, and gives it back after a test.
#[inline(never)]
fn take_turn(
    contender: &Contender,
    if_held: Flaw,
    test: fn(&Contender) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    let Some(mine) = take(contender)? else { return Err(if_held) };
    test(contender)?;
    match mine.unlock(&contender.spot) {
        Ok(Unlocked::Released) => Ok(()),
        Ok(Unlocked::WasBroken) => Err(Flaw::TwoProcesses),
        Err(fault) => Err(Flaw::Refused(fault)),
    }
}

/// While we have it, all see that, and nobody else gets it.
fn test_held(contender: &Contender) -> Result<(), Flaw> {
    match &contender.look() {
        Ok(Some(Found { claim: Some(claim), .. })) if contender.me.made(claim) => {}
        Err(fault) => return Err(Flaw::Refused(*fault)),
        Ok(_) => return Err(Flaw::OwnerUnreadable),
    }
    if take(contender)?.is_some() {
        return Err(Flaw::TwoOpens);
    }
    if elsewhere(&mut || try_elsewhere(contender)) == Some(HELD) {
        Ok(())
    } else {
        Err(Flaw::TwoProcesses)
    }
}

fn contender(dir: OwnedFd, kind: Kind) -> Result<Contender, Flaw> {
    let name = FileName::new(&[kind.name().as_bytes()]).map_err(Flaw::Refused)?;
    let spot = Spot::in_directory(kind, dir, name.as_c_str()).map_err(Flaw::Refused)?;
    Ok(Contender::at(spot))
}

/// One try; `None` if it is held.
fn take(contender: &Contender) -> Result<Option<Taken>, Flaw> {
    const TRIES_MAX: u32 = 100;
    for _ in 0..TRIES_MAX {
        match contender.try_lock(&contender.me, b"", true) {
            Ok(taken) => return Ok(Some(taken)),
            Err(TryLockError::Held { .. }) => return Ok(None),
            Err(TryLockError::Again) => {}
            Err(TryLockError::Fault(fault) | TryLockError::NotPermitted { fault, .. }) => {
                return Err(Flaw::Refused(fault));
            }
        }
    }
    Err(Flaw::NotReleased)
}

/// Another process's part. The lock it got stays when it ends.
fn try_elsewhere(contender: &Contender) -> u8 {
    let Ok(dir) = duplicate(contender.spot.as_fd()) else { return FAILED };
    let Ok(spot) = Spot::in_directory(contender.spot.kind(), dir, contender.spot.name()) else {
        return FAILED;
    };
    match take(&Contender::at(spot)) {
        Ok(Some(taken)) => {
            core::mem::forget(taken);
            FREE
        }
        Ok(None) => HELD,
        Err(_) => FAILED,
    }
}

/// Whether a name that two processes make at the same moment is made by one of them.
#[inline(never)]
fn race(dir: &OwnedFd, kind: Kind, gate: &Gate) -> Result<(), Flaw> {
    let unavailable = |errno| Flaw::Refused(fault(Call::Open, Node::Private, errno));
    let rival = Rival::start(&mut || runs(dir, kind, gate, b'b')).map_err(unavailable)?;
    let mine = runs(dir, kind, gate, b'a');
    let theirs = rival.answer().unwrap_or(RACE_FAILED);
    if mine == RACE_FAILED || theirs == RACE_FAILED {
        // What failed, told by a try of one's own.
        let made = make(dir, kind, c"alone", b'c').map_err(|errno| {
            let call = match kind {
                Kind::Symlink => Call::Symlink,
                Kind::Mkdir => Call::Mkdir,
                _ => Call::Link,
            };
            Flaw::Refused(fault(call, Node::Lock, errno))
        })?;
        return if made { Err(Flaw::NotAtomic) } else { Ok(()) };
    }
    if mine.saturating_add(theirs) == ROUNDS { Ok(()) } else { Err(Flaw::NotAtomic) }
}

/// One of two processes that make the same names: how many it made.
fn runs(dir: &OwnedFd, kind: Kind, gate: &Gate, side: u8) -> u8 {
    let mut made = 0u8;
    for round in 0..ROUNDS {
        let name = [b'a'.saturating_add(round)];
        let Ok(name) = FileName::new(&[kind.name().as_bytes(), b"-race-", &name]) else {
            return RACE_FAILED;
        };
        gate.meet(u32::from(round) + 1);
        match make(dir, kind, name.as_c_str(), side) {
            Ok(won) => made = made.saturating_add(u8::from(won)),
            Err(_) => return RACE_FAILED,
        }
    }
    made
}

/// Makes a name as the kind does; whether it was there before.
fn make(dir: &OwnedFd, kind: Kind, name: &CStr, side: u8) -> Result<bool, Errno> {
    let outcome = match kind {
        Kind::Symlink => symlinkat(c"somebody", lend(dir), name),
        Kind::Mkdir => mkdirat(lend(dir), name, Mode::RWXU),
        _ => {
            let too_long = |_| Errno::NAMETOOLONG;
            let own = FileName::new(&[name.to_bytes(), b"-", &[side]]).map_err(too_long)?;
            drop(create(dir, own.as_c_str())?);
            linkat(lend(dir), own.as_c_str(), lend(dir), name, AtFlags::empty())
        }
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether a file with two names says so, by its descriptor and by both names.
#[inline(never)]
fn check_links(dir: &OwnedFd, kind: Kind) -> Result<(), Flaw> {
    match count_links(dir, kind) {
        Ok(2) => Ok(()),
        Ok(links) => Err(Flaw::LinkCount(links)),
        Err(errno) => Err(Flaw::Refused(fault(Call::Link, Node::Lock, errno))),
    }
}

/// How many names a file with two has, as one who says another number has it, if one does.
#[allow(clippy::unnecessary_cast, reason = "its width differs between architectures")]
fn count_links(dir: &OwnedFd, kind: Kind) -> Result<u64, Errno> {
    let name =
        |end: &[u8]| FileName::new(&[kind.name().as_bytes(), end]).map_err(|_| Errno::NAMETOOLONG);
    let (one, two) = (name(b"-one")?, name(b"-two")?);
    let file = create(dir, one.as_c_str())?;
    linkat(lend(dir), one.as_c_str(), lend(dir), two.as_c_str(), AtFlags::empty())?;
    let mut links = fstat(lend(&file))?.st_nlink as u64;
    for name in [&one, &two] {
        if links == 2 {
            links = statat(lend(dir), name.as_c_str(), AtFlags::empty())?.st_nlink as u64;
        }
    }
    Ok(links)
}
