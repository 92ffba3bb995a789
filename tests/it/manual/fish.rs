//! Completions for fish.

use core::fmt::Write;

use crate::program::{Operands, Program, applets, commands, overview};
use crate::words;

const START: &str = "# Completions of lockbox for fish: put it where fish looks for completions.
# Made by WRITE=1 cargo test -p lock-tests --test manual: do not edit.

function __lockbox_is_first --description 'Whether no command is there yet'
    test (count (commandline -opc)) -lt 2
end

function __lockbox_is --description 'Whether the command is one of these'
    set -l words (commandline -opc)
    set -q words[2]; and contains -- $words[2] $argv
end

function __lockbox_has_path --description 'Whether the path stands before the word'
    set -l words (commandline -opc)
    set -l at 3
    while set -q words[$at]
        if not string match -q -- '-*' $words[$at]
            return 0
        end
        if contains -- $words[$at] $argv
            set at (math $at + 1)
        end
        set at (math $at + 1)
    end
    return 1
end

";

/// The file.
pub(crate) fn completions() -> String {
    let mut text = START.to_owned();
    let (commands, applets) = (commands(), applets());
    let of_applets =
        applets.iter().map(|it| (it.name.to_owned(), words::applet(it.name).summary.to_owned()));
    let names: Vec<(String, String)> = overview().into_iter().chain(of_applets).collect();
    for (name, summary) in &names {
        let summary = quoted(summary);
        writeln!(text, "complete -c lockbox -n __lockbox_is_first -f -a {name} -d '{summary}'")
            .unwrap();
    }
    let names: Vec<&str> = names.iter().map(|it| it.0.as_str()).collect();
    writeln!(text, "complete -c lockbox -n '__lockbox_is help' -f -a '{}'", names.join(" "))
        .unwrap();
    for program in commands.iter().chain(&applets) {
        lines(&mut text, program);
    }
    text
}

fn lines(text: &mut String, program: &Program) {
    let when = format!("complete -c lockbox -n '__lockbox_is {}", program.name);
    let arguments = program.spellings(|option| option.argument.is_some()).join(" ");
    match program.operands() {
        Operands::None => writeln!(text, "{when}' -f").unwrap(),
        Operands::Paths => {}
        Operands::PathAndCommand => writeln!(
            text,
            "{when}; and __lockbox_has_path {arguments}' -a '(__fish_complete_command)'"
        )
        .unwrap(),
    }
    for option in &program.options {
        write!(text, "{when}'").unwrap();
        for spelling in &option.spellings {
            match (spelling.strip_prefix("--"), spelling.strip_prefix('-')) {
                (Some(long), _) => write!(text, " -l {long}").unwrap(),
                (None, Some(short)) if short.len() == 1 => write!(text, " -s {short}").unwrap(),
                (None, old) => write!(text, " -o {}", old.unwrap()).unwrap(),
            }
        }
        match option.argument.as_deref() {
            None => {}
            Some("KIND") => write!(text, " -x -a '{}'", program.kinds().join(" ")).unwrap(),
            Some("PID") => text.push_str(" -x -a '(__fish_complete_pids)'"),
            Some("<command>") => text.push_str(" -x -a '(__fish_complete_command)'"),
            Some(_) => text.push_str(" -x"),
        }
        writeln!(text, " -d '{}'", quoted(&option.text)).unwrap();
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
