//! Links in Markdown files, and the table of contents.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::{check, read, root};

/// Where pages are: the book, and what a visitor reads first.
const DIRS: [&str; 5] = ["", "docs", "lock-core", "lock-rustix", "lock-std"];

/// The pages of a directory, as paths from the root.
fn pages(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(dir)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"))
        .map(|name| if dir.is_empty() { name } else { format!("{dir}/{name}") })
        .collect();
    pages.sort();
    pages
}

/// The text without what stands in blocks and spans of code.
fn prose(page: &str) -> String {
    let mut prose = String::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if !in_block && (!line.starts_with("    ") || line.trim().starts_with("- ")) {
            // A link's words may be code; its target comes after them.
            let spans: Vec<&str> = line.split('`').collect();
            let shown = spans.iter().enumerate().filter(|(at, _)| at % 2 == 0);
            prose.extend(shown.map(|(_, span)| *span));
            prose.push('\n');
        }
    }
    prose
}

/// Where the links of a page lead, in its own words.
fn targets(page: &str) -> Vec<String> {
    let prose = prose(page);
    let mut targets = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let rest = &prose[at + 2..];
        targets.push(rest[..rest.find(')').expect("a link ends")].to_owned());
    }
    targets
}

/// What a heading is called in a link: as mdBook and GitHub do.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

/// The links of a page that lead nowhere.
fn broken(path: &str) -> Vec<String> {
    let page = read(path);
    let dir = Path::new(path).parent().unwrap();
    let mut broken = Vec::new();
    for target in targets(&page).iter().filter(|target| !target.contains("://")) {
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        let linked = if file.is_empty() { root().join(path) } else { root().join(dir).join(file) };
        let is_there = linked.exists();
        let has_heading = fragment.is_empty()
            || fs::read_to_string(&linked).is_ok_and(|text| anchors(&text).contains(fragment));
        if !is_there || !has_heading {
            broken.push(format!("{path}: {target}"));
        }
    }
    broken
}

#[test]
fn links_are_told_from_code() {
    let page = "[a](b.md) and `[c](d.md)`\n\n    [e](f.md)\n\n```\n[g](h.md)\n```\n[`i`](j.md#k)";
    assert_eq!(targets(page), ["b.md", "j.md#k"]);
    assert_eq!(anchor("`file`, the *default* kind: held?"), "file-the-default-kind-held");
}

#[test]
fn every_link_leads_somewhere() {
    let pages: Vec<String> = DIRS.into_iter().flat_map(pages).collect();
    assert!(pages.len() > 15, "{pages:?}");
    check("broken links", pages.iter().flat_map(|page| broken(page)));
}

#[test]
fn pages_of_the_book_link_to_nothing_outside_it() {
    let outside = pages("docs").into_iter().flat_map(|path| {
        let targets = targets(&read(&path)).into_iter();
        let out = targets.filter(|target| target.starts_with("..") || target.starts_with('/'));
        out.map(|target| format!("{path}: {target}")).collect::<Vec<_>>()
    });
    check("a reader of the book does not have this: name its path in backquotes", outside);
}

#[test]
fn every_page_has_one_place_in_the_book() {
    let mut listed = targets(&read("docs/SUMMARY.md"));
    listed.sort();
    let mut there: Vec<String> =
        pages("docs").iter().map(|path| path["docs/".len()..].to_owned()).collect();
    there.retain(|name| name != "SUMMARY.md");
    assert_eq!(listed, there, "left: docs/SUMMARY.md; right: the pages in docs/. Give it a line");
}

#[test]
fn every_picture_is_on_a_page() {
    let shown: BTreeSet<String> =
        pages("docs").iter().flat_map(|path| targets(&read(path))).collect();
    let files = fs::read_dir(root().join("docs")).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pictures = names.filter(|name| Path::new(name).extension().is_some_and(|it| it == "svg"));
    check("on no page", pictures.filter(|name| !shown.contains(name)));
}
