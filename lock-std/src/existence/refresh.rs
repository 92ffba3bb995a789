//! The heartbeat of a held lock: a thread that touches it, notices its loss, and ends with the
//! guard. When to touch is [`lock_core::refresh`]'s to say.

use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use lock_core::refresh::{Due, Refresh};

use super::guard::Held;

/// The thread. Dropping this ends it and waits for that.
#[derive(Debug)]
pub(super) struct Refresher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// A forked child has no such thread.
    pid: u32,
}

impl Refresher {
    /// Touches the lock every so many milliseconds.
    pub(super) fn start(
        held: Arc<Held>,
        every_ms: u64,
        stale_age_ms: u64,
        on_lost: Option<Arc<dyn Fn() + Send + Sync>>,
    ) -> Refresher {
        let (stop, stopped) = channel();
        let start = Instant::now();
        let now_ms = move || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let beat = move || {
            let mut refresh = Refresh::new(0, every_ms, stale_age_ms);
            loop {
                let pause_ms = match refresh.poll(now_ms()) {
                    Due::At(at_ms) => at_ms.saturating_sub(now_ms()),
                    Due::Now | Due::Overdue => 0,
                };
                match stopped.recv_timeout(Duration::from_millis(pause_ms)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    // Told to stop, or nobody is left to tell.
                    _ => return,
                }
                if held.still_held() == Ok(false) {
                    if let Some(on_lost) = on_lost {
                        on_lost();
                    }
                    return;
                }
                match held.touch() {
                    Ok(()) => refresh.handle_touched(now_ms()),
                    Err(_) => refresh.handle_failed(now_ms()),
                }
            }
        };
        // Without a thread the lock is not refreshed, and its holder can still ask.
        let thread = thread::Builder::new().name("lock refresh".into()).spawn(beat).ok();
        Refresher { stop: Some(stop), thread, pid: std::process::id() }
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            if self.pid == std::process::id() && thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
