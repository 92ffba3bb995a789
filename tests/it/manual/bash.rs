//! Completions for bash.

use core::fmt::Write;

use crate::program::{Operands, Program, applets, commands, overview};

const START: &str = r#"# Completions of lockbox for bash: source it.
# Made by WRITE=1 cargo test -p lock-tests --test manual: do not edit.

_lockbox_commands='NAMES'

_lockbox() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    # What the command takes: options, those of them with an argument, kinds, operands.
    local options='' arguments='' kinds='' operands=paths
    COMPREPLY=()
    # --option=argument comes as three words.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$_lockbox_commands" -- "$word")
        return
    fi
    case ${COMP_WORDS[1]} in
"#;

const END: &str = r#"    help)
        ((COMP_CWORD > 2)) || mapfile -t COMPREPLY < <(compgen -W "$_lockbox_commands" -- "$word")
        return
        ;;
    *) return ;;
    esac
    # How many operands stand before the word.
    local at=2 count=0
    while ((at < COMP_CWORD)); do
        if ((count == 0)) && [[ ${COMP_WORDS[at]} == -- ]]; then
            ((at += 1))
            ((count = COMP_CWORD - at))
            break
        elif ((count > 0)) || [[ ${COMP_WORDS[at]} != -* ]]; then
            ((count += 1))
        elif [[ ${COMP_WORDS[at + 1]-} == = ]]; then
            ((at += 2))
        elif [[ " $arguments " == *" ${COMP_WORDS[at]} "* ]]; then
            ((at += 1))
        fi
        ((at += 1))
    done
    if ((count == 0)) && [[ $before == -* && " $arguments " == *" $before "* ]]; then
        case $before in
        -k | --kind) mapfile -t COMPREPLY < <(compgen -W "$kinds" -- "$word") ;;
        --pid) mapfile -t COMPREPLY < <(cd /proc && compgen -G "$word[0-9]*") ;;
        -c | --command) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
        esac
    elif ((count == 0)) && [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [[ $operands == command ]] && ((count == 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$word")
    elif [[ $operands != none ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -F _lockbox lockbox
"#;

/// The file.
pub(crate) fn completions() -> String {
    let (commands, applets) = (commands(), applets());
    let names = overview().into_iter().map(|it| it.0);
    let names: Vec<String> =
        names.chain(applets.iter().map(|applet| applet.name.to_owned())).collect();
    let mut text = START.replace("NAMES", &names.join(" "));
    for program in commands.iter().chain(&applets) {
        case(&mut text, program);
    }
    text + END
}

fn case(text: &mut String, program: &Program) {
    let all = program.spellings(|_| true);
    let arguments = program.spellings(|option| option.argument.is_some());
    writeln!(text, "    {})", program.name).unwrap();
    writeln!(text, "        options='{}'", all.join(" ")).unwrap();
    if !arguments.is_empty() {
        writeln!(text, "        arguments='{}'", arguments.join(" ")).unwrap();
    }
    if all.contains(&"--kind") {
        writeln!(text, "        kinds='{}'", program.kinds().join(" ")).unwrap();
    }
    match program.operands() {
        Operands::Paths => {}
        Operands::None => text.push_str("        operands=none\n"),
        Operands::PathAndCommand => text.push_str("        operands=command\n"),
    }
    text.push_str("        ;;\n");
}
