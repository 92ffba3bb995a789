//! Command lines that make no sense: every one ends at once, with a status of the contract, and no
//! signal.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use lock_tests::lockbox::lockbox;
use lock_tests::random::Random;

use crate::status::Scratch;

const NAMES: [&str; 7] =
    ["lockbox", "flock", "dotlockfile", "lockfile", "setlock", "lockf", "/usr/bin/flock"];

/// Commands, options with and without arguments, operands; nothing that waits or does harm.
const WORDS: [&[u8]; 62] = [
    b"run",
    b"acquire",
    b"release",
    b"touch",
    b"break",
    b"status",
    b"wait",
    b"list",
    b"explain",
    b"help",
    b"version",
    b"-k",
    b"file",
    b"flock",
    b"nfs",
    b"symlink",
    b"mkdir",
    b"pidfile",
    b"lockf",
    b"ofd",
    b"-n",
    b"-s",
    b"-x",
    b"-u",
    b"-e",
    b"-o",
    b"-F",
    b"-E",
    b"-w",
    b"0",
    b"0.01",
    b"1e3",
    b"-1",
    b"99999999999999999999",
    b"nan",
    b"",
    b"-",
    b"--",
    b"---",
    b"-m",
    b"-p",
    b"7777",
    b"--pid",
    b"1",
    b"--force",
    b"--inherit",
    b"--stale-age",
    b"--refresh=",
    b"--lease=0.01",
    b"-j",
    b"-v",
    b"--verbose",
    b"--wait=0",
    b"--timeout",
    b"-c",
    b"lock",
    b"lock",
    b"true",
    b"\xff\xfe",
    b"-l",
    b"-r",
    b"--n",
];

/// What `lockbox` and the applets exit with, the originals' among them; 2 is the shell's that got
/// no sense under `-c`.
const STATUSES: [i32; 20] =
    [0, 1, 2, 3, 4, 5, 64, 65, 66, 69, 70, 71, 73, 74, 75, 77, 100, 111, 126, 127];

#[test]
fn no_command_line_crashes_or_hangs() {
    let scratch = Scratch::new("arguments");
    // No command but one: some would wait for the lock that they run under.
    let bin = scratch.0.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink("/bin/true", bin.join("true")).unwrap();
    let seed = Random::seed_from_environment();
    println!("SEED={seed}");
    let mut random = Random::new(seed);
    let mut below = |end: usize| usize::try_from(random.below(end as u64)).unwrap();
    for round in 0..1500 {
        let name = NAMES[below(NAMES.len())];
        // Told a name twice, lockfile waits for itself.
        let first: &[&str] = if name == "lockfile" { &["-r0", "-1"] } else { &[] };
        let words = (0..below(8)).map(|_| OsStr::from_bytes(WORDS[below(WORDS.len())]));
        // Nor may it be told to try for ever, as -r -1 does.
        let words = words.filter(|word| name != "lockfile" || *word != "-r");
        let words: Vec<&OsStr> = first.iter().map(OsStr::new).chain(words).collect();
        // Of its own, so that nothing is there to be waited for.
        let dir = scratch.0.join(round.to_string());
        fs::create_dir(&dir).unwrap();
        // Its own file, so that no lock is taken on something that others have.
        let input = File::create(dir.join("input")).unwrap();
        let mut tool = Command::new(lockbox());
        tool.arg0(name).args(&words);
        tool.env("PATH", &bin)
            .current_dir(&dir)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // SAFETY: an alarm is set between fork and exec, by one system call.
        unsafe {
            tool.pre_exec(|| {
                nix::unistd::alarm::set(20);
                Ok(())
            });
        }
        let status = tool.status().unwrap();
        assert_eq!(status.signal(), None, "{name} {words:?}");
        let code = status.code().unwrap();
        assert!(STATUSES.contains(&code), "{name} {words:?}: {code}");
        fs::remove_dir_all(&dir).unwrap();
    }
}
