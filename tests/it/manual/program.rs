//! Commands and applets as their documentation needs them, read from the tool's tables and from
//! what it says about itself.

use std::collections::HashMap;

use lock_core::kind::Kind;
use lockbox_tool::options::Known;
use lockbox_tool::tables::{self, Entry};

use crate::words;

/// A command or an applet.
pub(crate) struct Program {
    /// Its name.
    pub(crate) name: &'static str,
    /// How it is called: one for each form.
    pub(crate) usage: Vec<String>,
    /// What it says about itself, besides usage and options.
    pub(crate) paragraphs: Vec<String>,
    /// What it takes.
    pub(crate) options: Vec<Choice>,
}

/// An option.
#[derive(Clone)]
pub(crate) struct Choice {
    /// As it may be written, short forms first.
    pub(crate) spellings: Vec<String>,
    /// What its argument is called, if it has one.
    pub(crate) argument: Option<String>,
    /// What it means.
    pub(crate) text: String,
}

/// What stands after the options.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Operands {
    /// Nothing.
    None,
    /// One path, or several.
    Paths,
    /// A path, and a command with its arguments.
    PathAndCommand,
}

/// A row of a help text: how options are written, and what they mean.
struct Row {
    options: Vec<(String, Option<String>)>,
    text: String,
}

impl Program {
    /// What stands after the options.
    pub(crate) fn operands(&self) -> Operands {
        let says = |word: &str| self.usage.iter().any(|usage| usage.contains(word));
        if says("CMD") || says("command") || says("program") {
            Operands::PathAndCommand
        } else if says("PATH") || says("FILE") || says("DIR") || says("file") {
            Operands::Paths
        } else {
            Operands::None
        }
    }

    /// The kinds that it takes: only names, if it must be told one.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let all = !self.usage.iter().any(|usage| usage.contains(" -k KIND"));
        let kinds = Kind::ALL.into_iter().filter(|kind| all || kind.is_existence());
        kinds.map(Kind::name).collect()
    }

    /// Every spelling of every option that fits.
    pub(crate) fn spellings(&self, fits: impl Fn(&Choice) -> bool) -> Vec<&str> {
        let options = self.options.iter().filter(|option| fits(option));
        options.flat_map(|option| &option.spellings).map(String::as_str).collect()
    }
}

/// The commands' names and what each is for.
pub(crate) fn overview() -> Vec<(String, String)> {
    let rows = tables::overview().lines().filter_map(|line| {
        let (name, text) = line.strip_prefix("  ")?.split_once("  ")?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        is_name.then(|| (name.to_owned(), text.trim().to_owned()))
    });
    rows.collect()
}

/// The commands that take options.
pub(crate) fn commands() -> Vec<Program> {
    let entries: Vec<Entry> = tables::commands().collect();
    // What an option means to one command it means to the others, who need not say so again.
    let mut meanings = HashMap::new();
    for entry in &entries {
        for (key, meaning) in meanings_in(entry) {
            meanings.entry(key).or_insert(meaning);
        }
    }
    entries.iter().map(|entry| program(entry, &meanings)).collect()
}

/// The applets.
pub(crate) fn applets() -> Vec<Program> {
    tables::applets().map(|entry| program(&entry, &HashMap::new())).collect()
}

type Meanings = HashMap<u8, (Option<String>, String)>;

fn program(entry: &Entry, common: &Meanings) -> Program {
    let own = meanings_in(entry);
    let mut options: Vec<Choice> = Vec::new();
    let mut keys = Vec::new();
    for known in entry.options() {
        let spellings = spellings(known);
        if let Some(at) = keys.iter().position(|key| *key == known.key) {
            let all = &mut options[at].spellings;
            all.extend(spellings);
            all.sort_by_key(|spelling| spelling.starts_with("--"));
            continue;
        }
        let found = own.get(&known.key).or_else(|| common.get(&known.key)).cloned();
        let found = found.or_else(|| words::option(entry.name, &spellings[0]));
        let (argument, text) = found.unwrap_or_else(|| panic!("{}: {spellings:?}", entry.name));
        assert_eq!(argument.is_some(), known.takes_argument, "{}: {spellings:?}", entry.name);
        keys.push(known.key);
        options.push(Choice { spellings, argument, text });
    }
    // What an applet reads without its table.
    for &(spellings, argument, text) in words::untabled(entry.name) {
        let spellings: Vec<String> = spellings.iter().map(|&it| it.to_owned()).collect();
        for spelling in &spellings {
            let shown = spelling.trim_end_matches(|letter: char| letter.is_ascii_digit());
            assert!(entry.help.contains(shown), "{}: {spelling}", entry.name);
        }
        let argument = argument.map(str::to_owned);
        options.push(Choice { spellings, argument, text: text.to_owned() });
    }
    let (usage, paragraphs) = prose(entry);
    Program { name: entry.name, usage, paragraphs, options }
}

fn spellings(known: &Known) -> Vec<String> {
    let short = (known.short != 0).then(|| format!("-{}", char::from(known.short)));
    let long = (!known.long.is_empty()).then(|| format!("--{}", known.long));
    short.into_iter().chain(long).collect()
}

/// What the help text says of options: of each that stands in a row of its own.
fn meanings_in(entry: &Entry) -> Meanings {
    let key_of = |spelling: &str| {
        entry.known.iter().find(|known| spellings(known).iter().any(|it| it == spelling))
    };
    let mut meanings = HashMap::new();
    for row in rows(entry.help) {
        let mut keys: Vec<Option<u8>> =
            row.options.iter().map(|it| key_of(&it.0).map(|known| known.key)).collect();
        keys.dedup();
        if let [Some(key)] = keys[..] {
            let argument = row.options.iter().find_map(|it| it.1.clone());
            meanings.insert(key, (argument, row.text));
        }
    }
    meanings
}

fn rows(help: &str) -> Vec<Row> {
    let row = |line: &str| {
        let line = line.strip_prefix(' ')?.trim_start();
        let (left, text) = line.split_once("  ").unwrap_or((line, ""));
        let options = left.split(", ").map(|option| match option.split_once(' ') {
            Some((spelling, argument)) => (spelling.to_owned(), Some(argument.to_owned())),
            None => (option.to_owned(), None),
        });
        let text = text.trim().to_owned();
        line.starts_with('-').then(|| Row { options: options.collect(), text })
    };
    help.lines().filter_map(row).collect()
}

/// Splits a help text into the forms of a call and paragraphs, without its rows of options.
fn prose(entry: &Entry) -> (Vec<String>, Vec<String>) {
    let (mut usage, mut paragraphs) = (Vec::<String>::new(), vec![String::new()]);
    let mut in_usage = true;
    for line in entry.help.lines() {
        let bare = line.trim();
        let bare = bare.strip_prefix("setlock: ").unwrap_or(bare);
        let call = ["usage:", "Usage:"].iter().find_map(|start| bare.strip_prefix(start));
        let indented = line.starts_with(' ');
        if call.is_some() || in_usage && indented {
            let form = call.unwrap_or(bare).trim();
            if form.starts_with(entry.name) || form.starts_with("lockbox ") {
                usage.push(form.to_owned());
            } else if let Some(last) = usage.last_mut() {
                *last = format!("{last} {form}");
            }
        } else if bare.is_empty() {
            in_usage = usage.is_empty();
            paragraphs.push(String::new());
        } else if !indented && bare != "Options:" {
            in_usage = false;
            if bare.starts_with("Exit status:") {
                paragraphs.push(String::new());
            }
            let last = paragraphs.last_mut().unwrap();
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(bare);
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    (usage, paragraphs)
}
