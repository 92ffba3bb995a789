//! The three stories that are told of every peer.

use core::time::Duration;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use lock_tests::lockbox::lockbox;
use serde_json::Value;

use crate::peer::{Peer, Recovery, Seen, Sees};

/// Exit statuses of ours.
const TAKEN: i32 = 0;
const BUSY: i32 = 75;

/// Tells all stories of a peer.
pub(crate) fn tell(peer: &Peer) {
    for story in [they_hold, we_hold, they_are_killed, we_are_killed] {
        let scratch = Scratch::new(peer);
        story(peer, &scratch.0);
    }
}

/// They hold: we see who, and are refused until they give it back.
fn they_hold(peer: &Peer, dir: &Path) {
    let holder = Holder::start((peer.hold)(dir), dir, peer.name);
    see(peer, dir, holder.child.id());
    assert_eq!(we_try(peer, dir), BUSY, "{}: ours is refused while they hold", peer.name);
    holder.end();
    assert_eq!(we_try(peer, dir), TAKEN, "{}: ours gets what they gave back", peer.name);
    assert_eq!(they_try(peer, dir), TAKEN, "{}: and leaves it as good as new", peer.name);
}

/// We hold: they are refused, or wait, until we give it back.
fn we_hold(peer: &Peer, dir: &Path) {
    assert_eq!(they_try(peer, dir), TAKEN, "{}: it is free at first", peer.name);
    let holder = we_start(peer, dir);
    let (status, said) = finish((peer.attempt)(dir), dir, peer.name);
    assert_eq!(status, peer.refused, "{}: refused while we hold: {said}", peer.name);
    let pid = holder.child.id().to_string();
    assert!(peer.it_sees == Sees::Held || said.contains(&pid), "{}: {said}", peer.name);
    if peer.waits {
        let waiter = Holder::spawn((peer.hold)(dir), dir, peer.name);
        let waits = format!("waited for by pid {} ", waiter.child.id());
        while !ours(&["list"], dir).1.contains(&waits) {
            std::thread::yield_now();
        }
        holder.end();
        waiter.ready(peer.name).end();
    } else {
        holder.end();
    }
    assert_eq!(they_try(peer, dir), TAKEN, "{}: they get what we gave back", peer.name);
}

/// They are killed: we get the lock by our rule.
fn they_are_killed(peer: &Peer, dir: &Path) {
    Holder::start((peer.hold)(dir), dir, peer.name).kill();
    recover(peer, dir, peer.our_recovery, "ours", &|| we_try(peer, dir), BUSY);
}

/// We are killed: they get the lock by theirs.
fn we_are_killed(peer: &Peer, dir: &Path) {
    we_start(peer, dir).kill();
    recover(peer, dir, peer.its_recovery, "they", &|| they_try(peer, dir), peer.refused);
}

/// We hold, and live, and they take it all the same: what they do with a lock of ours that is not
/// for them. It is as old as is said.
pub(crate) fn tell_of_theft(peer: &Peer, age_s: u64, take: Command) {
    let scratch = Scratch::new(peer);
    let dir = &scratch.0;
    let holder = we_start(peer, dir);
    assert_eq!(they_try(peer, dir), peer.refused, "{}: while it is young", peer.name);
    grow_old(&peer.lock(dir), age_s);
    let (status, said) = finish(take, dir, peer.name);
    assert_eq!(status, TAKEN, "{}: {said}", peer.name);
    holder.kill();
}

/// A file names a process: we see which, and when it is gone.
pub(crate) fn tell_of_reading(name: &str, convention: &str, content: fn(u32) -> String) {
    let scratch = Scratch::named(&format!("{name}{convention}"));
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    fs::write(scratch.0.join(name), content(child.id())).unwrap();
    let pid = child.id();
    let state = || {
        let (_, out, _) = ours(&["explain", "-j", name], &scratch.0);
        let said: Value = serde_json::from_str(&out).unwrap();
        let first = &said["conventions"][0];
        assert_eq!(
            (&first["name"], &first["owner"]["pid"]),
            (&convention.into(), &pid.into()),
            "{said}"
        );
        first["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "held", "{name}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(state(), "stale", "{name}");
}

fn recover(
    peer: &Peer,
    dir: &Path,
    recovery: Recovery,
    who: &str,
    attempt: &dyn Fn() -> i32,
    refused: i32,
) {
    let name = peer.name;
    match recovery {
        Recovery::Kernel | Recovery::Dead => {}
        Recovery::Age(age_s) => {
            assert_eq!(attempt(), refused, "{name}: {who}: too young");
            // Not so near the limit that the clock's grain or a slow start matters.
            grow_old(&peer.lock(dir), age_s / 2);
            assert_eq!(attempt(), refused, "{name}: {who}: half as old");
            grow_old(&peer.lock(dir), age_s + 2);
        }
        Recovery::Break | Recovery::Removal => {
            assert_eq!(attempt(), refused, "{name}: {who}: dead");
            grow_old(&peer.lock(dir), 10 * 86_400);
            assert_eq!(attempt(), refused, "{name}: {who}: dead for long");
            let lock = peer.lock(dir);
            let lock = lock.to_str().unwrap();
            let (status, _, said) = ours(&["break", "-k", peer.ours.kind, lock], dir);
            let proof = if recovery == Recovery::Break { TAKEN } else { BUSY };
            assert_eq!(status, proof, "{name}: {who}: {said}");
            if recovery == Recovery::Removal {
                let forced = ours(&["break", "--force", "-k", peer.ours.kind, lock], dir);
                assert_eq!(forced.0, TAKEN, "{name}: {who}: {}", forced.2);
            }
        }
    }
    assert_eq!(attempt(), TAKEN, "{name}: {who}: recovered");
}

/// What we see of a holder of theirs.
fn see(peer: &Peer, dir: &Path, pid: u32) {
    let lock = peer.lock(dir);
    let lock = lock.to_str().unwrap();
    let (status, out, _) = ours(&["status", "-j", "-k", peer.ours.kind, lock], dir);
    let said: Value = serde_json::from_str(&out).unwrap();
    let name = peer.name;
    match peer.seen {
        Seen::Holder => {
            assert_eq!((status, &said["state"]), (0, &"held".into()), "{name}: {said}");
            assert_eq!(said["owner"]["pid"], pid, "{name}: {said}");
        }
        Seen::Held => {
            assert_eq!((status, &said["state"]), (0, &"held".into()), "{name}: {said}");
            assert_eq!(said["owner"]["pid"], Value::Null, "{name}: {said}");
        }
        Seen::Explained(convention) | Seen::Named(convention) => {
            let (status, out, _) = ours(&["explain", "-j", lock], dir);
            let said: Value = serde_json::from_str(&out).unwrap();
            let first = &said["conventions"][0];
            assert_eq!((status, &first["name"]), (0, &convention.into()), "{name}: {said}");
            let (pid, state) = match peer.seen {
                Seen::Explained(_) => (pid.into(), "held"),
                _ => (Value::Null, "unknown"),
            };
            assert_eq!((&first["owner"]["pid"], &first["state"]), (&pid, &state.into()), "{said}");
        }
    }
}

fn we_try(peer: &Peer, dir: &Path) -> i32 {
    finish((peer.ours.attempt)(dir, peer.lock(dir).to_str().unwrap()), dir, peer.name).0
}

fn they_try(peer: &Peer, dir: &Path) -> i32 {
    finish((peer.attempt)(dir), dir, peer.name).0
}

fn we_start(peer: &Peer, dir: &Path) -> Holder {
    let hold = (peer.ours.hold)(dir, peer.lock(dir).to_str().unwrap());
    Holder::start(hold, dir, "lockbox")
}

/// Runs a command to its end; its exit status and what it says.
fn finish(mut command: Command, dir: &Path, name: &str) -> (i32, String) {
    let output = command.current_dir(dir).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{name} is not there: {error}"));
    let status = output.status.code().unwrap_or_else(|| panic!("{name}: {output:?}"));
    (status, String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Runs the tool; its exit status and both outputs.
fn ours(args: &[&str], dir: &Path) -> (i32, String, String) {
    let mut command = Command::new(lockbox());
    let output = command.args(args).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Sets the times of a lock back.
fn grow_old(lock: &Path, age_s: u64) {
    let then = SystemTime::now() - Duration::from_secs(age_s);
    if fs::symlink_metadata(lock).unwrap().is_symlink() {
        let stamp = then.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let stamp = format!("@{stamp}");
        let touched = Command::new("touch").args(["-h", "-d", &stamp]).arg(lock).status();
        assert!(touched.unwrap().success());
        return;
    }
    let times = fs::FileTimes::new().set_modified(then).set_accessed(SystemTime::now());
    File::open(lock).unwrap().set_times(times).unwrap();
}

/// A process that holds a lock until its input ends.
struct Holder {
    child: Child,
}

impl Holder {
    /// Starts it, and waits until it holds its lock.
    fn start(command: Command, dir: &Path, name: &str) -> Holder {
        Self::spawn(command, dir, name).ready(name)
    }

    fn spawn(mut command: Command, dir: &Path, name: &str) -> Holder {
        command.current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = command.spawn();
        let child = started.unwrap_or_else(|error| panic!("{name} is not there: {error}"));
        Holder { child }
    }

    /// Waits until it says that it is ready.
    fn ready(mut self, name: &str) -> Holder {
        let mut said = Vec::new();
        let mut byte = [0];
        while !said.ends_with(b"READY") {
            let read = self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            let text = String::from_utf8_lossy(&said);
            assert_eq!(read, 1, "{name} does not hold its lock; it said {text:?}");
            said.push(byte[0]);
        }
        self
    }

    /// Has it give the lock back.
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    /// Kills it; what it has started ends with its input.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory of its own for each story.
struct Scratch(PathBuf);

impl Scratch {
    fn new(peer: &Peer) -> Scratch {
        let scratch = Scratch::named(peer.name);
        (peer.prepare)(&scratch.0);
        scratch
    }

    fn named(name: &str) -> Scratch {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let process = std::process::id();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peers-{name}-{process}"));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The table of a family, and a test for each of its rows.
macro_rules! stories {
    ($($test:ident: $peer:ident,)+) => {
        pub(crate) const PEERS: &[&$crate::peer::Peer] = &[$(&$peer),+];

        $(
            #[test]
            #[ignore = "needs the peers: bash .ci/run peers"]
            fn $test() {
                $crate::stories::tell(&$peer);
            }
        )+
    };
}
pub(crate) use stories;
