//! `flock(1)` of util-linux, by its options, statuses and messages.
//!
//! One thing is better: after the lock is granted, the path must still name the locked file, else
//! the wait starts over. So `flock` never runs a command under a lock that nobody else can find.
//! And control characters in what it was given are told visibly.
//! Source: util-linux 2.38, run side by side in the tests.

mod text;

use core::ffi::CStr;

use lock_rustix::clock::monotonic_ns;
use lock_rustix::descriptor::openat;
use lock_rustix::rustix::fd::IntoRawFd;
use lock_rustix::rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, statat};
use lock_rustix::rustix::io::Errno;

use super::is_one_of;
use crate::number;
use crate::options::{Known, Options, Wrong, pack, packed_len};
use crate::out::Out;
use crate::spawn;
use crate::stack::{Args, Stack};
use crate::status as exit;
use crate::sys;
use text::{TEXTS, VERSION, say, say_why};

pub(super) use text::HELP;

/// The number of a text.
macro_rules! text {
    ($text:expr) => {
        const { $crate::packed::number(&TEXTS, $text) }
    };
}

/// The lock could not be had for a reason other than another's lock.
const DATA_ERROR: u8 = 65;
/// The command could not be run.
const UNAVAILABLE: u8 = 69;

/// What `flock(2)` takes, each the key of its option.
const SHARED: u8 = 1;
const EXCLUSIVE: u8 = 2;
const NONBLOCKING: u8 = 4;
const UNLOCK: u8 = 8;
/// Options that are on or off, keys too.
const CLOSE: u8 = 16;
const NO_FORK: u8 = 32;
const VERBOSE: u8 = 64;
/// Whether the command is a line for the shell: an operand says so.
const FOR_SHELL: u8 = 128;

const fn known(key: u8, short: u8, long: &'static str, takes_argument: bool) -> Known {
    Known { key, short, long, takes_argument }
}

pub(super) const KNOWN: [Known; 15] = [
    known(SHARED, b's', "shared", false),
    known(EXCLUSIVE, b'x', "exclusive", false),
    known(EXCLUSIVE, b'e', "", false),
    known(UNLOCK, b'u', "unlock", false),
    known(NONBLOCKING, b'n', "nonblocking", false),
    known(NONBLOCKING, 0, "nonblock", false),
    known(NONBLOCKING, 0, "nb", false),
    known(b'w', b'w', "wait", true),
    known(b'w', 0, "timeout", true),
    known(b'E', b'E', "conflict-exit-code", true),
    known(CLOSE, b'o', "close", false),
    known(NO_FORK, b'F', "no-fork", false),
    known(VERBOSE, 0, "verbose", false),
    known(b'h', b'h', "help", false),
    known(b'V', b'V', "version", false),
];
static OPTIONS: [u8; packed_len(&KNOWN)] = pack(&KNOWN);

struct Settings {
    /// The last of them counts.
    operation: u8,
    /// Those that are on.
    flags: u8,
    conflict: u8,
    /// The largest number: for ever.
    timeout_ns: u64,
}

/// What is locked: a file that this program opens, or a descriptor that it was given.
struct Target {
    operand: &'static CStr,
    is_path: bool,
    fd: i32,
    writable: bool,
}

/// Runs the applet; its own arguments start at `at`.
#[inline(never)]
pub(crate) fn main(stack: &Stack, at: usize) -> u8 {
    let args = stack.args();
    if args.count() <= at {
        try_help(text!("not enough arguments"), b"");
    }
    let mut settings =
        Settings { operation: EXCLUSIVE, flags: 0, conflict: 1, timeout_ns: u64::MAX };
    let at = settings.read(args, at);
    if settings.has(CLOSE) && settings.has(NO_FORK) {
        usage(text!("the --no-fork and --close options are incompatible"));
    }
    let Some(operand) = args.get(at) else {
        usage(text!("requires file descriptor, file or directory"));
    };
    let command = args.get(at + 1);
    let is_path = command.is_some();
    if is_one_of(args.bytes(at + 1), "-c\0--command\0") {
        settings.flags |= FOR_SHELL;
        if args.count() != at + 3 {
            let text = text!("% requires exactly one command argument");
            fail(exit::USAGE, text, args.bytes(at + 1), None);
        }
    }
    let fd = if is_path { open(operand) } else { descriptor(operand) };
    let mut target = Target { operand, is_path, fd, writable: !is_path };
    target.take(&settings);
    match command {
        Some(command) => execute(stack, &settings, command, at + 1, target.fd),
        None => 0,
    }
}

impl Settings {
    /// Reads the options; answers where the operands start. Ends with help or version, if that was
    /// all that was wanted.
    #[inline(never)]
    fn read(&mut self, args: Args, at: usize) -> usize {
        let mut options = Options::new(args, at, &OPTIONS);
        while let Some(key) = options.next() {
            match key {
                SHARED | EXCLUSIVE | UNLOCK => self.operation = key,
                b'w' => self.timeout_ns = timeout(options.argument()),
                b'E' => self.conflict = exit_code(options.argument()),
                b'h' => help(text!(HELP)),
                b'V' => help(text!(VERSION)),
                _ => self.flags |= key,
            }
        }
        if self.has(NONBLOCKING) {
            self.timeout_ns = 0;
        }
        let wrong = match options.operands() {
            Ok(at) => return at,
            Err(wrong) => wrong,
        };
        let text = match wrong {
            Wrong::Unknown => text!("unrecognized option -- '%'"),
            Wrong::Ambiguous => text!("ambiguous option -- '%'"),
            Wrong::MissingArgument => text!("option requires an argument -- '%'"),
            Wrong::ExtraArgument => text!("option doesn't allow an argument -- '%'"),
        };
        try_help(text, options.name())
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl Target {
    /// Takes the lock, or ends and tells why not.
    #[inline(never)]
    fn take(&mut self, settings: &Settings) {
        let has_limit = !matches!(settings.timeout_ns, 0 | u64::MAX);
        let asks_time = has_limit || settings.has(VERBOSE);
        let started_ns = if asks_time { monotonic_ns() } else { 0 };
        if has_limit {
            sys::interrupt_after(settings.timeout_ns);
        }
        let deadline_ns = started_ns.saturating_add(settings.timeout_ns);
        let operation = settings.operation | if settings.timeout_ns == 0 { NONBLOCKING } else { 0 };
        loop {
            match sys::flock(self.fd, operation) {
                Ok(()) if settings.operation == UNLOCK || self.is_named() => break,
                Ok(()) => self.replace(open(self.operand), false),
                Err(Errno::INTR) if monotonic_ns() < deadline_ns => {}
                Err(errno @ (Errno::WOULDBLOCK | Errno::INTR)) => conflict(settings, errno),
                Err(errno) => self.reopen_writable(settings, errno),
            }
        }
        if has_limit {
            sys::stop_interrupting();
        }
        if settings.has(VERBOSE) {
            tell_time((monotonic_ns() - started_ns) / 1000);
        }
    }

    /// Whether the path still names the locked file. In doubt it does: this is more than the
    /// original asks.
    fn is_named(&self) -> bool {
        let Some(fd) = sys::inherited(self.fd).filter(|_| self.is_path) else { return true };
        match (fstat(fd), statat(CWD, self.operand, AtFlags::empty())) {
            (Ok(mine), Ok(named)) => (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino),
            (_, Err(Errno::NOENT)) => false,
            _ => true,
        }
    }

    /// NFS wants a descriptor open for writing for an exclusive lock; any other error is told.
    fn reopen_writable(&mut self, settings: &Settings, errno: Errno) {
        // What the caller opened is as it is.
        let wanted = matches!(errno, Errno::IO | Errno::BADF) && !self.writable;
        if wanted && settings.operation != SHARED {
            let flags = OFlags::RDWR | OFlags::NOCTTY;
            if let Ok(file) = openat(CWD, self.operand, flags, Mode::empty()) {
                return self.replace(file.into_raw_fd(), true);
            }
        }
        let status = match errno {
            Errno::NOLCK | Errno::NOMEM => exit::OS_ERROR,
            _ => DATA_ERROR,
        };
        fail(status, text!("%"), self.operand.to_bytes(), Some(errno))
    }

    fn replace(&mut self, fd: i32, writable: bool) {
        sys::close(self.fd);
        (self.fd, self.writable) = (fd, writable);
    }
}

/// Opens the file, makes it if it is not there, and takes a directory as well.
fn open(path: &CStr) -> i32 {
    let flags = OFlags::RDONLY | OFlags::NOCTTY;
    let mut opened = openat(CWD, path, flags, Mode::empty());
    if matches!(opened, Err(Errno::NOENT)) {
        opened = openat(CWD, path, flags | OFlags::CREATE, Mode::from_raw_mode(0o666));
    }
    let errno = match opened {
        Ok(file) => return file.into_raw_fd(),
        Err(errno) => errno,
    };
    let status = match errno {
        Errno::NOMEM | Errno::MFILE | Errno::NFILE => exit::OS_ERROR,
        Errno::ROFS | Errno::NOSPC => exit::CANNOT_CREATE,
        _ => exit::NO_INPUT,
    };
    fail(status, text!("cannot open lock file %"), path.to_bytes(), Some(errno))
}

#[inline(never)]
fn tell_time(took_us: u64) {
    let mut out = Out::stdout();
    say(&mut out, text!("flock: getting lock took "), b"");
    out.number(took_us / 1_000_000).byte(b'.');
    out.padded(took_us % 1_000_000, 6);
    say(&mut out, text!(" seconds\n"), b"");
}

#[inline(never)]
fn execute(
    stack: &Stack,
    settings: &Settings,
    mut command: &'static CStr,
    at: usize,
    fd: i32,
) -> u8 {
    let args = stack.args();
    let mut command_args = args.from(at);
    let mut for_shell_command_args;
    if settings.has(FOR_SHELL) {
        command = stack.environment().get(b"SHELL=").unwrap_or(c"/bin/sh");
        let (name, line) = (command.as_ptr(), args.bytes(at + 1).as_ptr().cast());
        // The first is room for the shell of a shell that is a script.
        for_shell_command_args = [name, name, c"-c".as_ptr(), line, core::ptr::null()];
        command_args = for_shell_command_args.as_mut_ptr().wrapping_add(1);
    }
    if settings.has(VERBOSE) {
        tell(text!("flock: executing %\n"), command.to_bytes());
    }
    let run = || {
        if settings.has(CLOSE) {
            sys::close(fd);
        }
        let errno = spawn::exec(command_args, command, stack.environment());
        let status = if errno == Errno::NOMEM { exit::OS_ERROR } else { UNAVAILABLE };
        fail(status, text!("failed to execute %"), command.to_bytes(), Some(errno))
    };
    if settings.has(NO_FORK) {
        run();
    }
    // As the original does, for the command too.
    sys::on_end_of_child(&sys::RawAction::default());
    match sys::vfork(&run) {
        Ok(child) => match sys::wait(child, true) {
            Ok(Some(ended)) => ended.status(),
            _ => 1,
        },
        Err(errno) => fail(exit::OS_ERROR, text!("fork failed"), b"", Some(errno)),
    }
}

/// Seconds as `strtod` reads them, with a sign in front and an exponent behind.
#[inline(never)]
fn timeout(argument: &[u8]) -> u64 {
    let mut text = argument;
    let negative = number::take_sign(&mut text);
    match number::scientific_ns(text) {
        Some(_) if negative => {
            fail(exit::OS_ERROR, text!("cannot set up timer"), b"", Some(Errno::INVAL))
        }
        Some(ns) => ns,
        None => fail(exit::USAGE, text!("invalid timeout value: '%'"), argument, None),
    }
}

fn descriptor(operand: &CStr) -> i32 {
    let text = operand.to_bytes();
    let Some(fd) = signed(text) else {
        fail(exit::USAGE, text!("bad file descriptor: '%'"), text, None)
    };
    fd
}

fn exit_code(argument: &[u8]) -> u8 {
    let Some(status) = signed(argument) else {
        fail(exit::USAGE, text!("invalid exit code: '%'"), argument, None)
    };
    let Ok(status) = u8::try_from(status) else {
        usage(text!("exit code out of range (expected 0 to 255)"))
    };
    status
}

/// A number as `strtol` reads it, with a sign in front.
#[inline(never)]
fn signed(text: &[u8]) -> Option<i32> {
    i32::try_from(number::integer(text)?).ok()
}

fn help(text: u8) -> ! {
    tell(text, b"");
    sys::exit(0)
}

#[inline(never)]
fn tell(text: u8, name: &[u8]) {
    say(&mut Out::stdout(), text, name);
}

/// Ends with the status for another's lock; says why only if asked to.
fn conflict(settings: &Settings, errno: Errno) -> ! {
    if settings.has(VERBOSE) {
        let text = match errno {
            Errno::INTR => text!("timeout while waiting to get lock"),
            _ => text!("failed to get lock"),
        };
        fail(settings.conflict, text, b"", None);
    }
    sys::exit(settings.conflict)
}

fn usage(text: u8) -> ! {
    fail(exit::USAGE, text, b"", None)
}

fn try_help(text: u8, name: &[u8]) -> ! {
    complain(text, name, None);
    say(&mut Out::stderr(), text!("Try 'flock --help' for more information.\n"), b"");
    sys::exit(exit::USAGE)
}

/// Says what is wrong and ends.
fn fail(status: u8, text: u8, name: &[u8], errno: Option<Errno>) -> ! {
    complain(text, name, errno);
    sys::exit(status)
}

/// Says what is wrong, with `name` for `%` and the reason, if there is one.
#[inline(never)]
fn complain(text: u8, name: &[u8], errno: Option<Errno>) {
    let mut out = Out::stderr();
    say(&mut out, text!("flock: "), b"");
    say(&mut out, text, name);
    if let Some(errno) = errno {
        say_why(out.text(": "), errno);
    }
    out.byte(b'\n');
}
