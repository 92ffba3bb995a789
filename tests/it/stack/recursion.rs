//! No function calls itself, however indirectly; and so each command has a bound that no input can
//! exceed, computed from the machine code.

use std::fs;
use std::path::Path;
use std::process::Command;

use lock_tests::call_graph::CallGraph;
use lock_tests::lockbox::with_symbols;

use crate::callables::{OF_THE_TOOL, reaches, unknown};
use crate::page::Row;

/// Where each command and applet starts, and what the measured ones are called.
pub(crate) const ENTRIES: &[(&str, &str)] = &[
    ("run|lease|wrong usage", "lockbox_tool::command::run::main"),
    ("acquire", "lockbox_tool::command::acquire::main"),
    ("release", "lockbox_tool::command::release::release"),
    ("touch", "lockbox_tool::command::release::touch"),
    ("break|break --force", "lockbox_tool::command::release::break_"),
    ("status", "lockbox_tool::command::status::main"),
    ("wait", "lockbox_tool::command::wait::main"),
    ("list", "lockbox_tool::command::list::main"),
    ("explain", "lockbox_tool::command::explain::main"),
    ("doctor", "lockbox_tool::command::doctor::main"),
    ("help", "lockbox_tool::command::help::main"),
    ("flock|flock --no-fork", "lockbox_tool::applet::flock::main"),
    ("lockf", "lockbox_tool::applet::lockf::main"),
    ("setlock", "lockbox_tool::applet::setlock::main"),
    ("lockfile", "lockbox_tool::applet::lockfile::main"),
    ("dotlockfile", "lockbox_tool::applet::dotlockfile::main"),
];

/// The most that each command can take, by the call graph, from the program's start on.
pub(crate) fn bounds() -> Vec<Row> {
    let graph = CallGraph::read(with_symbols());
    let reaches = |caller| reaches(&graph, OF_THE_TOOL, caller);
    let entries: Vec<_> = ENTRIES.iter().map(|(_, name)| graph.find(name)).collect();
    let start = graph.find("_start");
    let bound = |entry| {
        let others = |function| entries.contains(&function) && function != entry;
        let (bytes, way) = graph.bound(start, &reaches, &others);
        println!("{bytes}: {way:#?}");
        bytes
    };
    let row = |(&(names, _), &entry): (&(&str, &str), &u64)| {
        let command = names.split('|').next().expect("a name").to_owned();
        Row {
            command,
            situation: "any".into(),
            kind: "by the call graph".into(),
            bytes: bound(entry),
        }
    };
    ENTRIES.iter().zip(&entries).map(row).collect()
}

#[test]
fn no_function_calls_itself() {
    let graph = CallGraph::read(with_symbols());
    let unknown = unknown(&graph, OF_THE_TOOL);
    assert!(unknown.is_empty(), "tests/it/stack/callables.rs has no type of {unknown:#?}");
    assert_eq!(graph.cycle(&|caller| reaches(&graph, OF_THE_TOOL, caller)), None);
}

/// Programs of whose functions the graph must say this. They have no standard library, which has
/// recursion of its own.
const DIRECT: &str = "#[inline(never)] fn ping(n: u64) -> u64 {
    if black_box(n) == 0 { 0 } else { black_box(pong(n - 1)) + 1 }
}
#[inline(never)] fn pong(n: u64) -> u64 { black_box(ping(black_box(n) / 2)) + 1 }";
const BY_ADDRESS: &str = "static PING: fn(u64) -> u64 = ping;
#[inline(never)] fn ping(n: u64) -> u64 {
    if black_box(n) == 0 { 0 } else { black_box(black_box(PING)(n - 1)) + 1 }
}";
const BUFFER: &str = "#[inline(never)] fn ping(n: u64) -> u64 {
    let mut buffer = [n; 5000]; black_box(&mut buffer); pong(n) + buffer[7]
}
#[inline(never)] fn pong(n: u64) -> u64 {
    let mut buffer = [n; 1000]; black_box(&mut buffer); buffer[7]
}";

/// The call graph of a program whose `ping` is called at its start.
fn graph_of(name: &str, functions: &str) -> CallGraph {
    let dir = std::env::temp_dir().join(format!("lock-recursion-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let source = dir.join(name).with_extension("rs");
    let text = format!(
        "#![no_std]\n#![no_main]\nuse core::hint::black_box;\n{functions}\n\
         #[unsafe(no_mangle)] extern \"C\" fn _start() -> ! {{\n\
         black_box(ping(black_box(7))); loop {{}}\n}}\n\
         #[panic_handler] fn panic(_: &core::panic::PanicInfo<'_>) -> ! {{ loop {{}} }}\n"
    );
    fs::write(&source, text).unwrap();
    let program = dir.join(name);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc)
        .args(["--edition=2024", "-Copt-level=2", "-Cpanic=abort", "-Clink-arg=-nostartfiles"])
        .args(["-Clink-arg=-nostdlib", "-Clink-arg=-static", "-Crelocation-model=static", "-o"])
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(built.success());
    let graph = CallGraph::read(Path::new(&program));
    fs::remove_file(program).unwrap();
    fs::remove_file(source).unwrap();
    graph
}

#[test]
fn a_recursion_is_found() {
    for (name, functions) in [("direct", DIRECT), ("by_address", BY_ADDRESS)] {
        let graph = graph_of(name, functions);
        let cycle = graph.cycle(&|_| graph.taken().collect()).expect(name);
        assert!(cycle.iter().any(|function| function.ends_with("::ping")), "{name}: {cycle:?}");
    }
}

#[test]
fn a_bound_is_the_sum_of_what_calls_each_other() {
    let graph = graph_of("buffer", BUFFER);
    assert_eq!(graph.cycle(&|_| graph.taken().collect()), None);
    let (bytes, way) = graph.bound(graph.find("buffer::ping"), &|_| Vec::new(), &|_| false);
    assert!((48_000..48_400).contains(&bytes), "{bytes} by {way:?}");
    assert!(way.last().is_some_and(|last| last.ends_with("::pong")), "{way:?}");
}
