//! `PostgreSQL`, a real server: the pid file of its data directory, and that of its socket.
//!
//! The server is started as an unprivileged user, as it demands, in a directory of its own. It says
//! when it is ready; its output ends when the last of its processes is gone.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use lock_tests::lockbox::lockbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::geteuid;
use serde_json::Value;

use crate::kernel::KERNEL;
use crate::peer::{Peer, Recovery, Seen, Sees, lockbox_run};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Nobody, who may run it; root may not.
const NOBODY: u32 = 65534;

const LOCKS: [&str; 2] = ["data/postmaster.pid", ".s.PGSQL.5432.lock"];

/// For documents; the stories below are told of it instead of the common ones.
pub(crate) const PEERS: &[&Peer] = &[&POSTGRES];

const POSTGRES: Peer = Peer {
    name: "`postmaster.pid`, `.s.PGSQL.5432.lock`",
    from: "PostgreSQL 15",
    ours: lockbox_run!("pidfile", "`lockbox run -k pidfile`, `pidfile::mkpidlock`"),
    seen: Seen::Explained("PostgreSQL"),
    it_sees: Sees::Pid,
    our_recovery: Recovery::Removal,
    its_recovery: Recovery::Dead,
    moving: "For a script that must not run beside a server: take `postmaster.pid` in its data \
             directory, as the server's own user; a server that starts is refused, and says your \
             pid. A dead server's file we leave: only PostgreSQL can tell whether its shared \
             memory is in use. `lockbox explain` says whether its process is there.",
    ..KERNEL
};

#[test]
#[ignore = "needs the peers: bash .ci/run peers"]
fn a_server_is_seen_and_found_dead_and_recovers() {
    let site = Site::new("seen");
    let first = site.start();
    for lock in LOCKS {
        assert_eq!(site.explained(lock), (first.pid(), "held".to_owned()), "{lock}");
        assert_eq!(site.try_pidfile(lock), Some(75), "{lock}: no try of ours gets it");
    }
    let (status, said) = site.refused_server();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&format!("PID {}", first.pid())), "{said}");
    let pid = first.pid();
    first.kill();
    for lock in LOCKS {
        assert_eq!(site.explained(lock), (pid, "stale".to_owned()), "{lock}");
        assert_eq!(site.try_pidfile(lock), Some(75), "{lock}: ours leaves it to PostgreSQL");
    }
    let second = site.start();
    assert_ne!(second.pid(), pid);
    for lock in LOCKS {
        assert_eq!(site.explained(lock), (second.pid(), "held".to_owned()), "{lock}");
    }
    second.kill();
    for lock in LOCKS {
        let broken = |args: &[&str]| site.lockbox(&[args, &["-k", "pidfile", lock]].concat());
        assert_eq!(broken(&["break"]), Some(75), "{lock}: nothing proves it stale to us");
        assert_eq!(broken(&["break", "--force"]), Some(0), "{lock}");
        assert_eq!(site.try_pidfile(lock), Some(0), "{lock}: free");
    }
    site.start().stop();
    for lock in LOCKS {
        assert!(!site.dir.join(lock).exists(), "{lock}: it goes with its server");
    }
}

#[test]
#[ignore = "needs the peers: bash .ci/run peers"]
fn a_server_respects_our_pid_file_and_recovers_from_our_death() {
    let site = Site::new("ours");
    let lock = LOCKS[0];
    let mut holder = site.command(&site.dir.join("lockbox"));
    holder.args(["run", "-k", "pidfile", lock, "--", "sh", "-c", "echo READY; read line || :"]);
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "READY\n");
    let (status, said) = site.refused_server();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&format!("PID {}", holder.id())), "{said}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let server = site.start();
    assert_eq!(site.explained(lock), (server.pid(), "held".to_owned()));
    server.stop();
}

/// A data directory, and room for the socket.
struct Site {
    dir: PathBuf,
}

impl Site {
    fn new(name: &str) -> Site {
        // Where nobody may go, and with a path that a socket's name has room for.
        let dir = std::env::temp_dir().join(format!("lock-pg-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        fs::copy(lockbox(), dir.join("lockbox")).unwrap();
        if geteuid().is_root() {
            chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let site = Site { dir };
        let mut initdb = site.command(&Path::new(PROGRAMS).join("initdb"));
        initdb.args(["-D", "data", "--username=postgres", "--auth=trust", "--locale=C"]);
        let made = initdb.args(["--no-sync", "--no-instructions"]).output();
        let made = made.expect("initdb is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        site
    }

    /// A program as an ordinary user, in the directory.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir).env("LC_ALL", "C");
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn server(&self) -> Command {
        let mut server = self.command(&Path::new(PROGRAMS).join("postgres"));
        server.args(["-D", "data", "-c", "listen_addresses=", "-c", "fsync=off", "-k"]);
        server.arg(&self.dir).stdin(Stdio::null());
        server
    }

    /// A server that takes connections.
    fn start(&self) -> Server {
        let mut child = self.server().stderr(Stdio::piped()).spawn().expect("postgres is there");
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.ends_with("ready to accept connections\n") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "no server: {said}");
        }
        let mut ready = self.command(&Path::new(PROGRAMS).join("pg_isready"));
        let ready = ready.arg("-q").arg("-h").arg(&self.dir).status();
        assert!(ready.unwrap().success(), "{said}");
        Server { child, log }
    }

    /// Another server on the same data: how it ends, and what it says.
    fn refused_server(&self) -> (Option<i32>, String) {
        let output = self.server().output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Whose `lockbox explain` says a lock is, and its state.
    fn explained(&self, lock: &str) -> (u32, String) {
        let mut explain = Command::new(lockbox());
        let output = explain.args(["explain", "-j"]).arg(self.dir.join(lock)).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let first = &said["conventions"][0];
        assert_eq!(first["name"], "PostgreSQL", "{said}");
        let pid = first["owner"]["pid"].as_u64().unwrap();
        (u32::try_from(pid).unwrap(), first["state"].as_str().unwrap().to_owned())
    }

    fn try_pidfile(&self, lock: &str) -> Option<i32> {
        self.lockbox(&["run", "-n", "-k", "pidfile", lock, "--", "true"])
    }

    /// How ours ends, as the server's user.
    fn lockbox(&self, args: &[&str]) -> Option<i32> {
        let output = self.command(&self.dir.join("lockbox")).args(args).output();
        output.unwrap().status.code()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Server {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().unwrap()), signal).unwrap();
    }

    /// Has it end in order.
    fn stop(mut self) {
        self.signal(Signal::SIGINT);
        self.gone();
        assert!(self.child.wait().unwrap().success());
    }

    /// Kills its first process; the others see that, and end.
    fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.gone();
        self.child.wait().unwrap();
    }

    /// All its processes have the same output.
    fn gone(&mut self) {
        self.log.read_to_end(&mut Vec::new()).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
