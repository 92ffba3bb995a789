//! Locks in async programs: under tokio, under smol, and polled by hand; and what waits tell to
//! `tracing`.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_lite::future;
use lock_std::{ExistenceGuard, ExistenceLock, Guard, Kind, Lock, LockError, Locking};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("lock-tests-async-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn lock(&self) -> Lock {
        Lock::at(self.0.join("lock")).kind(Kind::Flock)
    }

    fn name(&self, kind: Kind) -> ExistenceLock {
        ExistenceLock::at(self.0.join(kind.name()), kind)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// How many threads of this process wait for locks.
fn waiters() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "lock wait").count()
}

/// Three tasks add to a number under the lock; none sees another at work.
async fn add(scratch: Arc<Scratch>, sum: Arc<Mutex<u32>>) {
    for _ in 0..50 {
        let flock: Guard = scratch.lock().lock_async().await.unwrap();
        let name: ExistenceGuard = scratch.name(Kind::Mkdir).lock_async().await.unwrap();
        let seen = *sum.lock().unwrap();
        future::yield_now().await;
        *sum.lock().unwrap() = seen + 1;
        name.unlock().unwrap();
        flock.unlock().unwrap();
    }
}

#[test]
fn under_tokio() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let (scratch, sum) = (Arc::new(Scratch::new("tokio")), Arc::new(Mutex::new(0)));
    runtime.block_on(async {
        let tasks: Vec<_> =
            (0..3).map(|_| tokio::spawn(add(Arc::clone(&scratch), Arc::clone(&sum)))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let guard = scratch.lock().try_lock().unwrap();
        let wait = tokio::time::timeout(Duration::from_millis(5), scratch.lock().lock_async());
        assert!(wait.await.is_err(), "the runtime's own timeout ends the wait");
        drop(guard);
        assert!(!scratch.lock().is_locked().unwrap(), "and nobody takes the lock later");
    });
    assert_eq!(*sum.lock().unwrap(), 150);
}

#[test]
fn under_smol() {
    let (scratch, sum) = (Arc::new(Scratch::new("smol")), Arc::new(Mutex::new(0)));
    let tasks: Vec<_> =
        (0..3).map(|_| smol::spawn(add(Arc::clone(&scratch), Arc::clone(&sum)))).collect();
    smol::block_on(async {
        for task in tasks {
            task.await;
        }
    });
    assert_eq!(*sum.lock().unwrap(), 150);
}

fn poll_once<G: Send + 'static>(wait: &mut Locking<G>) -> Poll<Result<G, LockError>> {
    pin!(wait).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_dropped_wait_leaves_nothing_whenever_it_is_dropped() {
    let scratch = Scratch::new("dropped");
    let lock = scratch.lock();
    drop(lock.lock_async());
    let guard = lock.try_lock().unwrap();
    let mut wait = lock.lock_async();
    assert!(poll_once(&mut wait).is_pending());
    drop(wait);
    // Granted, and nobody came to fetch it.
    let mut wait = lock.lock_async();
    assert!(poll_once(&mut wait).is_pending());
    drop(guard);
    while !lock.is_locked().unwrap() {
        std::thread::yield_now();
    }
    drop(wait);
    assert!(!lock.is_locked().unwrap());
    let names = scratch.name(Kind::Pidfile);
    let guard = names.try_lock().unwrap();
    let mut wait = names.lock_async();
    assert!(poll_once(&mut wait).is_pending());
    drop(wait);
    guard.unlock().unwrap();
    assert_eq!(names.look().unwrap(), None);
}

#[test]
fn a_free_lock_takes_no_thread_and_errors_come_at_once() {
    let scratch = Scratch::new("free");
    let before = waiters();
    let Poll::Ready(Ok(guard)) = poll_once(&mut scratch.lock().lock_async()) else {
        panic!("it was free")
    };
    assert!(waiters() <= before + 8, "others' at most");
    drop(guard);
    let nowhere = Lock::at(scratch.0.join("missing/lock"));
    let Poll::Ready(Err(LockError::Fault { .. })) = poll_once(&mut nowhere.lock_async()) else {
        panic!("there is no such directory")
    };
}

/// Remembers what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Told {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(
                &mut self,
                field: &tracing::field::Field,
                value: &dyn core::fmt::Debug,
            ) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(format!("{} {}", event.metadata().level(), message.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn waits_are_traced() {
    let scratch = Scratch::new("traced");
    let told = Told::default();
    let _guard = scratch.lock().try_lock().unwrap();
    tracing::subscriber::with_default(told.clone(), || {
        assert!(scratch.lock().lock_timeout(Duration::from_millis(1)).is_err());
    });
    let told = told.0.lock().unwrap();
    let [line] = &told[..] else { panic!("{told:?}") };
    let start =
        format!("DEBUG {}: held by pid {}", scratch.0.join("lock").display(), std::process::id());
    assert!(line.starts_with(&start), "{line}");
}
