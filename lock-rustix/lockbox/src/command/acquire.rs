//! `lockbox acquire`: takes a lock that stays when this process ends, for another process.

use super::report::{failed, refused};
use super::settings::{AGE, LEASE, PID, Settings};
use crate::existence;
use crate::holder::Waiting;
use crate::stack::Stack;
use crate::sys;

pub(super) const ALLOWED: &[u8] = &[b'k', b'n', b'w', b'm', b'p', b'E', b'v', AGE, LEASE, PID];

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    take(stack, at).err().unwrap_or(0)
}

fn take(stack: &Stack, at: usize) -> Result<(), u8> {
    let (settings, path, _) = Settings::read(stack, at, ALLOWED, false)?;
    settings.demand_existence()?;
    let contender = match settings.contender(path) {
        Ok(contender) => contender,
        Err(fault) => return Err(failed(path, fault)),
    };
    let holder = settings.holder(&contender.me)?;
    let waiting = (settings.verbose || sys::is_terminal(sys::stderr())).then(|| Waiting::new(path));
    let message = settings.message.unwrap_or_default();
    let taken = existence::take(&contender, &holder, message, false, settings.patience, waiting)
        .map_err(|why| refused(path, &contender, &why, settings.patience, settings.conflict))?;
    taken.leave(&contender.spot);
    Ok(())
}
