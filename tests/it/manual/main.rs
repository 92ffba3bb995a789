//! Manual pages and completions of the tool: made from the tables of its own parsers and from what
//! it says about itself, kept in `docs/man/` and `docs/completions/`, tried where they are used.
//!
//! `WRITE=1 cargo test -p lock-tests --test manual` writes them anew.

mod bash;
mod fish;
mod program;
mod roff;
mod shells;
mod words;
mod zsh;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lock_core::kind::Kind;
use lock_tests::lockbox::lockbox;
use lockbox_tool::tables;

use program::{Program, applets, commands, overview};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All that is made: paths from the root, and what stands there.
fn made() -> Vec<(PathBuf, String)> {
    let mut files = vec![
        ("docs/man/lockbox.1".into(), roff::lockbox()),
        ("docs/completions/lockbox.bash".into(), bash::completions()),
        ("docs/completions/_lockbox".into(), zsh::completions()),
        ("docs/completions/lockbox.fish".into(), fish::completions()),
    ];
    for applet in applets() {
        let path = format!("docs/man/lockbox-{}.1", applet.name);
        files.push((path.into(), roff::applet(&applet)));
    }
    files
}

#[test]
fn what_is_kept_is_what_is_made() {
    let made = made();
    if std::env::var_os("WRITE").is_some() {
        for (path, text) in &made {
            fs::create_dir_all(root().join(path.parent().unwrap())).unwrap();
            fs::write(root().join(path), text).unwrap();
        }
    }
    let differs = |it: &&(PathBuf, String)| {
        fs::read_to_string(root().join(&it.0)).unwrap_or_default() != it.1
    };
    let outdated: Vec<_> = made.iter().filter(differs).map(|it| &it.0).collect();
    assert!(outdated.is_empty(), "WRITE=1 cargo test -p lock-tests --test manual: {outdated:?}");
    let kept = ["docs/man", "docs/completions"].map(|dir| fs::read_dir(root().join(dir)).unwrap());
    let kept: BTreeSet<PathBuf> =
        kept.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    let made: BTreeSet<PathBuf> = made.iter().map(|it| root().join(&it.0)).collect();
    assert_eq!(kept, made);
}

#[test]
fn every_command_and_kind_has_its_place() {
    let named: BTreeSet<String> = overview().into_iter().map(|it| it.0).collect();
    let mut known: BTreeSet<String> = commands().iter().map(|it| it.name.to_owned()).collect();
    known.extend(["help", "version"].map(str::to_owned));
    assert_eq!(named, known, "lockbox help, and the tables of its commands");
    for applet in applets() {
        assert!(tables::overview().contains(applet.name), "{}", applet.name);
    }
    let page = roff::lockbox();
    for kind in Kind::ALL {
        assert!(page.contains(&format!("\\fB{}\\fR", kind.name())), "{}", kind.name());
    }
}

/// The executable knows every spelling, and refuses what it does not.
#[test]
fn the_executable_takes_what_the_tables_say() {
    let refused = |program: &Program, spelling: &str| {
        let output = Command::new(lockbox())
            .args([program.name, spelling, "--no-such-option"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let name = spelling.trim_start_matches('-');
        assert!(!output.status.success(), "{} {spelling}", program.name);
        said.contains(&format!("'{name}'")) && !said.contains("cannot be")
    };
    for program in commands() {
        for option in &program.options {
            for spelling in &option.spellings {
                assert!(!refused(&program, spelling), "{} {spelling}", program.name);
            }
        }
        for other in commands().iter().flat_map(|it| &it.options) {
            if !program.options.iter().any(|it| it.spellings == other.spellings) {
                let long = other.spellings.last().unwrap();
                assert!(refused(&program, long), "{} {long}", program.name);
            }
        }
    }
}

#[test]
fn the_pages_are_good_roff() {
    for (path, _) in made().into_iter().filter(|it| it.0.starts_with("docs/man")) {
        let output = Command::new("mandoc")
            .args(["-T", "lint", "-W", "style"])
            .arg(root().join(&path))
            .output();
        let output = output.unwrap();
        // Made from source, a page has no date of its own.
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Vec<&str> = said.lines().filter(|it| !it.contains(": missing date,")).collect();
        assert!(said.is_empty(), "{said:?}");
        let text = Command::new("mandoc").args(["-T", "ascii"]).arg(root().join(&path)).output();
        let text = String::from_utf8(text.unwrap().stdout).unwrap();
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"] {
            assert!(
                text.lines().any(|line| bare(line) == heading),
                "{}: {heading}",
                path.display()
            );
        }
    }
}

/// A line without overstrikes, by which a terminal's bold is made.
fn bare(line: &str) -> String {
    let mut bare = String::new();
    for letter in line.chars() {
        if letter == '\u{8}' {
            bare.pop();
        } else {
            bare.push(letter);
        }
    }
    bare
}
