//! The bytes in lock files: one codec per format, each total and without allocation.
//!
//! Reading never fails by panic and never takes a part for the whole: a text longer than its
//! buffer is an error. So a caller reads into room for one byte more than a codec's `MAX` and hands
//! over what it got. Writing produces what the format's own programs read.
//!
//! | codec | bytes | of |
//! |---|---|---|
//! | [`message`] | text and newline, by default a pid | `Lock_file_blocking` |
//! | [`nfs_info`] | s-expression | `Lock_file_blocking.Nfs` |
//! | [`pidfile`] | `PID HOST` | Pidfile.jl |
//! | [`pid_text`] | a pid in many dresses | daemons, BSD, UUCP, X11, liblockfile and others |
//! | [`python`] | pid and host, in lines or between bars | Python's filelock and flufl.lock |
//! | [`link_target`] | target of a symbolic link | Emacs, Mercurial, Chromium, Firefox |
//! | [`link_identity`] | target of a symbolic link, 59 bytes | this library |
//! | [`identity`] | comment before an s-expression | this library |
//!
//! Over them, [`identify`] tells which convention a lock is of. Under them: [`sexp`], [`date_time`]
//! and [`ocaml_int`], which read as the originals do; [`parse`] and [`write`](mod@write), the
//! errors. [`proc_locks`] is the kernel's own list.

pub mod date_time;
pub mod identify;
pub mod identity;
pub mod link_identity;
pub mod link_target;
pub mod message;
pub mod nfs_info;
pub mod ocaml_int;
pub mod parse;
pub mod pid_text;
pub mod pidfile;
pub mod proc_locks;
pub mod python;
pub mod sexp;
pub mod write;
