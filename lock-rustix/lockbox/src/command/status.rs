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

use super::report::{self, failed};
use super::settings::{AGE, LEASE, Settings};
#[cfg(feature = "dlm")]
use crate::cluster;
use crate::existence::is_existence;
use crate::holder::describe;
use crate::json;
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
    let (settings, path) = match Settings::read(stack, at, ALLOWED, false) {
        Ok((settings, path, _)) => (settings, path),
        Err(status) => return status,
    };
    let state = match find(&settings, path) {
        Ok(state) => state,
        Err(fault) => {
            if !settings.json {
                failed(path, fault);
                return UNKNOWN;
            }
            State { status: UNKNOWN, why: Some(fault.kind.reason()), ..State::default() }
        }
    };
    if settings.json {
        print_json(path, settings.kind_name(), &state);
    } else {
        print_text(path, &state);
    }
    state.status
}

fn find(settings: &Settings, path: &CStr) -> Result<State, Fault> {
    let free = State { status: FREE, ..State::default() };
    #[cfg(feature = "dlm")]
    if settings.cluster {
        return Ok(match cluster::look(path) {
            cluster::Standing::Held { pid, node, mode } => {
                let owner = Owner::from_pid(pid);
                State { status: HELD, owner, cluster: (node, Some(mode.name())), ..free }
            }
            cluster::Standing::Free => free,
            cluster::Standing::Unknown(why) => State { status: UNKNOWN, why: Some(why), ..free },
        });
    }
    if !is_existence(settings.kind) {
        return Ok(match look(&Sys::new(Place::path(path)), settings.kind)? {
            Standing::Held(owner) => State { status: HELD, owner, age_s: age_s(path), ..free },
            Standing::Missing => State { why: Some("there is no such file"), ..free },
            _ => free,
        });
    }
    let contender = match settings.contender(path) {
        Ok(contender) => contender,
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(free),
        Err(fault) => return Err(fault),
    };
    let Some(found) = contender.look()? else { return Ok(free) };
    let (status, why) = match found.verdict {
        Verdict::Live(_) => (HELD, None),
        Verdict::Stale(why) => (STALE, Some(why.reason())),
        Verdict::Unknown(why) => (UNKNOWN, Some(why.reason())),
    };
    let age_s = match found.modified_ms {
        Some(modified_ms) => u64::try_from((wall_us() / 1000 - modified_ms) / 1000).ok(),
        None => age_s(path),
    };
    Ok(State { status, owner: report::owner(&found), age_s, why, ..free })
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

fn print_text(path: &CStr, state: &State) {
    let mut out = Out::stdout();
    out.foreign(path.to_bytes()).text(": ").text(state.name());
    if state.status != FREE {
        out.text(if state.status == HELD { " by " } else { ", of " });
        #[cfg(feature = "dlm")]
        state.describe_cluster(&mut out);
        if state.is_here() {
            describe(&mut out, &state.owner);
        }
        if let Some(age_s) = state.age_s {
            out.text(", for ").number(age_s).text(" s");
        }
        if let Some(why) = state.why {
            out.text("; ").text(why);
        }
    }
    out.text("\n");
}

fn print_json(path: &CStr, kind: &str, state: &State) {
    let owner = &state.owner;
    let mut out = Out::stdout();
    out.text("{\"path\":");
    json::string(&mut out, path.to_bytes());
    out.text(",\"kind\":\"").text(kind).text("\",\"state\":\"").text(state.name());
    out.text("\",\"owner\":{\"pid\":");
    json::number(&mut out, owner.pid.map(Pid::get));
    out.text(",\"host\":");
    json::maybe(&mut out, owner.host.as_deref());
    out.text(",\"start\":");
    // Whose pid it is now tells nothing about a holder that is gone.
    let live = if state.status == HELD && state.is_here() { owner.pid } else { None };
    let start = owner.start.or_else(|| live.and_then(process::start_time));
    json::number(&mut out, start.map(|start| start.0));
    out.text(",\"message\":");
    json::maybe(&mut out, owner.message.as_deref());
    out.text(",\"command\":");
    json::maybe(&mut out, live.and_then(process::command).as_deref());
    out.text("},\"age\":");
    json::number(&mut out, state.age_s);
    out.text(",\"why\":");
    json::maybe(&mut out, state.why.map(str::as_bytes));
    #[cfg(feature = "dlm")]
    if let (node, Some(mode)) = state.cluster {
        out.text(",\"mode\":\"").text(mode).text("\",\"node\":");
        json::number(&mut out, node.map(u64::from));
    }
    out.text("}\n");
}

/// Seconds since the file was written, by the wall clock.
#[allow(clippy::unnecessary_cast, reason = "its width differs between architectures")]
fn age_s(path: &CStr) -> Option<u64> {
    let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    u64::try_from(wall_us() / 1_000_000 - stat.st_mtime as i64).ok()
}
