//! What the shipped file is: small, static, and without anything to load it.

use lock_tests::lockbox::lockbox;

/// Program header types that ask for a loader.
const DYNAMIC: usize = 2;
const INTERPRETER: usize = 3;

#[test]
fn is_one_small_static_executable() {
    let file = std::fs::read(lockbox()).unwrap();
    println!("lockbox: {} bytes", file.len());
    assert!(file.len() < 200_704, "{} bytes", file.len());
    assert_eq!(&file[..4], b"\x7fELF");
    // Program headers: at e_phoff, e_phnum of them, each e_phentsize long, its type first.
    let number = |at: usize, len: usize| {
        file[at..at + len].iter().rev().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte))
    };
    let types: Vec<_> =
        (0..number(56, 2)).map(|index| number(number(32, 8) + index * number(54, 2), 4)).collect();
    assert!(!types.contains(&INTERPRETER) && !types.contains(&DYNAMIC), "{types:?}");
}
