//! What a convention accepts as its own, where that is less than what its codec reads.

use crate::owner::Owner;
use crate::payload::link_identity::LinkIdentity;
use crate::payload::link_target::{Chromium, Emacs, Firefox, Mercurial};
use crate::payload::message;
use crate::payload::nfs_info::NfsInfo;
use crate::payload::parse::{Expected, ParseError, check_len};
use crate::payload::pid_text::{ANONYMOUS, Dialect, PidText};
use crate::payload::pidfile::Pidfile;
use crate::payload::python;
use crate::staleness::Claim;

/// What a convention writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    /// Whatever is to be there when the lock is given back.
    Anything,
    Chromium,
    Emacs,
    Filelock,
    Firefox,
    Flufl,
    LinkIdentity,
    Mercurial,
    /// The holder's own words or, as from `getpid(2)`, his pid.
    Message,
    NfsInfo,
    Nothing,
    /// A pid, in any dialect.
    Pid,
    PidBare,
    PidColumn,
    PidLine,
    PidLineOrNul,
    PidTagged,
    Pidfile,
    /// The holder's own words.
    Said,
    /// A digit, for nobody in particular.
    Zero,
}

/// Whether nobody else writes such bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Telling {
    Always,
    Never,
    /// If there is a pid, and a host that does not look like more words.
    WithPidAndHost,
    WithSlash,
}

impl Telling {
    pub(super) fn applies(self, content: &[u8]) -> bool {
        match self {
            Telling::Always => true,
            Telling::Never => false,
            Telling::WithPidAndHost => {
                let Pidfile { pid, host } = Pidfile::parse(content);
                pid != 0 && !host.is_empty() && host.iter().all(u8::is_ascii_graphic)
            }
            Telling::WithSlash => content.contains(&b'/'),
        }
    }
}

impl Format {
    /// Notes what is said of the holder.
    #[inline(never)]
    pub(super) fn read(self, content: &[u8], claim: &mut Claim) -> Result<(), ParseError> {
        let owner = &mut claim.owner;
        match self {
            Format::Anything => {}
            Format::Chromium => Chromium::parse(content)?.tell(owner)?,
            Format::Emacs => Emacs::parse(content)?.tell(owner)?,
            Format::Filelock => python::tell_filelock(content, owner)?,
            Format::Firefox => Firefox::tell(content, owner)?,
            Format::Flufl => python::tell_flufl(content, owner)?,
            Format::LinkIdentity => *claim = LinkIdentity::parse(content)?.claim(),
            Format::Mercurial => Mercurial::parse(content)?.tell(owner)?,
            Format::Message => tell_message(content, owner)?,
            Format::NfsInfo => *claim = NfsInfo::parse(content)?.claim(),
            Format::Nothing if content.is_empty() => {}
            Format::Nothing => return Err(ParseError::new(0, Expected::End)),
            Format::Pidfile => *claim = Pidfile::parse(content).claim()?,
            Format::Said => tell_words(content, owner)?,
            Format::Zero if content == ANONYMOUS => {}
            Format::Zero => return Err(ParseError::new(0, Expected::Byte(b'0'))),
            _ => self.tell_pid(content, owner)?,
        }
        Ok(())
    }

    /// A pid, if it is written in the right dialect.
    #[inline(never)]
    fn tell_pid(self, content: &[u8], owner: &mut Owner) -> Result<(), ParseError> {
        let text = PidText::parse(content)?;
        owner.pid = text.pid;
        match (self, text.dialect) {
            (Format::Pid, _)
            | (Format::PidBare, Dialect::Bare)
            | (Format::PidColumn, Dialect::Column)
            | (Format::PidLine | Format::PidLineOrNul, Dialect::Line)
            | (Format::PidLineOrNul, Dialect::Nul)
            | (Format::PidTagged, Dialect::Tagged) => Ok(()),
            // X11 reads eleven bytes, and no other number of them.
            (Format::PidColumn, _) => {
                Err(ParseError::new(content.len().min(11), Expected::PidColumn))
            }
            _ => Err(ParseError::new(0, Expected::Pid)),
        }
    }
}

fn tell_message(file: &[u8], owner: &mut Owner) -> Result<(), ParseError> {
    owner.pid = message::parse_pid(file);
    if owner.pid.is_some() || file == b"\n" {
        return Ok(());
    }
    tell_words(file.strip_suffix(b"\n").unwrap_or(file), owner)
}

/// The holder's own words, some at least.
fn tell_words(text: &[u8], owner: &mut Owner) -> Result<(), ParseError> {
    check_len(text, message::MESSAGE_MAX)?;
    if text.is_empty() {
        return Err(ParseError::new(0, Expected::Message));
    }
    owner.note_message(text);
    Ok(())
}
