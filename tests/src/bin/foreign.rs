//! A holder of ours that speaks as another program does: `foreign CONVENTION hold|try PATH`.
//! Holds the lock until its input ends; ends with 75 if another has it.

use std::io::{Read, Write};
use std::process::ExitCode;

use lock_core::kind::Kind;
use lock_core::payload::link_target::{Emacs, Mercurial};
use lock_core::payload::pid_text;
use lock_rustix::identity::myself;
use lock_std::lock_file_blocking::{mkdir, symlink};
use lock_std::pidfile::{Options, open_exclusive};
use lock_std::{Lock, LockError};
use rustix::io::pwrite;

/// What gives the lock back.
type Release = Box<dyn FnOnce()>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [convention, what, path] = &args[..] else { panic!("CONVENTION hold|try PATH") };
    let release = match convention.as_str() {
        "emacs" | "mercurial" => link(path, convention),
        "filelock" => filelock(path.clone()),
        "pidfile_open" => pidfile_open(path),
        "mkdir" => directory(path),
        other => panic!("{other}"),
    };
    let Some(release) = release else { return ExitCode::from(75) };
    if what == "hold" {
        println!("READY");
        std::io::stdout().flush().expect("somebody listens");
        std::io::stdin().read_to_end(&mut Vec::new()).expect("an input that ends");
    }
    release();
    ExitCode::SUCCESS
}

fn link(path: &str, convention: &str) -> Option<Release> {
    let me = myself().observer.owner;
    let host = me.host.as_deref().expect("a host's name");
    let pid = std::process::id();
    let target = match convention {
        "emacs" => Emacs { user: b"lock-tests", host, pid: pid.into(), boot_s: None }.write(),
        _ => Mercurial { host, pid_namespace: me.pid_namespace, pid }.write(),
    };
    let target = target.expect("a host's name without such signs");
    match symlink::lock_exn(path, &target).expect("a link can be made here") {
        symlink::Outcome::WeTookIt(held) => {
            Some(Box::new(|| symlink::unlock_exn(held).expect("the link is there")))
        }
        symlink::Outcome::SomebodyElseTookIt(_) => None,
    }
}

fn filelock(path: String) -> Option<Release> {
    let options = Options { wait: false, ..Options::default() };
    let file = match open_exclusive(&path, options) {
        Err(LockError::Held { .. }) => return None,
        file => file.expect("a file can be made here"),
    };
    let host = myself().observer.owner.host.expect("a host's name");
    let text = pid_text::with_host(std::process::id(), &host).expect("a host's name of one word");
    pwrite(&file, &text, 0).expect("room for a line");
    // It is held as long as it is there, and open as long as it is held.
    Some(Box::new(move || std::fs::remove_file(path).map(|()| drop(file)).expect("it is there")))
}

fn pidfile_open(path: &str) -> Option<Release> {
    let guard = match Lock::at(path).kind(Kind::Flock).try_lock() {
        Err(LockError::Held { .. }) => return None,
        guard => guard.expect("a file can be made here"),
    };
    std::fs::write(path, pid_text::bare(std::process::id())).expect("room for a line");
    Some(Box::new(|| guard.unlock().expect("the file is there")))
}

fn directory(path: &str) -> Option<Release> {
    match mkdir::lock_exn(path).expect("a directory can be made here") {
        mkdir::Outcome::WeTookIt(held) => {
            Some(Box::new(|| mkdir::unlock_exn(held).expect("the directory is there")))
        }
        mkdir::Outcome::SomebodyElseTookIt => None,
    }
}
