//! `lockbox status`: whether a lock is held and by whom, without touching it.

use core::ffi::CStr;

use lock_core::fault::{Fault, FaultKind};
use lock_core::owner::{Owner, Pid};
use lock_core::staleness::Verdict;
use lock_rustix::alone::look;
use lock_rustix::clock::wall_us;
use lock_rustix::look::Standing;
use lock_rustix::place::Place;
use lock_rustix::process;
use lock_rustix::rustix::fs::{AtFlags, CWD, statat};
use lock_rustix::sys::Sys;

use super::report::failed;
use super::settings::{AGE, LEASE, Settings};
#[cfg(feature = "dlm")]
use crate::cluster;
use crate::existence::is_existence;
use crate::holder::describe;
use crate::json::Filling;
use crate::out::Out;
use crate::stack::Stack;

/// Exit statuses of init scripts' `status`, as the Linux Standard Base has them.
const HELD: u8 = 0;
const STALE: u8 = 1;
const FREE: u8 = 3;
const UNKNOWN: u8 = 4;

/// What is told of a lock.
#[derive(Default)]
struct State {
    status: u8,
    owner: Owner,
    /// Seconds since the lock was written.
    age_s: Option<u64>,
    why: Option<&'static str>,
    /// The node of a cluster that the holder runs on, if it is not this one, and the mode.
    cluster: (Option<u32>, Option<&'static str>),
}

pub(super) const ALLOWED: &[u8] = &[b'k', b'j', AGE, LEASE];

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    Settings::with_path(stack, at, ALLOWED, tell)
}

fn tell(settings: &Settings, path: &CStr) -> u8 {
    let mut state = State { status: FREE, ..State::default() };
    if let Err(fault) = find(settings, path, &mut state) {
        if !settings.json {
            failed(path, fault);
            return UNKNOWN;
        }
        state.status = UNKNOWN;
        state.why = Some(fault.kind.reason());
    }
    if settings.json {
        print_json(path, settings.kind_name(), &state);
    } else {
        print_text(path, &state);
    }
    state.status
}

/// Fills in the state of a lock that is not free.
#[inline(never)]
fn find(settings: &Settings, path: &CStr, state: &mut State) -> Result<(), Fault> {
    #[cfg(feature = "dlm")]
    if settings.cluster {
        match cluster::look(path) {
            cluster::Standing::Held { pid, node, mode } => {
                state.status = HELD;
                state.owner.pid = Pid::new(u64::from(pid));
                state.cluster = (node, Some(mode.name()));
            }
            cluster::Standing::Free => {}
            cluster::Standing::Unknown(why) => {
                state.status = UNKNOWN;
                state.why = Some(why);
            }
        }
        return Ok(());
    }
    if !is_existence(settings.kind) {
        match look(&Sys::new(Place::path(path)), settings.kind) {
            Ok(Standing::Held(owner)) => {
                state.status = HELD;
                state.owner = owner;
                state.age_s = age_s(path);
            }
            Ok(Standing::Missing) => state.why = Some("there is no such file"),
            Ok(_) => {}
            Err(fault) => return Err(fault),
        }
        return Ok(());
    }
    let found = match &settings.contender(path) {
        Ok(contender) => contender.look(),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
        Err(fault) => Err(*fault),
    };
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        Err(fault) => return Err(fault),
    };
    (state.status, state.why) = match found.verdict {
        Verdict::Live(_) => (HELD, None),
        Verdict::Stale(why) => (STALE, Some(why.reason())),
        Verdict::Unknown(why) => (UNKNOWN, Some(why.reason())),
    };
    state.age_s = match found.modified_ms {
        Some(modified_ms) => u64::try_from((wall_us() / 1000 - modified_ms) / 1000).ok(),
        None => age_s(path),
    };
    if let Some(claim) = found.claim {
        state.owner = claim.owner;
    }
    Ok(())
}

impl State {
    fn name(&self) -> &'static str {
        match self.status {
            HELD => "held",
            STALE => "stale",
            FREE => "free",
            _ => "unknown",
        }
    }

    /// Whether the pid is one of this machine.
    fn is_here(&self) -> bool {
        self.cluster.0.is_none()
    }

    #[cfg(feature = "dlm")]
    fn describe_cluster(&self, out: &mut Out) {
        let (node, mode) = self.cluster;
        if let Some(mode) = mode {
            out.text("a lock of mode ").text(mode).text(": ");
        }
        if let Some(node) = node {
            let pid = self.owner.pid.map_or(0, Pid::get);
            out.text("pid ").number(pid).text(" of node ").number(u64::from(node));
        }
    }
}

#[inline(never)]
fn print_text(path: &CStr, state: &State) {
    let mut out = Out::stdout();
    out.fill("%: ", path.to_bytes()).text(state.name());
    if state.status != FREE {
        out.text(if state.status == HELD { " by " } else { ", of " });
        #[cfg(feature = "dlm")]
        state.describe_cluster(&mut out);
        if state.is_here() {
            describe(&mut out, &state.owner);
        }
        if let Some(age_s) = state.age_s {
            out.fill_number(", for % s", age_s);
        }
        out.fill_some("; %", state.why.map(str::as_bytes));
    }
    out.text("\n");
}

#[inline(never)]
fn print_json(path: &CStr, kind: &str, state: &State) {
    /// The values of a lock, the end of the object not included.
    const OBJECT: &str = concat!(
        r#"{"path":%,"kind":%,"state":%,"owner":{"pid":%,"host":%,"start":%,"#,
        r#""message":%,"command":%},"age":%,"why":%"#
    );
    let owner = &state.owner;
    let mut out = Out::stdout();
    // Whose pid it is now tells nothing about a holder that is gone.
    let live = if state.status == HELD && state.is_here() { owner.pid } else { None };
    let start = owner.start.or_else(|| live.and_then(process::start_time));
    Filling::new(&mut out, OBJECT)
        .string(Some(path.to_bytes()))
        .string(Some(kind.as_bytes()))
        .string(Some(state.name().as_bytes()))
        .number(owner.pid.map(Pid::get))
        .string(owner.host.as_deref())
        .number(start.map(|start| start.0))
        .string(owner.message.as_deref())
        .string(live.and_then(process::command).as_deref())
        .number(state.age_s)
        .string(state.why.map(str::as_bytes));
    #[cfg(feature = "dlm")]
    if let (node, Some(mode)) = state.cluster {
        Filling::new(&mut out, r#","mode":%,"node":%"#)
            .string(Some(mode.as_bytes()))
            .number(node.map(u64::from));
    }
    out.text("}\n");
}

/// Seconds since the file was written, by the wall clock.
#[allow(clippy::unnecessary_cast, reason = "its width differs between architectures")]
fn age_s(path: &CStr) -> Option<u64> {
    let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    u64::try_from(wall_us() / 1_000_000 - stat.st_mtime as i64).ok()
}
