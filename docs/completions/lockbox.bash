# Completions of lockbox for bash: source it.
# Made by WRITE=1 cargo test -p lock-tests --test manual: do not edit.

_lockbox_commands='run acquire release touch break status wait list explain doctor help version dotlockfile flock lockf lockfile setlock'

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
    run)
        options='-k --kind -s --shared -n --nonblock -w --wait -m --message -p --mode -E --conflict-exit-code -v --verbose --stale-age --inherit --lease --no-token --refresh'
        arguments='-k --kind -w --wait -m --message -p --mode -E --conflict-exit-code --stale-age --lease --refresh'
        kinds='file flock lockf ofd nfs symlink mkdir pidfile'
        operands=command
        ;;
    acquire)
        options='-k --kind -n --nonblock -w --wait -m --message -p --mode -E --conflict-exit-code -v --verbose --stale-age --lease --pid'
        arguments='-k --kind -w --wait -m --message -p --mode -E --conflict-exit-code --stale-age --lease --pid'
        kinds='nfs symlink mkdir pidfile'
        ;;
    release)
        options='-k --kind --lease --pid'
        arguments='-k --kind --lease --pid'
        kinds='nfs symlink mkdir pidfile'
        ;;
    touch)
        options='-k --kind --lease --pid'
        arguments='-k --kind --lease --pid'
        kinds='nfs symlink mkdir pidfile'
        ;;
    break)
        options='-k --kind --stale-age --force --lease'
        arguments='-k --kind --stale-age --lease'
        kinds='nfs symlink mkdir pidfile'
        ;;
    status)
        options='-k --kind -j --json --stale-age --lease'
        arguments='-k --kind --stale-age --lease'
        kinds='file flock lockf ofd nfs symlink mkdir pidfile'
        ;;
    wait)
        options='-k --kind -w --wait -E --conflict-exit-code --stale-age --lease'
        arguments='-k --kind -w --wait -E --conflict-exit-code --stale-age --lease'
        kinds='file flock lockf ofd nfs symlink mkdir pidfile'
        ;;
    list)
        options='-j --json'
        operands=none
        ;;
    explain)
        options='-j --json'
        ;;
    doctor)
        options='-k --kind -w --wait -j --json'
        arguments='-k --kind -w --wait'
        kinds='file flock lockf ofd nfs symlink mkdir pidfile'
        ;;
    dotlockfile)
        options='-l -u -t -c -m -p -q -P -r -i'
        arguments='-r -i'
        operands=command
        ;;
    flock)
        options='-s --shared -x -e --exclusive -u --unlock -n --nonblocking --nonblock --nb -w --wait --timeout -E --conflict-exit-code -o --close -F --no-fork --verbose -h --help -V --version -c --command'
        arguments='-w --wait --timeout -E --conflict-exit-code -c --command'
        operands=command
        ;;
    lockf)
        options='-k -n -s -w -t'
        arguments='-t'
        operands=command
        ;;
    lockfile)
        options='-r -l -s -! -ml -mu'
        arguments='-r -l -s'
        ;;
    setlock)
        options='-n -N -x -X'
        operands=command
        ;;
    help)
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
