//! What C programs are refused, and what becomes of locks that are lost.

use std::fs;

use crate::building::programs;
use crate::programs::{
    CANCELLED, HELD, Holder, KINDS, LOST, MISSING, NO_LOCK, NOT_A_LOCK, OK, TOO_LONG, path, run,
    scratch,
};

#[test]
fn misuse_is_refused_and_changes_nothing() {
    for program in programs() {
        let dir = scratch("misuse");
        assert_eq!(run(program, &["wrong", &path(&dir, "lock")]), (0, String::new()));
    }
}

#[test]
fn a_wait_can_be_cancelled() {
    for program in programs() {
        let dir = scratch("cancelled");
        for kind in KINDS {
            let path = path(&dir, kind);
            let holder = Holder::tool(kind, &path, &[]);
            for timeout in [&["-e"][..], &["-w", "600000"]] {
                let args = [&["take", kind, path.as_str(), "-c"], timeout].concat();
                // At its end an input can be read, before the wait or in the middle of it.
                let waiter = Holder::spawn(program, &args);
                assert_eq!(waiter.finish().code(), Some(CANCELLED), "{kind}");
            }
            holder.release();
        }
    }
}

#[test]
fn a_stale_lock_is_seen_and_removed_a_living_ones_only_by_force() {
    for program in programs() {
        let dir = scratch("stale");
        for kind in ["nfs", "symlink", "mkdir", "pidfile"] {
            let path = path(&dir, kind);
            assert_eq!(run(program, &["break", kind, &path]).0, NO_LOCK, "{kind}");
            Holder::take(program, kind, &path, &[]).kill();
            let (_, said) = run(program, &["look", kind, &path]);
            assert!(said.starts_with("stale "), "{kind}: {said}");
            assert!(!said.ends_with("] \n"), "{kind}: it says why: {said}");
            assert_eq!(run(program, &["break", kind, &path]).0, OK, "{kind}");
            assert!(run(program, &["look", kind, &path]).1.starts_with("free "), "{kind}");

            let mut holder = Holder::take(program, kind, &path, &[]);
            assert_eq!(run(program, &["break", kind, &path]).0, HELD, "{kind}");
            assert_eq!(run(program, &["break", kind, &path, "-f"]).0, OK, "{kind}");
            assert!(holder.tell("r").starts_with("4 0 the lock was lost"), "{kind}");
            assert_eq!(holder.finish().code(), Some(LOST), "{kind}");
        }
    }
}

#[test]
fn errors_say_what_to_do() {
    for program in programs() {
        let dir = scratch("errors");
        for kind in KINDS {
            let (status, said) = run(program, &["take", kind, &path(&dir, "none/lock")]);
            let expected = "8 2 open of the directory: no such file or directory (errno 2)\n";
            assert_eq!((status, said.as_str()), (MISSING, expected), "{kind}");
            let long = path(&dir, &"x".repeat(256));
            assert_eq!(run(program, &["take", kind, &long]).0, TOO_LONG, "{kind}");
        }
        fs::write(dir.join("file"), "").unwrap();
        std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
        let link = path(&dir, "link");
        assert_eq!(run(program, &["take", "flock", &link]).0, NOT_A_LOCK);
        assert_eq!(run(program, &["take", "flock", &link, "-F"]).0, OK);
        let long = "x".repeat(2000);
        let words = run(program, &["take", "file", &path(&dir, "words"), "-m", &long]);
        assert_eq!(words.0, TOO_LONG);
        assert!(!dir.join("words").exists(), "bad words change nothing");
    }
}
