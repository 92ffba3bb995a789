//! The options of all commands, read by one table: each command says which of them it takes.

use core::ffi::CStr;

use lock_core::fault::Fault;
use lock_core::kind::Kind;
use lock_core::os::Mode;
use lock_core::owner::Pid;
use lock_rustix::existence::Contender;
use lock_rustix::identity::{Identity, ended, of};
use lock_rustix::process;
use lock_rustix::sys::LOCK_FILE_MODE;

use super::{wrong_option, wrong_usage, wrong_usage_of};
use crate::existence::{contender, is_built, is_existence};
use crate::number::{decimal, exit_status, mode, seconds_ns};
use crate::options::{Known, Options, pack, packed_len};
use crate::stack::Stack;
use crate::status as exit;
use crate::waiting::Patience;

/// Keys of options without a short form.
pub(super) const AGE: u8 = 1;
pub(super) const FORCE: u8 = 2;
pub(super) const INHERIT: u8 = 3;
pub(super) const LEASE: u8 = 4;
pub(super) const NO_TOKEN: u8 = 5;
pub(super) const PID: u8 = 6;
pub(super) const REFRESH: u8 = 7;

const fn known(key: u8, long: &'static str, takes_argument: bool) -> Known {
    let short = if key < b' ' { 0 } else { key };
    Known { key, short, long, takes_argument }
}

pub(super) const KNOWN: [Known; 16] = [
    known(b'k', "kind", true),
    known(b's', "shared", false),
    known(b'n', "nonblock", false),
    known(b'w', "wait", true),
    known(b'm', "message", true),
    known(b'p', "mode", true),
    known(b'E', "conflict-exit-code", true),
    known(b'v', "verbose", false),
    known(b'j', "json", false),
    known(AGE, "stale-age", true),
    known(FORCE, "force", false),
    known(INHERIT, "inherit", false),
    known(LEASE, "lease", true),
    known(NO_TOKEN, "no-token", false),
    known(PID, "pid", true),
    known(REFRESH, "refresh", true),
];
static OPTIONS: [u8; packed_len(&KNOWN)] = pack(&KNOWN);

/// What the options said.
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Settings {
    pub(super) kind: Kind,
    pub(super) kind_given: bool,
    /// Kind `dlm`, which locks no file; `kind` means nothing then.
    pub(super) cluster: bool,
    pub(super) mode: Mode,
    pub(super) patience: Patience,
    pub(super) message: Option<&'static [u8]>,
    pub(super) file_mode: Option<u32>,
    pub(super) conflict: u8,
    pub(super) verbose: bool,
    pub(super) json: bool,
    pub(super) stale_age_ms: u64,
    pub(super) lease_ms: u64,
    pub(super) force: bool,
    pub(super) inherit: bool,
    pub(super) token: bool,
    pub(super) pid: Option<Pid>,
    pub(super) refresh_ms: Option<u64>,
}

impl Settings {
    /// Reads the options of a command without operands.
    pub(super) fn read_without_path(
        stack: &Stack,
        at: usize,
        allowed: &[u8],
    ) -> Result<Settings, u8> {
        let mut settings = Settings::new();
        let at = settings.read_options(stack, at, allowed)?;
        match stack.args().get(at) {
            Some(extra) => Err(extra_argument(extra)),
            None => Ok(settings),
        }
    }

    /// Reads those options that are in `allowed`, by their keys, and the one path after them, which
    /// must be the last argument unless `more` says otherwise; answers also where it stands.
    pub(super) fn read(
        stack: &Stack,
        at: usize,
        allowed: &[u8],
        more: bool,
    ) -> Result<(Settings, &'static CStr, usize), u8> {
        let mut settings = Settings::new();
        let at = settings.read_options(stack, at, allowed)?;
        let args = stack.args();
        let Some(path) = args.get(at) else { return Err(wrong_usage("PATH is missing", b"")) };
        match args.get(at + 1).filter(|_| !more) {
            Some(extra) => Err(extra_argument(extra)),
            None => Ok((settings, path, at)),
        }
    }

    /// Reads options and path for a command that needs nothing more; answers what it does, or the
    /// status of wrong usage.
    pub(super) fn with_path(
        stack: &Stack,
        at: usize,
        allowed: &[u8],
        command: impl FnOnce(&Settings, &CStr) -> u8,
    ) -> u8 {
        match &Settings::read(stack, at, allowed, false) {
            Ok((settings, path, _)) => command(settings, path),
            Err(status) => *status,
        }
    }

    /// What is true without any option.
    fn new() -> Settings {
        Settings {
            kind: Kind::File,
            kind_given: false,
            cluster: false,
            mode: Mode::Exclusive,
            patience: Patience::Forever,
            message: None,
            file_mode: None,
            conflict: exit::HELD,
            verbose: false,
            json: false,
            stale_age_ms: 0,
            lease_ms: 0,
            force: false,
            inherit: false,
            token: true,
            pid: None,
            refresh_ms: None,
        }
    }

    /// Reads the options; answers where they end.
    #[inline(never)]
    fn read_options(&mut self, stack: &Stack, at: usize, allowed: &[u8]) -> Result<usize, u8> {
        let mut options = Options::new(stack.args(), at, &OPTIONS);
        while let Some(key) = options.next() {
            let (name, argument) = (options.name(), options.argument());
            if !allowed.contains(&key) {
                return Err(wrong_usage("no such option here: '%'", name));
            }
            if !self.set(key, argument) {
                return Err(wrong_usage_of("option '%': ", name, "cannot be '%'", argument));
            }
        }
        let at = options.operands().map_err(|wrong| wrong_option(wrong, options.name()))?;
        self.check()?;
        Ok(at)
    }

    #[inline(never)]
    fn set(&mut self, key: u8, argument: &'static [u8]) -> bool {
        match key {
            b'k' if argument == b"dlm" => self.cluster = true,
            b'k' => {
                self.kind_given = true;
                return store(&mut self.kind, Kind::from_name(argument));
            }
            b'w' => return store(&mut self.patience, seconds_ns(argument).map(Patience::For)),
            b'p' => return store(&mut self.file_mode, mode(argument).map(Some)),
            b'E' => return store(&mut self.conflict, exit_status(argument)),
            AGE => return store(&mut self.stale_age_ms, seconds_ms(argument)),
            LEASE => return store(&mut self.lease_ms, seconds_ms(argument).filter(|&ms| ms > 0)),
            REFRESH => return store(&mut self.refresh_ms, seconds_ms(argument).map(Some)),
            PID => return store(&mut self.pid, decimal(argument).and_then(Pid::new).map(Some)),
            b's' => self.mode = Mode::Shared,
            b'n' => self.patience = Patience::None,
            b'm' => self.message = Some(argument),
            b'v' => self.verbose = true,
            b'j' => self.json = true,
            FORCE => self.force = true,
            INHERIT => self.inherit = true,
            _ => self.token = false,
        }
        true
    }

    /// Whether the options suit the kind.
    fn check(&self) -> Result<(), u8> {
        if self.cluster {
            return self.check_cluster();
        }
        let kind = self.kind;
        let lease = self.lease_ms == 0 || cfg!(feature = "lease");
        let aged = self.stale_age_ms != 0 || self.lease_ms != 0 || self.refresh_ms.is_some();
        let wrong = if !is_built(kind) || !lease {
            "is left out of this build, or not with that option"
        } else if self.mode == Mode::Shared && !kind.can_be_shared() {
            "cannot be shared"
        } else if self.message.is_some() && !matches!(kind, Kind::File | Kind::Nfs) {
            "has no message"
        } else if aged && kind != Kind::Pidfile {
            "is not judged by age, so --stale-age, --lease and --refresh mean nothing"
        } else if self.lease_ms != 0 && self.stale_age_ms != 0 {
            "is judged by --lease or by --stale-age, not by both"
        } else if self.inherit && kind == Kind::Symlink {
            "has no descriptor to inherit"
        } else {
            return Ok(());
        };
        Err(wrong_usage_of("kind '%' ", kind.name().as_bytes(), wrong, b""))
    }

    /// Whether the options suit kind `dlm`.
    fn check_cluster(&self) -> Result<(), u8> {
        let of_files = self.message.is_some() || self.file_mode.is_some() || self.inherit;
        let aged = self.stale_age_ms != 0 || self.lease_ms != 0 || self.refresh_ms.is_some();
        let wrong = if !cfg!(feature = "dlm") {
            "is left out of this build"
        } else if of_files || aged {
            "has no file, so no message, mode, age or descriptor of one"
        } else {
            return Ok(());
        };
        Err(wrong_usage_of("kind '%' ", b"dlm", wrong, b""))
    }

    /// The kind, as `-k` has it.
    pub(super) fn kind_name(&self) -> &'static str {
        if self.cluster { "dlm" } else { self.kind.name() }
    }

    /// The existence lock at this path, and how others are judged there.
    pub(super) fn contender(&self, path: &CStr) -> Result<Contender, Fault> {
        contender(self.kind, path, self.file_mode(), self.stale_age_ms, self.lease_ms)
    }

    /// The mode of a new lock file, before the umask.
    pub(super) fn file_mode(&self) -> u32 {
        // Pidfile.jl's.
        let default = if self.kind == Kind::Pidfile { 0o444 } else { LOCK_FILE_MODE };
        self.file_mode.unwrap_or(default)
    }

    /// For whom the lock is: the process that `--pid` names, else the one that started this one.
    pub(super) fn holder(&self, me: &Identity) -> Result<Identity, u8> {
        let pid = self.pid.or(process::parent());
        pid.and_then(|pid| of(me, pid))
            .ok_or_else(|| wrong_usage("no such process to lock for", b""))
    }

    /// [`holder`](Settings::holder) of a lock that is given back: it may have ended.
    pub(super) fn released_holder(&self, me: &Identity) -> Result<Identity, u8> {
        match self.pid {
            Some(pid) => Ok(of(me, pid).unwrap_or_else(|| ended(me, pid))),
            None => self.holder(me),
        }
    }

    /// Fails for a kind whose locks end with their process.
    pub(super) fn demand_existence(&self) -> Result<(), u8> {
        if is_existence(self.kind) && !self.cluster {
            return Ok(());
        }
        let name = self.kind_name().as_bytes();
        let why = "ends with its process; name one of nfs, symlink, mkdir, pidfile by -k";
        Err(wrong_usage_of("a lock of kind '%' ", name, why, b""))
    }
}

fn extra_argument(extra: &CStr) -> u8 {
    wrong_usage("extra argument '%'", extra.to_bytes())
}

/// Keeps a value, if it could be read; answers whether it could.
fn store<T>(place: &mut T, value: Option<T>) -> bool {
    let read = value.is_some();
    if let Some(value) = value {
        *place = value;
    }
    read
}

fn seconds_ms(text: &[u8]) -> Option<u64> {
    seconds_ns(text).map(|ns| ns / 1_000_000)
}
