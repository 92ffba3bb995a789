//! Cycles beside very many locks that this process holds: `scale WAY DIRECTORY PASSES LEVEL...`.
//!
//! At each level so many are held, and cycles of one more are gone through: PASSES times 200, whose
//! nanoseconds are printed; or ten between two breakpoints, if PASSES is 0, to be counted. A level
//! that descriptors do not suffice for, or the way itself, says `-`. `scale` alone prints the ways.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use lock_core::held::HELD_MAX;
use lock_std::{ExistenceGuard, ExistenceLock, Guard, Kind, Lock};
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What is held, until it is released.
enum Held {
    Flock { _lock: Flock<File> },
    Guard { _guard: Guard },
    Existing(ExistenceGuard),
    Name(PathBuf),
    Directory(PathBuf),
    Range(i64),
}

struct Way {
    name: &'static str,
    take: fn(&Path) -> Held,
    /// How many descriptors each takes.
    descriptors: u64,
    /// How many a process can hold.
    most: u64,
}

const fn way(name: &'static str, descriptors: u64, take: fn(&Path) -> Held) -> Way {
    Way { name, take, descriptors, most: u64::MAX }
}

const WAYS: [Way; 14] = [
    way("open, flock(2), close", 1, raw_flock),
    way("**lock-std, flock**", 1, |path| kernel(Kind::Flock, path)),
    // Those that closing another descriptor would end are kept in a table.
    Way {
        most: HELD_MAX as u64 - 1,
        ..way("**lock-std, POSIX**", 1, |path| kernel(Kind::Lockf, path))
    },
    way("**lock-std, OFD**", 1, |path| kernel(Kind::Ofd, path)),
    way("**lock-std, file**", 1, |path| kernel(Kind::File, path)),
    way("symlink(2), unlink(2)", 0, raw_symlink),
    way("**lock-std, symlink**", 2, |path| existing(Kind::Symlink, path)),
    way("mkdir(2), rmdir(2)", 0, raw_mkdir),
    way("**lock-std, mkdir with owner**", 2, |path| existing(Kind::Mkdir, path)),
    way("open(2) with O_EXCL and a pid, unlink(2)", 0, raw_pid),
    way("**lock-std, pidfile**", 2, |path| existing(Kind::Pidfile, path)),
    way("open, write, link(2), unlink; unlink", 0, raw_link),
    way("**lock-std, nfs**", 2, |path| existing(Kind::Nfs, path)),
    way("fcntl(2), each a range of one file", 0, range),
];

fn raw_flock(path: &Path) -> Held {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let lock = Flock::lock(file.expect("it opens"), FlockArg::LockExclusiveNonblock);
    Held::Flock { _lock: lock.expect("free") }
}

fn raw_symlink(path: &Path) -> Held {
    symlink("host:1234", path).expect("free");
    Held::Name(path.to_owned())
}

fn raw_mkdir(path: &Path) -> Held {
    fs::create_dir(path).expect("free");
    Held::Directory(path.to_owned())
}

fn raw_pid(path: &Path) -> Held {
    File::create_new(path).expect("free").write_all(b"1234").expect("room");
    Held::Name(path.to_owned())
}

fn raw_link(path: &Path) -> Held {
    let unique = path.with_extension("unique");
    File::create_new(&unique).expect("free").write_all(b"1234").expect("room");
    fs::hard_link(&unique, path).expect("free");
    fs::remove_file(&unique).expect("ours");
    Held::Name(path.to_owned())
}

/// All in one file: its name is the byte.
fn range(path: &Path) -> Held {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a number");
    // Apart, or the kernel would make them one.
    let at = 2 * name.parse::<i64>().expect("a number");
    set_range(path, at, libc_type(true));
    Held::Range(at)
}

fn set_range(path: &Path, at: i64, kind: i16) {
    static FILE: OnceLock<File> = OnceLock::new();
    let file = FILE.get_or_init(|| File::create(path.with_file_name("file")).expect("it opens"));
    let lock = nix::libc::flock { l_type: kind, l_whence: 0, l_start: at, l_len: 1, l_pid: 0 };
    fcntl(file, FcntlArg::F_SETLK(&lock)).expect("nobody else holds it");
}

fn libc_type(taken: bool) -> i16 {
    let kind = if taken { nix::libc::F_WRLCK } else { nix::libc::F_UNLCK };
    i16::try_from(kind).expect("it is small")
}

fn kernel(kind: Kind, path: &Path) -> Held {
    Held::Guard { _guard: Lock::at(path).kind(kind).try_lock().expect("free") }
}

fn existing(kind: Kind, path: &Path) -> Held {
    Held::Existing(ExistenceLock::at(path, kind).try_lock().expect("free"))
}

fn release(held: Held) {
    match held {
        Held::Flock { .. } | Held::Guard { .. } => {}
        Held::Existing(guard) => guard.unlock().map(drop).expect("ours"),
        Held::Name(path) => fs::remove_file(path).expect("ours"),
        Held::Directory(path) => fs::remove_dir(path).expect("ours"),
        Held::Range(at) => set_range(Path::new("/"), at, libc_type(false)),
    }
}

/// Where a tracer looks.
fn breakpoint() {
    // SAFETY: whoever asks for counts traces this process, and lets it go on.
    unsafe { core::arch::asm!("int3") };
}

/// Whether so many descriptors may be open.
fn suffices(descriptors: u64) -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("it is known");
    let wanted = descriptors + 1000;
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, dir, passes, levels @ ..] = args.as_slice() else {
        for way in WAYS {
            println!("{}", way.name);
        }
        return;
    };
    let way = WAYS.iter().find(|way| way.name == name).expect("a way");
    let number = |word: &String| word.parse::<u64>().expect("a number");
    let (dir, passes) = (Path::new(dir), number(passes));
    fs::create_dir(dir).expect("a place of its own");
    // The first is for the cycles.
    let one = dir.join("0");
    release((way.take)(&one));
    let mut held = Vec::new();
    for level in levels.iter().map(number) {
        if level > way.most || !suffices(level * way.descriptors) {
            println!("-");
            continue;
        }
        while (held.len() as u64) < level {
            held.push((way.take)(&dir.join((held.len() + 1).to_string())));
        }
        let cycles = |times: u32| (0..times).for_each(|_| release((way.take)(&one)));
        if passes == 0 {
            breakpoint();
            cycles(10);
            breakpoint();
        }
        for _ in 0..passes {
            let start = Instant::now();
            cycles(200);
            print!("{} ", start.elapsed().as_nanos() / 200);
        }
        println!();
    }
    // The end of the process releases what the kernel keeps; names go with their directory.
    held.into_iter().for_each(core::mem::forget);
    fs::remove_dir_all(dir).expect("it was made");
}
