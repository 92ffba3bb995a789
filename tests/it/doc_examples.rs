//! Every public type, trait, function and method of the published crates has an example that runs
//! and asserts something: its own, or one of its type, trait or module that names it.
//!
//! Read from what rustdoc says of a crate in JSON. Nothing is asked of fields, variants, constants,
//! aliases, traits without methods (names for bounds), or methods that a macro made: the example of
//! their type is theirs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use lock_tests::source::is_word;
use serde_json::Value;

/// The crates that keep the rule.
const CRATES: [&str; 3] = ["lock-core", "lock-rustix", "lock-std"];

/// What has no example that runs, with all that belongs to it, and why not. It has one that is
/// compiled.
const EXCEPTIONS: [(&str, &str); 5] = [
    ("lock_rustix::dlm::control::Control", "only the kernel's DLM has a control device"),
    ("lock_rustix::dlm::control::Monitor", "only the kernel's DLM has a monitor device"),
    ("lock_rustix::dlm::exchange::Exchange", "needs a lockspace of the kernel's DLM"),
    ("lock_rustix::dlm::lockspace::Lockspace", "is a device of the kernel's DLM"),
    ("lock_rustix::dlm::table::for_each", "reads the list of a lockspace of the kernel's DLM"),
];

/// Something public, and where a reader looks for an example of it.
struct Public {
    /// Its path from the crate on.
    path: String,
    /// Its own documentation first, then that of what it belongs to.
    docs: Vec<String>,
}

/// A crate as rustdoc describes it.
struct Described {
    index: Value,
    seen: HashSet<u64>,
    found: Vec<Public>,
}

impl Public {
    fn new(path: String, docs: &[&str]) -> Public {
        Public { path, docs: docs.iter().map(|&docs| docs.to_owned()).collect() }
    }

    fn is_shown(&self) -> bool {
        let (own, parents) = self.docs.split_first().unwrap();
        let name = self.path.rsplit("::").next().unwrap();
        let asserts = |example: &String| example.contains("assert");
        examples(own).iter().any(asserts)
            || parents
                .iter()
                .flat_map(|docs| examples(docs))
                .any(|example| asserts(&example) && words(&example).any(|word| word == name))
    }
}

impl Described {
    /// What rustdoc says of a package of this workspace, with all its features.
    fn by_rustdoc(package: &str) -> Described {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rustdoc");
        let status = Command::new(env!("CARGO"))
            .args(["rustdoc", "--quiet", "--locked", "--lib", "--all-features", "--package"])
            .args([package, "--target-dir"])
            .arg(&target)
            .args(["--", "-Z", "unstable-options", "--output-format", "json"])
            // The JSON is not stable yet; what is read of it has not changed in years.
            .env("RUSTC_BOOTSTRAP", "1")
            .current_dir(root())
            .status()
            .unwrap();
        assert!(status.success(), "rustdoc of {package}");
        let json = target.join(format!("doc/{}.json", package.replace('-', "_")));
        let json: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let mut described =
            Described { index: json["index"].clone(), seen: HashSet::new(), found: Vec::new() };
        described.visit(&json["root"], "", "");
        described
    }

    /// An item of this crate that was not met before.
    fn item(&self, id: &Value) -> Option<Value> {
        self.index.get(id.as_u64()?.to_string()).cloned()
    }

    /// Notes an item of a module, and what belongs to it.
    fn visit(&mut self, id: &Value, module: &str, module_docs: &str) {
        let Some(item) = self.item(id).filter(|_| self.seen.insert(id.as_u64().unwrap())) else {
            return;
        };
        let (kind, inner) = kind(&item);
        let path = format!("{module}::{}", text(&item["name"])).trim_start_matches(':').to_owned();
        let docs = text(&item["docs"]);
        match kind {
            "module" => list(&inner["items"]).iter().for_each(|id| self.visit(id, &path, docs)),
            "use" => self.visit(&inner["id"], module, module_docs),
            "struct" | "enum" | "union" => {
                self.found.push(Public::new(path.clone(), &[docs, module_docs]));
                for implementation in list(&inner["impls"]) {
                    let implementation = self.item(implementation).unwrap_or_default();
                    let implementation = &implementation["inner"]["impl"];
                    if implementation["trait"].is_null() {
                        self.methods(&implementation["items"], &path, &item, module_docs);
                    }
                }
            }
            "trait" if !list(&inner["items"]).is_empty() => {
                self.found.push(Public::new(path.clone(), &[docs, module_docs]));
                self.methods(&inner["items"], &path, &item, module_docs);
            }
            "function" | "macro" => self.found.push(Public::new(path, &[docs, module_docs])),
            _ => {}
        }
    }

    /// Notes the methods of a type or trait, but those that a macro made with it.
    fn methods(&mut self, items: &Value, path: &str, parent: &Value, module_docs: &str) {
        for id in list(items) {
            let Some(method) = self.item(id) else { continue };
            if kind(&method).0 == "function" && method["span"] != parent["span"] {
                let path = format!("{path}::{}", text(&method["name"]));
                let docs = [text(&method["docs"]), text(&parent["docs"]), module_docs];
                self.found.push(Public::new(path, &docs));
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What sort of item it is, and what there is only for that sort.
fn kind(item: &Value) -> (&str, &Value) {
    let (kind, inner) = item["inner"].as_object().unwrap().iter().next().unwrap();
    (kind, inner)
}

/// The blocks of a documentation that are run.
fn examples(docs: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut open: Option<Option<String>> = None;
    for line in docs.lines() {
        match (line.trim().strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(matches!(language, "" | "rust" | "should_panic").then(String::new));
            }
            (Some(_), Some(example)) => examples.extend(example),
            (None, Some(Some(example))) => open = Some(Some(example + line + "\n")),
            (None, other) => open = other,
        }
    }
    examples
}

fn words(example: &str) -> impl Iterator<Item = &str> {
    example.split(|character| !is_word(character)).filter(|word| !word.is_empty())
}

#[test]
fn every_public_item_is_shown_in_an_example_that_runs() {
    let mut unshown = Vec::new();
    for package in CRATES {
        let public = Described::by_rustdoc(package).found;
        assert!(public.len() > 50, "{package} is not all there: {}", public.len());
        unshown.extend(public.into_iter().filter(|item| !item.is_shown()).map(|item| item.path));
    }
    let belongs = |path: &str, to: &str| {
        path.strip_prefix(to).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let excepted = |path: &str| EXCEPTIONS.iter().any(|(exception, _)| belongs(path, exception));
    let complaints: Vec<&String> = unshown.iter().filter(|path| !excepted(path)).collect();
    assert!(complaints.is_empty(), "without an example that asserts something: {complaints:#?}");
    for (path, _) in EXCEPTIONS {
        let unshown = unshown.iter().any(|other| belongs(other, path));
        assert!(unshown, "{path} is no exception any more");
    }
}

#[test]
fn an_example_counts_if_it_runs_asserts_and_names_what_it_shows() {
    let example = "```\nassert!(lock.is_held());\n```";
    for (docs, shown) in [
        (["", "", ""], false),
        (["Words about `is_held` and assert.", "", ""], false),
        ([example, "", ""], true),
        (["```should_panic\nassert!(no());\n```", "", ""], true),
        (["```text\nassert!(lock.is_held());\n```", "", ""], false),
        (["```no_run\nassert!(lock.is_held());\n```", "", ""], false),
        (["```\nlet _ = lock.is_held();\n```", "", ""], false),
        (["Words.", example, ""], true),
        (["Words.", "", example], true),
        (["Words.", "```\nassert!(lock.is_held_by(me));\n```", ""], false),
        (["Words.", "```text\n```\nassert!(lock.is_held());", ""], false),
    ] {
        let item = Public::new("lock::Lock::is_held".to_owned(), &docs);
        assert_eq!(item.is_shown(), shown, "{docs:?}");
    }
}
