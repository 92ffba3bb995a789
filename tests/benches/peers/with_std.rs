//! `with_std PATH COMMAND [ARGUMENT]...`: what anybody would write with Rust's std alone.

use std::fs::File;
use std::process::{Command, exit};

fn main() {
    let mut args = std::env::args_os().skip(1);
    let (Some(path), Some(command)) = (args.next(), args.next()) else { exit(64) };
    let file = File::create(path).expect("it opens");
    file.lock().expect("it can be locked");
    let status = Command::new(command).args(args).status().expect("it starts");
    exit(status.code().unwrap_or(1));
}
