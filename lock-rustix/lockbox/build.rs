//! Links the tool as a static executable of its own, without libc and start files. These arguments
//! are the binary's alone: in RUSTFLAGS they would break every build script.

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none,--gc-sections,--no-eh-frame-hdr,-z,norelro,-z,noseparate-code",
        // Without optimisation, core's unwinding tables still ask for it.
        "-Wl,--defsym=rust_eh_personality=0",
    ] {
        println!("cargo:rustc-link-arg-bin=lockbox={arg}");
    }
    println!("cargo:rustc-link-arg-bin=lockbox=-Wl,-T,{dir}/link.ld");
}
