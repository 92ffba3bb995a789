//! What the packages stand on, and what they say of themselves: licences, sources, compilers and
//! metadata. `cargo deny` checks most of it too, by the same deny.toml.

use core::iter::Peekable;
use core::str::SplitWhitespace;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What is published. The tool is built from the repository: see its manifest.
const PUBLISHED: [&str; 3] = ["lock-core", "lock-rustix", "lock-std"];

/// What they and the tool may depend on directly.
const CARD: [&str; 7] =
    ["arrayvec", "bitflags", "critical-section", "embedded-io", "heapless", "rustix", "tracing"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// What `cargo metadata` says of this workspace.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn by_id(list: &Value) -> HashMap<&str, &Value> {
    list.as_array().unwrap().iter().map(|one| (text(&one["id"]), one)).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Every package that is built here, for tests too.
fn built(metadata: &Value) -> Vec<&Value> {
    let packages = by_id(&metadata["packages"]);
    let nodes = list(&metadata["resolve"]["nodes"]).iter();
    let built: Vec<&Value> = nodes.map(|node| packages[text(&node["id"])]).collect();
    assert!(built.len() > 30, "the tree is not all there: {}", built.len());
    built
}

/// What is built for those who use the packages or the tool: everything but the tests, and what
/// only tests depend on.
fn shipped(metadata: &Value) -> Vec<&Value> {
    let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
    let members = list(&metadata["workspace_members"]).iter().map(text);
    let mut todo: Vec<&str> = members.filter(|id| packages[id]["name"] != "lock-tests").collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            let dependencies = list(&nodes[id]["deps"]).iter();
            let shipped = dependencies.filter(|dependency| {
                list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev")
            });
            todo.extend(shipped.map(|dependency| text(&dependency["pkg"])));
        }
    }
    assert!(seen.len() > 8, "the tree is not all there: {seen:?}");
    seen.into_iter().map(|id| packages[id]).collect()
}

/// Fails with one complaint a line, if there are any.
fn check(rule: &str, complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

/// Whether a licence expression can be met with these licences: alternatives between `OR`, all of
/// what stands between `AND`, which binds closer; parentheses.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = alternatives(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a> = Peekable<SplitWhitespace<'a>>;

fn alternatives(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = alternatives(words, allowed);
        return words.next() == Some(")") && met;
    }
    let Some(name) = words.next() else { return false };
    let mut name = name.to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", words.next().unwrap_or_default());
    }
    allowed.contains(&name)
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() {
    let allowed: BTreeSet<String> = ["MIT", "Apache-2.0"].map(str::to_owned).into();
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("MIT OR (Apache-2.0 AND GPL-3.0)", true),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

/// The licences of a list in deny.toml: `allow`, or `exceptions` for what only tests use.
fn licences(list: &str) -> BTreeSet<String> {
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    let line = deny.lines().find(|line| line.starts_with(&format!("{list} = "))).unwrap();
    let names = line.rsplit("allow = ").next().unwrap_or_default();
    let names = names.split(']').next().unwrap_or_default();
    let names: BTreeSet<String> = names.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!names.is_empty(), "{line}");
    names
}

#[test]
fn every_dependency_has_a_licence_that_we_allow() {
    let metadata = metadata();
    let allowed = licences("allow");
    let for_tests = &allowed | &licences("exceptions");
    let refused = |packages: Vec<&Value>, allowed: &BTreeSet<String>| -> Vec<String> {
        let packages = packages.into_iter();
        let refused = packages.filter(|package| !is_met(text(&package["license"]), allowed));
        refused.map(|package| format!("{}: {}", package["name"], package["license"])).collect()
    };
    check("licences of what is shipped", refused(shipped(&metadata), &allowed));
    check("licences of what tests use", refused(built(&metadata), &for_tests));
}

#[test]
fn every_dependency_is_from_the_registry() {
    let metadata = metadata();
    let elsewhere = built(&metadata).into_iter().filter(|package| {
        let source = &package["source"];
        let ours = source.is_null() && text(&package["name"]).starts_with("lock");
        !ours && text(source) != "registry+https://github.com/rust-lang/crates.io-index"
    });
    check(
        "sources",
        elsewhere.map(|package| format!("{}: {}", package["name"], package["source"])),
    );
}

#[test]
fn nothing_is_shipped_in_two_versions() {
    let metadata = metadata();
    let mut versions = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in shipped(&metadata) {
        let version = text(&package["version"]);
        versions.entry(text(&package["name"])).or_default().insert(version);
    }
    let twice = versions.iter().filter(|(_, versions)| versions.len() > 1);
    check("more than one version", twice.map(|(name, versions)| format!("{name}: {versions:?}")));
}

#[test]
fn what_is_shipped_depends_on_few_things() {
    let metadata = metadata();
    let mut complaints = Vec::new();
    let mut count = 0;
    for package in built(&metadata).into_iter().filter(|package| package["source"].is_null()) {
        let name = text(&package["name"]);
        if name == "lock-tests" {
            continue;
        }
        let dependencies = list(&package["dependencies"]).iter();
        for dependency in dependencies.filter(|one| one["kind"].is_null()) {
            count += 1;
            let on = text(&dependency["name"]);
            let expected = CARD.contains(&on) || PUBLISHED.contains(&on);
            // Whoever does not ask for it gets no more than the rest.
            if !expected || (on == "tracing" && dependency["optional"] != true) {
                complaints.push(format!("{name}: {on}"));
            }
        }
    }
    assert!(count > 10, "only {count} dependencies seen");
    check("not on the list", complaints);
}

#[test]
fn packages_say_what_a_registry_wants_to_know() {
    let metadata = metadata();
    let packages = built(&metadata);
    for name in PUBLISHED {
        let package = packages.iter().find(|package| package["name"] == name).unwrap();
        let (keywords, categories) = (list(&package["keywords"]), list(&package["categories"]));
        assert!((20..100).contains(&text(&package["description"]).len()), "{name}: description");
        assert_eq!(text(&package["license"]), "MIT OR Apache-2.0", "{name}");
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        assert!((1..=5).contains(&categories.len()), "{name}: {categories:?}");
        assert!(keywords.iter().all(|word| text(word).len() <= 20), "{name}: {keywords:?}");
        assert_eq!(package["readme"], "README.md", "{name}");
        assert_eq!(package["metadata"]["docs"]["rs"]["all-features"], true, "{name}");
        for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let same = |dir: PathBuf| fs::read(dir.join(file)).unwrap();
            assert_eq!(same(root().join(name)), same(root()), "{name}: {file}");
        }
    }
    let published = packages.iter().filter(|package| package["publish"].is_null());
    let published: BTreeSet<&str> = published
        .filter(|package| package["source"].is_null())
        .map(|package| text(&package["name"]))
        .collect();
    assert_eq!(published, PUBLISHED.into());
}

/// `1.85` as `(1, 85, 0)`.
fn version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[test]
fn no_dependency_wants_a_newer_compiler_than_we_declare() {
    let metadata = metadata();
    let ours = built(&metadata).into_iter().filter(|package| package["source"].is_null());
    let declared: BTreeSet<Option<&str>> =
        ours.map(|package| package["rust_version"].as_str()).collect();
    assert_eq!(declared.len(), 1, "every package declares the same: {declared:?}");
    let declared = version(declared.first().unwrap().unwrap());
    let newer = shipped(&metadata).into_iter().filter_map(|package| {
        let wanted = package["rust_version"].as_str().filter(|it| version(it) > declared)?;
        Some(format!("{} {}: {wanted}", package["name"], package["version"]))
    });
    check("newer than the declared rust-version", newer);
}
