//! Every order of events between the machine of one lock, a model of the kernel, another holder,
//! and a user who changes his mind.

use std::collections::{BTreeSet, HashSet, VecDeque};

use lock_core::dlm::answer::Completion;
use lock_core::dlm::flags::{AnswerFlags, LockFlags};
use lock_core::dlm::lock::{Change, End, LastValue, Lock, State, Transmit};
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::LockId;
use lock_core::dlm::status::Status;

const ENOENT: u16 = 2;
const EBUSY: u16 = 16;

/// What the kernel has of our lock.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Ours {
    Nothing,
    /// Another node was asked and has not answered: a request, or a conversion from a mode.
    Asked {
        from: Option<Mode>,
        to: Mode,
        no_queue: bool,
        meanwhile: Meanwhile,
    },
    Waiting(Mode),
    Granted(Mode),
    Converting {
        from: Mode,
        to: Mode,
    },
}

/// What was written while another node was being asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Meanwhile {
    Nothing,
    Cancel,
    Unlock,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Other {
    Absent,
    Holds(Mode),
    Waits(Mode),
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Answer {
    Status(Status),
    Blocking(Mode),
}

/// One resource with two locks on it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Kernel {
    ours: Ours,
    other: Other,
    answers: VecDeque<Answer>,
    /// The last request or conversion was with a value, so an unlock writes one in any case.
    carries: bool,
}

/// The resource's value, which nobody changes.
const VALUE: [u8; 32] = [9; 32];

impl Kernel {
    fn answer(&mut self, status: Status) {
        self.answers.push_back(Answer::Status(status));
    }

    /// The mode that we hold as the kernel sees it.
    fn granted(&self) -> Option<Mode> {
        match self.ours {
            Ours::Granted(mode) | Ours::Converting { from: mode, .. } => Some(mode),
            Ours::Asked { from, .. } => from,
            Ours::Nothing | Ours::Waiting(_) => None,
        }
    }

    fn is_free_for_us(&self, mode: Mode) -> bool {
        !matches!(self.other, Other::Holds(held) if !held.is_compatible(mode))
    }

    /// Decides about a request or conversion, and tells the other if he is in the way.
    fn decide(&mut self, from: Option<Mode>, to: Mode, no_queue: bool) {
        if self.is_free_for_us(to) {
            self.ours = Ours::Granted(to);
            self.answer(Status::Granted);
        } else if no_queue {
            self.ours = from.map_or(Ours::Nothing, Ours::Granted);
            self.answer(Status::WouldBlock);
        } else {
            self.ours = from.map_or(Ours::Waiting(to), |from| Ours::Converting { from, to });
        }
        self.wake_other();
    }

    fn wake_other(&mut self) {
        if let Other::Waits(mode) = self.other {
            if self.granted().is_none_or(|held| held.is_compatible(mode)) {
                self.other = Other::Holds(mode);
            }
        }
    }

    fn wake_us(&mut self) {
        let (Ours::Waiting(to) | Ours::Converting { to, .. }) = self.ours else { return };
        if self.is_free_for_us(to) {
            self.ours = Ours::Granted(to);
            self.answer(Status::Granted);
        }
    }

    /// The other node's reply arrives.
    fn reply(&mut self) {
        let Ours::Asked { from, to, no_queue, meanwhile } = self.ours else { return };
        self.decide(from, to, no_queue);
        match (meanwhile, self.ours) {
            (_, Ours::Nothing) | (Meanwhile::Nothing, _) => {}
            (Meanwhile::Unlock, _) => self.remove(Status::Unlocked),
            (Meanwhile::Cancel, _) => self.cancel(),
        }
    }

    fn remove(&mut self, status: Status) {
        self.ours = Ours::Nothing;
        self.answer(status);
        self.wake_other();
    }

    fn cancel(&mut self) {
        match self.ours {
            Ours::Waiting(_) => self.remove(Status::Cancelled),
            Ours::Converting { from, .. } => {
                self.ours = Ours::Granted(from);
                self.answer(Status::Cancelled);
            }
            Ours::Nothing | Ours::Granted(_) | Ours::Asked { .. } => {}
        }
    }

    /// A write, with `remote` deciding whether another node has to be asked.
    fn write(&mut self, transmit: Transmit, remote: bool) -> Result<Option<LockId>, u16> {
        let lock = |kernel: &mut Kernel, from, to, flags: LockFlags| {
            let no_queue = flags.contains(LockFlags::NOQUEUE);
            if remote {
                let meanwhile = Meanwhile::Nothing;
                kernel.ours = Ours::Asked { from, to, no_queue, meanwhile };
            } else {
                kernel.decide(from, to, no_queue);
            }
        };
        if let (Transmit::Unlock { value, .. }, true) = (transmit, self.carries) {
            let writes = matches!(self.granted(), Some(Mode::PW | Mode::EX));
            assert!(!writes || value == VALUE, "the value is overwritten: {self:#?}");
        }
        match (transmit, self.ours) {
            (Transmit::Request { mode, flags }, Ours::Nothing) => {
                self.carries = flags.contains(LockFlags::VALBLK);
                lock(self, None, mode, flags);
                return Ok(Some(id()));
            }
            (_, Ours::Nothing) => return Err(ENOENT),
            (Transmit::Convert { to, flags, .. }, Ours::Granted(from)) => {
                assert!(flags.contains(LockFlags::CONVERT));
                self.carries = flags.contains(LockFlags::VALBLK);
                lock(self, Some(from), to, flags);
            }
            (Transmit::Cancel { .. }, Ours::Asked { from, to, no_queue, meanwhile }) => {
                if meanwhile == Meanwhile::Nothing {
                    let meanwhile = Meanwhile::Cancel;
                    self.ours = Ours::Asked { from, to, no_queue, meanwhile };
                }
            }
            (Transmit::Cancel { .. }, _) => self.cancel(),
            (Transmit::Unlock { flags, .. }, Ours::Asked { from, to, no_queue, .. }) => {
                if !flags.contains(LockFlags::FORCEUNLOCK) {
                    return Err(EBUSY);
                }
                let meanwhile = Meanwhile::Unlock;
                self.ours = Ours::Asked { from, to, no_queue, meanwhile };
            }
            (Transmit::Unlock { .. }, _) => self.remove(Status::Unlocked),
            (transmit, ours) => panic!("{transmit:?} is refused for {ours:?}"),
        }
        Ok(None)
    }
}

fn id() -> LockId {
    LockId::new(1).unwrap()
}

/// The whole world, and what may still happen in it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct World {
    lock: Lock,
    kernel: Kernel,
    returning: Option<Result<Option<LockId>, u16>>,
    commands_left: u8,
    others_left: u8,
    accidents_left: u8,
    /// What the user asked for last.
    command: Command,
    /// Who else ended our lock is not to be held against the machine.
    taken_away: bool,
    endings: u8,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Command {
    None,
    Convert,
    Cancel,
    Unlock,
}

impl World {
    fn new(mode: Mode, flags: LockFlags, other: Other) -> World {
        World {
            lock: Lock::request(mode, flags),
            kernel: Kernel { ours: Ours::Nothing, other, answers: VecDeque::new(), carries: false },
            returning: None,
            commands_left: 3,
            others_left: 2,
            accidents_left: 1,
            command: Command::None,
            taken_away: false,
            endings: 0,
        }
    }

    fn note(&mut self, change: Option<Change>, seen: &mut BTreeSet<&'static str>) {
        match change {
            Some(Change::Ended(end)) => {
                self.endings += 1;
                if end == End::Lost {
                    seen.insert("lost");
                }
            }
            Some(Change::Blocking(_)) => _ = seen.insert("blocking"),
            Some(Change::NotUnlocked(errno)) => panic!("{errno}: {self:?}"),
            Some(Change::Granted { .. }) if self.command == Command::Cancel => {
                seen.insert("granted in spite of a cancel");
            }
            Some(Change::Kept { .. }) if self.command == Command::Cancel => {
                seen.insert("conversion cancelled");
            }
            _ => {}
        }
    }

    /// Every world that can come next.
    fn next(&self, seen: &mut BTreeSet<&'static str>) -> Vec<World> {
        let mut worlds = Vec::new();
        self.write(&mut worlds, seen);
        self.hear(&mut worlds, seen);
        self.command(&mut worlds, seen);
        self.others(&mut worlds);
        worlds
    }

    fn write(&self, worlds: &mut Vec<World>, seen: &mut BTreeSet<&'static str>) {
        let mut lock = self.lock.clone();
        let Some(transmit) = lock.poll_transmit() else { return };
        if matches!(transmit, Transmit::Unlock { .. })
            && matches!(self.kernel.ours, Ours::Waiting(_))
        {
            seen.insert("unlock of a waiting request");
        }
        for remote in [false, true] {
            let mut world = World { lock: lock.clone(), ..self.clone() };
            world.returning = Some(world.kernel.write(transmit, remote));
            worlds.push(world);
        }
    }

    fn hear(&self, worlds: &mut Vec<World>, seen: &mut BTreeSet<&'static str>) {
        if let Some(result) = self.returning {
            let mut world = World { returning: None, ..self.clone() };
            let change = world.lock.handle_written(result);
            world.note(change, seen);
            worlds.push(world);
        }
        let mut world = self.clone();
        let Some(answer) = world.kernel.answers.pop_front() else { return };
        if self.lock.id().is_none() {
            seen.insert("answer before the write returned");
        }
        let unlocking = matches!(self.lock.state(), State::Unlocking { .. });
        if unlocking && answer == Answer::Status(Status::WouldBlock) {
            seen.insert("refused while it is unlocked");
        }
        let change = match answer {
            Answer::Blocking(mode) => world.lock.handle_blocking(mode),
            Answer::Status(status) => {
                let flags = AnswerFlags::empty();
                let reads = self.kernel.carries && status == Status::Granted;
                let value = reads.then_some(VALUE);
                world.lock.handle_completion(id(), Completion { status, flags, value })
            }
        };
        world.note(change, seen);
        worlds.push(world);
    }

    fn command(&self, worlds: &mut Vec<World>, seen: &mut BTreeSet<&'static str>) {
        let Some(commands_left) = self.commands_left.checked_sub(1) else { return };
        let with = |command| World { commands_left, command, ..self.clone() };
        for (to, flags) in [
            (Mode::EX, LockFlags::empty()),
            (Mode::EX, LockFlags::NOQUEUE),
            (Mode::CR, LockFlags::empty()),
        ] {
            let mut world = with(Command::Convert);
            if world.lock.convert(to, flags, None).is_ok() {
                worlds.push(world);
            }
        }
        let mut world = with(Command::Cancel);
        let change = world.lock.cancel();
        world.note(change, seen);
        worlds.push(world);
        let mut world = with(Command::Unlock);
        let change = world.lock.unlock(LastValue::Keep);
        world.note(change, seen);
        worlds.push(world);
    }

    /// What other nodes and programs do.
    fn others(&self, worlds: &mut Vec<World>) {
        if matches!(self.kernel.ours, Ours::Asked { .. }) {
            let mut world = self.clone();
            world.kernel.reply();
            worlds.push(world);
        }
        if let Some(others_left) = self.others_left.checked_sub(1) {
            let mut world = World { others_left, ..self.clone() };
            if world.kernel.other == Other::Absent {
                for mode in [Mode::PR, Mode::EX] {
                    let mut world = world.clone();
                    world.kernel.other = Other::Waits(mode);
                    world.kernel.wake_other();
                    if world.kernel.other == Other::Waits(mode) {
                        world.kernel.answers.push_back(Answer::Blocking(mode));
                    }
                    worlds.push(world);
                }
            } else {
                world.kernel.other = Other::Absent;
                world.kernel.wake_us();
                worlds.push(world);
            }
        }
        let Some(accidents_left) = self.accidents_left.checked_sub(1) else { return };
        let mut world = World { accidents_left, ..self.clone() };
        match self.kernel.ours {
            Ours::Granted(_) | Ours::Waiting(_) => {
                world.taken_away = true;
                world.kernel.remove(Status::Unlocked);
            }
            Ours::Converting { from, .. } => {
                world.kernel.ours = Ours::Granted(from);
                world.kernel.answer(Status::Deadlock);
            }
            Ours::Nothing | Ours::Asked { .. } => return,
        }
        worlds.push(world);
    }

    /// What must be so at any time.
    fn check(&self) {
        let claimed = self.lock.mode();
        if let Some(mode) = claimed.filter(|_| !self.taken_away) {
            let granted = self.kernel.granted();
            assert!(granted.is_some_and(|held| held.common(mode) == mode), "{self:#?}");
        }
        let ended = matches!(self.lock.state(), State::Ended(_));
        assert_eq!(self.endings, u8::from(ended), "{self:#?}");
        let is_quiet = self.returning.is_none()
            && self.kernel.answers.is_empty()
            && !matches!(self.kernel.ours, Ours::Asked { .. })
            && self.lock.clone().poll_transmit().is_none();
        if is_quiet {
            self.check_quiet();
        }
    }

    /// What must be so when nothing is under way: both sides mean the same, and the user's last
    /// wish was followed.
    fn check_quiet(&self) {
        let agrees = match (self.lock.state(), self.kernel.ours) {
            (State::Requested { mode }, Ours::Waiting(waiting)) => mode == waiting,
            (State::Granted { mode }, Ours::Granted(granted)) => mode == granted,
            (State::Converting { from, to, .. }, Ours::Converting { from: old, to: new }) => {
                (from, to) == (old, new)
            }
            (State::Ended(_), Ours::Nothing) => self.lock.is_ended(),
            _ => false,
        };
        assert!(agrees, "{self:#?}");
        match self.command {
            Command::None | Command::Convert => {}
            Command::Cancel => assert!(
                matches!(self.lock.state(), State::Granted { .. } | State::Ended(_)),
                "{self:#?}"
            ),
            Command::Unlock => assert!(self.lock.is_ended(), "{self:#?}"),
        }
    }
}

fn explore(first: World, seen: &mut BTreeSet<&'static str>) -> usize {
    let mut known = HashSet::from([first.clone()]);
    let mut todo = Vec::from([first]);
    while let Some(world) = todo.pop() {
        world.check();
        for next in world.next(seen) {
            if known.insert(next.clone()) {
                todo.push(next);
            }
        }
    }
    known.len()
}

#[test]
fn machine_and_kernel_agree_in_every_order_of_events() {
    let mut seen = BTreeSet::new();
    let mut worlds = 0;
    for other in [Other::Absent, Other::Holds(Mode::PR), Other::Holds(Mode::EX)] {
        for mode in [Mode::CR, Mode::PR, Mode::EX] {
            for flags in [LockFlags::empty(), LockFlags::NOQUEUE, LockFlags::VALBLK] {
                worlds += explore(World::new(mode, flags, other), &mut seen);
            }
        }
    }
    println!("{worlds} worlds");
    assert!(worlds > 10_000, "only {worlds} worlds");
    let races = [
        "answer before the write returned",
        "blocking",
        "conversion cancelled",
        "granted in spite of a cancel",
        "lost",
        "refused while it is unlocked",
        "unlock of a waiting request",
    ];
    assert_eq!(seen, BTreeSet::from(races));
}
