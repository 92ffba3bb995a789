//! `lockbox list`: who really holds kernel locks, and who waits.

use std::process::{Command, Stdio};

use lock_tests::lockbox::lockbox;
use serde_json::Value;

use crate::run::start;
use crate::status::{Scratch, run};

/// The lines of the list about one file.
fn list(path: &str) -> Vec<Value> {
    let (status, out, error) = run(&["list", "-j"]);
    assert_eq!(status, Some(0), "{error}");
    let Value::Array(lines) = serde_json::from_str(&out).unwrap() else { panic!("{out}") };
    lines.into_iter().filter(|line| line["path"] == path).collect()
}

#[test]
fn holders_are_those_with_the_descriptor() {
    let scratch = Scratch::new("list");
    for (kind, shown) in [("flock", "flock"), ("lockf", "lockf"), ("ofd", "ofd")] {
        let path = scratch.path(kind);
        let (mut child, _) = start(&["-k", kind, &path], "echo; read line || :");
        let [line] = &list(&path)[..] else { panic!("{:?}", list(&path)) };
        assert_eq!((&line["kind"], &line["mode"]), (&shown.into(), &"exclusive".into()));
        assert_eq!((&line["role"], &line["pid"]), (&"holder".into(), &child.id().into()));
        assert_eq!(line["command"], "lockbox");
        let text = run(&["list"]).1;
        let expected = format!("{shown} exclusive held by pid {} (lockbox): {path}\n", child.id());
        assert!(text.contains(&expected), "{text}");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(list(&path).is_empty());
    }
}

/// The process that took the lock is gone, and its child holds it still.
#[test]
fn an_inherited_lock_is_the_heirs() {
    let scratch = Scratch::new("list-heir");
    let path = scratch.path("lock");
    let script = "echo $$; exec sleep 100";
    let (mut child, heir) = start(&["--inherit", "-k", "flock", &path], script);
    child.kill().unwrap();
    child.wait().unwrap();
    let [line] = &list(&path)[..] else { panic!("{:?}", list(&path)) };
    assert_eq!(line["pid"].to_string(), heir);
    assert_eq!(line["taken_by"], child.id());
    let text = run(&["list"]).1;
    assert!(text.contains(&format!("held by pid {heir}")), "{text}");
    assert!(text.contains(&format!("taken by pid {}", child.id())), "{text}");
    assert!(Command::new("kill").args(["-9", &heir]).status().unwrap().success());
}

#[test]
fn waiters_are_listed() {
    let scratch = Scratch::new("list-waiter");
    let path = scratch.path("lock");
    let (mut holder, _) = start(&["-k", "flock", &path], "echo; read line || :");
    let mut waiter = Command::new(lockbox())
        .args(["run", "-k", "flock", &path, "true"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let line = loop {
        let lines = list(&path);
        if let Some(line) = lines.iter().find(|line| line["role"] == "waiter") {
            break line.clone();
        }
    };
    assert_eq!((&line["pid"], &line["kind"]), (&waiter.id().into(), &"flock".into()));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert!(waiter.wait().unwrap().success());
}

#[test]
fn there_are_no_operands() {
    let (status, _, error) = run(&["list", "extra"]);
    assert_eq!(status, Some(64));
    assert!(error.contains("extra"), "{error}");
}
