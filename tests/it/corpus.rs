//! The fuzz corpus on stable: every seed, every beginning of it, every recorded lock file of other
//! programs and seeded random edits of them all, through every target's body.

use std::fs;
use std::path::{Path, PathBuf};

use lock_tests::fuzz::{Body, TARGETS};
use lock_tests::random::Random;

/// Edited inputs for each target and seed.
const EDITS: usize = 200;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is in a directory, by name.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The seeds of one target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = root().join("fuzz/corpus").join(target);
    names(&dir).iter().map(|name| fs::read(dir.join(name)).unwrap()).collect()
}

/// The bytes of every recorded lock file: the `hex` of each line.
fn recorded() -> Vec<Vec<u8>> {
    let mut recorded = Vec::new();
    for name in ["payloads.jsonl", "nfs_info.jsonl"] {
        for line in fs::read_to_string(root().join("tests/vectors").join(name)).unwrap().lines() {
            let (_, rest) = line.split_once("\"hex\": \"").unwrap();
            let hex = rest.split('"').next().unwrap();
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            recorded.push((0..hex.len()).step_by(2).map(byte).collect());
        }
    }
    recorded
}

/// Another input: a byte changed, taken out or put in, or a stretch said twice.
fn edit(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut below = |end: usize| usize::try_from(random.below(end as u64)).unwrap();
    let at = below(bytes.len() + 1);
    let byte = [b' ', b'\n', b'"', b'\\', b')', b'0', b'9', 0, 255, b':'][below(10)];
    match below(4) {
        0 if at < bytes.len() => bytes[at] = byte,
        1 if at < bytes.len() => drop(bytes.remove(at)),
        2 if at < bytes.len() => {
            let end = at + below(bytes.len() - at) + 1;
            bytes.extend_from_within(at..end);
        }
        _ => bytes.insert(at, byte),
    }
}

/// Runs one body on one input; if it panics, says on which.
fn run(name: &str, body: Body, bytes: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| body(bytes)) {
        eprintln!("{name} fails on b\"{}\"", bytes.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_target_has_its_file_and_its_seeds() {
    let mut targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    assert_eq!(names(&root().join("fuzz/corpus")), targets);
    let files: Vec<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&root().join("fuzz/fuzz_targets")), files);
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for target in targets {
        assert!(manifest.contains(&format!("fuzz_targets/{target}.rs")), "{target} is not built");
        let file = root().join("fuzz/fuzz_targets").join(format!("{target}.rs"));
        assert!(
            fs::read_to_string(file).unwrap().lines().count() <= 10,
            "{target}: bodies belong where stable can run them"
        );
        assert!(seeds(target).len() >= 3, "{target} has hardly any seeds");
    }
}

#[test]
fn every_seed_and_every_beginning_of_it_passes() {
    for (name, body) in TARGETS {
        for seed in seeds(name) {
            for end in 0..=seed.len() {
                run(name, body, &seed[..end]);
            }
        }
    }
}

#[test]
fn every_recorded_lock_file_passes_every_target() {
    let recorded = recorded();
    assert!(recorded.len() > 300, "only {} recorded lock files", recorded.len());
    for (name, body) in TARGETS {
        for bytes in &recorded {
            run(name, body, bytes);
        }
    }
}

#[test]
fn edited_seeds_pass() {
    let number = Random::seed_from_environment();
    println!("SEED={number}");
    let mut random = Random::new(number);
    for (name, body) in TARGETS {
        for seed in seeds(name) {
            let mut bytes = seed.clone();
            for _ in 0..EDITS {
                if bytes.len() > 2 * seed.len() + 8 {
                    bytes.clone_from(&seed);
                }
                edit(&mut random, &mut bytes);
                run(name, body, &bytes);
            }
        }
    }
}
