//! Where the kernel enters: the stack pointer goes to Rust, and what a libc would bring besides.
#![allow(unsafe_code)]

mod mem;

use core::arch::global_asm;
use core::panic::PanicInfo;

use lockbox_tool::stack::Stack;

// The kernel leaves argc at the top of the stack and nothing in the frame pointer.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {enter}",
    "ud2",
    enter = sym enter
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "b {enter}",
    enter = sym enter
);

#[cfg(target_arch = "riscv64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mv ra, zero",
    "mv fp, zero",
    "mv a0, sp",
    "tail {enter}",
    enter = sym enter
);

#[cfg(target_arch = "arm")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov fp, #0",
    "mov lr, #0",
    "mov r0, sp",
    "bic sp, sp, #7",
    "b {enter}",
    enter = sym enter
);

#[cfg(target_arch = "x86")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov eax, esp",
    "and esp, -16",
    "sub esp, 12",
    "push eax",
    "call {enter}",
    "ud2",
    enter = sym enter
);

unsafe extern "C" fn enter(top: *mut usize) -> ! {
    // SAFETY: this is the stack as the kernel laid it out, and nobody else has seen it.
    let stack = unsafe { Stack::new(top) };
    lockbox_tool::sys::exit(lockbox_tool::main(&stack))
}

/// Nothing here panics; the symbols show that nothing can.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    lockbox_tool::sys::exit(71)
}
