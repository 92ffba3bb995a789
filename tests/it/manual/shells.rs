//! The completions where they are used: in the shells themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::root;

const KINDS: [&str; 8] = ["file", "flock", "lockf", "mkdir", "nfs", "ofd", "pidfile", "symlink"];

/// What is typed, and all that can come of its last word.
struct Case {
    words: Vec<String>,
    expected: Vec<String>,
}

/// The same for every shell. In `dir` are two files, `lock` and `log`.
fn cases(dir: &str) -> Vec<Case> {
    let case = |words: &[&str], expected: &[&str]| Case {
        words: words.iter().map(|word| word.replace("DIR", dir)).collect(),
        expected: expected.iter().map(|&name| name.to_owned()).collect(),
    };
    vec![
        case(&["s"], &["setlock", "status"]),
        case(&["help", "ex"], &["explain"]),
        case(&["run", "-k", ""], &KINDS),
        case(&["run", "-k", "s"], &["symlink"]),
        case(&["acquire", "--kind", ""], &["mkdir", "nfs", "pidfile", "symlink"]),
        case(&["run", "--kind=sy"], &["symlink"]),
        case(&["run", "-w", "10", "--st"], &["--stale-age"]),
        case(&["status", "--j"], &["--json"]),
        case(&["flock", "--conf"], &["--conflict-exit-code"]),
        case(&["status", "-k", "flock", "DIR/lo"], &["lock", "log"]),
        case(&["run", "-s", "DIR/lock", "mktem"], &["mktemp"]),
        case(&["setlock", "DIR/lock", "mktem"], &["mktemp"]),
        case(&["run", "DIR/lock", "cat", "DIR/lo"], &["lock", "log"]),
    ]
}

/// A directory with the files that are to be completed.
fn scratch(shell: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("completions-{shell}"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    for name in ["lock", "log"] {
        fs::write(dir.join(name), "").unwrap();
    }
    dir
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Matches as every shell means them: without what stands before them in the same word.
fn matches<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let bare = lines.map(|line| {
        let name = line.split('\t').next().unwrap();
        let name = name.strip_prefix("--kind=").unwrap_or(name);
        Path::new(name).file_name().unwrap().to_str().unwrap().to_owned()
    });
    let mut all: Vec<String> = bare.collect();
    all.sort();
    // bash names what it finds in two places twice, and shows it once.
    all.dedup();
    all
}

#[test]
fn bash_completes() {
    let dir = scratch("bash");
    let script = "\
        source \"$1\" && complete -p lockbox >/dev/null && shift && \
        COMP_WORDS=(lockbox \"$@\") COMP_CWORD=$# && _lockbox && \
        ((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"";
    for case in cases(dir.to_str().unwrap()) {
        // As bash itself takes the line apart.
        let words = case.words.iter().flat_map(|word| match word.split_once('=') {
            Some((option, argument)) => vec![option, "=", argument],
            None => vec![word.as_str()],
        });
        let said = output(
            Command::new("bash")
                .args(["--norc", "--noprofile", "-uc", script, "bash"])
                .arg(root().join("docs/completions/lockbox.bash"))
                .args(words),
        );
        assert_eq!(matches(said.lines()), case.expected, "{:?}", case.words);
    }
}

#[test]
fn fish_completes() {
    let dir = scratch("fish");
    for case in cases(dir.to_str().unwrap()) {
        let said = output(
            Command::new("fish")
                .args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"])
                .arg(root().join("docs/completions/lockbox.fish"))
                .arg(format!("lockbox {}", case.words.join(" ")))
                .env("HOME", &dir),
        );
        assert_eq!(matches(said.lines()), case.expected, "{:?}", case.words);
    }
}

#[test]
fn zsh_completes() {
    let dir = scratch("zsh");
    let cases = cases(dir.to_str().unwrap());
    let lines = cases.iter().map(|case| format!("lockbox {}", case.words.join(" ")));
    let said = output(
        Command::new("timeout")
            .arg("60")
            .arg(root().join("tests/scripts/zsh-completions"))
            .arg(root().join("docs/completions"))
            .args(lines),
    );
    let found: Vec<&str> = said.split_terminator("--\n").collect();
    assert_eq!(found.len(), cases.len(), "{said}");
    for (case, found) in cases.iter().zip(found) {
        assert_eq!(matches(found.lines()), case.expected, "{:?}", case.words);
    }
}
