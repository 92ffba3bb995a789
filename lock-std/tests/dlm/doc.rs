// For the examples in the documentation, which include this file: lockspaces of a lock manager in
// memory, so that they run where no cluster is.

mod fake;

/// Long enough for anything that is sure to come.
const LONG: core::time::Duration = core::time::Duration::from_secs(60);

/// A lockspace that nobody else has open.
pub fn in_memory() -> lock_std::dlm::Lockspace {
    fake::Node::default().open()
}

/// One lockspace, opened by two programs.
pub fn by_two() -> (lock_std::dlm::Lockspace, lock_std::dlm::Lockspace) {
    let node = fake::Node::default();
    (node.open(), node.open())
}
