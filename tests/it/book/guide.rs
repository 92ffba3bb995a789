//! What the guide tells people to type does what the guide says: each block of shell commands is
//! run, and prints the block of text that follows it.

use std::fs;
use std::path::Path;
use std::process::Command;

use lock_tests::lockbox::lockbox;

use super::read;

/// Where the guide puts locks; the tests have a directory of their own.
const PLACES: [&str; 2] = ["/run/lock", "/srv/shared"];

/// The guide's machine.
const HOST: &str = "vm";

/// A block of code: its language and its lines.
type Block = (String, String);

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some((language, text))) => open = Some((language, text + line + "\n")),
            (None, None) => {}
        }
    }
    blocks
}

/// The commands as bash gets them: what goes to the background has its lock before the next begins,
/// and ends with the shell.
fn script(commands: &str) -> String {
    let mut script = vec!["exec 2>&1; trap 'kill $(jobs -p) 2>/dev/null' EXIT".to_owned()];
    for line in commands.lines() {
        script.push(line.to_owned());
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.last() == Some(&"&") {
            let path = words.iter().find(|word| word.starts_with('/')).expect("a lock");
            let kind = words.iter().skip_while(|word| **word != "-k").nth(1).unwrap_or(&"file");
            script.push(format!("until lockbox status -k {kind} {path}; do :; done >/dev/null"));
        }
    }
    script.join("\n")
}

/// What a shell in this directory prints.
fn run(commands: &str, dir: &Path) -> String {
    let program = lockbox().parent().unwrap().display();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap_or_default());
    let shell = Command::new("timeout")
        .args(["60", "bash", "-c", &script(commands)])
        .env("PATH", path)
        .current_dir(dir)
        .output()
        .unwrap();
    String::from_utf8(shell.stdout).unwrap()
}

/// The text without what differs from one run to the next: numbers.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for character in text.chars() {
        match (character.is_ascii_digit(), plain.ends_with('0')) {
            (true, true) => {}
            (true, false) => plain.push('0'),
            (false, _) => plain.push(character),
        }
    }
    plain
}

#[test]
fn the_guides_commands_print_what_it_says() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let page = read("docs/guide.md");
    let blocks = blocks(&page);
    let mut runs = 0;
    for (number, (language, commands)) in blocks.iter().enumerate() {
        if language != "sh" {
            continue;
        }
        let (follows, expected) = &blocks[number + 1];
        assert_eq!(follows, "text", "what does this print? {commands}");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guide-{number}"));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let here = |text: &str| {
            PLACES
                .iter()
                .fold(text.to_owned(), |text, place| text.replace(place, dir.to_str().unwrap()))
        };
        let printed = run(&here(commands), &dir);
        let printed = printed.replace(&format!(" on {}", host.trim()), &format!(" on {HOST}"));
        let (printed, expected) = (without_numbers(&printed), without_numbers(&here(expected)));
        assert_eq!(printed, expected, "{commands}");
        fs::remove_dir_all(&dir).unwrap();
        runs += 1;
    }
    assert!(runs >= 8, "the guide has commands: {runs}");
}
