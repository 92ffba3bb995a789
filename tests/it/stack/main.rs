//! How much stack each operation takes: measured in the release build, and held to a limit.
//! `WRITE=1 cargo test -p lock-tests --test stack` writes docs/stack.md anew.
#![cfg(target_arch = "x86_64")]

mod operations;
mod page;

use lock_tests::lockbox::lockbox;
use operations::{LIMITS, measure};
use page::{Row, read, write};

#[test]
fn every_operation_keeps_to_its_stack() {
    let rows = measure(lockbox());
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
    let stated = read();
    for row in &rows {
        let Row { command, situation, kind, bytes } = row;
        let Some(stated) = stated.iter().find(|stated| stated.is_about(row)) else {
            panic!("docs/stack.md has no {command} {kind}, {situation}: WRITE=1");
        };
        // A statement that is far too high says as little as one that is too low.
        let near = *bytes..=bytes + bytes / 6 + 512;
        assert!(
            near.contains(&stated.bytes),
            "{command} {kind}, {situation}: {bytes} bytes; docs/stack.md has {}: WRITE=1",
            stated.bytes
        );
    }
    assert_eq!(stated.len(), rows.len(), "docs/stack.md has more than is measured: WRITE=1");
}
