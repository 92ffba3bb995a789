//! `flock(1)` of util-linux, by its options, statuses and messages.
//!
//! One thing is better: after the lock is granted, the path must still name the locked file, else
//! the wait starts over. So `flock` never runs a command under a lock that nobody else can find.
//! And control characters in what it was given are told visibly.
//! Source: util-linux 2.38, run side by side in the tests.

use core::ffi::CStr;

use lock_rustix::clock::monotonic_ns;
use lock_rustix::descriptor::openat;
use lock_rustix::rustix::fd::IntoRawFd;
use lock_rustix::rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, statat};
use lock_rustix::rustix::io::Errno;

use crate::number::{self, Decimal};
use crate::options::{Known, Options, Wrong, pack, packed_len};
use crate::out::{Out, complain, print};
use crate::spawn;
use crate::stack::Stack;
use crate::status as exit;
use crate::sys;

/// The lock could not be had for a reason other than another's lock.
const DATA_ERROR: u8 = 65;
/// The command could not be run.
const UNAVAILABLE: u8 = 69;

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
static OPTIONS: [u8; packed_len(&KNOWN)] = pack(&KNOWN);

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

#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Settings {
    operation: FlockOperation,
    block: bool,
    /// The largest number: for ever.
    timeout_ns: u64,
    conflict: u8,
    close: bool,
    fork: bool,
    verbose: bool,
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
    match run(stack, at) {
        Ok(status) | Err(status) => status,
    }
}

fn run(stack: &Stack, at: usize) -> Result<u8, u8> {
    let args = stack.args();
    if args.count() <= at {
        return Err(try_help("not enough arguments", b""));
    }
    let mut settings = Settings {
        operation: FlockOperation::LockExclusive,
        block: true,
        timeout_ns: u64::MAX,
        conflict: 1,
        close: false,
        fork: true,
        verbose: false,
    };
    let mut options = Options::new(args, at, &OPTIONS);
    if !settings.read(&mut options)? {
        return Ok(0);
    }
    let at = options.operands().map_err(|wrong| wrong_option(wrong, options.name()))?;
    if settings.close && !settings.fork {
        return Err(usage("the --no-fork and --close options are incompatible"));
    }
    let Some(operand) = args.get(at) else {
        return Err(usage("requires file descriptor, file or directory"));
    };
    let Some(command) = args.get(at + 1) else {
        Target::inherited(operand)?.take(&settings)?;
        return Ok(0);
    };
    let for_shell = command == c"-c" || command == c"--command";
    if for_shell && args.count() != at + 3 {
        let text = "% requires exactly one command argument";
        return Err(fail(exit::USAGE, text, command.to_bytes(), None));
    }
    let mut target = Target::open(operand)?;
    target.take(&settings)?;
    execute(stack, &settings, at + 1, for_shell, &target)
}

impl Settings {
    /// Reads the options; `false`: help or version was all that was wanted.
    #[inline(never)]
    fn read(&mut self, options: &mut Options) -> Result<bool, u8> {
        while let Some(key) = options.next() {
            match key {
                b'h' => {
                    print(HELP);
                    return Ok(false);
                }
                b'V' => {
                    print(concat!("flock from lockbox ", env!("CARGO_PKG_VERSION"), "\n"));
                    return Ok(false);
                }
                _ => self.set(key, options.argument())?,
            }
        }
        Ok(true)
    }

    fn set(&mut self, key: u8, argument: &[u8]) -> Result<(), u8> {
        match key {
            b's' => self.operation = FlockOperation::LockShared,
            b'x' => self.operation = FlockOperation::LockExclusive,
            b'u' => self.operation = FlockOperation::Unlock,
            b'n' => self.block = false,
            b'o' => self.close = true,
            b'F' => self.fork = false,
            b'w' => self.timeout_ns = timeout(argument)?,
            b'E' => {
                let Some(status) = signed(argument) else {
                    return Err(fail(exit::USAGE, "invalid exit code: '%'", argument, None));
                };
                self.conflict = u8::try_from(status)
                    .map_err(|_| usage("exit code out of range (expected 0 to 255)"))?;
            }
            _ => self.verbose = true,
        }
        Ok(())
    }
}

#[inline(never)]
fn tell_time(took_us: u64) {
    // A leading 1 keeps the zeros of the fraction.
    let fraction = Decimal::new(1_000_000 + took_us % 1_000_000);
    let fraction = fraction.as_bytes().get(1..).unwrap_or_default();
    let mut out = Out::stdout();
    out.text("flock: getting lock took ").number(took_us / 1_000_000);
    out.fill(".% seconds\n", fraction);
}

impl Target {
    fn open(path: &'static CStr) -> Result<Target, u8> {
        Ok(Target { operand: path, is_path: true, fd: open(path)?, writable: false })
    }

    fn inherited(number: &'static CStr) -> Result<Target, u8> {
        let text = number.to_bytes();
        match signed(text) {
            Some(fd) => Ok(Target { operand: number, is_path: false, fd, writable: true }),
            None => Err(fail(exit::USAGE, "bad file descriptor: '%'", text, None)),
        }
    }

    /// Takes the lock, or tells why not.
    #[inline(never)]
    fn take(&mut self, settings: &Settings) -> Result<(), u8> {
        let started_ns = if settings.verbose { monotonic_ns() } else { 0 };
        let block = settings.block && settings.timeout_ns != 0;
        let mut deadline_ns = u64::MAX;
        if block && settings.timeout_ns != u64::MAX {
            sys::interrupt_after(settings.timeout_ns);
            deadline_ns = monotonic_ns().saturating_add(settings.timeout_ns);
        }
        let operation = match settings.operation {
            FlockOperation::LockShared if !block => FlockOperation::NonBlockingLockShared,
            FlockOperation::LockExclusive if !block => FlockOperation::NonBlockingLockExclusive,
            operation => operation,
        };
        loop {
            let fd = sys::inherited(self.fd);
            match fd.map_or(Err(Errno::BADF), |fd| flock(fd, operation)) {
                Ok(()) if settings.operation == FlockOperation::Unlock || self.is_named() => break,
                Ok(()) => self.replace(open(self.operand)?, false),
                Err(Errno::WOULDBLOCK) => return Err(conflict(settings, "failed to get lock")),
                Err(Errno::INTR) if monotonic_ns() < deadline_ns => {}
                Err(Errno::INTR) => {
                    return Err(conflict(settings, "timeout while waiting to get lock"));
                }
                Err(errno) => self.reopen_writable(settings, errno)?,
            }
        }
        if deadline_ns != u64::MAX {
            sys::stop_interrupting();
        }
        if settings.verbose {
            tell_time((monotonic_ns() - started_ns) / 1000);
        }
        Ok(())
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
    fn reopen_writable(&mut self, settings: &Settings, errno: Errno) -> Result<(), u8> {
        let shared = settings.operation == FlockOperation::LockShared;
        let wanted = matches!(errno, Errno::IO | Errno::BADF) && !shared && !self.writable;
        if self.is_path && wanted {
            let flags = OFlags::RDWR | OFlags::NOCTTY;
            if let Ok(file) = openat(CWD, self.operand, flags, Mode::empty()) {
                self.replace(file.into_raw_fd(), true);
                return Ok(());
            }
        }
        let status = match errno {
            Errno::NOLCK | Errno::NOMEM => exit::OS_ERROR,
            _ => DATA_ERROR,
        };
        Err(fail(status, "%", self.operand.to_bytes(), Some(errno)))
    }

    fn replace(&mut self, fd: i32, writable: bool) {
        sys::close(self.fd);
        (self.fd, self.writable) = (fd, writable);
    }
}

/// Opens the file, makes it if it is not there, and takes a directory as well.
fn open(path: &CStr) -> Result<i32, u8> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY;
    let mut opened = openat(CWD, path, flags, Mode::empty());
    if matches!(opened, Err(Errno::NOENT)) {
        opened = openat(CWD, path, flags | OFlags::CREATE, Mode::from_raw_mode(0o666));
    }
    opened.map(IntoRawFd::into_raw_fd).map_err(|errno| {
        let status = match errno {
            Errno::NOMEM | Errno::MFILE | Errno::NFILE => exit::OS_ERROR,
            Errno::ROFS | Errno::NOSPC => exit::CANNOT_CREATE,
            _ => exit::NO_INPUT,
        };
        fail(status, "cannot open lock file %", path.to_bytes(), Some(errno))
    })
}

#[inline(never)]
fn execute(
    stack: &Stack,
    settings: &Settings,
    at: usize,
    for_shell: bool,
    target: &Target,
) -> Result<u8, u8> {
    let (program, args, mut shell_args);
    if for_shell {
        program = stack.environment().get(b"SHELL=").unwrap_or(c"/bin/sh");
        let (name, line) = (program.as_ptr(), stack.args().bytes(at + 1).as_ptr().cast());
        // The first is room for the shell of a shell that is a script.
        shell_args = [name, name, c"-c".as_ptr(), line, core::ptr::null()];
        args = shell_args.as_mut_ptr().wrapping_add(1);
    } else {
        program = stack.args().get(at).unwrap_or_default();
        args = stack.args().from(at);
    }
    if settings.verbose {
        Out::stdout().fill("flock: executing %\n", program.to_bytes());
    }
    let run = || {
        let errno = spawn::exec(args, program, stack.environment());
        let status = if errno == Errno::NOMEM { exit::OS_ERROR } else { UNAVAILABLE };
        fail(status, "failed to execute %", program.to_bytes(), Some(errno))
    };
    if !settings.fork {
        return Err(run());
    }
    let child = sys::vfork(&|| {
        if settings.close && target.is_path {
            sys::close(target.fd);
        }
        run()
    });
    match child {
        Ok(child) => match sys::wait(child, true) {
            Ok(Some(ended)) => Ok(ended.status()),
            _ => Err(1),
        },
        Err(errno) => Err(fail(exit::OS_ERROR, "fork failed", b"", Some(errno))),
    }
}

/// Seconds as `strtod` reads them, with a sign in front and an exponent behind.
#[inline(never)]
fn timeout(argument: &[u8]) -> Result<u64, u8> {
    let mut text = argument;
    let negative = number::take_sign(&mut text);
    match number::scientific_ns(text) {
        Some(_) if negative => {
            Err(fail(exit::OS_ERROR, "cannot set up timer", b"", Some(Errno::INVAL)))
        }
        Some(ns) => Ok(ns),
        None => Err(fail(exit::USAGE, "invalid timeout value: '%'", argument, None)),
    }
}

/// A number as `strtol` reads it, with a sign in front.
fn signed(mut text: &[u8]) -> Option<i32> {
    let negative = number::take_sign(&mut text);
    let magnitude = i64::try_from(number::nonempty_decimal(text)?).ok()?;
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn conflict(settings: &Settings, text: &str) -> u8 {
    if settings.verbose {
        usage(text);
    }
    settings.conflict
}

fn usage(text: &str) -> u8 {
    fail(exit::USAGE, text, b"", None)
}

fn try_help(text: &str, name: &[u8]) -> u8 {
    fail(exit::USAGE, text, name, None);
    complain("Try 'flock --help' for more information.\n", b"");
    exit::USAGE
}

fn wrong_option(wrong: Wrong, name: &[u8]) -> u8 {
    let text = match wrong {
        Wrong::Unknown => "unrecognized option -- '%'",
        Wrong::Ambiguous => "ambiguous option -- '%'",
        Wrong::MissingArgument => "option requires an argument -- '%'",
        Wrong::ExtraArgument => "option doesn't allow an argument -- '%'",
    };
    try_help(text, name)
}

/// Says what is wrong, with `name` for `%` and the reason, if there is one; answers the status.
fn fail(status: u8, text: &str, name: &[u8], errno: Option<Errno>) -> u8 {
    use lock_core::fault::{Call, FaultKind};
    use lock_core::os::Node;

    let mut out = Out::stderr();
    out.text("flock: ").fill(text, name);
    if let Some(errno) = errno {
        let fault = lock_rustix::fault::fault(Call::Open, Node::Lock, errno);
        out.text(": ");
        if fault.kind == FaultKind::Other {
            out.text("errno ").number(u64::from(fault.errno));
        } else {
            out.text(fault.kind.reason());
        }
    }
    out.text("\n");
    status
}
