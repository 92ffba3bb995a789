//! A directory as a lock where no rename spares what is there, as on NFS.

mod common;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use common::{Scratch, alone, with_failing};
use lock_rustix::descriptor::{eventfd, lend};
use lock_rustix::existence::{Contender, Event, RESTARTS_MAX, Refused, Request};
use lock_rustix::rustix::io::write;
use lock_std::Kind;
use nix::errno::Errno;
use nix::libc::SYS_renameat2;

#[test]
fn a_wait_may_look_any_number_of_times() {
    let _alone = alone();
    let scratch = Scratch::new("mkdir-in-place");
    let path = CString::new(scratch.path().as_os_str().as_bytes()).unwrap();
    let holder = Contender::new(Kind::Mkdir, &path).unwrap();
    let taken = holder.lock(&Request::once(&holder.me), &mut |_| {}).unwrap();
    let (end, mut looks) = (eventfd().unwrap(), 0);
    let mut look = |event: Event<'_>| {
        looks += u32::from(matches!(event, Event::Waiting { .. }));
        if looks > 2 * RESTARTS_MAX {
            write(&end, &1u64.to_ne_bytes()).unwrap();
        }
    };
    let request = Request {
        deadline_ns: u64::MAX,
        longest_pause_ns: 100_000,
        cancel: Some(lend(&end)),
        ..Request::once(&holder.me)
    };
    let outcome =
        with_failing(SYS_renameat2, Errno::EINVAL, || holder.lock(&request, &mut look).map(drop));
    assert_eq!(outcome, Err(Refused::Cancelled));
    taken.unlock(&holder.spot).unwrap();
    assert_eq!(fs::read_dir(scratch.dir()).unwrap().count(), 0);
}
