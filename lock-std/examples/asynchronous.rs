//! A lock in an async program, under any runtime: here one of a few lines.
//! `cargo run --example asynchronous --features async -- PATH`

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

use lock_std::{Kind, Lock, LockError};

async fn backup(path: &str) -> Result<(), LockError> {
    let lock = Lock::at(path).kind(Kind::Flock).observe(|event| eprintln!("{event}"));
    let guard = lock.lock_async().await?;
    println!("nobody else is here");
    guard.unlock()
}

fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/tmp/asynchronous.lock".into());
    match run(backup(&path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Wakes the thread that polls.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}
