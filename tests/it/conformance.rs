//! One suite for every back end: what schemes rely on is true of the modelled disk and of Linux on
//! a real file system, in memory and on disk.

use core::cell::RefCell;
use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lock_core::fault::{Fault, FaultKind};
use lock_core::os::{
    Access, Contents, CreateNew, Dirs, FileType, Flock, Links, LockTable, Mode, Names, Node,
    OfdLocks, Symlinks, Unnamed,
};
use lock_core::scheme::kernel::{self, ByBoth, ByFlock, ByOfd, Convention, Probe, TryLockError};
use lock_rustix::place::Place;
use lock_rustix::sys::Sys;
use lock_tests::model::disk::Disk;
use lock_tests::model::sim::{Mutant, Sim};

/// Everything but POSIX locks, which belong to processes and not to handles.
trait Os:
    Contents + CreateNew + Dirs + Flock + Links + LockTable + Names + OfdLocks + Symlinks + Unnamed
{
}
impl<O> Os for O where
    O: Contents
        + CreateNew
        + Dirs
        + Flock
        + Links
        + LockTable
        + Names
        + OfdLocks
        + Symlinks
        + Unnamed
{
}

fn kind<T>(outcome: Result<T, Fault>) -> FaultKind {
    outcome.map(drop).expect_err("this must fail").kind
}

fn modelled(suite: impl Fn(&&Sim<'_>, &&Sim<'_>)) {
    let disk = RefCell::new(Disk::default());
    let sim = |who| Sim::new(&disk, who, 0, Vec::new(), usize::MAX, Mutant::default());
    let (one, other) = (sim(0), sim(1));
    suite(&&one, &&other);
}

fn real(test: &str, suite: impl Fn(&Sys<'_>, &Sys<'_>)) {
    for base in ["/dev/shm", env!("CARGO_TARGET_TMPDIR")] {
        let dir = Path::new(base).join(format!("lock-conformance-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let open = rustix::fs::open(
            &dir,
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        );
        let handle = open.unwrap();
        let name = |name: &str| CString::new(Path::new(name).as_os_str().as_bytes()).unwrap();
        let (lock, one, other, companion) = (name("lock"), name(".1"), name(".2"), name("path"));
        let place = Place::in_directory(handle.as_fd(), &lock).with_companion(&companion);
        suite(&Sys::new(place.with_private(&one)), &Sys::new(place.with_private(&other)));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

fn files(one: &impl Os, other: &impl Os) {
    assert_eq!(kind(one.open(Node::Lock, Access::Read)), FaultKind::Missing);
    assert_eq!(kind(one.stat(Node::Lock)), FaultKind::Missing);
    let file = one.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
    let same = other.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
    assert_eq!(one.fstat(&file).unwrap().inode, other.fstat(&same).unwrap().inode);
    assert_eq!(kind(other.create_new(Node::Lock)), FaultKind::Exists);
    let stat = one.stat(Node::Lock).unwrap();
    assert_eq!((stat.file_type, stat.len, stat.links), (FileType::Regular, 0, 1));

    assert_eq!(one.pwrite(&file, b"18229\n", 0).unwrap(), 6);
    let mut buffer = [0; 16];
    assert_eq!(other.pread(&same, &mut buffer, 0).unwrap(), 6);
    assert_eq!(&buffer[..6], b"18229\n");
    assert_eq!(one.pwrite(&file, b"7\n", 0).unwrap(), 2);
    one.ftruncate(&file, 2).unwrap();
    assert_eq!(other.stat(Node::Lock).unwrap().len, 2);

    one.unlink(Node::Lock).unwrap();
    assert_eq!(kind(one.unlink(Node::Lock)), FaultKind::Missing);
    assert_eq!(one.fstat(&file).unwrap().links, 0, "open, and without a name");
    let successor = other.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
    assert_ne!(other.fstat(&successor).unwrap().inode, one.fstat(&file).unwrap().inode);
}

fn names(one: &impl Os, other: &impl Os) {
    drop(one.create_new(Node::Private).unwrap());
    one.link(Node::Private, Node::Lock).unwrap();
    assert_eq!(kind(one.link(Node::Private, Node::Lock)), FaultKind::Exists);
    assert_eq!(one.stat(Node::Lock).unwrap().links, 2);
    one.rename(Node::Private, Node::Lock).expect("two names of one file: nothing happens");
    assert_eq!(one.stat(Node::Private).unwrap().links, 2);

    drop(other.create_new(Node::Private).unwrap());
    assert_eq!(kind(other.rename_noreplace(Node::Private, Node::Lock)), FaultKind::Exists);
    let theirs = other.stat(Node::Private).unwrap().inode;
    other.rename_exchange(Node::Private, Node::Lock).unwrap();
    assert_eq!(one.stat(Node::Lock).unwrap().inode, theirs);
    other.rename(Node::Private, Node::Lock).unwrap();
    assert_eq!(kind(other.stat(Node::Private)), FaultKind::Missing);
    assert_eq!(kind(other.rename_noreplace(Node::Private, Node::Lock)), FaultKind::Missing);
    one.unlink(Node::Lock).unwrap();

    let unnamed = one.open_unnamed().unwrap();
    assert_eq!(one.fstat(&unnamed).unwrap().links, 0);
    one.link_unnamed(&unnamed, Node::Lock).unwrap();
    let late = other.open_unnamed().unwrap();
    assert_eq!(kind(other.link_unnamed(&late, Node::Lock)), FaultKind::Exists);
    assert_eq!(other.stat(Node::Lock).unwrap().inode, one.fstat(&unnamed).unwrap().inode);
}

fn links_and_directories(one: &impl Os, other: &impl Os) {
    one.symlink(b"holder", Node::Lock).unwrap();
    assert_eq!(kind(other.symlink(b"late", Node::Lock)), FaultKind::Exists);
    let mut buffer = [0; 16];
    assert_eq!(other.readlink(Node::Lock, &mut buffer).unwrap(), 6);
    assert_eq!(kind(other.open(Node::Lock, Access::Read)), FaultKind::Symlink);
    assert_eq!(other.stat(Node::Lock).unwrap().file_type, FileType::Symlink);
    other.unlink(Node::Lock).unwrap();
    assert_eq!(kind(one.readlink(Node::Lock, &mut buffer)), FaultKind::Missing);
    drop(one.create_new(Node::Lock).unwrap());
    assert_eq!(kind(one.readlink(Node::Lock, &mut buffer)), FaultKind::NotSymlink);
    assert_eq!(kind(one.open_directory(Node::Lock)), FaultKind::NotDirectory);
    one.unlink(Node::Lock).unwrap();

    one.mkdir(Node::Lock).unwrap();
    assert_eq!(kind(other.mkdir(Node::Lock)), FaultKind::Exists);
    assert_eq!(kind(other.unlink(Node::Lock)), FaultKind::IsDirectory);
    let directory = one.open_directory(Node::Lock).unwrap();
    assert_eq!(kind(one.readlink_in(&directory, &mut buffer)), FaultKind::Missing);
    one.symlink_in(b"holder", &directory).unwrap();
    assert_eq!(kind(other.rmdir(Node::Lock)), FaultKind::NotEmpty);
    assert_eq!(other.readlink_in(&directory_of(other), &mut buffer).unwrap(), 6);
    other.mkdir(Node::Private).unwrap();
    assert_eq!(kind(other.rename_noreplace(Node::Private, Node::Lock)), FaultKind::Exists);
    other.rename_exchange(Node::Private, Node::Lock).unwrap();
    one.unlink_in(&directory).expect("it is the same directory under another name");
    other.rmdir(Node::Private).unwrap();
    other.rmdir(Node::Lock).unwrap();
    assert_eq!(kind(one.symlink_in(b"late", &directory)), FaultKind::Missing);
}

fn directory_of<O: Os>(os: &O) -> O::File {
    os.open_directory(Node::Lock).unwrap()
}

fn locks(one: &impl Os, other: &impl Os) {
    let file = one.open_or_create(Node::Lock, Access::ReadWrite).unwrap();
    let same = other.open(Node::Lock, Access::ReadWrite).unwrap();
    one.flock(&file, Mode::Shared).unwrap();
    other.flock(&same, Mode::Shared).unwrap();
    assert_eq!(kind(one.flock(&file, Mode::Exclusive)), FaultKind::WouldBlock);
    other.flock(&same, Mode::Exclusive).expect("a refused conversion loses the old lock");
    assert_eq!(kind(one.flock(&file, Mode::Shared)), FaultKind::WouldBlock);
    let inode = one.fstat(&file).unwrap().inode;
    assert_eq!(one.flock_listed(&file, inode).unwrap().unwrap().mode, Mode::Exclusive);
    other.flock_un(&same).unwrap();
    assert_eq!(one.flock_listed(&file, inode).unwrap(), None);

    one.ofd_setlk(&file, Mode::Shared).unwrap();
    other.ofd_setlk(&same, Mode::Shared).unwrap();
    assert_eq!(kind(one.ofd_setlk(&file, Mode::Exclusive)), FaultKind::WouldBlock);
    assert_eq!(kind(other.ofd_setlk(&same, Mode::Exclusive)), FaultKind::WouldBlock);
    assert_eq!(one.ofd_getlk(&file, Mode::Exclusive).unwrap().unwrap().mode, Mode::Shared);
    one.ofd_setlk_un(&file).unwrap();
    other.ofd_setlk(&same, Mode::Exclusive).expect("a refused conversion keeps the old lock");
    drop(same);
    one.ofd_setlk(&file, Mode::Exclusive).expect("the last close unlocks");
    one.flock(&file, Mode::Exclusive).expect("flocks and record locks do not meet");
}

fn attempts<C: Convention<O>, P: Convention<Q>, O: Os, Q: Os>(one: &O, other: &Q) {
    assert_eq!(kernel::probe::<C, O>(one).unwrap(), Probe::Missing);
    let locked = kernel::try_lock::<C, O>(one, Mode::Exclusive).map_err(drop).unwrap();
    let refused = kernel::try_lock::<P, Q>(other, Mode::Exclusive).map(drop);
    assert!(matches!(refused, Err(TryLockError::Held(_))));
    assert!(matches!(kernel::probe::<P, Q>(other).unwrap(), Probe::Held(_)));
    kernel::unlock_and_unlink(one, locked).unwrap();
    assert_eq!(kernel::probe::<P, Q>(other).unwrap(), Probe::Missing);
    drop(kernel::try_lock::<P, Q>(other, Mode::Exclusive).map_err(drop).unwrap());
    assert_eq!(kernel::probe::<C, O>(one).unwrap(), Probe::Free);
    one.unlink(Node::Lock).unwrap();
}

macro_rules! conforms {
    ($($name:ident: $suite:expr;)*) => {
        $(#[test] fn $name() {
            modelled(|one, other| $suite(one, other));
            real(stringify!($name), |one, other| $suite(one, other));
        })*
    };
}

conforms! {
    files_open_and_change_alike: files;
    names_move_alike: names;
    links_and_directories_alike: links_and_directories;
    locks_exclude_alike: locks;
    flock_attempts_alike: attempts::<ByFlock, ByFlock, _, _>;
    ofd_attempts_alike: attempts::<ByOfd, ByOfd, _, _>;
    attempts_at_both_alike: attempts::<ByBoth, ByBoth, _, _>;
}
