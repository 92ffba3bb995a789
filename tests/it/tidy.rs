//! The house rules that a program can check. Their reasons are in docs/CONTRIBUTING.md.

use std::fs;
use std::path::{Path, PathBuf};

use lock_core::kind::Kind;
use lock_tests::source::{functions, is_word, masked};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Where `unsafe` may stand: the system call instruction and what wraps it, the tool's start and
/// its calls, leaving a process, the pointers of C, and what only checks.
const UNSAFE_ALLOWED: [&str; 23] = [
    ".ci/panics/src/",
    "lock-rustix/c-face/src/face.rs",
    "lock-rustix/c-face/src/held.rs",
    "lock-rustix/c-face/src/whole.rs",
    "lock-rustix/src/alarm.rs",
    "lock-rustix/src/arch.rs",
    "lock-rustix/src/clock.rs",
    "lock-rustix/src/descriptor.rs",
    "lock-rustix/src/entries.rs",
    "lock-rustix/src/doctor/child.rs",
    "lock-rustix/src/doctor/sheet.rs",
    "lock-rustix/src/fcntl.rs",
    "lock-rustix/src/stand_in",
    "lock-rustix/src/superblock.rs",
    "lock-rustix/src/wake.rs",
    "lock-rustix/examples/pid_file/",
    "lock-rustix/lockbox/src/stack.rs",
    "lock-rustix/lockbox/src/start",
    "lock-rustix/lockbox/src/sys",
    "lock-std/src/exit.rs",
    "lock-std/src/signals.rs",
    "lock-std/tests/",
    "tests/",
];

/// What panics on purpose.
const PANICS: [&str; 6] = [".unwrap()", ".expect(", "panic!", "unreachable!", "todo!", "assert!"];

/// Directories that hold nothing of ours, or bytes that are no text.
const SKIPPED: [&str; 7] = [
    ".git",
    ".ci/panics/target",
    "target",
    "fuzz/target",
    "fuzz/corpus",
    "fuzz/artifacts",
    "fuzz/coverage",
];

/// A file of the project: its path from the root, and its text.
struct File {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text file of the project whose name ends so.
fn files(ending: &str) -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                dirs.push(path);
            } else if name.ends_with(ending) {
                // What is no text is none of ours.
                found.extend(fs::read_to_string(path).map(|text| File { path: name, text }));
            }
        }
    }
    assert!(!found.is_empty(), "no {ending} files under {}", root.display());
    found
}

fn rust_files() -> impl Iterator<Item = File> {
    files(".rs").into_iter()
}

/// Fails with one complaint a line, if there are any.
fn check(rule: &str, complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

/// The places where a word stands in a text, as `path:line: word`.
fn places(file: &File, text: &str, word: &str) -> Vec<String> {
    let starts_in_word = word.starts_with(is_word);
    let ends_in_word = word.ends_with(is_word);
    text.match_indices(word)
        .filter(|(at, _)| !(starts_in_word && text[..*at].ends_with(is_word)))
        .filter(|(at, _)| !(ends_in_word && text[at + word.len()..].starts_with(is_word)))
        .map(|(at, _)| format!("{}:{}: {word}", file.path, text[..at].matches('\n').count() + 1))
        .collect()
}

#[test]
fn files_and_functions_are_short_and_lines_narrow() {
    let mut complaints = Vec::new();
    for file in rust_files() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            complaints.push(format!("{}: {lines} lines", file.path));
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            if line.chars().count() > COLUMNS_MAX {
                complaints.push(format!("{}:{number}: a line too wide", file.path));
            }
        }
        for function in functions(&masked(&file.text)) {
            if function.lines > FUNCTION_LINES_MAX {
                let (name, lines) = (function.name, function.lines);
                complaints.push(format!("{}:{}: {name}: {lines} lines", file.path, function.line));
            }
        }
    }
    check("too long or too wide", complaints);
}

#[test]
fn the_core_does_not_panic_on_purpose() {
    let core = rust_files().filter(|file| file.path.starts_with("lock-core/src/"));
    check(
        "lock-core may not panic outside its tests",
        core.flat_map(|file| {
            // Blanks keep the lines' numbers; tests stand at the bottom of a file.
            let masked = masked(&file.text);
            let shipped = masked.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            // An assertion of our own invariants is off in a release.
            let shipped = shipped.replace("debug_assert!", "             ");
            PANICS.into_iter().flat_map(|word| places(&file, &shipped, word)).collect::<Vec<_>>()
        }),
    );
}

#[test]
fn unsafe_stands_where_it_may() {
    let elsewhere =
        rust_files().filter(|file| !UNSAFE_ALLOWED.iter().any(|dir| file.path.starts_with(dir)));
    check(
        "unsafe is not for here",
        elsewhere.flat_map(|file| places(&file, &masked(&file.text), "unsafe")),
    );
}

#[test]
fn nothing_is_left_for_later() {
    // In parts, so that this file passes.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    check(
        "finish it or write an issue",
        files("").iter().flat_map(|file| {
            words.iter().flat_map(|word| places(file, &file.text, word)).collect::<Vec<_>>()
        }),
    );
}

#[test]
fn the_documents_name_what_is_there() {
    let tops = [".ci/", "docs/", "fuzz/", "lock-core/", "lock-rustix/", "lock-std/", "tests/"];
    let mut complaints = Vec::new();
    for file in files(".md") {
        // Every second part stands between backquotes.
        for quoted in file.text.split('`').skip(1).step_by(2) {
            let is_path = tops.iter().any(|top| quoted.starts_with(top))
                && !quoted.contains([' ', '\n', '*', '{', '<']);
            if is_path && !root().join(quoted).exists() {
                complaints.push(format!("{}: {quoted}", file.path));
            }
        }
    }
    check("no such file", complaints);
}

#[test]
fn the_promises_name_tests_that_exist() {
    let sources: Vec<String> = files(".rs").into_iter().map(|file| file.text).collect();
    let mut complaints = Vec::new();
    let promises = read("SECURITY.md") + &read("docs/guarantees.md");
    for row in promises.lines().filter(|row| row.starts_with("| ")) {
        let shown = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let is_name = |name: &&str| !name.contains(['/', '.', ' ']);
        for name in shown.split('`').skip(1).step_by(2).filter(is_name) {
            // Or a line of the macro that makes a test for each kind and file system.
            let (function, run) = (format!("fn {name}("), format!("\n    {name}: Kind::"));
            let has = |source: &String| source.contains(&function) || source.contains(&run);
            if !sources.iter().any(has) {
                complaints.push(name.to_owned());
            }
        }
    }
    check("promised without a test", complaints);
}

#[test]
fn the_readme_knows_every_kind() {
    let readme = read("README.md");
    check(
        "kinds that the README's table does not have",
        Kind::ALL
            .into_iter()
            .filter(|kind| !readme.contains(&format!("\n| `{}` |", kind.name())))
            .map(|kind| kind.name().to_owned()),
    );
}

/// Whether there is a function of this name in a module where tests or examples are.
fn is_shown(test: &str) -> bool {
    const DIRS: [&str; 6] = [
        "lock-std/tests",
        "tests/it",
        "tests/it/lockbox",
        "lock-std/src",
        "lock-rustix/tests",
        "lock-core/tests",
    ];
    let (modules, name) = test.rsplit_once("::").unwrap_or(("", test));
    let modules = modules.replace("::", "/");
    let ends = [".rs", "/mod.rs", "/main.rs"];
    let paths = DIRS.iter().flat_map(|dir| ends.map(|end| format!("{dir}/{modules}{end}")));
    paths.filter_map(|path| fs::read_to_string(root().join(path)).ok()).any(|text| {
        let masked = masked(&text);
        functions(&masked).iter().any(|function| function.name == name)
    })
}

#[test]
fn every_row_of_the_parity_table_names_tests_that_exist() {
    let parity = read("docs/parity.md");
    let rows = parity.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| test |"));
    let mut count = 0;
    let mut complaints = Vec::new();
    for row in rows {
        count += 1;
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let mut tests = cell.split('`').skip(1).step_by(2).peekable();
        if tests.peek().is_none() {
            complaints.push(format!("no test: {row}"));
        }
        complaints.extend(tests.filter(|test| !is_shown(test)).map(|test| format!("none: {test}")));
    }
    assert!(count > 40, "only {count} rows");
    check("docs/parity.md", complaints);
}
