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

/// A C program without libc that calls all of the static library, with the library's symbols.
///
/// # Panics
///
/// If it cannot be built.
pub fn c_program_with_symbols() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let command = ["rustc", "--package", "lockbox-c", "--crate-type", "staticlib"];
        let command = [&command[..], &["--features", "whole"]].concat();
        let symbols = [("RUSTFLAGS", "-Csymbol-mangling-version=v0")];
        let built = cargo("with-symbols", &command, &symbols);
        let (sources, program) = (root().join("tests/c"), built.join("c-program"));
        let linked = Command::new("cc")
            .args(["-std=c99", "-O2", "-ffreestanding", "-nostdlib", "-static", "-no-pie"])
            .args(["-fno-stack-protector", "-Wl,--gc-sections", "-I"])
            .arg(root().join("lock-rustix/c-face/include"))
            .args(["program.c", "bare.c"].map(|source| sources.join(source)))
            .arg(built.join("liblockbox.a"))
            .arg("-o")
            .arg(&program)
            .status();
        assert!(linked.is_ok_and(|status| status.success()), "a C program can be linked");
        program
    })
}

fn build(below: &str, environment: &[(&str, &str)]) -> PathBuf {
    cargo(below, &["build", "--package", "lockbox"], environment).join("lockbox")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}

/// Has cargo make a release; answers where it is.
fn cargo(below: &str, command: &[&str], environment: &[(&str, &str)]) -> PathBuf {
    // This program is TARGET/PROFILE/deps/NAME.
    let program = std::env::current_exe().expect("this program's path");
    let target = program.ancestors().nth(3).expect("a target directory").join(below);
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(command)
        .args(["--quiet", "--release", "--target-dir"])
        .arg(&target)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "cargo {command:?}");
    target.join("release")
}
