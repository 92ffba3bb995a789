//! `Lock_file_blocking.Flock` by its own names: `flock(2)` on a path, never written or removed.

use std::path::Path;

use lock_core::kind::Kind;
use lock_core::owner::Owner;

use crate::error::LockError;
use crate::guard::Guard;
use crate::lock::Lock;

/// The optional arguments of [`lock_exn`].
///
/// ```
/// use lock_std::lock_file_blocking::flock::{Options, Outcome, lock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-options-{}", std::process::id());
/// let shared = Options { exclusive: false, ..Options::default() };
/// let (one, other) = (lock_exn(&path, shared)?, lock_exn(&path, shared)?);
/// assert!(matches!((one, other), (Outcome::WeTookIt(_), Outcome::WeTookIt(_))));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Options {
    /// Whom to give the lock file to, by user id.
    pub lock_owner_uid: Option<u32>,
    /// Whether to hold the lock alone; so by default.
    pub exclusive: bool,
    /// Whether programs that are started do not inherit the lock; so by default.
    pub close_on_exec: bool,
}

/// How [`lock_exn`] ended.
///
/// ```
/// use lock_std::lock_file_blocking::flock::{Options, Outcome, lock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lfb-outcome-{}", std::process::id());
/// let held = lock_exn(&path, Options::default())?;
/// let Outcome::SomebodyElseTookIt(owner) = lock_exn(&path, Options::default())? else {
///     panic!("it is held");
/// };
/// assert_eq!(owner.pid.unwrap().get(), u64::from(std::process::id()));
/// # drop(held);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "it may have the guard in it"]
#[derive(Debug)]
pub enum Outcome {
    /// The lock is held as long as the guard lives.
    WeTookIt(Guard),
    /// It is not, because somebody else holds it: who, as far as that can be told.
    SomebodyElseTookIt(Box<Owner>),
}

impl Default for Options {
    fn default() -> Self {
        Options { lock_owner_uid: None, exclusive: true, close_on_exec: true }
    }
}

/// Tries to take the lock.
///
/// ```
/// use lock_std::lock_file_blocking::flock::{Options, Outcome, lock_exn, unlock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-lock-exn-{}", std::process::id());
/// match lock_exn(&path, Options::default())? {
///     Outcome::WeTookIt(guard) => assert!(unlock_exn(guard).is_ok()),
///     Outcome::SomebodyElseTookIt(owner) => println!("{owner} has it"),
/// }
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
pub fn lock_exn(path: impl AsRef<Path>, options: Options) -> Result<Outcome, LockError> {
    let lock = Lock::at(path).kind(Kind::Flock).close_on_exec(options.close_on_exec);
    let lock = if options.exclusive { lock } else { lock.shared() };
    let lock = match options.lock_owner_uid {
        Some(uid) => lock.owner_uid(uid),
        None => lock,
    };
    match lock.try_lock() {
        Ok(guard) => Ok(Outcome::WeTookIt(guard)),
        Err(LockError::Held { owner, .. }) => Ok(Outcome::SomebodyElseTookIt(owner)),
        Err(LockError::HeldByThisProcess { .. }) => {
            let me = Owner::from_pid(std::process::id());
            Ok(Outcome::SomebodyElseTookIt(Box::new(me)))
        }
        Err(error) => Err(error),
    }
}

/// Releases the lock. The original raises when it is called twice; here the guard is gone.
///
/// Errors: those of [`Guard::unlock`].
///
/// ```
/// use lock_std::lock_file_blocking::flock::{Options, Outcome, lock_exn, unlock_exn};
///
/// # let path = format!("/tmp/lock-std-doc-unlock-exn-{}", std::process::id());
/// let Outcome::WeTookIt(guard) = lock_exn(&path, Options::default())? else { panic!("held") };
/// unlock_exn(guard)?;
/// assert!(matches!(lock_exn(&path, Options::default())?, Outcome::WeTookIt(_)));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
///
/// ```compile_fail
/// # use lock_std::lock_file_blocking::flock::{Options, Outcome, lock_exn, unlock_exn};
/// # let Outcome::WeTookIt(guard) = lock_exn("/run/lock/once", Options::default()).unwrap() else {
/// #     panic!();
/// # };
/// unlock_exn(guard).unwrap();
/// unlock_exn(guard).unwrap(); // the guard was moved
/// ```
pub fn unlock_exn(guard: Guard) -> Result<(), LockError> {
    guard.unlock()
}
