//! Every kind of lock, taken, seen, shared and given back by C programs beside lockbox.

use crate::building::{compile, programs};
use crate::programs::{HELD, Holder, KINDS, OK, path, run, scratch, tool, tool_can_have};

const KERNEL_KINDS: [&str; 4] = ["file", "flock", "lockf", "ofd"];

#[test]
fn what_c_holds_lockbox_cannot_have() {
    for program in programs() {
        let dir = scratch("c-holds");
        for kind in KINDS {
            let path = path(&dir, kind);
            let mut holder = Holder::take(program, kind, &path, &[]);
            assert!(!tool_can_have(kind, &path, &[]), "{kind}");
            assert_eq!(run(program, &["take", kind, &path]).0, HELD, "{kind}");
            assert_eq!(run(program, &["take", kind, &path, "-w", "20"]).0, HELD, "{kind}");
            let (status, said) = tool(&["status", "-k", kind, &path]);
            assert_eq!(status, 0, "{kind}: {said}");
            if kind != "ofd" {
                assert!(said.contains(&format!("pid {}", holder.pid())), "{kind}: {said}");
            }
            assert_eq!(holder.tell("r"), "0 0 done", "{kind}: still held");
            let descriptor = if kind == "symlink" { "no descriptor" } else { "a descriptor" };
            assert_eq!(holder.tell("d"), descriptor, "{kind}");
            holder.release();
            assert!(tool_can_have(kind, &path, &[]), "{kind}");
        }
    }
}

#[test]
fn what_lockbox_holds_c_cannot_have_and_can_see() {
    for program in programs() {
        let dir = scratch("tool-holds");
        for kind in KINDS {
            let path = path(&dir, kind);
            assert_eq!(run(program, &["look", kind, &path]).1, "free 0 - - - [] \n");
            let holder = Holder::tool(kind, &path, &[]);
            let (status, said) = run(program, &["take", kind, &path]);
            assert_eq!((status, said.as_str()), (HELD, "1 0 another holds the lock\n"), "{kind}");
            let (status, said) = run(program, &["look", kind, &path]);
            assert_eq!(status, OK);
            let pid = if kind == "ofd" { "0".to_owned() } else { holder.pid() };
            assert!(said.starts_with(&format!("held {pid} ")), "{kind}: {said}");
            // C waits in the meantime, or comes too late to: it gets the lock in either case.
            let mut waiter = Holder::spawn(program, &["take", kind, &path, "-e"]);
            let mut hurried = Holder::spawn(program, &["take", kind, &path, "-w", "600000"]);
            holder.release();
            let (one, other) = (&mut waiter, &mut hurried);
            // Whoever is first lets the other one have it by ending.
            drop(one.child.stdin.take());
            drop(other.child.stdin.take());
            for it in [waiter, hurried] {
                let mut it = it;
                assert_eq!(it.line(), "0 0 done", "{kind}");
                assert_eq!(it.child.wait().unwrap().code(), Some(OK), "{kind}");
            }
        }
    }
}

#[test]
fn the_holders_words_are_seen_on_both_sides() {
    let dir = scratch("words");
    for program in programs() {
        for kind in ["file", "nfs"] {
            let path = path(&dir, kind);
            let holder = Holder::take(program, kind, &path, &["-m", "nightly backup"]);
            assert!(tool(&["status", "-k", kind, &path]).1.contains("nightly backup"), "{kind}");
            holder.release();
            let holder = Holder::tool(kind, &path, &["-m", "hourly backup"]);
            let (_, said) = run(program, &["look", kind, &path]);
            assert!(said.contains("[hourly backup]"), "{kind}: {said}");
            holder.release();
        }
    }
}

#[test]
fn a_dead_holder_keeps_nobody_out() {
    for program in programs() {
        let dir = scratch("dead");
        for kind in KINDS {
            let path = path(&dir, kind);
            Holder::take(program, kind, &path, &[]).kill();
            assert!(tool_can_have(kind, &path, &[]), "{kind}: from C");
            let mut holder = Holder::tool(kind, &path, &[]);
            // Its command may still have the end of our pipe.
            drop(holder.child.stdin.take());
            holder.kill();
            let (status, said) = run(program, &["take", kind, &path]);
            assert_eq!((status, said.lines().next()), (OK, Some("0 0 done")), "{kind}: to C");
        }
    }
}

#[test]
fn a_lock_is_shared_and_converted() {
    for program in programs() {
        let dir = scratch("shared");
        for kind in ["flock", "lockf", "ofd"] {
            let path = path(&dir, kind);
            let mut holder = Holder::take(program, kind, &path, &["-s"]);
            assert!(tool_can_have(kind, &path, &["-s"]), "{kind}");
            assert!(!tool_can_have(kind, &path, &[]), "{kind}");
            let other = Holder::tool(kind, &path, &["-s"]);
            let refused = holder.tell("x");
            if kind == "flock" {
                // The kernel may give the old lock up for the new one.
                assert!(refused.starts_with("1 ") || refused.starts_with("4 "), "{refused}");
            } else {
                assert!(refused.starts_with("1 "), "{kind}: {refused}");
            }
            other.release();
            if refused.starts_with("1 ") {
                assert_eq!(holder.tell("x"), "0 0 done", "{kind}");
                assert!(!tool_can_have(kind, &path, &["-s"]), "{kind}");
                assert_eq!(holder.tell("s"), "0 0 done", "{kind}");
                assert!(tool_can_have(kind, &path, &["-s"]), "{kind}");
                holder.release();
            } else {
                holder.kill();
            }
        }
    }
}

#[test]
fn numbers_grow_with_every_acquisition_whoever_draws_them() {
    for program in programs() {
        let dir = scratch("tokens");
        for kind in KINDS {
            let path = path(&dir, kind);
            for expected in ["1", "2"] {
                let mut holder = Holder::take(program, kind, &path, &[]);
                assert_eq!(holder.tell("t"), "0 0 done", "{kind}");
                assert_eq!(holder.line(), expected, "{kind}");
                holder.release();
            }
            if !KERNEL_KINDS.contains(&kind) {
                let args = ["run", "-k", kind, &path, "sh", "-c", "echo $LOCKBOX_TOKEN"];
                assert_eq!(tool(&args), (0, "3\n".to_owned()), "{kind}");
            }
        }
    }
}

#[test]
fn a_forked_child_gives_back_only_its_own_part() {
    for program in programs() {
        let dir = scratch("forked");
        for kind in KINDS {
            let path = path(&dir, kind);
            let mut holder = Holder::take(program, kind, &path, &[]);
            assert_eq!(holder.tell("c"), "0", "{kind}");
            assert!(!tool_can_have(kind, &path, &[]), "{kind}: it is the parent's");
            assert_eq!(holder.tell("r"), "0 0 done", "{kind}");
            holder.release();
        }
    }
}

#[test]
fn threads_exclude_each_other() {
    let program = compile("threads", &["threads.c"], &["-D_POSIX_C_SOURCE=200809L", "-pthread"]);
    let dir = scratch("threads");
    assert_eq!(run(&program, &[&path(&dir, "lock")]), (0, "2000\n".to_owned()));
}
