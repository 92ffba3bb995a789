//! The examination of directories of this machine, by the library.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use lock_core::fault::FaultKind;
use lock_core::kind::Kind;
use lock_rustix::doctor::{Doubt, Finding, LIMIT_NS, Nature, Report, examine};

fn scratch(test: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("lock-doctor-{test}-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    dir
}

fn examined(dir: &std::path::Path) -> Report {
    examine(&CString::new(dir.as_os_str().as_bytes()).unwrap(), LIMIT_NS).unwrap()
}

#[test]
fn every_kind_is_sound_on_a_disk_and_nothing_is_left() {
    let dir = scratch("disk");
    let report = examined(&dir);
    for (kind, finding) in report.findings {
        assert_eq!(finding, Finding::Sound, "{kind:?}");
    }
    assert_eq!(report.file_system.unwrap().nature, Nature::Local);
    assert_eq!((report.clock_skew_ms, report.events), (Some(0), Some(true)));
    assert_eq!((report.refuses_both, report.unseen), (Some(false), [false; 4]));
    assert_eq!((report.leftover, report.stuck), (None, None));
    fs::remove_dir(dir).expect("it is empty");
}

#[test]
fn what_is_no_directory_is_an_error() {
    for (path, kind) in
        [(c"/no such directory", FaultKind::Missing), (c"/dev/null", FaultKind::NotDirectory)]
    {
        assert_eq!(examine(path, LIMIT_NS).unwrap_err().kind, kind, "{path:?}");
    }
}

#[test]
fn where_nothing_can_be_written_the_file_system_is_told_all_the_same() {
    let report = examine(c"/proc", LIMIT_NS).unwrap();
    assert_eq!(&report.file_system.unwrap().name[..], b"proc");
    let Finding::Unknown(Doubt::NotTested(_)) = report.findings[0].1 else {
        panic!("{:?}", report.findings);
    };
    assert_eq!(report.leftover, None);
}

/// The children are copies of a process with locks and threads; none of that is touched.
#[test]
fn the_programs_own_locks_and_children_stay() {
    let dir = scratch("own");
    let mine = File::create(dir.join("mine")).unwrap();
    mine.lock().unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let report = examined(&dir);
    assert_eq!(report.finding(Kind::Flock), Finding::Sound);
    let other = File::open(dir.join("mine")).unwrap();
    other.try_lock().unwrap_err();
    assert!(child.wait().unwrap().success());
    fs::remove_dir_all(dir).unwrap();
}
