//! Whoever comes from a program that is tried live finds on the porting page how to move over.

use super::{check, read};

/// What the page of peers calls them, where it says how to move over.
fn peers() -> Vec<String> {
    let page = read("docs/peers.md");
    let names = page.lines().filter_map(|line| line.strip_prefix("- **")?.split("**").next());
    names.map(plain).filter(|name| name != "the same").collect()
}

/// A name without marks, and without what only a test has to say.
fn plain(name: &str) -> String {
    name.replace('`', "").split(',').next().unwrap_or_default().to_owned()
}

#[test]
fn every_peer_has_a_row_that_says_how_to_move_over() {
    let page = read("docs/porting.md").replace('`', "");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let peers = peers();
    assert!(peers.len() > 20, "{peers:?}");
    let missing = peers.into_iter().filter(|peer| {
        let from =
            |row: &&&str| row.split('|').nth(1).is_some_and(|from| from.contains(peer.as_str()));
        rows.iter().find(from).is_none()
    });
    check("peers without a row", missing);
}
