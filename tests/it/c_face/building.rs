//! The static library, and C programs with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}

/// The static library, built once.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let program = std::env::current_exe().unwrap();
        let target = program.ancestors().nth(3).unwrap();
        output(
            Command::new(env!("CARGO"))
                .args(["rustc", "--quiet", "--locked", "--release", "--package", "lockbox-c"])
                .args(["--crate-type", "staticlib", "--features", "whole", "--target-dir"])
                .arg(target)
                .current_dir(root()),
        );
        target.join("release/liblockbox.a")
    })
}

/// Compiles a program of `tests/c` with these flags.
pub(crate) fn compile(name: &str, sources: &[&str], flags: &[&str]) -> PathBuf {
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("c-face-{name}.program"));
    let dir = root().join("tests/c");
    output(
        Command::new("cc")
            .args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", "-I"])
            .arg(root().join("lock-rustix/c-face/include"))
            .args(flags)
            .arg("-o")
            .arg(&program)
            .args(sources.iter().map(|source| dir.join(source)))
            .arg(library()),
    );
    program
}

pub(crate) const BARE: [&str; 5] =
    ["-ffreestanding", "-nostdlib", "-static", "-fno-stack-protector", "-Wl,--gc-sections"];

/// The program with libc, with libc linked in, and without libc.
pub(crate) fn programs() -> &'static [PathBuf; 3] {
    static PROGRAMS: OnceLock<[PathBuf; 3]> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let hosted = ["program.c", "hosted.c"];
        [
            compile("hosted", &hosted, &["-D_POSIX_C_SOURCE=200809L"]),
            compile("static", &hosted, &["-D_POSIX_C_SOURCE=200809L", "-static"]),
            compile("bare", &["program.c", "bare.c"], &BARE),
        ]
    })
}
