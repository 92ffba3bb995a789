//! Links the tool as a static executable of its own, without libc and start files. These arguments
//! are the binary's alone: in RUSTFLAGS they would break every build script.

fn main() {
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
