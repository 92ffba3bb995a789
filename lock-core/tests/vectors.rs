//! Every codec against every recorded lock file: the verdict must be the original's.
#![allow(missing_docs)]

use lock_core::owner::{Host, Pid, PidNamespace};
use lock_core::payload::date_time::WallTime;
use lock_core::payload::link_target::{Chromium, Emacs, Firefox, Mercurial};
use lock_core::payload::message::{Message, parse_pid};
use lock_core::payload::nfs_info::{NFS_INFO_MAX, NfsInfo};
use lock_core::payload::pid_text::{self, Dialect, PidText};
use lock_core::payload::pidfile::{self, Pidfile};
use serde_json::Value;

const PAYLOADS: &str = include_str!("../../tests/vectors/payloads.jsonl");
const NFS_INFO: &str = include_str!("../../tests/vectors/nfs_info.jsonl");

/// A recorded lock file.
struct Vector {
    fields: Value,
    bytes: Vec<u8>,
}

impl Vector {
    fn text(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.fields))
    }

    fn parsed(&self, name: &str) -> Option<u64> {
        self.fields["parsed"][name].as_u64()
    }

    fn parsed_text(&self, name: &str) -> &[u8] {
        self.fields["parsed"][name].as_str().unwrap().as_bytes()
    }
}

fn vectors(lines: &str) -> Vec<Vector> {
    let vector = |line| {
        let fields: Value = serde_json::from_str(line).unwrap();
        let bytes = unhex(fields["hex"].as_str().unwrap());
        assert_eq!(fields["len"], bytes.len(), "{line}");
        Vector { fields, bytes }
    };
    lines.lines().map(vector).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_payload_is_judged_as_its_own_program_does() {
    let vectors = vectors(PAYLOADS);
    assert_eq!(vectors.len(), 98);
    for vector in &vectors {
        match vector.text("sys") {
            "janestreet" => janestreet(vector),
            "julia" => julia(vector),
            "emacs" => emacs(vector),
            "mercurial" => mercurial(vector),
            "chromium" => chromium(vector),
            "firefox" => firefox(vector),
            "liblockfile" | "procmail" | "uucp" | "x11" | "bsd" | "git" | "postgres" => {
                pid_files(vector);
            }
            other => panic!("no check for {other}"),
        }
    }
}

fn janestreet(vector: &Vector) {
    let expected = match vector.text("expect") {
        "accept" => Pid::new(vector.text("parsed").parse().unwrap()),
        "none" => None,
        other => panic!("{other}"),
    };
    assert_eq!(parse_pid(&vector.bytes), expected, "{}", vector.fields);
    if vector.text("name") == "own" {
        assert_eq!(Message::from_pid(18229).as_bytes(), vector.bytes);
    }
}

fn julia(vector: &Vector) {
    let read = Pidfile::parse(&vector.bytes);
    assert_eq!(Some(u64::from(read.pid)), vector.parsed("pid"), "{}", vector.fields);
    assert_eq!(read.host, vector.parsed_text("host"), "{}", vector.fields);
    assert_eq!(read.pid == 0, vector.text("expect") == "pid0", "{}", vector.fields);
    if vector.text("name") == "canonical" {
        let host = Host::try_from(read.host).unwrap();
        assert_eq!(*pidfile::write(read.pid, &host), *vector.bytes);
    }
}

fn emacs(vector: &Vector) {
    let read = Emacs::parse(&vector.bytes);
    match vector.text("expect") {
        "accept" => {
            let read = read.unwrap();
            assert_eq!(read.user, vector.parsed_text("user"), "{}", vector.fields);
            assert_eq!(read.host, vector.parsed_text("host"), "{}", vector.fields);
            assert_eq!(Some(read.pid), vector.parsed("pid"), "{}", vector.fields);
            let boot_s = vector.parsed("boot").filter(|&boot_s| boot_s != 0);
            assert_eq!(read.boot_s, boot_s, "{}", vector.fields);
            // The one target that Emacs itself would not write has another colon.
            if vector.text("name") != "cifs colon" {
                assert_eq!(*read.write().unwrap(), *vector.bytes);
            }
        }
        "EINVAL" => assert!(read.is_err(), "{}", vector.fields),
        other => panic!("{other}"),
    }
}

/// The recorded runs were on host `vm` in namespace 0xeffffffc; every pid but the live one was
/// dead. Mercurial breaks a lock of this prefix and no other.
fn mercurial(vector: &Vector) {
    let alive = vector.text("name") == "own alive";
    let target = if alive { b"vm/effffffc:4711".to_vec() } else { vector.bytes.clone() };
    let read = Mercurial::parse(&target);
    let ours = read.is_ok_and(|lock| {
        lock.host == b"vm" && lock.pid_namespace == Some(PidNamespace(0xefff_fffc))
    });
    let verdict = match (ours, alive) {
        (true, true) => "held",
        (true, false) => "stale: broken",
        (false, _) => "held forever",
    };
    assert_eq!(verdict, vector.text("expect"), "{}", vector.fields);
    if let Ok(lock) = read {
        assert_eq!(*lock.write().unwrap(), *target);
    }
}

fn chromium(vector: &Vector) {
    let read = Chromium::parse(&vector.bytes);
    match vector.text("expect") {
        "accept" => {
            let read = read.unwrap();
            assert_eq!(read.host, vector.parsed_text("host"), "{}", vector.fields);
            // No number is -1 to the original.
            assert_eq!(read.pid.map(u64::from), vector.parsed("pid"), "{}", vector.fields);
            if read.pid.is_some() {
                assert_eq!(*read.write().unwrap(), *vector.bytes);
            }
        }
        "invalid -> unlinked" => assert!(read.is_err(), "{}", vector.fields),
        other => panic!("{other}"),
    }
}

fn firefox(vector: &Vector) {
    let read = Firefox::parse(&vector.bytes);
    let fcntl_locked = match vector.text("expect") {
        "ip,fcntl,pid" => true,
        "ip,pid" => false,
        "stale" => return assert!(read.is_err(), "{}", vector.fields),
        other => panic!("{other}"),
    };
    let read = read.unwrap();
    assert_eq!((read.fcntl_locked, read.pid), (fcntl_locked, 1234));
    assert_eq!(*read.write().unwrap(), *vector.bytes);
}

#[allow(clippy::match_same_arms, reason = "one arm for each program's verdict")]
fn pid_files(vector: &Vector) {
    let key = format!("{}, {}", vector.text("sys"), vector.text("expect"));
    let read = PidText::parse(&vector.bytes);
    let Ok(file) = read else {
        let refused = [
            "procmail, never forced",
            "uucp, unparsable -> policy",
            "bsd, EINVAL",
            // The original cuts the number short and reads another process's.
            "bsd, truncated to 15 chars",
            "postgres, FATAL bogus data",
        ];
        return assert!(refused.contains(&key.as_str()), "{key}: {read:?}");
    };
    let pid = file.pid.map_or(0, Pid::get);
    let expected = match key.as_str() {
        "liblockfile, held until mtime+300s" => (0, Dialect::Line),
        "liblockfile, with -p: kill test; without: age only" => (25619, Dialect::Line),
        "liblockfile, age only" => (0, Dialect::Nul),
        "procmail, age vs fs clock, mode 0444" => (0, Dialect::Bare),
        "uucp, pid 1230" => (1230, Dialect::Column),
        "uucp, pid 25619 + extra" => (25619, Dialect::Words),
        "uucp, %04d LF" => (25619, Dialect::Line),
        // Recorded on a machine with the low byte first: 1230 there.
        "uucp, 4-byte native int" => {
            let native = i32::from_ne_bytes([0xce, 0x04, 0, 0]);
            (u64::try_from(native).unwrap_or(0), Dialect::Binary)
        }
        "uucp, invalid" => (0, Dialect::Column),
        "x11, pid 1234" => (1234, Dialect::Column),
        // Readable, but not eleven bytes.
        "x11, bogus -> unlinked" => {
            return assert_ne!(file.dialect, Dialect::Column, "{}", vector.fields);
        }
        "bsd, EEXIST pid=1234" => (1234, Dialect::Bare),
        "bsd, EINVAL (strict reader)" => (1234, Dialect::Line),
        "bsd, EAGAIN -> pid -1 after 20x5ms" => (0, Dialect::Empty),
        "git, pid 1234" => (1234, Dialect::Tagged),
        "git, unparsable" => (1234, Dialect::Line),
        "postgres, pid 1234" => (1234, Dialect::Lines),
        "postgres, pid 1234 (negative = standalone)" => {
            assert!(file.standalone);
            (1234, Dialect::Lines)
        }
        "postgres, FATAL lock file is empty" => (0, Dialect::Empty),
        other => panic!("read, but not expected to be: {other}"),
    };
    assert_eq!((pid, file.dialect), expected, "{key}");
    let pid = u32::try_from(pid).unwrap();
    match file.dialect {
        Dialect::Bare => assert_eq!(*pid_text::bare(pid), *vector.bytes),
        Dialect::Line => assert_eq!(*pid_text::line(pid), *vector.bytes),
        Dialect::Column => assert_eq!(*pid_text::column(pid), *vector.bytes),
        _ => {}
    }
}

#[test]
fn every_nfs_info_is_read_and_printed_as_sexplib_does() {
    let vectors = vectors(NFS_INFO);
    assert_eq!(vectors.len(), 294);
    for vector in &vectors {
        let read = NfsInfo::parse(&vector.bytes);
        match vector.text("expect") {
            "accept" => {}
            "reject" => {
                assert!(read.is_err(), "{}", vector.fields);
                continue;
            }
            other => panic!("{other}"),
        }
        let info = read.unwrap_or_else(|error| panic!("{error}: {}", vector.fields));
        let parsed = &vector.fields["parsed"];
        assert_eq!(*info.host, unhex(parsed["host"].as_str().unwrap()), "{}", vector.fields);
        assert_eq!(*info.message, unhex(parsed["message"].as_str().unwrap()), "{}", vector.fields);
        assert_eq!(Some(info.pid.get()), vector.parsed("pid"), "{}", vector.fields);
        check_start_time(vector, &info);
        if let Some(machine) = vector.fields["machine"].as_str() {
            let mut file = [0; NFS_INFO_MAX];
            let len = info.write_machine(&mut file).unwrap();
            assert_eq!(file[..len], unhex(machine), "{}", vector.fields);
            let len = info.write_human(&mut file).unwrap();
            let human = [unhex(vector.text("human")), b"\n".to_vec()].concat();
            assert_eq!(file[..len], human, "{}", vector.fields);
        }
    }
}

/// The original counts in floating point: far from 1970 its microseconds are blurred.
fn check_start_time(vector: &Vector, info: &NfsInfo) {
    let expected = vector.fields["parsed"]["start_time_us"].as_i64();
    let read = info.start_time.map(WallTime::as_us);
    assert_eq!(read.is_some(), expected.is_some(), "{}", vector.fields);
    if let Some((read, expected)) = read.zip(expected) {
        let blur = if expected.unsigned_abs() > 1 << 53 { 64 } else { 1 };
        assert!(read.abs_diff(expected) <= blur, "{read}: {}", vector.fields);
    }
}
