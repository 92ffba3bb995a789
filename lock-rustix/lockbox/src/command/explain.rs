//! `lockbox explain`: which convention wrote a lock file, what it says, and what follows.

use core::ffi::CStr;

use lock_core::fault::{Fault, FaultKind};
use lock_core::os::{Access, Contents, Dirs, FileType, Files, Node, Symlinks};
use lock_core::owner::{Owner, Pid};
use lock_core::payload::identify::{Finding, identify};
use lock_core::scheme::breaking::{Rule, Terms, verdict};
use lock_core::staleness::{Alive, Claim, Policy, Verdict};
use lock_rustix::descriptor::lend;
use lock_rustix::identity::{is_local, myself};
use lock_rustix::place::{Place, open_parent};
use lock_rustix::sys::Sys;

use super::report::failed;
use super::settings::Settings;
use crate::existence::own_fault;
use crate::holder::describe;
use crate::json::Filling;
use crate::out::Out;
use crate::stack::Stack;

/// The longest content that is read; no convention writes more.
const CONTENT_MAX: usize = 8192;

pub(super) const ALLOWED: &[u8] = b"j";

#[inline(never)]
pub(super) fn main(stack: &Stack, at: usize) -> u8 {
    Settings::with_path(stack, at, ALLOWED, |settings, path| {
        explain(settings, path).map_or_else(|fault| failed(path, fault), |()| 0)
    })
}

fn explain(settings: &Settings, path: &CStr) -> Result<(), Fault> {
    let (dir, name) = open_parent(path)?;
    let sys = Sys::new(Place::in_directory(lend(&dir), name));
    // One byte more shows that there is more.
    let mut buffer = [0; CONTENT_MAX + 1];
    let (carrier, content) = read(&sys, &mut buffer)?;
    let me = myself();
    let terms = Terms {
        payload: &[],
        decode: |_| None,
        observer: &me.observer,
        rule: Rule::Strict(Policy::default()),
        local: is_local(lend(&dir)),
    };
    let mut out = Out::stdout();
    if settings.json {
        Filling::new(&mut out, r#"{"path":%,"type":%,"conventions":["#)
            .string(Some(path.to_bytes()))
            .string(Some(type_name(carrier).as_bytes()))
            .go_on();
    } else {
        out.fill("%: a ", path.to_bytes()).text(type_name(carrier));
    }
    let mut first = true;
    let mut findings = identify(carrier, name.to_bytes(), content);
    while let Some(finding) = &findings.next() {
        let standing = finding.claim.as_ref().ok().map(|claim| {
            // Only what is not touched here counts: the processes, not the flock.
            let verdict = verdict(&sys, &terms, Some(claim), 0, false);
            (verdict, what_follows(claim, verdict))
        });
        if settings.json {
            out.text(if first { "" } else { "," });
            print_json(&mut out, finding, standing);
        } else {
            print_text(&mut out, finding, standing, first);
        }
        first = false;
    }
    if settings.json {
        out.text("]}\n");
    } else if first {
        out.text(", by no convention known here\n");
    }
    Ok(())
}

/// What carries the lock, and what it says.
fn read<'b>(sys: &Sys<'_>, buffer: &'b mut [u8]) -> Result<(FileType, &'b [u8]), Fault> {
    let carrier = sys.stat(Node::Lock)?.file_type;
    let read = match carrier {
        FileType::Regular => {
            let file = sys.open(Node::Lock, Access::Read)?;
            sys.pread(&file, buffer, 0)
        }
        FileType::Symlink => sys.readlink(Node::Lock, buffer),
        FileType::Directory => {
            let directory = sys.open_directory(Node::Lock)?;
            match sys.readlink_in(&directory, buffer) {
                Err(fault) if fault.kind == FaultKind::Missing => Ok(0),
                read => read,
            }
        }
        FileType::Special => return Err(own_fault(FaultKind::NotRegular)),
    };
    match buffer.get(..read?) {
        Some(content) if content.len() <= CONTENT_MAX => Ok((carrier, content)),
        _ => Err(own_fault(FaultKind::TooLong)),
    }
}

fn type_name(carrier: FileType) -> &'static str {
    match carrier {
        FileType::Regular => "file",
        FileType::Symlink => "symbolic link",
        FileType::Directory => "directory",
        FileType::Special => "special file",
    }
}

/// What can be told of the holder from here.
fn what_follows(claim: &Claim, verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Live(Alive::Runs) => "the holder lives",
        Verdict::Live(_) => "the holder is taken to live",
        Verdict::Stale(why) => why.reason(),
        Verdict::Unknown(_) if claim.owner.pid.is_none() => "it names no process",
        Verdict::Unknown(why) => why.reason(),
    }
}

#[inline(never)]
fn print_text(
    out: &mut Out,
    finding: &Finding,
    standing: Option<(Verdict, &'static str)>,
    first: bool,
) {
    out.text(if first { "\n  written by " } else { "  or by " });
    out.text(finding.convention.name);
    match &finding.claim {
        Ok(claim) => {
            if claim.owner.pid.is_some() || claim.owner.message.is_some() {
                out.text(": ");
                describe(out, &claim.owner);
            }
        }
        Err(error) => {
            // In words it would take more bytes than all the rest of this command.
            out.fill_number(", but not as it writes them, from byte % on", u64::from(error.at));
        }
    }
    out.fill_some("\n    %", standing.map(|(_, follows)| follows.as_bytes()));
    out.fill("\n    rule: %\n", finding.convention.rule.as_bytes());
}

#[inline(never)]
fn print_json(out: &mut Out, finding: &Finding, standing: Option<(Verdict, &'static str)>) {
    const OBJECT: &str = concat!(
        r#"{"name":%,"state":%,"owner":{"pid":%,"host":%,"message":%},"#,
        r#""why":%,"rule":%}"#
    );
    let state = match standing {
        Some((Verdict::Live(_), _)) => "held",
        Some((Verdict::Stale(_), _)) => "stale",
        _ => "unknown",
    };
    let nobody = Owner::default();
    let owner = finding.claim.as_ref().map_or(&nobody, |claim| &claim.owner);
    Filling::new(out, OBJECT)
        .string(Some(finding.convention.name.as_bytes()))
        .string(Some(state.as_bytes()))
        .number(owner.pid.map(Pid::get))
        .string(owner.host.as_deref())
        .string(owner.message.as_deref())
        .string(standing.map(|(_, follows)| follows.as_bytes()))
        .string(Some(finding.convention.rule.as_bytes()))
        .go_on();
}
