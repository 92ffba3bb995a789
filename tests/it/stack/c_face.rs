//! What each function of the C face can take, computed from the machine code of a C program that
//! has the library in it.

use lock_tests::call_graph::CallGraph;
use lock_tests::lockbox::c_program_with_symbols;

use crate::callables::{OF_THE_C_FACE, reaches, unknown};
use crate::page::{FROM_C, Row};

/// The functions of lockbox.h.
const FUNCTIONS: [&str; 10] = [
    "lockbox_take",
    "lockbox_convert",
    "lockbox_refresh",
    "lockbox_next_token",
    "lockbox_descriptor",
    "lockbox_release",
    "lockbox_look",
    "lockbox_break",
    "lockbox_sentence",
    "lockbox_kind_name",
];

/// The most that each can take, with the return address that its caller pushes.
pub(crate) fn bounds() -> Vec<Row> {
    let graph = CallGraph::read(c_program_with_symbols());
    let bound = |name: &&str| {
        let reaches = |caller| reaches(&graph, OF_THE_C_FACE, caller);
        let (bytes, way) = graph.bound(graph.find(name), &reaches, &|_| false);
        println!("{bytes}: {way:#?}");
        let [command, situation, kind] = [name, "any", FROM_C].map(str::to_owned);
        Row { command, situation, kind, bytes: bytes + 8 }
    };
    FUNCTIONS.iter().map(bound).collect()
}

#[test]
fn no_function_of_the_library_calls_itself() {
    let graph = CallGraph::read(c_program_with_symbols());
    let unknown = unknown(&graph, OF_THE_C_FACE);
    assert!(unknown.is_empty(), "tests/it/stack/callables.rs has no type of {unknown:#?}");
    assert_eq!(graph.cycle(&|caller| reaches(&graph, OF_THE_C_FACE, caller)), None);
}
