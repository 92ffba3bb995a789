//! Keeps the parity table honest: every test that it names exists.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Whether `FILE::NAME` is a function of a test file, or an item of a module that has examples.
fn exists(test: &str) -> bool {
    let Some((module, name)) = test.rsplit_once("::") else { return false };
    let module = module.replace("::", "/");
    let function = format!("fn {name}(");
    let dirs =
        ["lock-std/tests", "lock-std/src", "lock-rustix/tests", "tests/it", "tests/it/lockbox"];
    dirs.into_iter().any(|dir| {
        [".rs", "/main.rs"].into_iter().any(|end| {
            let path = root().join(format!("{dir}/{module}{end}"));
            fs::read_to_string(path).is_ok_and(|source| source.contains(&function))
        })
    })
}

#[test]
fn every_row_names_tests_that_exist() {
    let document = fs::read_to_string(root().join("docs/parity.md")).unwrap();
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| original |");
    let mut rows = 0;
    for row in document.lines().filter(is_row) {
        let tests = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "a row without a test: {row}");
        for name in names {
            assert!(exists(name), "{name} does not exist: {row}");
        }
        rows += 1;
    }
    assert!(rows > 0, "the table has rows");
}

#[test]
fn a_name_of_nothing_is_noticed() {
    assert!(exists("parity::a_name_of_nothing_is_noticed"));
    assert!(!exists("parity::no_such_test") && !exists("parity") && !exists("nowhere::exists"));
}
