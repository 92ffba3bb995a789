//! What went wrong elsewhere, each under its own name: bugs that other lock libraries and tools
//! had, some more than once.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use lock_core::kind::Kind;
use lock_core::owner::StartTime;
use lock_core::scheme::breaking::{Rule, Terms, TryLockError};
use lock_core::staleness::Policy;
use lock_rustix::existence::{Spot, Taken, try_lock};
use lock_rustix::identity::{Identity, is_local, myself, nonce};
use lock_rustix::rustix::fd::OwnedFd;
use lock_rustix::signature::{Signer, decode};
use lock_tests::lockbox::lockbox;

use crate::run::start;
use crate::status::{KINDS, Scratch, run};
use crate::surroundings::in_own_mounts;

const EXISTENCE: [&str; 4] = ["nfs", "symlink", "mkdir", "pidfile"];

fn spot(scratch: &Scratch, kind: Kind) -> Spot {
    Spot::open(kind, &CString::new(scratch.path("lock")).unwrap()).unwrap()
}

fn attempt(spot: &Spot, holder: &Identity) -> Result<Taken, TryLockError<OwnedFd>> {
    let (me, nonce) = (myself(), nonce().unwrap());
    let signer = Signer { holder, message: b"", nonce: &nonce, flocked: false };
    let payload = signer.payload(spot.kind()).unwrap();
    let terms = Terms {
        payload: payload.as_bytes(),
        decode: decode(spot.kind()),
        observer: &me.observer,
        rule: Rule::Strict(Policy::default()),
        local: is_local(spot),
    };
    try_lock(spot, &terms, &nonce)
}

/// A pid that no process has: of a child that was waited for.
fn ended() -> Identity {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = lock_core::owner::Pid::new(u64::from(child.id())).unwrap();
    child.wait().unwrap();
    lock_rustix::identity::ended(&myself(), pid)
}

fn waiter(kind: &str, path: &str) -> Child {
    let mut waiter = Command::new(lockbox());
    waiter.args(["run", "-k", kind, path, "true"]).stdin(Stdio::null()).spawn().unwrap()
}

/// Until this process is listed as waiting for the lock. The kernel names nobody who waits for an
/// OFD lock.
fn wait_until_it_waits(pid: u32, path: &str) {
    let inode = fs::metadata(path).unwrap().ino();
    let texts = [
        format!("waited for by pid {pid} (lockbox): {path}\n"),
        format!("waited for by an unknown process: inode {inode}\n"),
    ];
    loop {
        let list = run(&["list"]).1;
        if texts.iter().any(|text| list.contains(text)) {
            break;
        }
        std::thread::yield_now();
    }
}

/// filelock#27 and #574, hermit#423, ilock#11, simpleflock#2: the waiter gets the lock of a file
/// that has no name any more, beside the holder of the new one.
#[test]
fn unlink_race_two_owners() {
    let scratch = Scratch::new("field-unlink");
    for kind in ["file", "flock", "lockf", "ofd"] {
        let path = scratch.path(kind);
        let (mut first, _) = start(&["-k", kind, &path], "echo; read line || :");
        let mut waiting = waiter(kind, &path);
        wait_until_it_waits(waiting.id(), &path);
        fs::remove_file(&path).unwrap();
        let (mut second, _) = start(&["-k", kind, &path], "echo; read line || :");
        drop(first.stdin.take());
        first.wait().unwrap();
        // Out of the queue of the old file, into that of the new one.
        wait_until_it_waits(waiting.id(), &path);
        drop(second.stdin.take());
        second.wait().unwrap();
        assert!(waiting.wait().unwrap().success(), "{kind}");
    }
}

/// npm/lockfile#4, libreport#345: of two who break a stale lock, the slower removes the lock that
/// the faster has just taken.
#[test]
fn stale_break_aba() {
    let scratch = Scratch::new("field-aba");
    for kind in Kind::EXISTENCE {
        for _ in 0..25 {
            let place = spot(&scratch, kind);
            attempt(&place, &ended()).unwrap().leave(&place);
            let holders = AtomicU32::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let spot = spot(&scratch, kind);
                        loop {
                            match attempt(&spot, &myself()) {
                                Ok(taken) => {
                                    holders.fetch_add(1, Ordering::SeqCst);
                                    taken.leave(&spot);
                                }
                                // Another breaker is at work.
                                Err(
                                    TryLockError::Held { verdict: None, .. } | TryLockError::Again,
                                ) => {}
                                Err(TryLockError::Held { .. }) => break,
                                Err(error) => panic!("{error:?}"),
                            }
                        }
                    });
                }
            });
            assert_eq!(holders.into_inner(), 1, "{kind:?}");
            assert_eq!(
                run(&["break", "--force", "-k", kind.name(), &scratch.path("lock")]).0,
                Some(0)
            );
        }
    }
}

/// untether#459, nightlyone/lockfile#25 and #39, stellar-core#883: the pid is another process's by
/// now, and the lock is taken for held.
#[test]
fn pid_reuse() {
    let scratch = Scratch::new("field-reuse");
    let mut before = myself();
    before.observer.owner.start = Some(StartTime(1));
    before.started_at_us = before.started_at_us.map(|us| us - 3_600_000_000);
    for kind in [Kind::Nfs, Kind::Symlink, Kind::Mkdir] {
        let spot = spot(&scratch, kind);
        attempt(&spot, &before).unwrap().leave(&spot);
        let path = scratch.path("lock");
        let (status, out, _) = run(&["status", "-k", kind.name(), &path]);
        assert_eq!(status, Some(1), "{out}");
        assert_eq!(run(&["run", "-n", "--no-token", "-k", kind.name(), &path, "true"]).0, Some(0));
    }
}

/// gbrain#2840, paseo#4307, ROCm/aiter#5269: the pid counts in another namespace, where no process
/// or another one has it here, and a living holder's lock is stolen.
#[test]
fn pid_namespaces() {
    let script = r#"
        cd "$1"
        for kind in nfs symlink mkdir pidfile; do
            mkfifo $kind.go $kind.end
            unshare --pid --fork --kill-child --mount-proc sh -euc '
                "$0" run -k $1 $1.lock sh -c "echo > $1.go; read line < $1.end" || exit
            ' "$0" $kind &
            read line < $kind.go
            "$0" run -n -k $kind $kind.lock echo "stolen: $kind" 2>/dev/null || echo "$kind $?"
            "$0" break -k $kind $kind.lock >/dev/null 2>&1 || echo "$kind $?"
            echo > $kind.end
            wait
            "$0" run -n --no-token -k $kind $kind.lock true && echo "$kind free"
        done"#;
    let out = in_own_mounts("field-namespaces", script);
    for kind in ["nfs", "symlink", "mkdir", "pidfile"] {
        assert!(out.contains(&format!("{kind} 75\n{kind} 75\n{kind} free\n")), "{out}");
    }
}

/// pidlock 0.2.2, `Lock_file_blocking`: a process of another user may not be signalled, and is
/// taken for dead.
#[test]
fn eperm_read_as_dead() {
    let scratch = Scratch::new("field-eperm");
    let root = rustix::process::geteuid().is_root();
    // Process 1 is root's, and not ours if we are not.
    let mut roots = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = if root { roots.id().to_string() } else { "1".into() };
    let tool = std::env::temp_dir().join(format!("lockbox-eperm-{}", std::process::id()));
    fs::copy(lockbox(), &tool).unwrap();
    let dir = std::env::temp_dir().join(format!("lockbox-eperm-dir-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    for kind in EXISTENCE {
        let path = dir.join(kind);
        let acquire = ["acquire", "-k", kind, "--pid", &pid, path.to_str().unwrap()];
        assert_eq!(run(&acquire).0, Some(0), "{kind}");
        let mut other = Command::new(&tool);
        if root {
            other.uid(65534).gid(65534);
        }
        let other = other.args(["run", "-n", "-k", kind]).arg(&path).arg("true");
        assert_eq!(other.stderr(Stdio::null()).status().unwrap().code(), Some(75), "{kind}");
    }
    drop(roots.stdin.take());
    roots.wait().unwrap();
    fs::remove_dir_all(&dir).unwrap();
    fs::remove_file(&tool).unwrap();
    drop(scratch);
}

/// KiroCrew#810: the file names the dead parent, /proc/locks the opener; the child holds the lock.
#[test]
fn the_recorded_pid_lies() {
    let scratch = Scratch::new("field-lies");
    let path = scratch.path("lock");
    let (mut child, heir) = start(&["--inherit", &path], "echo $$; exec sleep 100");
    child.kill().unwrap();
    child.wait().unwrap();
    let named = fs::read_to_string(&path).unwrap();
    assert_eq!(named.trim(), child.id().to_string(), "the file names the dead one");
    let (_, list, _) = run(&["list"]);
    // As a shell, or as what that becomes.
    let taken = format!("taken by pid {}", named.trim());
    let held =
        |line: &str| line.contains(&format!("held by pid {heir} (")) && line.contains(&taken);
    assert!(list.lines().any(held), "{list}");
    assert_eq!(run(&["run", "-n", &path, "true"]).0, Some(75), "and it is held");
    assert!(Command::new("kill").args(["-9", &heir]).status().unwrap().success());
}

/// daemonize#39, ceph-qa-suite#583: a daemon that the command starts keeps the lock for ever.
#[test]
fn descriptors_leak_to_daemons() {
    let scratch = Scratch::new("field-daemons");
    for kind in KINDS {
        let path = scratch.path(kind);
        let script = "sleep 100 >/dev/null 2>&1 & echo $!";
        let (status, daemon, _) = run(&["run", "-k", kind, &path, "sh", "-c", script]);
        assert_eq!(status, Some(0));
        assert_eq!(run(&["run", "-n", "-k", kind, &path, "true"]).0, Some(0), "{kind}");
        assert!(Command::new("kill").args(["-9", daemon.trim()]).status().unwrap().success());
    }
}

/// filelock#317, dpibreak#16, backintime#1676: `O_CREAT` on another user's file in a sticky
/// directory is refused where `fs.protected_regular` is set, even to root.
#[test]
fn protected_regular() {
    let script = r#"
        echo 2 > /proc/sys/fs/protected_regular 2>/dev/null || true
        mount -t tmpfs -o mode=1777 tmpfs "$1"; cd "$1"
        touch lock; chown 65534 lock; chmod 666 lock
        if [ "$(cat /proc/sys/fs/protected_regular)" = 2 ]; then
            true >> lock && echo "not protected"
        fi 2>/dev/null
        for kind in file flock lockf ofd; do
            "$0" run -n -k $kind lock true && echo "$kind"
        done"#;
    let before = fs::read_to_string("/proc/sys/fs/protected_regular").unwrap();
    let out = in_own_mounts("field-protected", script);
    // Whoever may set it may set it back.
    let _ = fs::write("/proc/sys/fs/protected_regular", before);
    assert_eq!(out, "file\nflock\nlockf\nofd\n");
}

/// uv#15996: a signal during the wait ends it with an error.
#[test]
fn eintr() {
    let scratch = Scratch::new("field-eintr");
    let path = scratch.path("lock");
    let (mut holder, _) = start(&["-k", "flock", &path], "echo; read line || :");
    let mut waiting = waiter("flock", &path);
    wait_until_it_waits(waiting.id(), &path);
    for signal in ["-STOP", "-CONT", "-WINCH", "-CONT"] {
        let pid = waiting.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
    wait_until_it_waits(waiting.id(), &path);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert!(waiting.wait().unwrap().success());
}

/// proper-lockfile#6 and #109, borg#10077, restic#3569: a clock that was set makes a fresh lock
/// look old, or an old one younger than new.
#[test]
fn clock_jumps() {
    let scratch = Scratch::new("field-clock");
    let path = scratch.path("lock");
    let (mut holder, _) =
        start(&["-k", "pidfile", "--stale-age", "1000", &path], "echo; read line || :");
    let day = Duration::from_secs(86_400);
    for jumped in [SystemTime::now() + day, SystemTime::now() - day] {
        fs::File::open(&path).unwrap().set_modified(jumped).unwrap();
        let attempt = ["run", "-n", "-k", "pidfile", "--stale-age", "1000", &path, "true"];
        // However old it looks, its holder keeps it flocked.
        assert_eq!(run(&attempt).0, Some(75));
        // No clock counts where none is asked for.
        assert_eq!(run(&["break", "-k", "pidfile", &path]).0, Some(75));
    }
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    // From the future: not older than anything.
    let mut sleeper = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = sleeper.id().to_string();
    assert_eq!(run(&["acquire", "-k", "pidfile", "--pid", &pid, &path]).0, Some(0));
    fs::File::open(&path).unwrap().set_modified(SystemTime::now() + day).unwrap();
    assert_eq!(run(&["break", "-k", "pidfile", "--stale-age", "1", &path]).0, Some(75));
    drop(sleeper.stdin.take());
    sleeper.wait().unwrap();
}

/// uv: a blocking thread goes on waiting when its caller has given up, and takes the lock later.
#[test]
fn a_timed_out_waiter_that_acquires_later() {
    let scratch = Scratch::new("field-timeout");
    for kind in KINDS {
        let path = scratch.path(kind);
        let (mut holder, _) = start(&["-k", kind, &path], "echo; read line || :");
        assert_eq!(run(&["run", "-w", "0.01", "-k", kind, &path, "true"]).0, Some(75), "{kind}");
        let text = run(&["list"]).1;
        assert!(
            !text.lines().any(|line| line.contains("waited") && line.contains(&path)),
            "{text}"
        );
        drop(holder.stdin.take());
        holder.wait().unwrap();
        assert_eq!(run(&["run", "-n", "-k", kind, &path, "true"]).0, Some(0), "{kind}");
    }
}

/// Docker for Mac#7004 and the like: what is on a layered file system is locked as what it is
/// there; here, two processes on one overlay exclude each other.
#[test]
fn layered_file_systems() {
    let script = r#"
        mount -t tmpfs tmpfs "$1"; cd "$1"; mkdir lower upper work merged
        touch lower/flock lower/file
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged
        cd merged
        for kind in file flock lockf ofd nfs symlink mkdir pidfile; do
            "$0" run -k $kind $kind "$0" run -n -k $kind $kind true 2>/dev/null || echo "$kind $?"
            "$0" run -n --no-token -k $kind $kind true && echo "$kind free"
        done"#;
    let out = in_own_mounts("field-layers", script);
    for kind in KINDS {
        assert!(out.contains(&format!("{kind} 75\n{kind} free\n")), "{out}");
    }
}
