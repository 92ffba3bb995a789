//! Waiting for a lock in an async program, under any runtime or none.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::Cancel;
use crate::error::LockError;

/// A wait for a lock, as a future. The first poll tries; if the lock is held, a thread waits for
/// it, which ends with the future. A dropped future has no lock and will not get one.
///
/// Answers what [`Lock::lock`](crate::Lock::lock) does, or that there is no thread or descriptor to
/// wait with ([`Invalid`](LockError::Invalid)).
///
/// ```
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// use lock_std::{Lock, Locking};
///
/// # let path = format!("/tmp/lock-std-doc-locking-{}", std::process::id());
/// let lock = Lock::at(&path);
/// let guard = lock.try_lock()?;
/// let mut waiting: Locking<_> = lock.lock_async();
/// let mut context = Context::from_waker(Waker::noop()); // that of a runtime
/// assert!(pin!(&mut waiting).poll(&mut context).is_pending());
/// drop(waiting); // a timeout of the runtime does that: nothing is left of the wait
/// # drop(guard);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), lock_std::LockError>(())
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Locking<G> {
    state: State<G>,
}

enum State<G> {
    /// Not polled yet.
    New(Box<dyn Lockable<G>>),
    Waiting(Waiting<G>),
    Done,
}

/// A thread that waits. It ends with this.
struct Waiting<G> {
    shared: Arc<Mutex<Shared<G>>>,
    cancel: Cancel,
    thread: Option<JoinHandle<()>>,
}

struct Shared<G> {
    outcome: Option<Result<G, LockError>>,
    waker: Option<Waker>,
}

/// What can be waited for.
pub(crate) trait Lockable<G>: Send {
    fn try_lock(&self) -> Result<G, LockError>;
    /// Waits on the lock's own terms, until this says otherwise.
    fn wait(self: Box<Self>, cancel: &Cancel) -> Result<G, LockError>;
    /// That there is no thread or descriptor to wait with.
    fn cannot_wait(&self) -> LockError;
}

impl<G: Send + 'static> Locking<G> {
    pub(crate) fn new(lock: impl Lockable<G> + 'static) -> Locking<G> {
        Locking { state: State::New(Box::new(lock)) }
    }

    fn start(lock: Box<dyn Lockable<G>>, waker: &Waker) -> Result<State<G>, LockError> {
        let Ok(cancel) = Cancel::new() else { return Err(lock.cannot_wait()) };
        let shared = Shared { outcome: None, waker: Some(waker.clone()) };
        let shared = Arc::new(Mutex::new(shared));
        let (theirs, end) = (Arc::clone(&shared), cancel.clone());
        let failed = lock.cannot_wait();
        let wait = move || {
            let outcome = lock.wait(&end);
            let mut shared = get(&theirs);
            shared.outcome = Some(outcome);
            let waker = shared.waker.take();
            drop(shared);
            if let Some(waker) = waker {
                waker.wake();
            }
        };
        match thread::Builder::new().name("lock wait".into()).spawn(wait) {
            Ok(thread) => Ok(State::Waiting(Waiting { shared, cancel, thread: Some(thread) })),
            Err(_) => Err(failed),
        }
    }
}

impl<G: Send + 'static> Future for Locking<G> {
    type Output = Result<G, LockError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let State::Waiting(waiting) = &this.state {
            let mut shared = get(&waiting.shared);
            let Some(outcome) = shared.outcome.take() else {
                shared.waker = Some(context.waker().clone());
                return Poll::Pending;
            };
            drop(shared);
            this.state = State::Done;
            return Poll::Ready(outcome);
        }
        match core::mem::replace(&mut this.state, State::Done) {
            State::New(lock) => match lock.try_lock() {
                Err(error) if error.is_held() => match Self::start(lock, context.waker()) {
                    Ok(waiting) => {
                        this.state = waiting;
                        Poll::Pending
                    }
                    Err(error) => Poll::Ready(Err(error)),
                },
                outcome => Poll::Ready(outcome),
            },
            State::Waiting(..) | State::Done => panic!("polled after it was done"),
        }
    }
}

impl<G> Drop for Waiting<G> {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            // A lock that it was granted in the last moment is given back with its guard.
            let _ = thread.join();
        }
    }
}

impl<G> Unpin for Locking<G> {}

impl<G> fmt::Debug for Locking<G> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New(_) => "new",
            State::Waiting(..) => "waiting",
            State::Done => "done",
        };
        out.debug_tuple("Locking").field(&state).finish()
    }
}

fn get<G>(shared: &Mutex<Shared<G>>) -> MutexGuard<'_, Shared<G>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
