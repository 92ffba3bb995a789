//! The programs and libraries that benches run beside ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::root;

/// Where `tests/install-peers` puts them; installs what is missing.
///
/// # Panics
///
/// If it cannot: figures without the others would mean nothing.
pub fn install() -> PathBuf {
    let installed = Command::new(root().join("tests/install-peers")).status();
    assert!(installed.is_ok_and(|status| status.success()), "the peers cannot be installed");
    root().join("target/ci/peers")
}

/// The command that plays a contender of a way of locking that is not in Rust.
pub fn contender(way: &str, peers: &Path) -> Option<Command> {
    let script = |name| root().join("tests/benches/peers").join(name);
    if way.starts_with("Python") {
        let mut command = Command::new(peers.join("python/bin/python"));
        command.arg(script("contend.py"));
        Some(command)
    } else if way.starts_with("npm") {
        let mut command = Command::new(peers.join("python/bin/node"));
        command.env("NODE_PATH", peers.join("node_modules")).arg(script("contend.js"));
        Some(command)
    } else {
        None
    }
}
