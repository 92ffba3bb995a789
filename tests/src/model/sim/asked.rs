//! What a simulated process asks, and how people call that and the answer.

use lock_core::fault::Call;
use lock_core::os::{Node, ProcessState};

use super::{Past, Reply};

/// A call: which, on what.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) node: Node,
    /// The other name, of a call that has two.
    pub(super) from: Option<Node>,
    pub(super) flag: Flag,
}

/// What distinguishes calls of one name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Flag {
    None,
    /// Closes; the waist has no call for it.
    Close,
    /// Holds the lock, which is no call.
    Hold,
    Create,
    Exclusive,
    Unnamed,
    NoReplace,
    Exchange,
    Posix,
    Ofd,
    /// Without `LOCK_NB`.
    Waiting,
}

impl Asked {
    /// A step that does nothing, while the lock is held.
    pub(super) const HOLDING: Asked =
        Asked { call: Call::Pread, node: Node::LockTable, from: None, flag: Flag::Hold };

    pub(super) fn of(call: Call, node: Node) -> Asked {
        Asked { call, node, from: None, flag: Flag::None }
    }

    pub(super) fn with(self, flag: Flag) -> Asked {
        Asked { flag, ..self }
    }
}

/// What an answer means to the next step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answered<'p> {
    /// The call did what it should.
    Ok,
    /// It failed, for this reason.
    Refused(&'static str),
    /// The number of the file that an open descriptor or a name means.
    File(u64),
    /// What was read.
    Bytes(&'p [u8]),
    /// What has become of a process.
    Process(ProcessState),
}

impl Past {
    /// Whether this is no call, but the time that the lock is held.
    pub fn is_holding(&self) -> bool {
        self.asked.flag == Flag::Hold
    }

    /// Whether the call asks what a name means now.
    pub fn is_stat(&self) -> bool {
        self.asked.call == Call::Stat
    }

    /// The call as it would stand in C, with roles for names.
    pub fn step(&self) -> String {
        let Asked { call, node, from, flag } = self.asked;
        let on = role(node);
        match (call, flag, from) {
            (_, Flag::Hold, _) => "HELD".into(),
            (_, Flag::Close, _) => format!("close({on})"),
            (Call::Pread, ..) if matches!(self.answer, Reply::Process(_)) => {
                "look up the pid".into()
            }
            (Call::Pread, ..) => format!("read({on})"),
            (Call::Pwrite, ..) => format!("write({on})"),
            (_, Flag::None, None) => format!("{}({on})", call.name()),
            (_, Flag::None, Some(from)) => format!("{}({}, {on})", call.name(), role(from)),
            (_, flag, None) => format!("{}({on}, {})", call.name(), name(flag)),
            (_, flag, Some(from)) => format!("renameat2({}, {on}, {})", role(from), name(flag)),
        }
    }

    /// How that went.
    pub fn outcome(&self) -> Answered<'_> {
        match &self.answer {
            Reply::Process(state) => Answered::Process(*state),
            Reply::Done(Err(kind))
            | Reply::Open(Err(kind))
            | Reply::Stat(Err(kind))
            | Reply::Bytes(Err(kind)) => Answered::Refused(kind.reason()),
            Reply::Stat(Ok(stat)) => Answered::File(stat.inode.ino),
            Reply::Bytes(Ok(bytes)) => Answered::Bytes(bytes),
            Reply::Done(Ok(())) | Reply::Open(Ok(_)) | Reply::Blocker(_) => Answered::Ok,
        }
    }
}

/// What a name is for, in a word.
fn role(node: Node) -> &'static str {
    match node {
        Node::Private => "private",
        Node::Companion => "companion",
        Node::Directory => "directory",
        Node::Guard => "guard",
        Node::Queue => "queue",
        Node::Owner => "owner",
        Node::Token => "token",
        _ => "lock",
    }
}

fn name(flag: Flag) -> &'static str {
    match flag {
        Flag::Create => "O_CREAT",
        Flag::Exclusive => "O_EXCL",
        Flag::Unnamed => "O_TMPFILE",
        Flag::NoReplace => "NOREPLACE",
        Flag::Exchange => "EXCHANGE",
        Flag::Posix => "F_SETLK",
        Flag::Ofd => "F_OFD_SETLK",
        Flag::Waiting => "waiting",
        Flag::None | Flag::Close | Flag::Hold => "",
    }
}
