//! docs/ is a book: every page has its place in it, every link leads somewhere, and what is made by
//! code is current. `UPDATE=1` in the environment writes that anew.

mod choosing;
mod formats;
mod guide;
mod links;
mod porting;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with one complaint a line, if there are any.
fn check(rule: &str, complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

/// The file is what the code makes now.
fn is_current(path: &str, made: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join(path), made).unwrap();
    }
    let written = fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(written == made, "{path} is out of date: UPDATE=1 writes it anew");
}
