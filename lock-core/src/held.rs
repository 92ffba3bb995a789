//! What this process holds already.
//!
//! POSIX locks belong to the process: a second thread that asks gets a second "yes", and whoever
//! closes the file, through any descriptor, drops the lock for all. So the process keeps a table
//! of the files it holds, asks it before it opens one, and *parks* a descriptor that it must not
//! close yet. For locks that belong to the open file the table is only the better answer to "by
//! whom?".

use core::cell::RefCell;

use critical_section::Mutex;
use heapless::Vec;

use crate::os::{Inode, Mode};

/// How many files one process can hold at once with POSIX locks.
pub const HELD_MAX: usize = 128;

/// How many descriptors can wait beside one held file for it to be released.
pub const PARKED_MAX: usize = 4;

/// The files this process holds, with the descriptors `F` parked beside each.
///
/// ```
/// use lock_core::held::{Held, InsertError};
/// use lock_core::os::{Inode, Mode};
///
/// static HELD: Held<u32> = Held::new();
/// let inode = Inode { dev: 1, ino: 2 };
/// assert_eq!(HELD.insert(inode, 100, Mode::Shared), Ok(()));
/// assert_eq!(HELD.insert(inode, 100, Mode::Shared), Err(InsertError::HeldByThisProcess));
/// assert_eq!(HELD.mode(inode, 100), Some(Mode::Shared));
/// assert_eq!(HELD.mode(inode, 101), None, "a forked child inherits no POSIX lock");
/// HELD.remove(inode);
/// ```
pub struct Held<F> {
    table: Mutex<RefCell<Table<F>>>,
}

/// Searched from its start: a process holds few locks at once.
type Table<F> = Vec<Entry<F>, HELD_MAX>;

struct Entry<F> {
    inode: Inode,
    pid: u32,
    mode: Mode,
    parked: Vec<F, PARKED_MAX>,
}

/// See [`Held::insert`].
///
/// ```
/// use lock_core::held::{HELD_MAX, Held, InsertError};
/// use lock_core::os::{Inode, Mode};
///
/// let held = Held::<()>::new();
/// let insert = |ino| held.insert(Inode { dev: 1, ino }, 100, Mode::Exclusive);
/// assert!((0..HELD_MAX as u64).all(|ino| insert(ino).is_ok()));
/// assert_eq!(insert(0), Err(InsertError::HeldByThisProcess));
/// assert_eq!(insert(HELD_MAX as u64), Err(InsertError::Full));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum InsertError {
    /// It is in the table already.
    HeldByThisProcess,
    /// [`HELD_MAX`] files are.
    Full,
}

impl<F> Held<F> {
    /// An empty table.
    pub const fn new() -> Self {
        Held { table: Mutex::new(RefCell::new(Vec::new())) }
    }

    /// Whether no file is held: then there is no need to look one up.
    ///
    /// ```
    /// use lock_core::held::Held;
    /// use lock_core::os::{Inode, Mode};
    ///
    /// let held = Held::<()>::new();
    /// assert!(held.is_empty());
    /// held.insert(Inode { dev: 1, ino: 2 }, 100, Mode::Shared).unwrap();
    /// assert!(!held.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.with(|table| table.is_empty()).unwrap_or(false)
    }

    /// How process `pid` holds the file, if it does. An entry that a parent made before a fork
    /// does not count: the child has no lock.
    pub fn mode(&self, inode: Inode, pid: u32) -> Option<Mode> {
        self.with(|table| {
            find(table, inode).filter(|entry| entry.pid == pid).map(|entry| entry.mode)
        })?
    }

    /// Notes that process `pid` holds the file. Fails and changes nothing if it holds it already,
    /// or [`HELD_MAX`] other files are in the table.
    pub fn insert(&self, inode: Inode, pid: u32, mode: Mode) -> Result<(), InsertError> {
        self.with(|table| {
            let entry = Entry { inode, pid, mode, parked: Vec::new() };
            match find(table, inode) {
                Some(held) if held.pid == pid => return Err(InsertError::HeldByThisProcess),
                // What it had parked belongs to the parent's time: closing it is fine.
                Some(parents) => *parents = entry,
                None => table.push(entry).map_err(|_| InsertError::Full)?,
            }
            Ok(())
        })
        .unwrap_or(Err(InsertError::Full))
    }

    /// Notes that the held file is held in another way now.
    ///
    /// ```
    /// use lock_core::held::Held;
    /// use lock_core::os::{Inode, Mode};
    ///
    /// let (held, inode) = (Held::<()>::new(), Inode { dev: 1, ino: 2 });
    /// held.insert(inode, 100, Mode::Shared).unwrap();
    /// held.set_mode(inode, Mode::Exclusive);
    /// assert_eq!(held.mode(inode, 100), Some(Mode::Exclusive));
    /// ```
    pub fn set_mode(&self, inode: Inode, mode: Mode) {
        self.with(|table| {
            if let Some(entry) = find(table, inode) {
                entry.mode = mode;
            }
        });
    }

    /// Closes a descriptor of the file; while process `pid` holds the file, keeps it open until the
    /// file is released. Gives it back if there is no room for that.
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// use lock_core::held::Held;
    /// use lock_core::os::{Inode, Mode};
    ///
    /// let (held, inode, file) = (Held::new(), Inode { dev: 1, ino: 2 }, Rc::new("a descriptor"));
    /// held.insert(inode, 100, Mode::Exclusive).unwrap();
    /// held.close(inode, 100, Rc::clone(&file)).unwrap();
    /// assert_eq!(Rc::strong_count(&file), 2, "open as long as the lock is held");
    /// held.remove(inode);
    /// assert_eq!(Rc::strong_count(&file), 1);
    /// ```
    pub fn close(&self, inode: Inode, pid: u32, file: F) -> Result<(), F> {
        let mut file = Some(file);
        self.with(|table| match find(table, inode) {
            Some(entry) if entry.pid == pid => {
                if let Some(unparked) = file.take() {
                    file = entry.parked.push(unparked).err();
                }
            }
            // Within the critical section: later, another thread could hold the file already.
            _ => drop(file.take()),
        });
        file.map_or(Ok(()), Err)
    }

    /// Forgets the file, after closing what was parked beside it. To be called when the lock's own
    /// descriptor is closed: until the last close, another thread must find the file held, or its
    /// new lock would go with that close.
    pub fn remove(&self, inode: Inode) {
        // Each turn closes outside the critical section; the entry goes when nothing was parked.
        while let Some(Some(parked)) = self.with(|table| {
            let at = table.iter().position(|entry| entry.inode == inode)?;
            let parked = core::mem::take(&mut table.get_mut(at)?.parked);
            if !parked.is_empty() {
                return Some(parked);
            }
            // The compiler does not know that a position is in the table.
            if at < table.len() {
                drop(table.swap_remove(at));
            }
            None
        }) {
            drop(parked);
        }
    }

    /// Works on the table. `None` would mean that this was called from within itself, which no
    /// caller above does: their closures only touch the table, and `F` only closes.
    fn with<R>(&self, work: impl FnOnce(&mut Table<F>) -> R) -> Option<R> {
        critical_section::with(|cs| {
            self.table.borrow(cs).try_borrow_mut().ok().map(|mut table| work(&mut table))
        })
    }
}

fn find<F>(table: &mut Table<F>, inode: Inode) -> Option<&mut Entry<F>> {
    table.iter_mut().find(|entry| entry.inode == inode)
}

impl<F> Default for Held<F> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    const FILE: Inode = Inode { dev: 1, ino: 1 };

    #[test]
    fn parked_descriptors_close_with_the_lock() {
        let held = Held::new();
        let descriptor = Rc::new(());
        held.insert(FILE, 1, Mode::Exclusive).unwrap();
        held.close(FILE, 1, descriptor.clone()).unwrap();
        assert_eq!(Rc::strong_count(&descriptor), 2);
        held.remove(FILE);
        assert_eq!(Rc::strong_count(&descriptor), 1);
    }

    #[test]
    fn descriptors_close_at_once_where_nothing_is_held() {
        let held = Held::new();
        let descriptor = Rc::new(());
        held.close(FILE, 1, descriptor.clone()).unwrap();
        held.insert(FILE, 1, Mode::Exclusive).unwrap();
        held.close(FILE, 2, descriptor.clone()).unwrap();
        assert_eq!(Rc::strong_count(&descriptor), 1, "what a parent holds is not the child's");
    }

    #[test]
    fn only_so_many_descriptors_wait_for_a_release() {
        let held = Held::new();
        held.insert(FILE, 1, Mode::Exclusive).unwrap();
        for number in 0..PARKED_MAX {
            held.close(FILE, 1, number).unwrap();
        }
        assert_eq!(held.close(FILE, 1, PARKED_MAX), Err(PARKED_MAX));
    }

    #[test]
    fn is_bounded_and_says_so() {
        let held = Held::<()>::new();
        for ino in 0..HELD_MAX as u64 {
            held.insert(Inode { dev: 0, ino }, 1, Mode::Shared).unwrap();
        }
        assert_eq!(held.insert(FILE, 1, Mode::Exclusive), Err(InsertError::Full));
        held.remove(Inode { dev: 0, ino: 5 });
        assert_eq!(held.insert(FILE, 1, Mode::Exclusive), Ok(()));
    }

    #[test]
    fn a_forked_child_starts_with_nothing_held() {
        let held = Held::<()>::new();
        held.insert(FILE, 1, Mode::Exclusive).unwrap();
        assert_eq!(held.mode(FILE, 2), None);
        assert_eq!(held.insert(FILE, 2, Mode::Shared), Ok(()));
        assert_eq!(held.mode(FILE, 2), Some(Mode::Shared));
        held.set_mode(FILE, Mode::Exclusive);
        assert_eq!(held.mode(FILE, 2), Some(Mode::Exclusive));
    }
}
