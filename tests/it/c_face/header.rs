//! The header: as made from the source, and good for every compiler.

use std::fs;
use std::process::Command;

use crate::building::{output, root};

/// The header that the sources make.
fn header() -> String {
    let head = "// Every kind of file lock, for programs in C: see docs/c.md.\n\
                // Made from lock-rustix/c-face/src by cbindgen:\n\
                //     WRITE=1 cargo test -p lock-tests --test c_face header";
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Tag,
        documentation_style: cbindgen::DocumentationStyle::C99,
        cpp_compat: true,
        no_includes: true,
        sys_includes: vec!["stdint.h".to_owned()],
        include_guard: Some("LOCKBOX_H".to_owned()),
        header: Some(head.to_owned()),
        line_length: 100,
        ..cbindgen::Config::default()
    };
    // A struct has its number only.
    config.export.include.push("lockbox_kind".to_owned());
    let src = root().join("lock-rustix/c-face/src");
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = builder.with_src(src.join("types.rs")).with_src(src.join("face.rs"));
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    // What Rust has to be told of pointers, every C function means.
    let mut lines: Vec<String> = Vec::new();
    let mut safety = false;
    for line in String::from_utf8(made).unwrap().lines() {
        if line == "// # Safety" {
            safety = true;
            lines.pop();
        }
        safety = safety && line.starts_with("//");
        if !safety {
            lines.push(format!("{line}\n"));
        }
    }
    lines.concat()
}

#[test]
fn the_header_is_made_from_the_source() {
    let made = header();
    let path = root().join("lock-rustix/c-face/include/lockbox.h");
    if std::env::var_os("WRITE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{} is out of date: see its head", path.display());
}

#[test]
fn the_header_suits_old_and_new_c_and_cpp() {
    let header = root().join("lock-rustix/c-face/include/lockbox.h");
    for (compiler, language, standard) in [
        ("cc", "c", "-std=c99"),
        ("cc", "c", "-std=c17"),
        ("c++", "c++", "-std=c++11"),
        ("c++", "c++", "-std=c++20"),
    ] {
        output(
            Command::new(compiler)
                .args([standard, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"])
                .args(["-ffreestanding", "-x", language])
                .arg(&header),
        );
    }
}
