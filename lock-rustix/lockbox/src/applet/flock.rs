//! `flock(1)` of util-linux, by its options, statuses and messages.
//!
//! One thing is better: after the lock is granted, the path must still name the locked file, else
//! the wait starts over. So `flock` never runs a command under a lock that nobody else can find.
//! Source: util-linux 2.38, run side by side in the tests.

use core::ffi::CStr;

use lock_rustix::clock::monotonic_ns;
use lock_rustix::descriptor::{lend, openat};
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, statat};
use lock_rustix::rustix::io::Errno;

use crate::number;
use crate::options::{Item, Known, Options, Wrong};
use crate::out::Out;
use crate::spawn;
use crate::stack::{Args, Stack};
use crate::status as exit;
use crate::sys::{self, Ended, Fork};

/// The lock could not be had for a reason other than another's lock.
const DATA_ERROR: u8 = 65;
/// The command could not be run.
const UNAVAILABLE: u8 = 69;
/// A signal that comes just before flock blocks is made up for after this time, in nanoseconds.
const REPEAT_NS: u64 = 10_000_000;

/// Key of the option without a short form.
const VERBOSE: u8 = 1;

const fn known(key: u8, short: u8, long: &'static str, takes_argument: bool) -> Known {
    Known { key, short, long, takes_argument }
}

pub(super) const KNOWN: [Known; 15] = [
    known(b's', b's', "shared", false),
    known(b'x', b'x', "exclusive", false),
    known(b'x', b'e', "", false),
    known(b'u', b'u', "unlock", false),
    known(b'n', b'n', "nonblocking", false),
    known(b'n', 0, "nonblock", false),
    known(b'n', 0, "nb", false),
    known(b'w', b'w', "wait", true),
    known(b'w', 0, "timeout", true),
    known(b'E', b'E', "conflict-exit-code", true),
    known(b'o', b'o', "close", false),
    known(b'F', b'F', "no-fork", false),
    known(VERBOSE, 0, "verbose", false),
    known(b'h', b'h', "help", false),
    known(b'V', b'V', "version", false),
];

pub(super) const HELP: &str = "
Usage:
 flock [options] <file>|<directory> <command> [<argument>...]
 flock [options] <file>|<directory> -c <command>
 flock [options] <file descriptor number>

Manage file locks from shell scripts.

Options:
 -s, --shared             get a shared lock
 -x, --exclusive          get an exclusive lock (default)
 -u, --unlock             remove a lock
 -n, --nonblock           fail rather than wait
 -w, --timeout <secs>     wait for a limited amount of time
 -E, --conflict-exit-code <number>  exit code after conflict or timeout
 -o, --close              close file descriptor before running command
 -c, --command <command>  run a single command string through the shell
 -F, --no-fork            execute command without forking
     --verbose            increase verbosity

 -h, --help               display this help
 -V, --version            display version
";

#[derive(Clone, Copy, Eq, PartialEq)]
enum Operation {
    Shared,
    Exclusive,
    Unlock,
}

#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Settings {
    operation: Operation,
    block: bool,
    timeout_ns: Option<u64>,
    conflict: u8,
    close: bool,
    fork: bool,
    verbose: bool,
}

/// What is locked.
enum Target {
    Path(&'static CStr, OwnedFd),
    Descriptor(i32),
}

/// Runs the applet; its own arguments start at `at`.
#[inline(never)]
pub(crate) fn main(stack: &mut Stack, at: usize) -> u8 {
    match run(stack, at) {
        Ok(status) | Err(status) => status,
    }
}

fn run(stack: &mut Stack, at: usize) -> Result<u8, u8> {
    let args = stack.args();
    if args.count() <= at {
        return Err(try_help("not enough arguments"));
    }
    let Some((settings, at)) = read(args, at)? else { return Ok(0) };
    let command = command_at(args, at)?;
    let mut target = match (command, args.get(at)) {
        (Some(_), Some(path)) => Target::Path(path, open(path, OFlags::RDONLY)?),
        (_, Some(number)) => Target::Descriptor(descriptor(number.to_bytes())?),
        _ => return Err(usage("requires file descriptor, file or directory")),
    };
    let started_ns = if settings.verbose { monotonic_ns() } else { 0 };
    take(&settings, &mut target)?;
    if settings.verbose {
        let took_us = (monotonic_ns() - started_ns) / 1000;
        let mut out = Out::stdout();
        out.text("flock: getting lock took ").number(took_us / 1_000_000).text(".");
        out.padded(took_us % 1_000_000, 6).text(" seconds\n");
    }
    match command {
        Some(command) => execute(stack, &settings, command, target),
        None => Ok(0),
    }
}

/// Reads the options. `None`: help or version was all that was wanted.
fn read(args: Args, at: usize) -> Result<Option<(Settings, usize)>, u8> {
    let mut settings = Settings {
        operation: Operation::Exclusive,
        block: true,
        timeout_ns: None,
        conflict: 1,
        close: false,
        fork: true,
        verbose: false,
    };
    let mut options = Options::new(args, at);
    loop {
        match options.next(&KNOWN) {
            Item::Operands(at) => {
                if settings.close && !settings.fork {
                    return Err(usage("the --no-fork and --close options are incompatible"));
                }
                return Ok(Some((settings, at)));
            }
            Item::Wrong(wrong) => return Err(wrong_option(wrong)),
            Item::Option(b'h', _) => {
                Out::stdout().text(HELP);
                return Ok(None);
            }
            Item::Option(b'V', _) => {
                Out::stdout().text("flock from lockbox ").text(env!("CARGO_PKG_VERSION"));
                Out::stdout().text("\n");
                return Ok(None);
            }
            Item::Option(key, argument) => settings.set(key, argument)?,
        }
    }
}

impl Settings {
    fn set(&mut self, key: u8, argument: &'static [u8]) -> Result<(), u8> {
        match key {
            b's' => self.operation = Operation::Shared,
            b'x' => self.operation = Operation::Exclusive,
            b'u' => self.operation = Operation::Unlock,
            b'n' => self.block = false,
            b'o' => self.close = true,
            b'F' => self.fork = false,
            VERBOSE => self.verbose = true,
            b'w' => self.timeout_ns = Some(timeout(argument)?),
            b'E' => match signed(argument) {
                Some(status) => match u8::try_from(status) {
                    Ok(status) => self.conflict = status,
                    Err(_) => {
                        return Err(usage("exit code out of range (expected 0 to 255)"));
                    }
                },
                None => return Err(invalid("invalid exit code", argument)),
            },
            _ => {}
        }
        Ok(())
    }

    fn flock_operation(&self, block: bool) -> FlockOperation {
        match (self.operation, block) {
            (Operation::Shared, true) => FlockOperation::LockShared,
            (Operation::Shared, false) => FlockOperation::NonBlockingLockShared,
            (Operation::Exclusive, true) => FlockOperation::LockExclusive,
            (Operation::Exclusive, false) => FlockOperation::NonBlockingLockExclusive,
            (Operation::Unlock, _) => FlockOperation::Unlock,
        }
    }
}

/// Where the command is, after the file.
#[derive(Clone, Copy)]
enum Command {
    /// A program and its arguments, from this one on.
    Program(usize),
    /// This argument, for the shell.
    Shell(usize),
}

fn command_at(args: Args, at: usize) -> Result<Option<Command>, u8> {
    let Some(first) = args.get(at + 1) else { return Ok(None) };
    if !matches!(first.to_bytes(), b"-c" | b"--command") {
        return Ok(Some(Command::Program(at + 1)));
    }
    if args.count() != at + 3 {
        let mut out = Out::stderr();
        out.text("flock: ").bytes(first.to_bytes());
        out.text(" requires exactly one command argument\n");
        return Err(exit::USAGE);
    }
    Ok(Some(Command::Shell(at + 2)))
}

/// Opens the file, makes it if it is not there, and takes a directory as well.
fn open(path: &CStr, access: OFlags) -> Result<OwnedFd, u8> {
    let flags = access | OFlags::NOCTTY;
    let mut opened = openat(CWD, path, flags, Mode::empty());
    if opened.as_ref().err() == Some(&Errno::NOENT) {
        opened = openat(CWD, path, flags | OFlags::CREATE, Mode::from_raw_mode(0o666));
    }
    opened.map_err(|errno| {
        let mut out = Out::stderr();
        out.text("flock: cannot open lock file ").bytes(path.to_bytes());
        reason(&mut out, errno);
        match errno {
            Errno::NOMEM | Errno::MFILE | Errno::NFILE => exit::OS_ERROR,
            Errno::ROFS | Errno::NOSPC => exit::CANNOT_CREATE,
            _ => exit::NO_INPUT,
        }
    })
}

/// Takes the lock, or tells why not.
fn take(settings: &Settings, target: &mut Target) -> Result<(), u8> {
    let timeout_ns = settings.timeout_ns.filter(|&ns| ns > 0);
    let block = settings.block && settings.timeout_ns != Some(0);
    let deadline_ns = match timeout_ns {
        Some(ns) if block => {
            sys::interrupt_after(ns, REPEAT_NS);
            monotonic_ns().saturating_add(ns)
        }
        _ => u64::MAX,
    };
    loop {
        match target.flock(settings.flock_operation(block)) {
            Ok(()) => match target {
                Target::Path(path, file) if settings.operation != Operation::Unlock => {
                    if is_named(path, file) {
                        break;
                    }
                    *file = open(path, OFlags::RDONLY)?;
                }
                _ => break,
            },
            Err(Errno::WOULDBLOCK) => return Err(conflict(settings, "failed to get lock")),
            Err(Errno::INTR) if monotonic_ns() >= deadline_ns => {
                return Err(conflict(settings, "timeout while waiting to get lock"));
            }
            Err(Errno::INTR) => {}
            Err(errno) => reopen_writable(settings, target, errno)?,
        }
    }
    if deadline_ns != u64::MAX {
        sys::stop_interrupting();
    }
    Ok(())
}

/// Whether the path still names the locked file. In doubt it does: this is more than the original
/// asks.
fn is_named(path: &CStr, file: &OwnedFd) -> bool {
    match (fstat(lend(file)), statat(CWD, path, AtFlags::empty())) {
        (Ok(mine), Ok(named)) => (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino),
        (_, Err(Errno::NOENT)) => false,
        _ => true,
    }
}

/// NFS wants a descriptor open for writing for an exclusive lock; any other error is told.
fn reopen_writable(settings: &Settings, target: &mut Target, errno: Errno) -> Result<(), u8> {
    if let Target::Path(path, file) = target {
        let writable = rustix_is_writable(file);
        let exclusive = settings.operation != Operation::Shared;
        if matches!(errno, Errno::IO | Errno::BADF) && exclusive && !writable {
            if let Ok(reopened) = openat(CWD, path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()) {
                *file = reopened;
                return Ok(());
            }
        }
    }
    let mut out = Out::stderr();
    out.text("flock: ");
    match target {
        Target::Path(path, _) => out.bytes(path.to_bytes()),
        Target::Descriptor(fd) => {
            out.text(if *fd < 0 { "-" } else { "" }).number(u64::from(fd.unsigned_abs()))
        }
    };
    reason(&mut out, errno);
    Err(if matches!(errno, Errno::NOLCK | Errno::NOMEM) { exit::OS_ERROR } else { DATA_ERROR })
}

fn rustix_is_writable(file: &OwnedFd) -> bool {
    lock_rustix::rustix::fs::fcntl_getfl(lend(file)).is_ok_and(|flags| flags.contains(OFlags::RDWR))
}

fn execute(
    stack: &mut Stack,
    settings: &Settings,
    command: Command,
    target: Target,
) -> Result<u8, u8> {
    let (program, shell_args);
    let args = match command {
        Command::Program(at) => {
            program = stack.args().get(at).unwrap_or(c"");
            stack.args().from(at)
        }
        Command::Shell(at) => {
            program = stack.environment().get(b"SHELL").unwrap_or(c"/bin/sh");
            let line = stack.args().get(at).unwrap_or(c"");
            shell_args = [program.as_ptr(), c"-c".as_ptr(), line.as_ptr(), core::ptr::null()];
            shell_args.as_ptr()
        }
    };
    if settings.verbose {
        Out::stdout().text("flock: executing ").bytes(program.to_bytes()).text("\n");
    }
    let child = if settings.fork {
        match sys::fork() {
            Ok(Fork::Parent(child)) => child,
            Ok(Fork::Child) => {
                if settings.close {
                    drop(target);
                }
                sys::exit(cannot_execute(program, spawn::exec(args, program, stack.environment())));
            }
            Err(errno) => {
                reason(Out::stderr().text("flock: fork failed"), errno);
                return Err(exit::OS_ERROR);
            }
        }
    } else {
        let errno = spawn::exec(args, program, stack.environment());
        return Err(cannot_execute(program, errno));
    };
    match sys::wait(child, true) {
        Ok(Some(Ended::Exited(status))) => Ok(status),
        Ok(Some(Ended::Killed(signal))) => Ok(128 + signal),
        _ => Err(1),
    }
}

fn cannot_execute(program: &CStr, errno: Errno) -> u8 {
    let mut out = Out::stderr();
    out.text("flock: failed to execute ").bytes(program.to_bytes());
    reason(&mut out, errno);
    if errno == Errno::NOMEM { exit::OS_ERROR } else { UNAVAILABLE }
}

impl Target {
    fn flock(&self, operation: FlockOperation) -> Result<(), Errno> {
        match self {
            Target::Path(_, file) => flock(lend(file), operation),
            Target::Descriptor(fd) => flock(sys::inherited(*fd).ok_or(Errno::BADF)?, operation),
        }
    }
}

/// Seconds as `strtod` reads them: white space and a sign in front, an exponent behind.
fn timeout(argument: &'static [u8]) -> Result<u64, u8> {
    let text = argument.trim_ascii_start();
    if text.first() == Some(&b'-') && number::scientific_ns(text.get(1..).unwrap_or(b"")).is_some()
    {
        let mut out = Out::stderr();
        out.text("flock: cannot set up timer");
        reason(&mut out, Errno::INVAL);
        return Err(exit::OS_ERROR);
    }
    number::scientific_ns(text.strip_prefix(b"+").unwrap_or(text))
        .ok_or_else(|| invalid("invalid timeout value", argument))
}

/// A descriptor's number.
fn descriptor(text: &'static [u8]) -> Result<i32, u8> {
    signed(text.trim_ascii_start()).ok_or_else(|| invalid("bad file descriptor", text))
}

/// A number with an optional sign, as `strtol` reads it.
fn signed(text: &[u8]) -> Option<i32> {
    let negative = text.first() == Some(&b'-');
    let digits = text.strip_prefix(if negative { b"-" } else { b"+" }).unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    let magnitude = i64::try_from(number::decimal(digits)?).ok()?;
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn conflict(settings: &Settings, text: &str) -> u8 {
    if settings.verbose {
        Out::stderr().text("flock: ").text(text).text("\n");
    }
    settings.conflict
}

fn usage(text: &str) -> u8 {
    Out::stderr().text("flock: ").text(text).text("\n");
    exit::USAGE
}

fn invalid(text: &str, argument: &[u8]) -> u8 {
    Out::stderr().text("flock: ").text(text).text(": '").bytes(argument).text("'\n");
    exit::USAGE
}

fn try_help(text: &str) -> u8 {
    usage(text);
    Out::stderr().text("Try 'flock --help' for more information.\n");
    exit::USAGE
}

fn wrong_option(wrong: Wrong) -> u8 {
    let (text, name) = match wrong {
        Wrong::Unknown(name) => ("unrecognized option", name),
        Wrong::Ambiguous(name) => ("ambiguous option", name),
        Wrong::MissingArgument(name) => ("option requires an argument", name),
        Wrong::ExtraArgument(name) => ("option doesn't allow an argument", name),
    };
    Out::stderr().text("flock: ").text(text).text(" -- '").bytes(name).text("'\n");
    Out::stderr().text("Try 'flock --help' for more information.\n");
    exit::USAGE
}

/// Ends the line with the reason.
fn reason(out: &mut Out, errno: Errno) {
    use lock_core::fault::{Call, FaultKind};
    use lock_core::os::Node;

    let fault = lock_rustix::fault::fault(Call::Open, Node::Lock, errno);
    out.text(": ");
    if fault.kind == FaultKind::Other {
        out.text("errno ").number(u64::from(fault.errno));
    } else {
        out.text(fault.kind.reason());
    }
    out.text("\n");
}
