//! A holder of a symbolic link in another program's words: `foreign_link emacs|mercurial hold|try
//! PATH`. Holds it until its input ends; ends with 75 if the link is there.

use std::io::{Read, Write};
use std::process::ExitCode;

use lock_core::payload::link_target::{Emacs, Mercurial};
use lock_rustix::identity::myself;
use lock_std::lock_file_blocking::symlink::{Outcome, lock_exn, unlock_exn};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [convention, what, path] = &args[..] else { panic!("CONVENTION hold|try PATH") };
    let me = myself().observer.owner;
    let host = me.host.as_deref().expect("a host's name");
    let pid = std::process::id();
    let target = match convention.as_str() {
        "emacs" => Emacs { user: b"lock-tests", host, pid: pid.into(), boot_s: None }.write(),
        "mercurial" => Mercurial { host, pid_namespace: me.pid_namespace, pid }.write(),
        other => panic!("{other}"),
    };
    let target = target.expect("a host's name without such signs");
    let Outcome::WeTookIt(held) = lock_exn(path, &target).expect("a link can be made here") else {
        return ExitCode::from(75);
    };
    if what == "hold" {
        println!("READY");
        std::io::stdout().flush().expect("somebody listens");
        std::io::stdin().read_to_end(&mut Vec::new()).expect("an input that ends");
    }
    unlock_exn(held).expect("the link is there");
    ExitCode::SUCCESS
}
