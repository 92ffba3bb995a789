//! docs/peers.md, made of the tables.

use core::fmt::Write;
use std::fs;
use std::path::Path;

use crate::kernel;
use crate::links;
use crate::mail;
use crate::node;
use crate::peer::{Peer, Recovery, Seen, Sees};
use crate::pidfiles;
use crate::postgres;
use crate::python;

/// The families, with what they have in common.
const FAMILIES: [(&str, &str, &[&Peer]); 7] = [
    (
        "Kernel locks",
        "The kernel keeps them: whoever dies has released them. Nothing needs to be removed.",
        kernel::PEERS,
    ),
    (
        "Python",
        "The first four are kernel locks. The others are files whose presence is the lock, and \
         that name their holders.",
        python::PEERS,
    ),
    (
        "Node",
        "A directory is the lock. Its holder touches it; who does not is taken for dead.",
        node::PEERS,
    ),
    ("Pid files", "A file names a daemon. Only BSD's is locked too.", pidfiles::PEERS),
    (
        "Database servers",
        "A file names the first process of a server; another is beside its socket.",
        postgres::PEERS,
    ),
    (
        "Mail",
        "A file that is there is the lock. Who is killed leaves it: by its age, or by a pid in it, \
         others tell.",
        mail::PEERS,
    ),
    (
        "Links",
        "A symbolic link to nowhere is the lock; its target says whose. They break a dead \
         process's link, Emacs without keeping out other breakers, Mercurial with a lock of its \
         own. We only explain it, and leave it to a person.",
        links::PEERS,
    ),
];

const HEAD: &str = "\
# Beside others

For each program or library that locks in a way of its own: what of ours goes with it on the same
lock, what each sees of the other, what happens when a holder is killed, and how to move over.

`bash .ci/run peers` installs them all and tries every row, in both directions: one holds, and the
other sees it and is refused, or waits; it gives back, and the other gets the lock; it is killed
with SIGKILL, and the other recovers. This page is made from the table that the tests go by, and
checked to be current.
";

/// The page.
fn page() -> String {
    let mut page = HEAD.to_owned();
    for (family, story, peers) in FAMILIES {
        write!(page, "\n## {family}\n\n{story}\n\n").unwrap();
        page += "| theirs | ours | we see | it sees of us | it was killed | we were killed |\n";
        page += "|---|---|---|---|---|---|\n";
        for peer in peers {
            let cells = [
                format!("{}, {}", peer.name, peer.from),
                peer.ours.shown.to_owned(),
                seen(peer.seen),
                sees(peer.it_sees).to_owned(),
                recovery(peer.our_recovery, "we get it"),
                recovery(peer.its_recovery, "it gets it"),
            ];
            writeln!(page, "| {} |", cells.join(" | ")).unwrap();
        }
        page += "\nMoving over:\n\n";
        for peer in peers {
            writeln!(page, "- **{}**: {}", peer.name, peer.moving).unwrap();
        }
    }
    page
}

fn seen(seen: Seen) -> String {
    match seen {
        Seen::Holder => "who holds it (`status`)".to_owned(),
        Seen::Held => "that it is held (`status`)".to_owned(),
        Seen::Explained(convention) => format!("who holds it (`explain`: {convention})"),
        Seen::Named(convention) => format!("what it is, and not whose (`explain`: {convention})"),
    }
}

fn sees(sees: Sees) -> &'static str {
    match sees {
        Sees::Held => "that it is held",
        Sees::Pid => "who holds it",
    }
}

fn recovery(recovery: Recovery, gets: &str) -> String {
    match recovery {
        Recovery::Kernel => format!("{gets} at once: the kernel released it"),
        Recovery::Dead => format!("{gets} at the next try: the process is gone"),
        Recovery::Age(age_s) => format!("{gets} when it has not been touched for {age_s} s"),
        Recovery::Break => format!("{gets} after `lockbox break`"),
        Recovery::Removal => format!("{gets} after `lockbox break --force`"),
    }
}

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/peers.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, page(), "UPDATE=1 cargo test -p lock-tests --test peers writes it anew");
}
