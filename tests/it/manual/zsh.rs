//! Completions for zsh.

use core::fmt::Write;

use crate::program::{Choice, Operands, Program, applets, commands, overview};
use crate::words;

const START: &str = "#compdef lockbox
# Completions of lockbox for zsh: put it into a directory of $fpath.
# Made by WRITE=1 cargo test -p lock-tests --test manual: do not edit.

_lockbox() {
    local curcontext=$curcontext state line
    # Not \"commands\": that is zsh's own.
    local -a programs
    programs=(
";

const MIDDLE: &str = "    )
    _arguments -C '1: :->command' '*:: :->rest'
    case $state in
    command) _describe -t commands command programs ;;
    rest)
        case $words[1] in
";

const END: &str = "        help) (( CURRENT > 2 )) || _describe -t commands command programs ;;
        esac
        ;;
    esac
}

_lockbox \"$@\"
";

/// The file.
pub(crate) fn completions() -> String {
    let mut text = START.to_owned();
    let (commands, applets) = (commands(), applets());
    let of_applets =
        applets.iter().map(|it| (it.name.to_owned(), words::applet(it.name).summary.to_owned()));
    for (name, summary) in overview().into_iter().chain(of_applets) {
        writeln!(text, "        '{}:{}'", name, quoted(&summary)).unwrap();
    }
    text.push_str(MIDDLE);
    for program in commands.iter().chain(&applets) {
        case(&mut text, program);
    }
    text + END
}

fn case(text: &mut String, program: &Program) {
    write!(text, "        {})\n            _arguments -s -S", program.name).unwrap();
    for option in &program.options {
        // Whoever gave one spelling of an option needs no other.
        let all = option.spellings.join(" ");
        for spelling in &option.spellings {
            // The argument of a short form may be in the same word; of a long one after '='.
            let join = match (&option.argument, spelling.starts_with("--")) {
                (None, _) => "",
                (Some(_), true) => "=",
                (Some(_), false) => "+",
            };
            let (meaning, argument) = (quoted(&option.text), argument(program, option));
            write!(text, " \\\n                '({all}){spelling}{join}[{meaning}]{argument}'")
                .unwrap();
        }
    }
    let operands = match program.operands() {
        Operands::None => "",
        Operands::Paths => " \\\n                '*:path:_files'",
        Operands::PathAndCommand => {
            " \\\n                '(-)1:path:_files' \\\n                '*::: :_normal'"
        }
    };
    writeln!(text, "{operands}\n            ;;").unwrap();
}

fn argument(program: &Program, option: &Choice) -> String {
    let Some(name) = &option.argument else { return String::new() };
    let action = match name.as_str() {
        "KIND" => format!("({})", program.kinds().join(" ")),
        "PID" => "_pids".to_owned(),
        "<command>" => "_command_names -e".to_owned(),
        _ => " ".to_owned(),
    };
    format!(":{}:{action}", name.trim_matches(['<', '>']))
}

/// Within quotes and brackets.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}
