//! The system call instruction, per architecture, for the few calls that rustix has no safe form
//! of: record locks of open files here; processes and signals in lockbox.
#![allow(unsafe_code)]
// Registers are words; the kernel gives their bits its own meaning.
#![allow(clippy::cast_possible_wrap)]

use core::arch::asm;
use core::mem::MaybeUninit;

/// Makes system call `number`: the kernel's answer, negative errno on failure.
///
/// # Safety
///
/// The arguments must be what the call expects, and pointers among them must be valid for all that
/// the kernel reads and writes through them.
#[cfg(target_arch = "x86_64")]
#[inline]
pub unsafe fn syscall<const COUNT: usize>(number: usize, args: [usize; COUNT]) -> isize {
    let result;
    // SAFETY: the caller vouches for the call; the kernel keeps all registers but rax, rcx, r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") arg(&args, 0), in("rsi") arg(&args, 1), in("rdx") arg(&args, 2),
            in("r10") arg(&args, 3), in("r8") arg(&args, 4), in("r9") arg(&args, 5),
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Makes system call `number`: the kernel's answer, negative errno on failure.
///
/// # Safety
///
/// The arguments must be what the call expects, and pointers among them must be valid for all that
/// the kernel reads and writes through them.
#[cfg(target_arch = "aarch64")]
#[inline]
pub unsafe fn syscall<const COUNT: usize>(number: usize, args: [usize; COUNT]) -> isize {
    let result;
    // SAFETY: the caller vouches for the call; the kernel keeps all registers but x0.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args.first().map_or(0, |it| *it as isize) => result,
            in("x1") arg(&args, 1), in("x2") arg(&args, 2), in("x3") arg(&args, 3),
            in("x4") arg(&args, 4), in("x5") arg(&args, 5),
            options(nostack),
        );
    }
    result
}

/// Makes system call `number`: the kernel's answer, negative errno on failure.
///
/// # Safety
///
/// The arguments must be what the call expects, and pointers among them must be valid for all that
/// the kernel reads and writes through them.
#[cfg(target_arch = "riscv64")]
#[inline]
pub unsafe fn syscall<const COUNT: usize>(number: usize, args: [usize; COUNT]) -> isize {
    let result;
    // SAFETY: the caller vouches for the call; the kernel keeps all registers but a0.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") args.first().map_or(0, |it| *it as isize) => result,
            in("a1") arg(&args, 1), in("a2") arg(&args, 2), in("a3") arg(&args, 3),
            in("a4") arg(&args, 4), in("a5") arg(&args, 5),
            options(nostack),
        );
    }
    result
}

/// Makes system call `number`: the kernel's answer, negative errno on failure.
///
/// # Safety
///
/// The arguments must be what the call expects, and pointers among them must be valid for all that
/// the kernel reads and writes through them.
#[cfg(target_arch = "arm")]
#[inline]
pub unsafe fn syscall<const COUNT: usize>(number: usize, args: [usize; COUNT]) -> isize {
    let result;
    // SAFETY: the caller vouches for the call; r7 may be the frame pointer, so it is swapped in
    // and out; the kernel keeps all registers but r0.
    unsafe {
        asm!(
            "mov {saved}, r7",
            "mov r7, {number}",
            "svc 0",
            "mov r7, {saved}",
            saved = out(reg) _,
            number = in(reg) number,
            inlateout("r0") args.first().map_or(0, |it| *it as isize) => result,
            in("r1") arg(&args, 1), in("r2") arg(&args, 2), in("r3") arg(&args, 3),
            in("r4") arg(&args, 4), in("r5") arg(&args, 5),
            options(nostack),
        );
    }
    result
}

/// Makes system call `number`: the kernel's answer, negative errno on failure. The sixth argument
/// is not passed on: no call made here has one, and its register is the frame pointer.
///
/// # Safety
///
/// The arguments must be what the call expects, and pointers among them must be valid for all that
/// the kernel reads and writes through them.
#[cfg(target_arch = "x86")]
#[inline]
pub unsafe fn syscall<const COUNT: usize>(number: usize, args: [usize; COUNT]) -> isize {
    let result;
    // SAFETY: the caller vouches for the call; esi is reserved by the compiler, so it is saved by
    // hand; the kernel keeps all registers but eax.
    unsafe {
        asm!(
            "xchg esi, {fourth}",
            "int 0x80",
            "xchg esi, {fourth}",
            fourth = inout(reg) arg(&args, 3) => _,
            inlateout("eax") number as isize => result,
            in("ebx") arg(&args, 0), in("ecx") arg(&args, 1),
            in("edx") arg(&args, 2), in("edi") arg(&args, 4),
        );
    }
    result
}

/// An argument. The register of one that the call does not have may hold anything.
#[inline]
fn arg<const COUNT: usize>(args: &[usize; COUNT], at: usize) -> MaybeUninit<usize> {
    args.get(at).map_or(MaybeUninit::uninit(), |arg| MaybeUninit::new(*arg))
}
