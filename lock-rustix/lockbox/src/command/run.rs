//! `lockbox run`: holds a lock while a command runs.

use core::ffi::CStr;

use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_core::payload::message::Message;
use lock_rustix::alone::{Held, look};
use lock_rustix::local::{LockError, Request};
use lock_rustix::look::Standing;
use lock_rustix::place::Place;
use lock_rustix::rustix::io::{Errno, FdFlags, fcntl_setfd};
use lock_rustix::sys::{LOCK_FILE_MODE, Sys};

use super::{failed, kind, wrong_option, wrong_usage};
use crate::holder::describe;
use crate::number::{exit_status, mode, seconds_ns};
use crate::options::{Item, Known, Options};
use crate::out::Out;
use crate::spawn;
use crate::stack::Stack;
use crate::status as exit;
use crate::sys::{self, CHLD, Ended, Fork, HUP, INT, QUIT, SignalSet, TERM};
use crate::waiting::{Patience, Refused, take};

/// Keys of options without a short form.
const INHERIT: u8 = 1;
const AGE: u8 = 2;

const fn known(key: u8, short: u8, long: &'static str, takes_argument: bool) -> Known {
    Known { key, short, long, takes_argument }
}

const KNOWN: [Known; 11] = [
    known(b'k', b'k', "kind", true),
    known(b's', b's', "shared", false),
    known(b'n', b'n', "nonblock", false),
    known(b'w', b'w', "wait", true),
    known(b'm', b'm', "message", true),
    known(b'p', b'p', "mode", true),
    known(b'E', b'E', "conflict-exit-code", true),
    known(b'v', b'v', "verbose", false),
    known(INHERIT, 0, "inherit", false),
    known(AGE, 0, "stale-age", true),
    known(AGE, 0, "refresh", true),
];

struct Settings {
    kind: Kind,
    mode: Mode,
    patience: Patience,
    message: Option<Message>,
    file_mode: u32,
    conflict: u8,
    verbose: bool,
    inherit: bool,
}

pub(super) fn main(stack: &mut Stack, at: usize) -> u8 {
    let (settings, at) = match read(stack, at) {
        Ok(read) => read,
        Err(status) => return status,
    };
    let args = stack.args();
    let Some(path) = args.get(at) else { return wrong_usage(&[b"run: PATH is missing"]) };
    let dashes = args.get(at + 1).is_some_and(|arg| arg.to_bytes() == b"--");
    let command_at = at + 1 + usize::from(dashes);
    let Some(command) = args.get(command_at) else {
        return wrong_usage(&[b"run: CMD is missing"]);
    };
    let sys = Sys::new(Place::path(path)).with_mode(settings.file_mode);
    let request =
        Request { kind: settings.kind, mode: settings.mode, message: settings.message.as_ref() };
    let tell = settings.verbose || sys::is_terminal(sys::stderr());
    let guard = match take(&sys, &request, settings.patience, tell.then_some(path)) {
        Ok(guard) => guard,
        Err(refused) => return report(&sys, path, &settings, refused),
    };
    if settings.inherit {
        let _ = fcntl_setfd(&guard, FdFlags::empty());
    }
    let environment = stack.environment();
    environment.set(b"LOCKBOX_KIND", settings.kind.name().as_bytes());
    environment.set(b"LOCKBOX_PATH", path.to_bytes());
    hold_while(stack, command_at, command, guard)
}

fn read(stack: &Stack, at: usize) -> Result<(Settings, usize), u8> {
    let mut settings = Settings {
        kind: Kind::File,
        mode: Mode::Exclusive,
        patience: Patience::Forever,
        message: None,
        file_mode: LOCK_FILE_MODE,
        conflict: exit::HELD,
        verbose: false,
        inherit: false,
    };
    let mut options = Options::new(stack.args(), at);
    let at = loop {
        match options.next(&KNOWN) {
            Item::Operands(at) => break at,
            Item::Wrong(wrong) => return Err(wrong_option(wrong)),
            Item::Option(key, argument) => settings.set(key, argument)?,
        }
    };
    if settings.mode == Mode::Shared && !settings.kind.can_be_shared() {
        let name = settings.kind.name().as_bytes();
        return Err(wrong_usage(&[b"option 's': kind '", name, b"' cannot be shared"]));
    }
    if settings.message.is_some() && settings.kind != Kind::File {
        let name = settings.kind.name().as_bytes();
        return Err(wrong_usage(&[b"option 'm': kind '", name, b"' has no message"]));
    }
    Ok((settings, at))
}

impl Settings {
    fn set(&mut self, key: u8, argument: &'static [u8]) -> Result<(), u8> {
        let wrong = |what: &'static [u8]| Err(wrong_usage(&[what, b": '", argument, b"'"]));
        match key {
            b'k' => self.kind = kind(argument)?,
            b's' => self.mode = Mode::Shared,
            b'n' => self.patience = Patience::None,
            b'w' => match seconds_ns(argument) {
                Some(ns) => self.patience = Patience::For(ns),
                None => return wrong(b"no number of seconds"),
            },
            b'm' => match Message::new(argument) {
                Ok(message) => self.message = Some(message),
                Err(_) => return wrong(b"message too long"),
            },
            b'p' => match mode(argument) {
                Some(mode) => self.file_mode = mode,
                None => return wrong(b"no octal file mode"),
            },
            b'E' => match exit_status(argument) {
                Some(status) => self.conflict = status,
                None => return wrong(b"no exit status"),
            },
            b'v' => self.verbose = true,
            INHERIT => self.inherit = true,
            _ => {
                return wrong(b"kernel locks have no age; no such option here");
            }
        }
        Ok(())
    }
}

/// Says why the lock was not taken; answers the exit status.
fn report(sys: &Sys<'_>, path: &CStr, settings: &Settings, refused: Refused) -> u8 {
    match refused {
        Refused::Failed(LockError::Fault(fault)) => return failed(path, fault),
        Refused::Failed(_) | Refused::Held => {}
    }
    let mut out = Out::stderr();
    out.text("lockbox: ").foreign(path.to_bytes()).text(": ");
    match look(sys, settings.kind) {
        Ok(Standing::Held(owner)) => {
            out.text("held by ");
            describe(&mut out, &owner);
        }
        _ => {
            out.text("was held by another until now");
        }
    }
    out.text(match settings.patience {
        Patience::None => "; try again later, or wait with -w SECS\n",
        _ => "; the wait ran out\n",
    });
    settings.conflict
}

/// Runs the command, passes signals on to it, and releases the lock when it has ended.
fn hold_while(stack: &mut Stack, at: usize, command: &CStr, guard: Held) -> u8 {
    const STOP: [sys::Signal; 4] = [INT, TERM, HUP, QUIT];
    const WATCHED: SignalSet = SignalSet::of(&[INT, TERM, HUP, QUIT, CHLD]);
    // Blocked before the fork, so that none can kill us between.
    let before = sys::block(WATCHED);
    let child = match sys::fork() {
        Ok(Fork::Parent(child)) => child,
        Ok(Fork::Child) => {
            sys::set_blocked(before);
            let args = stack.args().from(at);
            let errno = spawn::exec(args, command, stack.environment());
            sys::exit(cannot_run(command, errno));
        }
        Err(errno) => {
            drop(guard);
            let errno = u64::from(errno.raw_os_error().unsigned_abs());
            Out::stderr().text("lockbox: cannot fork: errno ").number(errno).text("\n");
            return exit::OS_ERROR;
        }
    };
    let ended = loop {
        match sys::wait_for_signal(WATCHED) {
            // The terminal has told the whole foreground group: the command knows.
            Some(arrived) if STOP.contains(&arrived.signal) && !arrived.from_kernel => {
                sys::kill(child, arrived.signal);
            }
            Some(_) | None => {}
        }
        match sys::wait(child, false) {
            Ok(None) => {}
            Ok(Some(ended)) => break ended,
            Err(_) => break Ended::Exited(exit::OS_ERROR),
        }
    };
    drop(guard);
    match ended {
        Ended::Exited(status) => status,
        Ended::Killed(signal) => 128 + signal,
    }
}

fn cannot_run(command: &CStr, errno: Errno) -> u8 {
    let mut out = Out::stderr();
    out.text("lockbox: ").foreign(command.to_bytes());
    if matches!(errno, Errno::NOENT | Errno::NOTDIR) {
        out.text(": command not found\n");
        return exit::NOT_FOUND;
    }
    let errno = u64::from(errno.raw_os_error().unsigned_abs());
    out.text(": cannot be run (errno ").number(errno).text(")\n");
    exit::CANNOT_RUN
}
