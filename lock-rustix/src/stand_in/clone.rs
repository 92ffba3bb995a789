//! `clone(2)` into a function on another stack, per architecture: an instruction pair that no
//! compiler may part.
#![allow(unsafe_code)]
// Registers are words; the kernel gives their bits its own meaning.
#![allow(clippy::cast_possible_wrap)]

use core::arch::asm;

#[cfg(target_arch = "x86_64")]
pub(crate) mod number {
    pub(crate) const CLONE: usize = 56;
    pub(crate) const EXIT_GROUP: usize = 231;
    pub(crate) const KILL: usize = 62;
    pub(crate) const RT_SIGPROCMASK: usize = 14;
    pub(crate) const WAIT4: usize = 61;
}
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub(crate) mod number {
    pub(crate) const CLONE: usize = 220;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const KILL: usize = 129;
    pub(crate) const RT_SIGPROCMASK: usize = 135;
    pub(crate) const WAIT4: usize = 260;
}
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
pub(crate) mod number {
    pub(crate) const CLONE: usize = 120;
    #[cfg(target_arch = "arm")]
    pub(crate) const EXIT_GROUP: usize = 248;
    #[cfg(target_arch = "x86")]
    pub(crate) const EXIT_GROUP: usize = 252;
    pub(crate) const KILL: usize = 37;
    pub(crate) const RT_SIGPROCMASK: usize = 175;
    pub(crate) const WAIT4: usize = 114;
}

/// The system call. In the child it calls `entry` on the new stack and does not come back.
///
/// # Safety
///
/// As for the function that calls this: what the child uses must outlive it.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone_into(
    flags: usize,
    top: usize,
    ended: *mut i32,
    entry: usize,
    errand: usize,
) -> isize {
    let result;
    // SAFETY: the child leaves the parent's stack at once; registers are kept by the kernel.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") number::CLONE as isize => result,
            in("rdi") flags, in("rsi") top, in("rdx") ended, in("r10") 0, in("r8") 0,
            in("r12") entry, in("r13") errand,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// The system call. In the child it calls `entry` on the new stack and does not come back.
///
/// # Safety
///
/// As for the function that calls this: what the child uses must outlive it.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn clone_into(
    flags: usize,
    top: usize,
    ended: *mut i32,
    entry: usize,
    errand: usize,
) -> isize {
    let result;
    // SAFETY: the child leaves the parent's stack at once; registers are kept by the kernel.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x21",
            "blr x20",
            "brk 1",
            "2:",
            in("x8") number::CLONE,
            inlateout("x0") flags as isize => result,
            in("x1") top, in("x2") ended, in("x3") 0, in("x4") 0,
            in("x20") entry, in("x21") errand,
        );
    }
    result
}

/// The system call. In the child it calls `entry` on the new stack and does not come back.
///
/// # Safety
///
/// As for the function that calls this: what the child uses must outlive it.
#[cfg(target_arch = "riscv64")]
pub(super) unsafe fn clone_into(
    flags: usize,
    top: usize,
    ended: *mut i32,
    entry: usize,
    errand: usize,
) -> isize {
    let result;
    // SAFETY: the child leaves the parent's stack at once; registers are kept by the kernel.
    unsafe {
        asm!(
            "ecall",
            "bnez a0, 2f",
            "mv a0, s3",
            "jalr s2",
            "ebreak",
            "2:",
            in("a7") number::CLONE,
            inlateout("a0") flags as isize => result,
            in("a1") top, in("a2") ended, in("a3") 0, in("a4") 0,
            in("s2") entry, in("s3") errand,
        );
    }
    result
}

/// The system call. In the child it calls `entry` on the new stack and does not come back.
///
/// # Safety
///
/// As for the function that calls this: what the child uses must outlive it.
#[cfg(target_arch = "arm")]
pub(super) unsafe fn clone_into(
    flags: usize,
    top: usize,
    ended: *mut i32,
    entry: usize,
    errand: usize,
) -> isize {
    let result;
    // SAFETY: the child leaves the parent's stack at once; registers are kept by the kernel. r7 may
    // be the frame pointer, so it is swapped in and out.
    unsafe {
        asm!(
            "mov r9, r7",
            "mov r7, {number}",
            "svc 0",
            "mov r7, r9",
            "cmp r0, #0",
            "bne 2f",
            "mov r0, r8",
            "blx r5",
            "udf #0",
            "2:",
            number = in(reg) number::CLONE,
            inlateout("r0") flags as isize => result,
            in("r1") top, in("r2") ended, in("r3") 0, in("r4") 0,
            in("r5") entry, in("r8") errand,
            out("r9") _,
        );
    }
    result
}

/// The system call. In the child it calls `entry` on the new stack and does not come back.
///
/// # Safety
///
/// As for the function that calls this: what the child uses must outlive it.
#[cfg(target_arch = "x86")]
pub(super) unsafe fn clone_into(
    flags: usize,
    top: usize,
    ended: *mut i32,
    entry: usize,
    errand: usize,
) -> isize {
    let result;
    // SAFETY: the child leaves the parent's stack at once, for one whose top holds what it calls
    // and what for, aligned as a call wants it; registers are kept by the kernel.
    unsafe {
        // After the entry is popped the argument lies at the top, where a call wants 16 bytes'
        // alignment.
        let top = (top as *mut usize).wrapping_sub(5);
        top.write(entry);
        top.wrapping_add(1).write(errand);
        asm!(
            "int 0x80",
            "test eax, eax",
            "jnz 2f",
            "xor ebp, ebp",
            "pop eax",
            "call eax",
            "ud2",
            "2:",
            inlateout("eax") number::CLONE as isize => result,
            in("ebx") flags, in("ecx") top, in("edx") ended, in("edi") 0,
        );
    }
    result
}
