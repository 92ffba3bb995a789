//! Reading and writing every format.

use core::net::Ipv4Addr;

use lock_core::os::FileType;
use lock_core::owner::{BootId, HOST_MAX, Host, Owner, Pid, PidNamespace, StartTime, Text};
use lock_core::payload::date_time::WallTime;
use lock_core::payload::identify::identify;
use lock_core::payload::identity::Identity;
use lock_core::payload::link_identity::LinkIdentity;
use lock_core::payload::link_target::{Chromium, Emacs, Firefox, Mercurial};
use lock_core::payload::message::{self, Message};
use lock_core::payload::nfs_info::{NFS_INFO_MAX, NfsInfo};
use lock_core::payload::parse::ParseError;
use lock_core::payload::pid_text::{self, PidText};
use lock_core::payload::pidfile::{self, Pidfile};
use lock_core::payload::sexp::{Reader, Token};
use lock_core::payload::{ocaml_int, proc_locks, python};
use lock_core::staleness::{Claim, TimeNamespace};

use crate::outside::{bytes, flag, keep, maybe, maybe_signed, number, print, signed};

/// Any host name.
fn host() -> Option<Host> {
    let mut host = None;
    bytes(|name| host = Host::try_from(name.get(..HOST_MAX).unwrap_or(name)).ok());
    host
}

fn pid() -> u32 {
    (number() & 0xffff_ffff) as u32
}

fn boot() -> Option<BootId> {
    flag().then(|| BootId([number() as u8; 16]))
}

/// Any owner.
pub fn owner() -> Owner {
    let mut message = None;
    bytes(|words| message = Text::try_from(words).ok());
    Owner {
        host: host(),
        pid: maybe().and_then(Pid::new),
        start: maybe().map(StartTime),
        boot: boot(),
        pid_namespace: maybe().map(PidNamespace),
        message,
    }
}

/// Any claim.
pub fn claim() -> Claim {
    Claim {
        owner: owner(),
        started_at_us: maybe_signed(),
        time_namespace: maybe().map(TimeNamespace),
        flocked: flag(),
    }
}

fn told<T>(read: Result<T, ParseError>) -> Option<T> {
    read.inspect_err(|error| {
        keep(error.at);
        print(error);
    })
    .ok()
}

#[unsafe(no_mangle)]
extern "C" fn message_codec() {
    bytes(|text| {
        keep(message::parse_pid(text));
        keep(ocaml_int::parse(text));
        match Message::new(text) {
            Ok(message) => keep((message.as_bytes(), message.text())),
            Err(error) => print(error),
        }
    });
    keep(Message::from_pid(pid()).as_bytes());
}

#[unsafe(no_mangle)]
extern "C" fn nfs_info_codec() {
    bytes(|text| {
        let Some(info) = told(NfsInfo::parse(text)) else { return };
        keep(info.claim());
        let mut file = [0; NFS_INFO_MAX];
        keep(info.write_human(&mut file));
        keep(info.write_machine(&mut file));
        keep(file);
    });
}

#[unsafe(no_mangle)]
extern "C" fn identity_codec() {
    bytes(|text| {
        if let Some(identity) = Identity::parse(text) {
            let mut claim = claim();
            identity.complete(&mut claim);
            keep((identity, claim));
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn date_time_codec() {
    bytes(|date| bytes(|time| keep(told(WallTime::parse(date, time)))));
    if let Some(time) = WallTime::from_us(signed()) {
        keep((time.date(), time.time_of_day(), time.as_us(), time.is_near(WallTime::MAX)));
    }
}

#[unsafe(no_mangle)]
extern "C" fn sexp_codec() {
    bytes(|text| {
        let mut reader = Reader::new(text);
        while let Some(token) = told(reader.next_token()) {
            match token {
                Token::Atom(atom) => {
                    bytes(|word| keep(atom.is(word)));
                    keep((atom.at(), told(atom.to_array::<64>())));
                    atom.bytes().for_each(keep);
                }
                Token::Open | Token::Close => keep(reader.at()),
                Token::End => break,
            }
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn pid_text_codec() {
    bytes(|text| {
        if let Some(text) = told(PidText::parse(text)) {
            keep((text, text.claim()));
        }
    });
    keep((pid_text::line(pid()), pid_text::bare(pid()), pid_text::column(pid())));
    if let Some(host) = host() {
        keep(pid_text::with_host(pid(), &host));
    }
}

#[unsafe(no_mangle)]
extern "C" fn pidfile_codec() {
    bytes(|text| {
        let file = Pidfile::parse(text);
        keep((file, told(file.claim())));
    });
    if let Some(host) = host() {
        keep(pidfile::write(pid(), &host));
    }
}

#[unsafe(no_mangle)]
extern "C" fn python_codecs() {
    bytes(|file| keep((told(python::filelock(file)), told(python::flufl(file)))));
}

#[unsafe(no_mangle)]
extern "C" fn link_target_codecs() {
    bytes(|text| {
        if let Some(lock) = told(Emacs::parse(text)) {
            keep((lock.write(), told(lock.claim())));
        }
        if let Some(lock) = told(Mercurial::parse(text)) {
            keep((lock.write(), told(lock.claim())));
        }
        if let Some(lock) = told(Chromium::parse(text)) {
            keep((lock.write(), told(lock.claim())));
        }
        if let Some(lock) = told(Firefox::parse(text)) {
            keep((lock.write(), lock.claim()));
        }
    });
    bytes(|user| {
        bytes(|host| {
            keep(Emacs { user, host, pid: number(), boot_s: maybe() }.write());
            let pid_namespace = maybe().map(PidNamespace);
            keep(Mercurial { host, pid_namespace, pid: pid() }.write());
            keep(Chromium { host, pid: Some(pid()).filter(|_| flag()) }.write());
        });
    });
    let address = Ipv4Addr::from(pid());
    keep(Firefox { address, fcntl_locked: flag(), pid: pid() }.write());
}

#[unsafe(no_mangle)]
extern "C" fn link_identity_codec() {
    bytes(|text| {
        if let Some(identity) = told(LinkIdentity::parse(text)) {
            keep(identity.claim());
        }
    });
    let identity = LinkIdentity {
        pid: pid(),
        boot: boot(),
        pid_namespace: maybe().map(PidNamespace),
        time_namespace: maybe().map(TimeNamespace),
        start: maybe().map(StartTime),
        nonce: [number() as u8; 8],
        flocked: flag(),
    };
    match identity.write() {
        Ok(link) => keep(link),
        Err(error) => print(error),
    }
}

#[unsafe(no_mangle)]
extern "C" fn identify_lock() {
    for carrier in [FileType::Regular, FileType::Directory, FileType::Symlink, FileType::Special] {
        bytes(|name| {
            bytes(|content| {
                for finding in identify(carrier, name, content) {
                    keep((finding.convention.name, finding.convention.rule));
                    keep(told(finding.claim));
                }
            });
        });
    }
}

#[unsafe(no_mangle)]
extern "C" fn proc_locks_codec() {
    bytes(|line| keep(proc_locks::parse(line)));
}
