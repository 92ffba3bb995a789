//! docs/stack.md, written from what was measured and read back.

use core::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// What the column of the C face is called.
pub(crate) const FROM_C: &str = "by the call graph, from C";

/// How much one operation took, or is said to take.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) command: String,
    pub(crate) situation: String,
    /// What the column is called: the kind, or that the number is one of bytes.
    pub(crate) kind: String,
    pub(crate) bytes: u64,
}

impl Row {
    pub(crate) fn is_about(&self, other: &Row) -> bool {
        (&self.command, &self.situation, &self.kind)
            == (&other.command, &other.situation, &other.kind)
    }
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/stack.md"))
}

/// Writes the page: each number a little more than was measured, and round.
pub(crate) fn write(rows: &[Row]) {
    let page = fs::read_to_string(path()).unwrap();
    // What stands before the tables is written by people.
    let mut page = page.split_once("\n|").map_or(page.as_str(), |(text, _)| text).to_owned();
    let mut columns = Vec::new();
    for operations in rows
        .chunk_by(|one, next| (&one.command, &one.situation) == (&next.command, &next.situation))
    {
        let kinds: Vec<_> = operations.iter().map(|row| row.kind.as_str()).collect();
        if kinds != columns {
            let what = if kinds == [FROM_C] { "function" } else { "command" };
            write!(page, "\n| {what} | situation | {} |\n", kinds.join(" | ")).unwrap();
            writeln!(page, "|---|---|{}", "---|".repeat(kinds.len())).unwrap();
            columns = kinds;
        }
        write!(page, "| {} | {} |", operations[0].command, operations[0].situation).unwrap();
        for row in operations {
            write!(page, " {} |", (row.bytes + row.bytes / 16).next_multiple_of(256)).unwrap();
        }
        page.push('\n');
    }
    fs::write(path(), page).unwrap();
}

/// What the page says.
pub(crate) fn read() -> Vec<Row> {
    let page = fs::read_to_string(path()).unwrap();
    let (mut rows, mut kinds) = (Vec::new(), Vec::new());
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [command, situation, rest @ ..] = &cells[..] else { continue };
        if ["command", "function"].contains(command) {
            kinds = rest.to_vec();
        }
        for (kind, bytes) in kinds.iter().zip(rest) {
            if let Ok(bytes) = bytes.parse() {
                let [command, situation, kind] = [command, situation, kind].map(|&it| it.into());
                rows.push(Row { command, situation, kind, bytes });
            }
        }
    }
    rows
}
