//! The tool under test: the release build, made once per test run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of the release `lockbox`, built if need be beside the tests' own build.
///
/// # Panics
///
/// If it cannot be built.
pub fn lockbox() -> &'static Path {
    static LOCKBOX: OnceLock<PathBuf> = OnceLock::new();
    LOCKBOX.get_or_init(|| build("", &[]))
}

/// The path of the same with its symbols, which say of a function by which types it was made.
///
/// # Panics
///
/// If it cannot be built.
pub fn with_symbols() -> &'static Path {
    static LOCKBOX: OnceLock<PathBuf> = OnceLock::new();
    LOCKBOX.get_or_init(|| {
        let symbols = ("CARGO_PROFILE_RELEASE_STRIP", "none");
        build("with-symbols", &[symbols, ("RUSTFLAGS", "-Csymbol-mangling-version=v0")])
    })
}

fn build(below: &str, environment: &[(&str, &str)]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    // This program is TARGET/PROFILE/deps/NAME.
    let program = std::env::current_exe().expect("this program's path");
    let target = program.ancestors().nth(3).expect("a target directory").join(below);
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--package", "lockbox", "--target-dir"])
        .arg(&target)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "lockbox can be built");
    target.join("release/lockbox")
}
