//! Links the tool as a static executable of its own, without libc and start files. These arguments
//! are the binary's alone: in RUSTFLAGS they would break every build script. And packs what `help`
//! says.

use std::collections::BTreeMap;
use std::path::Path;

fn main() {
    link();
    println!("cargo:rerun-if-changed=src/command/help.txt");
    let help = std::fs::read_to_string("src/command/help.txt").expect("the texts of help");
    let (mut names, mut texts) = (String::new(), Vec::new());
    for section in help.split("== ").skip(1) {
        let (name, text) = section.split_once('\n').expect("a name and a text");
        names = names + name + "\n";
        texts.extend(text.bytes());
        // Behind a text that speaks of kinds they are told.
        texts.extend(text.contains(" KIND").then_some(1));
        texts.push(0);
    }
    let (pairs, packed) = pack(texts);
    let module = format!(
        "static NAMES: &[u8] = &{:?};\nstatic PAIRS: &[[u8; 2]] = &{pairs:?};\n\
         static PACKED: &[u8] = &{packed:?};\n",
        names.as_bytes(),
    );
    let dir = std::env::var("OUT_DIR").expect("cargo says where to write");
    std::fs::write(Path::new(&dir).join("help.rs"), module).expect("written");
}

/// Packs a text of ASCII: again and again, the two bytes that most often stand side by side become
/// one of the 128 that are not used yet. 0 and 1 stay alone.
fn pack(mut packed: Vec<u8>) -> (Vec<[u8; 2]>, Vec<u8>) {
    assert!(packed.is_ascii(), "the other half of all bytes stands for pairs");
    let mut pairs = Vec::new();
    for code in 128..=u8::MAX {
        let mut counts = BTreeMap::<[u8; 2], u32>::new();
        for pair in packed.windows(2).filter(|pair| pair.iter().all(|&byte| byte > 1)) {
            *counts.entry([pair[0], pair[1]]).or_default() += 1;
        }
        let Some((&pair, _)) = counts.iter().max_by_key(|(_, count)| **count) else { break };
        let mut unpacked = core::mem::take(&mut packed).into_iter().peekable();
        while let Some(byte) = unpacked.next() {
            let found = byte == pair[0] && unpacked.next_if_eq(&pair[1]).is_some();
            packed.push(if found { code } else { byte });
        }
        pairs.push(pair);
    }
    (pairs, packed)
}

fn link() {
    println!("cargo:rerun-if-changed=link.ld");
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let linker = std::env::var("RUSTC_LINKER").unwrap_or_default();
    // A compiler that calls the linker, as for this machine, or the linker itself, as for others.
    let by_compiler = !linker.ends_with("lld");
    let pass = |arg: &str| println!("cargo:rustc-link-arg-bin=lockbox={arg}");
    if by_compiler {
        ["-nostartfiles", "-nostdlib", "-static", "-no-pie"].into_iter().for_each(pass);
    } else {
        // Nobody would relocate it.
        ["-static", "--no-pie"].into_iter().for_each(pass);
    }
    let script = format!("--script={dir}/link.ld");
    for arg in [
        "--build-id=none",
        "--gc-sections",
        "--no-eh-frame-hdr",
        "-znorelro",
        "-znoseparate-code",
        // Without optimisation, core's unwinding tables still ask for it.
        "--defsym=rust_eh_personality=0",
        &script,
    ] {
        if by_compiler { pass(&format!("-Wl,{arg}")) } else { pass(arg) }
    }
}
