//! The algorithms of the originals, as functions over the same waist as ours: one function takes
//! the lock, one gives it back, each with the system calls of the original in their order.
//!
//! They exist to be explored beside ours, and to show that the explorer has teeth: the bugs that
//! their own documentation admits must be found in them. They follow the sources, mistakes
//! included, and are used nowhere else.

pub mod jane_street;
pub mod pidfile_jl;

use lock_core::fault::Fault;
use lock_core::os::{Access, Contents, Node, ProcessState, Processes};
use lock_core::owner::Pid;

/// Why an original did not take the lock: it tries again, or it has failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refused {
    /// Somebody holds it, or something changed meanwhile.
    Busy,
    /// A call failed in a way that the original reports.
    Fault(Fault),
}

/// Reads who an info names; the pid is all that decides in a model.
pub type Decode = fn(&[u8]) -> Option<Pid>;

/// Reads a whole file by name, as the originals do: open, read, close.
fn read_by_name<O: Contents>(os: &O, node: Node) -> Result<Vec<u8>, Fault> {
    let file = os.open(node, Access::Read)?;
    let mut buffer = [0; 64];
    let len = os.pread(&file, &mut buffer, 0)?;
    Ok(buffer[..len].to_vec())
}

/// `kill(pid, 0)`: a zombie counts as alive.
fn is_alive(os: &impl Processes, pid: Pid) -> bool {
    !matches!(os.process(pid), ProcessState::Gone)
}
