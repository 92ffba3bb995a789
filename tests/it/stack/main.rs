//! How much stack each operation takes: measured in the release build, and held to a limit.
//! `WRITE=1 cargo test -p lock-tests --test stack` writes docs/stack.md anew.
#![cfg(target_arch = "x86_64")]

mod c_face;
mod callables;
mod operations;
mod page;
mod recursion;

use lock_tests::lockbox::lockbox;
use operations::{LIMITS, measure};
use page::{Row, read, write};
use recursion::{ENTRIES, bounds};

#[test]
fn every_operation_keeps_to_its_stack() {
    let mut rows = measure(lockbox());
    let bounds = bounds();
    for Row { command, situation, kind, bytes } in &rows {
        let bound = ENTRIES
            .iter()
            .zip(&bounds)
            .find(|((names, _), _)| names.split('|').any(|it| it == command));
        let Some((_, bound)) = bound else { continue };
        let bound = bound.bytes;
        // What was seen is not more than what the machine code can do.
        assert!(*bytes <= bound, "{command} {kind}, {situation}: {bytes} bytes, {bound} at most?");
    }
    rows.extend(bounds);
    rows.extend(c_face::bounds());
    if std::env::var_os("WRITE").is_some() {
        write(&rows);
    }
    for Row { command, situation, kind, bytes } in &rows {
        let (_, limit) = LIMITS
            .iter()
            .find(|(entry, _)| entry.split('|').any(|it| it == command || it == kind))
            .unwrap_or_else(|| panic!("{command} has no limit"));
        assert!(bytes <= limit, "{command} {kind}, {situation}: {bytes} bytes, over its {limit}");
    }
    current(&rows);
}

/// Fails unless docs/stack.md says so, and not much more: a statement that is far too high says as
/// little as one that is too low.
fn current(rows: &[Row]) {
    let stated = read();
    for row in rows {
        let Row { command, situation, kind, bytes } = row;
        let Some(stated) = stated.iter().find(|stated| stated.is_about(row)) else {
            panic!("docs/stack.md has no {command} {kind}, {situation}: WRITE=1");
        };
        let near = *bytes..=bytes + bytes / 6 + 512;
        assert!(
            near.contains(&stated.bytes),
            "{command} {kind}, {situation}: {bytes} bytes; docs/stack.md has {}: WRITE=1",
            stated.bytes
        );
    }
    assert_eq!(stated.len(), rows.len(), "docs/stack.md has more than is measured: WRITE=1");
}
