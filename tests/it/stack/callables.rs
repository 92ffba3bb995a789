//! Which functions a call by address can reach. A caller has the address from its arguments, so
//! their types say: these are all types of functions that anything in the tool takes.

use lock_tests::call_graph::CallGraph;

/// A type of function: who calls such, and which ones there are. A caller is known by what its name
/// starts with, or contains after a `*`; a target by what its name contains.
pub(crate) struct Callable {
    callers: &'static [&'static str],
    targets: &'static [&'static str],
}

/// In the libraries, and so in the tool and in the C face.
const SHARED: &[Callable] = &[
    // What gives a prepared file its name.
    Callable {
        callers: &["<lock_rustix::existence::prepared::Prepared>::try_lock"],
        targets: &["lock_core::scheme::hardlink::try_prepared_"],
    },
    // `Ways`, what a convention calls to lock.
    Callable {
        callers: &["<lock_core::scheme::kernel::ways::Ways"],
        targets: &["as lock_core::scheme::kernel::convention::Convention<"],
    },
    // `fn(&u8) -> bool`, where a run of bytes ends.
    Callable {
        callers: &["<lock_core::payload::sexp::lexer::Lexer>::skip_until"],
        targets: &[
            "<lock_core::payload::sexp::lexer::Lexer>::bare::{closure#0}",
            "<lock_core::payload::sexp::lexer::Lexer>::next::{closure#0}",
        ],
    },
    // `&mut dyn FnMut(&[u8]) -> bool`, which sees lines.
    Callable {
        callers: &["lock_rustix::lines::for_each_line"],
        targets: &[
            "lock_rustix::holders::for_each_lock::{closure#0}",
            "lock_rustix::lock_table::for_each_dyn::{closure",
            "lock_rustix::mountinfo::of",
        ],
    },
    // `&mut dyn FnMut(&Line) -> bool`.
    Callable {
        callers: &["lock_rustix::lock_table::for_each_dyn"],
        targets: &[
            "lock_rustix::lock_table::find_flock",
            "<lockbox_tool::command::list::List>::all::{closure",
        ],
    },
    // `&mut dyn FnMut(&Mount)`.
    Callable {
        callers: &["lock_rustix::mountinfo::of"],
        targets: &[
            "lock_rustix::doctor::file_system::guess::{closure#0}",
            "lock_rustix::doctor::file_system::look::{closure#0}",
            "lock_rustix::identity::says_it_is_local::{closure",
        ],
    },
    // `&mut dyn FnMut(&Holding)`.
    Callable {
        callers: &["lock_rustix::holders::for_each", "lock_rustix::holders::for_each_lock"],
        targets: &[
            "lock_rustix::holders::holder::{closure#0}",
            "<lockbox_tool::command::list::List>::all::{closure#0}",
        ],
    },
];

pub(crate) const OF_THE_TOOL: &[Callable] = &[
    // `fn(&[u8]) -> Option<Claim>`, which reads a payload, and `Decide`, which judges its holder.
    Callable {
        callers: &[
            "lock_core::scheme::",
            "lock_rustix::existence::",
            "<lock_rustix::existence::",
            "lockbox_tool::command::",
            "lockbox_tool::applet::",
            "lockbox_tool::existence::",
        ],
        targets: &[
            "<lock_rustix::signature::decode::{closure",
            "lockbox_tool::applet::dotlockfile::pid_claim",
            "<lockbox_tool::applet::dotlockfile::dot_lock::{closure#0} as",
            "<lock_core::scheme::breaking::if_stale as",
            "lock_rustix::existence::removal::release_for::{closure#0}",
        ],
    },
    // `&mut dyn FnMut(Event)`, which tells a waiter how things stand.
    Callable {
        callers: &["<lock_rustix::existence::contender::Contender>::", "lockbox_tool::existence::"],
        targets: &["lockbox_tool::existence::take::{closure#0}"],
    },
    // `extern "C" fn(&Errand) -> !`, what stands in a queue for another, and `Tick`, the other's.
    Callable {
        callers: &[
            "<lock_rustix::existence::contender::Contender>::queue$",
            "lock_rustix::stand_in::",
            "lock_rustix::alone::",
            "lock_rustix::local::wait_on::",
            "lockbox_tool::waiting::",
        ],
        targets: &[
            "lock_rustix::stand_in::run::",
            "<lock_rustix::existence::contender::Contender>::queue::{closure#0}",
            "lockbox_tool::waiting::take::{closure",
        ],
    },
    // What is done about a lock that this process does not hold.
    Callable {
        callers: &["lockbox_tool::command::release::run"],
        targets: &["as core::ops::function::FnOnce<(&lockbox_tool::command::settings::Settings,"],
    },
    // A removal, which may have to be repeated.
    Callable {
        callers: &["lockbox_tool::command::release::settle"],
        targets: &[
            "lockbox_tool::command::release::release::{closure#0}::{closure",
            "lockbox_tool::command::release::break_::{closure#0}::{closure",
        ],
    },
    // `Main`, what a command is run by.
    Callable {
        callers: &["lockbox_tool::main$", "lockbox_tool::command::main$"],
        targets: &[
            "lockbox_tool::command::COMMANDS::",
            "lockbox_tool::command::run::main",
            "lockbox_tool::command::help",
            "lockbox_tool::command::version",
        ],
    },
    // `Steps`, what a convention does in its own way.
    Callable {
        callers: &["lock_rustix::alone::"],
        targets: &["<lock_rustix::alone::Steps>::of<", "lock_rustix::local::wait_on::<"],
    },
    // `&mut dyn FnMut() -> u8`, what the doctor does in a child's child.
    Callable {
        callers: &["*lock_rustix::doctor::child::Rival>::start", "*doctor::child::elsewhere"],
        targets: &[
            "lock_rustix::doctor::existence::race::{closure",
            "lock_rustix::doctor::existence::test_held::{closure",
            "lock_rustix::doctor::existence::test_turns::{closure",
            "lock_rustix::doctor::kernel::try_elsewhere::{closure#0}",
            "lock_rustix::doctor::scratch::delivers_events::{closure#0}",
        ],
    },
    // `&mut dyn FnMut()`, and what it does in the child itself.
    Callable {
        callers: &["lock_rustix::doctor::child::run", "lock_rustix::doctor::part"],
        targets: &["lock_rustix::doctor::examine::{closure"],
    },
    // `fn(&Contender)`, while the lock is held.
    Callable {
        callers: &["lock_rustix::doctor::existence::take_turn"],
        targets: &[
            "lock_rustix::doctor::existence::test_held",
            "lock_rustix::doctor::existence::test_turns::{closure",
        ],
    },
];

/// The same for a C program with the static library in it.
pub(crate) const OF_THE_C_FACE: &[Callable] = &[
    // `fn(&[u8]) -> Option<Claim>`, and `Decide`.
    Callable {
        callers: &["lock_core::scheme::", "lock_rustix::existence::look::"],
        targets: &[
            "<lock_rustix::signature::decode::{closure",
            "<lock_core::scheme::breaking::if_stale as",
        ],
    },
    // `&mut dyn FnMut(Event)`.
    Callable {
        callers: &["<lock_rustix::existence::contender::Contender>::"],
        targets: &["lockbox::taking::existence::{closure#1}"],
    },
    // `extern "C" fn(&Errand) -> !`, and `Tick`.
    Callable {
        callers: &["lock_rustix::stand_in::"],
        targets: &[
            "lock_rustix::stand_in::run::",
            "<lock_rustix::existence::contender::Contender>::queue::{closure#0}",
            "lockbox::taking::guard::{closure",
        ],
    },
    // `&mut dyn FnMut() -> bool`, which is asked before a wait; and what guards the tables.
    Callable {
        callers: &["lock_rustix::local::take$", "lockbox_take$"],
        targets: &["lockbox::taking::guard::{closure", "_critical_section_1_0_acquire"],
    },
    // The program's own.
    Callable { callers: &["in_child$"], targets: &["release_in_child"] },
];

/// What the compiler calls by address of its own accord, from anywhere, and calls nothing; and what
/// only the kernel calls.
const LEAVES: &[&str] = &["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"];
const OF_THE_KERNEL: &[&str] = &["lockbox_restore", "lockbox_tool::sys::handle_alarm::nothing"];

/// The functions that `caller` can reach by address.
pub(crate) fn reaches(graph: &CallGraph, callables: &[Callable], caller: u64) -> Vec<u64> {
    let by_type: Vec<_> = of(callables).filter(|it| it.has_caller(graph.name(caller))).collect();
    let can = |name: &str| LEAVES.contains(&name) || by_type.iter().any(|it| it.has_target(name));
    graph.taken().filter(|&target| can(graph.name(target))).collect()
}

/// The functions that call by address, or can be called so, and are of no type above.
pub(crate) fn unknown<'g>(graph: &'g CallGraph, callables: &[Callable]) -> Vec<&'g str> {
    let targets = graph.taken().map(|it| graph.name(it)).filter(|name| {
        let known = LEAVES.contains(name) || OF_THE_KERNEL.contains(name);
        !known && !of(callables).any(|it| it.has_target(name))
    });
    let callers = graph.indirect().map(|it| graph.name(it));
    let callers = callers.filter(|name| !of(callables).any(|it| it.has_caller(name)));
    callers.chain(targets).collect()
}

fn of(callables: &[Callable]) -> impl Iterator<Item = &Callable> {
    SHARED.iter().chain(callables)
}

impl Callable {
    fn has_caller(&self, name: &str) -> bool {
        self.callers.iter().any(|caller| {
            if let Some(part) = caller.strip_prefix('*') {
                return name.contains(part);
            }
            caller.strip_suffix('$').map_or_else(|| name.starts_with(caller), |it| name == it)
        })
    }

    fn has_target(&self, name: &str) -> bool {
        self.targets.iter().any(|target| name.contains(target))
    }
}
