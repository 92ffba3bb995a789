//! A running machine: a QEMU process with a console, which is logged, and a channel for commands.
//! It ends with its value, and also if the test is killed; if the test fails, its logs stay.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cache;
use super::channel::{Channel, Job, Output};
use super::hub::Hub;
use super::image::Bootable;

/// What takes longer hangs. It is generous because emulation is slow and machines are busy.
const LIMIT: Duration = Duration::from_secs(300);
/// How much of a console a failed test shows.
const CONSOLE_LINES: usize = 40;

/// How to run a machine.
#[derive(Clone, Debug)]
pub struct Options {
    name: String,
    memory_mib: u32,
    qemu: Vec<String>,
    cmdline: Vec<String>,
}

impl Options {
    /// A machine of this name, which is its host name too, with 256 MiB and no network.
    pub fn new(name: &str) -> Options {
        let mut cmdline =
            ["console=ttyS0", "panic=-1", "quiet", "mitigations=off", "no_timer_check"]
                .map(str::to_owned)
                .to_vec();
        cmdline.push(format!("vm.name={name}"));
        Options { name: name.to_owned(), memory_mib: 256, qemu: Vec::new(), cmdline }
    }

    /// With so much memory, the image's files included.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Options {
        self.memory_mib = memory_mib;
        self
    }

    /// At this port of a network; its address is 10.77.0.PORT. Wants
    /// [`Image::with_network`](super::Image::with_network).
    #[must_use]
    pub fn network(mut self, hub: &Hub, port: usize) -> Options {
        self.qemu.extend(hub.qemu_options(port));
        self.cmdline.push(format!("vm.address=10.77.0.{port}/24"));
        self
    }

    /// With this file as a disk, `/dev/vda`, which outlives the machine. Wants
    /// [`Image::with_disk`](super::Image::with_disk).
    #[must_use]
    pub fn disk(mut self, file: &Path) -> Options {
        self.qemu.push("-drive".to_owned());
        self.qemu.push(format!("file={},format=raw,if=virtio,cache=unsafe", file.display()));
        self
    }

    /// With a directory of this machine at `mount_point`, by 9p. Wants
    /// [`Image::with_sharing`](super::Image::with_sharing).
    #[must_use]
    pub fn share(mut self, directory: &Path, mount_point: &str) -> Options {
        let path = directory.display();
        self.qemu.push("-virtfs".to_owned());
        self.qemu.push(format!(
            "local,path={path},mount_tag=share,security_model=none,id=share,multidevs=remap"
        ));
        self.cmdline.push(format!("vm.share={mount_point}"));
        self
    }
}

/// A machine that runs. It must be dropped by the thread that started it, because it is killed
/// when that thread ends.
#[derive(Debug)]
pub struct Machine {
    name: String,
    dir: PathBuf,
    qemu: Child,
    channel: RefCell<Channel>,
}

impl Machine {
    /// Starts a machine and waits until it takes commands.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn boot(image: &Bootable, options: &Options) -> Machine {
        let machine = Machine::start(image, options);
        machine.await_ready();
        machine
    }

    /// Starts machines side by side and waits until all take commands.
    ///
    /// # Panics
    ///
    /// If one does not.
    pub fn boot_all(image: &Bootable, options: &[Options]) -> Vec<Machine> {
        let start = |options| Machine::start(image, options);
        let machines: Vec<Machine> = options.iter().map(start).collect();
        machines.iter().for_each(Machine::await_ready);
        machines
    }

    /// Starts a machine and does not wait for it.
    ///
    /// # Panics
    ///
    /// If QEMU cannot be run.
    pub fn start(image: &Bootable, options: &Options) -> Machine {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = options.name.clone();
        let dir = cache().join("runs").join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory for logs");
        let (host, guest) = UnixStream::pair().expect("a pair of sockets");
        let guest: OwnedFd = guest.into();
        // So that nothing runs on if the test is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        // KVM is not asked for: where it is offered it may not work, and results would differ.
        command.args(["-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.initramfs);
        command.args([
            "-append",
            &options.cmdline.join(" "),
            "-m",
            &options.memory_mib.to_string(),
        ]);
        command.arg("-serial").arg(format!("file:{}", dir.join("console").display()));
        command.args(["-chardev", "stdio,id=channel,signal=off", "-serial", "chardev:channel"]);
        command.args(&options.qemu);
        command.stdin(guest.try_clone().expect("a descriptor")).stdout(guest);
        command.stderr(Stdio::from(File::create(dir.join("qemu")).expect("a log")));
        let qemu = command.spawn().expect("setpriv runs");
        Machine { name, dir, qemu, channel: RefCell::new(Channel::new(host)) }
    }

    /// Waits until a machine that was started takes commands.
    ///
    /// # Panics
    ///
    /// If it ends, or takes minutes.
    pub fn await_ready(&self) {
        let ready = self.channel.borrow_mut().ready(LIMIT);
        ready.unwrap_or_else(|error| self.fail("boot", &error));
    }

    /// Runs a command in the machine's shell. A command that does not end is a failure: what may
    /// block uninterruptibly is for [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// If the machine ends, or the command takes minutes.
    pub fn run(&self, command: &str) -> Output {
        let output = self.channel.borrow_mut().run(command, LIMIT);
        output.unwrap_or_else(|error| self.fail(command, &error))
    }

    /// Runs a command that must succeed, and answers what it printed.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn check(&self, command: &str) -> String {
        let Output { status, text } = self.run(command);
        assert_eq!(status, 0, "{}: {command}\n{text}", self.name);
        text
    }

    /// Runs a command in the background. Say `exec` in front of a single program, so that the
    /// job's pid is the program's.
    ///
    /// # Panics
    ///
    /// If the machine ends.
    pub fn spawn(&self, command: &str) -> Job {
        let number = self.channel.borrow().next_number();
        let quoted = command.replace('\'', r"'\''");
        let text = self.check(&format!("job {number} '{quoted}'"));
        let pid = text.trim().parse().unwrap_or_else(|_| panic!("no pid: {text}"));
        Job { number, pid }
    }

    /// Waits for a job to end; answers its status and all it printed.
    ///
    /// # Panics
    ///
    /// If it takes minutes.
    pub fn wait(&self, job: &Job) -> Output {
        let output = self.wait_within(job, LIMIT / 2);
        output.unwrap_or_else(|| panic!("{}: job {job:?} does not end", self.name))
    }

    /// Waits for a job as long as that, rounded up to seconds.
    pub fn wait_within(&self, job: &Job, limit: Duration) -> Option<Output> {
        let seconds = limit.as_secs_f64().ceil();
        let output = self.run(&format!("await {} {seconds}", job.number));
        let ended = self.run(&format!("[ -s /run/job/{}.status ]", job.number)).status == 0;
        ended.then_some(output)
    }

    /// What a job has printed so far.
    pub fn printed(&self, job: &Job) -> String {
        self.check(&format!("cat /run/job/{}.out", job.number))
    }

    /// Everything on the console so far: the kernel's messages, and the first process's.
    ///
    /// # Panics
    ///
    /// If the log is gone.
    pub fn console(&self) -> String {
        let bytes = fs::read(self.dir.join("console")).expect("the console's log");
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// Waits until the machine switches itself off, and answers what was on its console.
    ///
    /// # Panics
    ///
    /// If that takes minutes.
    pub fn until_power_off(mut self) -> String {
        let over = self.channel.borrow_mut().ready(LIMIT);
        assert!(
            over.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof),
            "{}: still on: {over:?}",
            self.name,
        );
        let status: ExitStatus = self.qemu.wait().expect("QEMU is our child");
        assert!(status.success(), "{}: QEMU {status}", self.name);
        self.console()
    }

    /// Stops it in its tracks, as SIGSTOP does; its clocks stand still.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Takes its power away. Nothing more can be asked of it.
    ///
    /// # Panics
    ///
    /// Never: QEMU is a child of ours.
    pub fn kill(&mut self) {
        let _ = self.qemu.kill();
        self.qemu.wait().expect("QEMU is our child");
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.qemu.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("QEMU is our child");
    }

    fn fail(&self, what: &str, error: &io::Error) -> ! {
        let pending = self.channel.borrow().pending();
        panic!("{}: {what}: {error}\n{pending}", self.name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let console = self.console();
            let from = console.lines().count().saturating_sub(CONSOLE_LINES);
            let end: Vec<&str> = console.lines().skip(from).collect();
            eprintln!("{}: logs are in {}\n{}", self.name, self.dir.display(), end.join("\n"));
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}
