//! `lockbox run`: holds a lock while a command runs.

use core::ffi::CStr;

#[cfg(feature = "dlm")]
use lock_core::os::Mode;
use lock_core::payload::message::Message;
use lock_core::refresh::Refresh;
use lock_rustix::alone::look;
use lock_rustix::clock::monotonic_ns;
use lock_rustix::local::{LockError, Request};
use lock_rustix::look::Standing;
use lock_rustix::place::Place;
use lock_rustix::rustix::io::{FdFlags, fcntl_setfd};
use lock_rustix::sys::Sys;

use super::report::{failed, held, refused, without_token};
use super::settings::{AGE, INHERIT, LEASE, NO_TOKEN, REFRESH, Settings};
use super::wrong_usage;
#[cfg(feature = "dlm")]
use crate::cluster;
use crate::existence::{self, is_existence};
use crate::hold::{Guard, hold_while};
use crate::holder::Waiting;
use crate::number::Decimal;
use crate::stack::{Stack, Variables};
use crate::sys;
use crate::waiting::{Refused, take};

pub(super) const ALLOWED: &[u8] =
    &[b'k', b's', b'n', b'w', b'm', b'p', b'E', b'v', AGE, INHERIT, LEASE, NO_TOKEN, REFRESH];

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    let (settings, path, at) = match Settings::read(stack, at, ALLOWED, true) {
        Ok(read) => read,
        Err(status) => return status,
    };
    let args = stack.args();
    let dashes = args.get(at + 1).is_some_and(|arg| arg.to_bytes() == b"--");
    let command_at = at + 1 + usize::from(dashes);
    let Some(command) = args.get(command_at) else {
        return wrong_usage("run: CMD is missing", b"");
    };
    let mut variables = stack.variables();
    #[cfg(feature = "dlm")]
    if settings.cluster {
        return match cluster::take(
            path,
            cluster_mode(&settings),
            settings.patience,
            settings.conflict,
        ) {
            Ok(held) => {
                variables.set(b"LOCKBOX_KIND=", b"dlm");
                variables.set(b"LOCKBOX_PATH=", path.to_bytes());
                hold_while(stack, command_at, command, Guard::Cluster(held))
            }
            Err(status) => status,
        };
    }
    let taken = if is_existence(settings.kind) {
        take_existence(&settings, path, &mut variables)
    } else {
        take_kernel(&settings, path)
    };
    let guard = match taken {
        Ok(guard) => guard,
        Err(status) => return status,
    };
    if let Some(file) = guard.file().filter(|_| settings.inherit) {
        let _ = fcntl_setfd(file, FdFlags::empty());
    }
    variables.set(b"LOCKBOX_KIND=", settings.kind.name().as_bytes());
    variables.set(b"LOCKBOX_PATH=", path.to_bytes());
    hold_while(stack, command_at, command, guard)
}

/// Readers together, or one writer.
#[cfg(feature = "dlm")]
fn cluster_mode(settings: &Settings) -> lock_core::dlm::mode::Mode {
    match settings.mode {
        Mode::Shared => lock_core::dlm::mode::Mode::PR,
        Mode::Exclusive => lock_core::dlm::mode::Mode::EX,
    }
}

fn waiting(settings: &Settings, path: &'static CStr) -> Option<Waiting> {
    (settings.verbose || sys::is_terminal(sys::stderr())).then(|| Waiting::new(path))
}

#[inline(never)]
fn take_kernel(settings: &Settings, path: &'static CStr) -> Result<Guard, u8> {
    let message = match settings.message.map(Message::new) {
        Some(Err(_)) => return Err(wrong_usage("option 'm': the message is too long", b"")),
        message => message.and_then(Result::ok),
    };
    let sys = Sys::new(Place::path(path)).with_mode(settings.file_mode());
    let request = Request { kind: settings.kind, mode: settings.mode, message: message.as_ref() };
    match take(&sys, &request, settings.patience, waiting(settings, path)) {
        Ok(held) => return Ok(Guard::Kernel(held)),
        Err(Refused::Failed(LockError::Fault(fault))) => return Err(failed(path, fault)),
        Err(Refused::Failed(_) | Refused::Held) => {}
    }
    let owner = match look(&sys, settings.kind) {
        Ok(Standing::Held(owner)) => Some(owner),
        _ => None,
    };
    held(path, owner.as_ref(), None, settings.patience);
    Err(settings.conflict)
}

#[inline(never)]
fn take_existence(
    settings: &Settings,
    path: &'static CStr,
    variables: &mut Variables,
) -> Result<Guard, u8> {
    let contender = match settings.contender(path) {
        Ok(contender) => contender,
        Err(fault) => return Err(failed(path, fault)),
    };
    let message = settings.message.unwrap_or_default();
    let waiting = waiting(settings, path);
    let taken =
        existence::take(&contender, &contender.me, message, true, settings.patience, waiting)
            .map_err(|why| refused(path, &contender, &why, settings.patience, settings.conflict))?;
    if settings.token {
        match contender.next_token() {
            Ok(number) => {
                variables.set(b"LOCKBOX_TOKEN=", Decimal::new(number).as_bytes());
            }
            // Another user's counter, or a full disk, need not keep CMD from running.
            Err(fault) => {
                without_token(path, fault);
            }
        }
    }
    let stale_age_ms = settings.stale_age_ms.max(settings.lease_ms);
    // As Pidfile.jl does.
    let every_ms = settings.refresh_ms.unwrap_or(stale_age_ms / 2);
    let refresh = Refresh::new(monotonic_ns() / 1_000_000, every_ms, stale_age_ms);
    Ok(Guard::Existence(contender.spot, taken, refresh))
}
