//! Reading options, from any arguments: it ends, and what is said of an argument is a part of it.

use std::ffi::CString;

use lockbox_tool::options::{Known, Options, pack, packed_len};
use lockbox_tool::stack::Stack;

const KNOWN: [Known; 6] = [
    Known { key: b's', short: b's', long: "shared", takes_argument: false },
    Known { key: b'x', short: b'x', long: "exclusive", takes_argument: false },
    Known { key: b'x', short: b'e', long: "ex", takes_argument: false },
    Known { key: b'w', short: b'w', long: "wait", takes_argument: true },
    Known { key: b'a', short: 0, long: "stale-age", takes_argument: true },
    Known { key: b'v', short: b'v', long: "", takes_argument: false },
];
static OPTIONS: [u8; packed_len(&KNOWN)] = pack(&KNOWN);

/// The arguments are divided by newlines.
pub fn options(bytes: &[u8]) {
    let words = bytes.split(|byte| *byte == b'\n').take(64);
    let words: Vec<CString> = words
        .map(|word| CString::new(word.split(|byte| *byte == 0).next().unwrap_or(b"")).expect("cut"))
        .collect();
    // As the kernel lays it out: count, arguments, null, environment, null, auxiliary vector, null.
    let mut top = vec![words.len()];
    top.extend(words.iter().map(|word| word.as_ptr() as usize));
    top.extend([0, 0, 0, 0]);
    // SAFETY: laid out so; both outlive every use of what is read from them.
    let stack = unsafe { Stack::new(top.as_mut_ptr()) };
    let args = stack.args();
    assert_eq!(args.count(), words.len());
    let mut options = Options::new(args, 1, &OPTIONS);
    let steps = bytes.len() + words.len() + 1;
    for _ in 0..=steps {
        let Some(key) = options.next() else {
            let end = words.len().max(1) + 1;
            return assert!(
                options.operands().is_ok_and(|at| at <= end) || !options.name().is_empty()
            );
        };
        assert!(KNOWN.iter().any(|known| known.key == key));
        let argument = options.argument();
        let part_of = |word: &CString| argument.is_empty() || word.as_bytes().ends_with(argument);
        assert!(words.iter().any(part_of), "{argument:?}");
    }
    panic!("it does not end");
}
