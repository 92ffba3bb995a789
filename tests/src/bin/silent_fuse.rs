//! A file system that never answers: `silent_fuse deaf|reading DIR COMMAND...` mounts it on DIR,
//! runs the command, and ends with its exit status.
//!
//! `deaf` does not read what the kernel asks: who waits for it can be killed. `reading` reads it
//! and says nothing: who waits for it can not, until this program ends.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitCode, exit};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, mount};

/// `FUSE_INIT`, the first request, which must be answered before there are others.
const INIT: u32 = 26;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let how = args.next().expect("deaf or reading");
    let dir = args.next().expect("a directory");
    let program = args.next().expect("a command");
    let device = open_device();
    let target = CString::new(dir.as_bytes()).expect("a path");
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let options = CString::new(options).expect("no NUL");
    mount(c"silent", target.as_c_str(), c"fuse.silent", MountFlags::empty(), options.as_c_str())
        .expect("FUSE can be mounted");
    match how.as_bytes() {
        b"deaf" => {}
        b"reading" => drop(thread::spawn(move || read_requests(device))),
        _ => panic!("deaf or reading"),
    }
    let status = Command::new(program).args(args).status().expect("the command runs");
    // What is mounted goes with the namespace, whoever waits with the device.
    exit(status.code().unwrap_or(255))
}

fn open_device() -> File {
    const PATH: &str = "/dev/fuse";
    let open = || OpenOptions::new().read(true).write(true).open(PATH);
    match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mode = Mode::RUSR | Mode::WUSR;
            mknodat(CWD, PATH, FileType::CharacterDevice, mode, makedev(10, 229))
                .expect("only root can make /dev/fuse");
            open().expect("the kernel has FUSE")
        }
        opened => opened.expect("/dev/fuse can be opened"),
    }
}

/// Answers the first request, and no other.
fn read_requests(mut device: File) {
    let mut request = vec![0; 2 << 20];
    while let Ok(len) = device.read(&mut request) {
        assert!(len >= 40, "a request has a header");
        let opcode = u32::from_ne_bytes(request[4..8].try_into().expect("four bytes"));
        if opcode == INIT {
            // `struct fuse_out_header` and `struct fuse_init_out` of version 7.31.
            let mut answer = [0u8; 16 + 64];
            answer[0..4].copy_from_slice(&80u32.to_ne_bytes());
            answer[8..16].copy_from_slice(&request[8..16]);
            answer[16..20].copy_from_slice(&7u32.to_ne_bytes());
            answer[20..24].copy_from_slice(&31u32.to_ne_bytes());
            answer[36..40].copy_from_slice(&4096u32.to_ne_bytes());
            device.write_all(&answer).expect("the kernel takes the answer");
        }
    }
}
