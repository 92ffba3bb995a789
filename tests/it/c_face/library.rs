//! What the library asks of a program, and what it makes of one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::building::{compile, library, output, programs, root};

/// What a compiler may call in any program, and a program without libc must bring.
const MEMORY: [&str; 6] = ["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"];

#[test]
fn the_library_asks_a_program_for_memory_functions_only() {
    let text = output(Command::new("nm").args(["--format=posix", "-A"]).arg(library()));
    // `LIBRARY[MEMBER]: NAME LETTER ...`; Rust's stock of arithmetic functions is in others of its
    // members, which are linked only if they are needed.
    let ours = text.lines().filter(|line| line.contains("[lockbox-"));
    let symbols: Vec<(&str, &str)> = ours
        .map(|line| {
            let mut words = line.split(' ').skip(1);
            (words.next().unwrap(), words.next().unwrap())
        })
        .collect();
    let with = |letter| symbols.iter().filter(move |it| it.1 == letter).map(|it| it.0);
    let defined: Vec<&str> = with("T").collect();
    let functions =
        fs::read_to_string(root().join("lock-rustix/c-face/include/lockbox.h")).unwrap();
    for name in &defined {
        let known = functions.contains(&format!(" {name}(")) || name.contains("critical_section");
        assert!(known || functions.contains(&format!("*{name}(")), "{name} is not in the header");
    }
    assert_eq!(defined.iter().filter(|name| name.starts_with("lockbox_")).count(), 10);
    let wanted: Vec<&str> = with("U").collect();
    println!("undefined in the library: {wanted:?}");
    assert!(wanted.contains(&"memcpy"), "the list is empty, and shows nothing");
    assert!(wanted.iter().all(|name| MEMORY.contains(name)), "{wanted:?}");
}

#[test]
fn without_libc_a_program_with_every_kind_is_small() {
    let [_, _, bare] = programs();
    let size = output(Command::new("size").arg(bare));
    println!("{size}");
    let code = size.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    // Some 10 % above what was measured.
    assert!(code.parse::<u32>().unwrap() < 148_000, "{code} bytes of code");
}

#[test]
fn the_example_in_the_document_compiles() {
    let text = fs::read_to_string(root().join("docs/c.md")).unwrap();
    let example = text.split("```c\n").nth(1).unwrap().split("```").next().unwrap();
    let source = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("c-face-example.c");
    fs::write(&source, example).unwrap();
    compile("example", &[source.to_str().unwrap()], &[]);
}

#[test]
fn no_panic_is_linked() {
    let [_, _, bare] = programs();
    let symbols = output(Command::new("nm").arg("--format=posix").arg(bare));
    let named = |word: &str| symbols.lines().filter(|line| line.contains(word)).count();
    assert_eq!(named("lockbox_take "), 1, "no symbols, and nothing shown");
    assert_eq!(named("panic") + named("rust_begin_unwind"), 0, "{symbols}");
}
