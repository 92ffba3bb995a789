//! The network between machines: a hub in this process, so nothing of the host's network is
//! touched. Any machine can be cut off from the others and be joined again. A frame that finds no
//! taker is lost, as on a wire.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longer than any frame.
const FRAME_MAX: usize = 70_000;
/// How long the hub may take to see that it is dropped.
const TICK: Duration = Duration::from_millis(200);

/// A hub with ports 1 and up.
#[derive(Debug)]
pub struct Hub {
    dir: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    ports: Vec<UnixDatagram>,
    /// The side of each port: frames go only between ports of one side.
    sides: Mutex<Vec<usize>>,
    ended: AtomicBool,
}

impl Hub {
    /// A hub with so many ports, all joined.
    ///
    /// # Panics
    ///
    /// If its sockets cannot be made.
    pub fn new(ports: usize) -> Hub {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Names of sockets must be short, so not in the cache.
        let dir = std::env::temp_dir().join(format!("lock-hub-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a directory for sockets");
        let bind = |port| {
            let socket = UnixDatagram::bind(dir.join(format!("hub{port}"))).expect("a socket");
            socket.set_nonblocking(true).expect("a socket that does not block");
            socket
        };
        let shared = Arc::new(Shared {
            ports: (1..=ports).map(bind).collect(),
            sides: Mutex::new(vec![0; ports]),
            ended: AtomicBool::new(false),
        });
        let thread = {
            let (dir, shared) = (dir.clone(), Arc::clone(&shared));
            thread::spawn(move || {
                let guests: Vec<PathBuf> =
                    (1..=shared.ports.len()).map(|port| dir.join(format!("vm{port}"))).collect();
                while !shared.ended.load(Ordering::Relaxed) {
                    shared.forward(&guests);
                }
            })
        };
        Hub { dir, shared, thread: Some(thread) }
    }

    /// Cuts the machine at this port off from all others.
    ///
    /// # Panics
    ///
    /// If there is no such port.
    pub fn isolate(&self, port: usize) {
        self.shared.sides.lock().expect("no panic under it")[port - 1] = port;
    }

    /// Joins all ports.
    ///
    /// # Panics
    ///
    /// Never: nothing panics with the lock held.
    pub fn heal(&self) {
        self.shared.sides.lock().expect("no panic under it").fill(0);
    }

    /// QEMU's options for the network card at this port.
    pub(super) fn qemu_options(&self, port: usize) -> [String; 4] {
        let dir = self.dir.display();
        [
            "-netdev".to_owned(),
            format!(
                "dgram,id=n0,local.type=unix,local.path={dir}/vm{port},\
                 remote.type=unix,remote.path={dir}/hub{port}"
            ),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=n0,mac=52:54:00:77:00:{port:02x},romfile="),
        ]
    }
}

impl Shared {
    /// Hands on every frame that is there, after waiting a little for one.
    fn forward(&self, guests: &[PathBuf]) {
        let mut waiting: Vec<PollFd<'_>> =
            self.ports.iter().map(|port| PollFd::new(port, PollFlags::IN)).collect();
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
        if poll(&mut waiting, Some(&tick)).is_err() {
            return;
        }
        let mut frame = vec![0; FRAME_MAX];
        for (from, socket) in self.ports.iter().enumerate() {
            while let Ok(length) = socket.recv(&mut frame) {
                let sides = self.sides.lock().expect("no panic under it").clone();
                for (to, guest) in guests.iter().enumerate() {
                    if to != from && sides[to] == sides[from] {
                        let _ = self.ports[to].send_to(&frame[..length], guest);
                    }
                }
            }
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::Hub;
    use core::time::Duration;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn frames_stay_on_their_side() {
        let hub = Hub::new(3);
        let machines: Vec<UnixDatagram> = (1..=3)
            .map(|port| {
                let socket = UnixDatagram::bind(hub.dir.join(format!("vm{port}"))).unwrap();
                socket.connect(hub.dir.join(format!("hub{port}"))).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                socket
            })
            .collect();
        let next = |port: usize| {
            let mut frame = [0; 64];
            let length = machines[port - 1].recv(&mut frame).unwrap();
            String::from_utf8(frame[..length].to_vec()).unwrap()
        };
        hub.isolate(3);
        machines[0].send(b"cut").unwrap();
        assert_eq!(next(2), "cut");
        hub.heal();
        machines[0].send(b"healed").unwrap();
        // Frames from one port keep their order, so the one before would have come first.
        assert_eq!(next(3), "healed");
        assert_eq!(next(2), "healed");
        machines[2].send(b"back").unwrap();
        assert_eq!((next(1), next(2)), ("back".to_owned(), "back".to_owned()));
    }
}
