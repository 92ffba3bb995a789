//! What is written is read back, and no input is too strange to be read, for every codec.
#![allow(missing_docs)]

use core::net::Ipv4Addr;

use lock_core::os::FileType;
use lock_core::owner::{BootId, HOST_MAX, Host, Pid, PidNamespace, StartTime, Text};
use lock_core::payload::date_time::WallTime;
use lock_core::payload::identify::identify;
use lock_core::payload::identity::Identity;
use lock_core::payload::link_identity::LinkIdentity;
use lock_core::payload::link_target::{Chromium, Emacs, Firefox, Mercurial};
use lock_core::payload::message::MESSAGE_MAX;
use lock_core::payload::nfs_info::{NFS_INFO_MAX, NfsInfo};
use lock_core::payload::parse::ParseError;
use lock_core::payload::pid_text::{self, PidText};
use lock_core::payload::pidfile::{self, Pidfile};
use lock_core::payload::sexp::{Reader, Token};
use lock_core::staleness::TimeNamespace;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// A failure prints its smallest input; it is to become a test of its own, not a file.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn host() -> impl Strategy<Value = Host> {
    vec(any::<u8>(), 0..=HOST_MAX).prop_map(|bytes| bytes.into_iter().collect())
}

/// Mostly of what needs care: line breaks, quotes, comment marks.
fn message() -> impl Strategy<Value = Text> {
    let byte = prop_oneof![select(b"\n\"\\#|;() \rx".as_slice()), any::<u8>()];
    vec(byte, 0..=MESSAGE_MAX).prop_map(|bytes| bytes.into_iter().collect())
}

fn wall_time() -> impl Strategy<Value = WallTime> {
    let range = WallTime::MIN.as_us()..=WallTime::MAX.as_us();
    range.prop_map(|us| WallTime::from_us(us).unwrap())
}

fn identity() -> impl Strategy<Value = Identity> {
    let number = || of(any::<u64>());
    (of(any::<[u8; 16]>()), number(), number(), number(), of(any::<[u8; 16]>()), any::<bool>())
        .prop_map(|(boot, pid_namespace, time_namespace, start, nonce, flocked)| Identity {
            boot: boot.map(BootId),
            pid_namespace: pid_namespace.map(PidNamespace),
            time_namespace: time_namespace.map(TimeNamespace),
            start: start.map(StartTime),
            nonce,
            flocked,
        })
}

fn nfs_info() -> impl Strategy<Value = NfsInfo> {
    let pid = (1u64..1 << 62).prop_map(|pid| Pid::new(pid).unwrap());
    (host(), pid, message(), of(wall_time()), of(identity())).prop_map(
        |(host, pid, message, start_time, identity)| NfsInfo {
            host,
            pid,
            message,
            start_time,
            identity,
        },
    )
}

fn link_identity() -> impl Strategy<Value = LinkIdentity> {
    let namespace = || of(1u64..1 << 32);
    let start = of(0u64..(1 << 48) - 1);
    let boot = of(any::<[u8; 16]>().prop_filter("stands for none", |boot| *boot != [0; 16]));
    (1u32..1 << 22, boot, namespace(), namespace(), start, any::<[u8; 8]>(), any::<bool>())
        .prop_map(|(pid, boot, pid_namespace, time_namespace, start, nonce, flocked)| {
            LinkIdentity {
                pid,
                boot: boot.map(BootId),
                pid_namespace: pid_namespace.map(PidNamespace),
                time_namespace: time_namespace.map(TimeNamespace),
                start: start.map(StartTime),
                nonce,
                flocked,
            }
        })
}

fn pid() -> impl Strategy<Value = u32> {
    1u32..=i32::MAX.unsigned_abs()
}

/// Texts that nearly are of some format: its own bytes, cut and glued.
fn near_miss() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"((host vm)",
        b"(pid 7)",
        b"(message \"",
        b"\")",
        b"(start_time (2026-11-20 ",
        b"24:00",
        b"+01:00",
        b"Z",
        b")",
        b"(",
        b"#;",
        b"#|",
        b"|#",
        b"\\",
        b"\\x4",
        b"\\25",
        b"\n",
        b"\r",
        b" ",
        b"; lk1 boot=",
        b"flock=1",
        b"lk1:",
        b"AAAAAAAAAAAAAAAAAAA",
        b"user@",
        b"host",
        b".",
        b":",
        b"/f0000001",
        b"-",
        b"+",
        b"1234",
        b"4294967295",
        b"99999999999999999999",
        b"127.0.0.1",
        b"pid ",
        b"0x",
        b"\0",
        b"\xef\x80\xa2",
        b"\xff",
    ];
    vec(select(PIECES), 0..12).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![near_miss(), vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_nfs_info_survives_both_layouts(info in nfs_info()) {
        let mut file = [0; NFS_INFO_MAX];
        let len = info.write_human(&mut file).unwrap();
        prop_assert_eq!(NfsInfo::parse(&file[..len]), Ok(info.clone()));
        let len = info.write_machine(&mut file).unwrap();
        prop_assert_eq!(NfsInfo::parse(&file[..len]), Ok(info.clone()));
        prop_assert!(info.write_machine(&mut file[..len - 1]).is_err());
    }

    #[test]
    fn a_time_survives_its_text(time in wall_time()) {
        prop_assert_eq!(WallTime::parse(&time.date(), &time.time_of_day()), Ok(time));
    }

    #[test]
    fn a_link_identity_survives_its_link(identity in link_identity()) {
        let target = identity.write().unwrap();
        prop_assert_eq!(target.len(), 59);
        prop_assert_eq!(LinkIdentity::parse(&target), Ok(identity));
    }

    #[test]
    fn no_identity_has_two_links(text in "lk1:[A-Za-z0-9_-]{55}") {
        if let Ok(identity) = LinkIdentity::parse(text.as_bytes()) {
            prop_assert_eq!(&*identity.write().unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_pidfile_survives_its_file(pid in any::<u32>(), host in host()) {
        let file = pidfile::write(pid, &host);
        prop_assert_eq!(Pidfile::parse(&file), Pidfile { pid, host: &host });
    }

    #[test]
    fn a_pid_survives_every_dialect(pid in pid(), host in host()) {
        let expected = Pid::new(u64::from(pid));
        for file in [pid_text::line(pid), pid_text::bare(pid), pid_text::column(pid)] {
            prop_assert_eq!(PidText::parse(&file).unwrap().pid, expected);
        }
        if let Ok(file) = pid_text::with_host(pid, &host) {
            let read = PidText::parse(&file).unwrap();
            prop_assert_eq!(read.pid, expected);
            prop_assert_eq!(read.rest, &host[..]);
        }
    }

    #[test]
    fn other_programs_links_survive(
        user in vec(any::<u8>(), 0..40),
        host in host(),
        pid in pid(),
        boot_s in of(1..=u64::MAX),
        namespace in of(any::<u64>()),
        address in any::<[u8; 4]>(),
        fcntl_locked in any::<bool>(),
    ) {
        let emacs = Emacs { user: &user, host: &host, pid: u64::from(pid), boot_s };
        if let Ok(target) = emacs.write() {
            prop_assert_eq!(Emacs::parse(&target), Ok(emacs));
        }
        let pid_namespace = namespace.map(PidNamespace);
        let mercurial = Mercurial { host: &host, pid_namespace, pid };
        if let Ok(target) = mercurial.write() {
            prop_assert_eq!(Mercurial::parse(&target), Ok(mercurial));
        }
        let chromium = Chromium { host: &host, pid: Some(pid) };
        if let Ok(target) = chromium.write() {
            prop_assert_eq!(Chromium::parse(&target), Ok(chromium));
        }
        let firefox = Firefox { address: Ipv4Addr::from(address), fcntl_locked, pid };
        prop_assert_eq!(Firefox::parse(&firefox.write().unwrap()), Ok(firefox));
    }

    #[test]
    fn nothing_is_too_strange_to_be_read(text in any_text(), name in near_miss()) {
        let errors = [
            NfsInfo::parse(&text).err(),
            PidText::parse(&text).err(),
            LinkIdentity::parse(&text).err(),
            Emacs::parse(&text).err(),
            Mercurial::parse(&text).err(),
            Chromium::parse(&text).err(),
            Firefox::parse(&text).err(),
            tokens(&text).err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(error.at as usize <= text.len(), "{}", error);
        }
        let _ = Pidfile::parse(&text);
        let _ = Identity::parse(&text);
        let _ = WallTime::parse(&text, &name);
        for carrier in [FileType::Regular, FileType::Symlink, FileType::Directory] {
            prop_assert!(identify(carrier, &name, &text).count() < 40);
        }
    }

    #[test]
    fn what_is_read_is_written_as_something_equal(text in any_text()) {
        let mut file = [0; NFS_INFO_MAX];
        if let Ok(info) = NfsInfo::parse(&text) {
            let len = info.write_human(&mut file).unwrap();
            prop_assert_eq!(NfsInfo::parse(&file[..len]), Ok(info));
        }
        if let Ok(lock) = Emacs::parse(&text) {
            if let Ok(target) = lock.write() {
                prop_assert_eq!(Emacs::parse(&target), Ok(lock));
            }
        }
        if let Ok(lock) = Mercurial::parse(&text) {
            if let Ok(target) = lock.write() {
                prop_assert_eq!(Mercurial::parse(&target), Ok(lock));
            }
        }
    }
}

/// Reads to the end.
fn tokens(text: &[u8]) -> Result<(), ParseError> {
    let mut reader = Reader::new(text);
    while reader.next_token()? != Token::End {}
    Ok(())
}
