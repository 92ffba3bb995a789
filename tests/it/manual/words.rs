//! What the documentation says that no table of the tool does.

/// What one kind is, in a sentence.
pub(crate) const KINDS: [(&str, &str); 9] = [
    (
        "file",
        "flock and POSIX record lock together, the holder named in the file. The default; Jane \
         Street's Lock_file_blocking.",
    ),
    ("flock", "flock(2). Can be shared."),
    ("lockf", "POSIX record lock on the whole file, as lockf(3) takes it. Can be shared."),
    ("ofd", "Record lock of an open file description on the whole file. Can be shared."),
    ("nfs", "Hard link PATH.nfs_lock; Jane Street's Lock_file_blocking.Nfs."),
    ("symlink", "Symbolic link PATH whose target names the holder."),
    ("mkdir", "Directory PATH with its holder named inside."),
    ("pidfile", "File PATH with pid and host in it; Pidfile.jl."),
    (
        "dlm",
        "Resource of the distributed lock manager: PATH is LOCKSPACE/RESOURCE, shared by the nodes \
         of a cluster. For run and wait, where the tool is built with this part. Can be shared.",
    ),
];

/// What an applet's page says.
pub(crate) struct Applet {
    name: &'static str,
    /// For the index of all pages.
    pub(crate) summary: &'static str,
    /// Paragraphs of its description.
    pub(crate) description: &'static [&'static str],
    /// Exit statuses and their meanings.
    pub(crate) statuses: &'static [(&'static str, &'static str)],
}

/// See [`Applet`].
pub(crate) fn applet(name: &str) -> &'static Applet {
    let found = APPLETS.iter().find(|applet| applet.name == name);
    found.unwrap_or_else(|| panic!("{name}: an applet without a description"))
}

const APPLETS: [Applet; 5] = [
    Applet {
        name: "dotlockfile",
        summary: "make and remove the lock files of mail programs",
        description: &[
            "Behaves as dotlockfile(1) of liblockfile 1.17. Makes a lock file, keeps it fresh \
                 while a command runs if there is one, or removes, touches or checks it. A lock \
                 file with a pid in it is stale when no process has that pid; another one after \
                 five minutes.",
            "Differs where the original is unsafe: of two who find a lock stale, one takes it; \
                 its age is counted by the clock of its file system; and what is no regular file \
                 stays.",
        ],
        statuses: &[
            ("0", "Done; with a command and -P, its status."),
            ("2", "The lock file cannot be made."),
            ("3", "It cannot be written."),
            ("4", "Another holds the lock, and the tries are used up."),
            ("5", "Another error."),
        ],
    },
    Applet {
        name: "flock",
        summary: "hold a flock(2) lock while a command runs",
        description: &[
            "Behaves as flock(1) of util-linux 2.38: locks a file or directory, which is made \
                 if it is not there, and runs a command; or locks a descriptor that the shell has \
                 opened.",
            "One thing is better: when the lock is granted, the path must still name the \
                 locked file, else the wait starts over.",
        ],
        statuses: &[
            ("0", "Done; with a command, its status."),
            ("1", "Another holds the lock (-E changes it)."),
            ("64", "Wrong usage."),
            ("65, 66, 69, 71", "The lock cannot be had for another reason."),
        ],
    },
    Applet {
        name: "lockf",
        summary: "run a command while a file is locked, and remove the file then",
        description: &[
            "Behaves as lockf(1) of FreeBSD 14: locks a file by flock(2), runs a command, and \
                 removes the file; or locks a descriptor that the shell has opened.",
            "Differs where the original is unsafe: the file is removed while the lock is held, \
                 and whoever waited for it looks again which file the name means.",
        ],
        statuses: &[
            ("64", "Wrong usage."),
            ("69", "With -n: there is no such file."),
            ("70", "A signal killed the command."),
            ("73", "The file cannot be made."),
            ("75", "Another holds the lock."),
            ("other", "The command's own."),
        ],
    },
    Applet {
        name: "lockfile",
        summary: "make semaphore files",
        description: &[
            "Behaves as lockfile(1) of procmail 3.23: makes each file in turn, and waits while \
                 one is there, eight seconds between two tries or, with -nnn, so many. If one \
                 cannot be had, those made before it are removed again.",
            "Differs where the original is unsafe: of two who force the same lock, one gets \
                 it, so no pause is needed after that.",
        ],
        statuses: &[
            ("0", "All files are made."),
            ("64", "Wrong usage."),
            ("69", "Another error."),
            ("73", "A file is there, and the tries are used up."),
            ("75", "A signal came."),
        ],
    },
    Applet {
        name: "setlock",
        summary: "run a program that has a locked file open",
        description: &[
            "Behaves as setlock(8) of daemontools 0.76: locks a file by flock(2), and becomes \
                 the program, which has the file open and so holds the lock for as long as it and \
                 its children live.",
        ],
        statuses: &[
            ("0", "With -x: another holds the lock, or it cannot be had."),
            ("100", "Wrong usage."),
            ("111", "The lock cannot be had, or the program cannot be run."),
            ("other", "The program's own."),
        ],
    },
];

/// What an option means that no help text has a row for: its argument's name, and a phrase.
pub(crate) fn option(program: &str, spelling: &str) -> Option<(Option<String>, String)> {
    let (argument, text) = match (program, spelling) {
        ("break", "--force") => ("", "remove it whoever holds it, and though he may live"),
        ("dotlockfile", "-l") => ("", "make the lock file (default)"),
        ("dotlockfile", "-u") => ("", "remove it"),
        ("dotlockfile", "-t") => ("", "touch it"),
        ("dotlockfile", "-c") => ("", "check whether there is a valid one"),
        ("dotlockfile", "-m") => ("", "the lock file of the user's mailbox"),
        ("dotlockfile", "-p") => ("", "write the pid of the parent, or of lockbox with a command"),
        ("dotlockfile", "-q") => ("", "say nothing"),
        ("dotlockfile", "-P") => ("", "exit with the command's status"),
        ("dotlockfile", "-r") => ("RETRIES", "try again so often; -1 for ever; 5 if not given"),
        ("dotlockfile", "-i") => ("SECS", "pause so long between two tries"),
        ("lockf", "-k") => ("", "keep the file"),
        ("lockf", "-n") => ("", "do not make the file: it must be there"),
        ("lockf", "-s") => ("", "say nothing if another holds the lock"),
        ("lockf", "-w") => ("", "open the file for writing"),
        ("lockf", "-t") => ("SECS", "wait at most so long; 0 for one try"),
        ("setlock", "-n") => ("", "do not wait"),
        ("setlock", "-N") => ("", "wait (default)"),
        ("setlock", "-x") => ("", "exit with 0 if the lock cannot be had"),
        ("setlock", "-X") => ("", "exit with 111 if the lock cannot be had, and say why (default)"),
        (_, "-j") => ("", "tell it as JSON"),
        _ => return None,
    };
    Some(((!argument.is_empty()).then(|| argument.to_owned()), text.to_owned()))
}

/// Spellings, an argument's name, a phrase.
pub(crate) type Untabled = (&'static [&'static str], Option<&'static str>, &'static str);

/// Options that an applet reads without its table.
pub(crate) fn untabled(program: &str) -> &'static [Untabled] {
    match program {
        "flock" => &[(
            &["-c", "--command"],
            Some("<command>"),
            "run a single command string through the shell",
        )],
        "lockfile" => &[
            (&["-r"], Some("RETRIES"), "try again so often and no more; -1 for ever (default)"),
            (&["-l"], Some("SECS"), "remove a file that is older, and take its place"),
            (&["-s"], Some("SECS"), "taken for the original's sake: no pause is needed"),
            (&["-!"], None, "turn statuses 0 and 73 round"),
            (&["-ml"], None, "lock the user's mailbox"),
            (&["-mu"], None, "unlock the user's mailbox"),
        ],
        _ => &[],
    }
}
