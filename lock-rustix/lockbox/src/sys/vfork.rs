//! A child that borrows this process's memory until it becomes another program: nothing is copied,
//! and no page is looked for a second time.
// Registers are words; the kernel gives their bits its own meaning.
#![allow(clippy::cast_possible_wrap)]

use core::arch::asm;

use lock_rustix::rustix::io::Errno;

use super::{CHLD, check, exit, number};

/// Makes a child that runs `child` and ends with the status it answers, if it does not become
/// another program before. This process stands still until then; what the child has changed in
/// memory stays changed.
pub fn vfork<C: Fn() -> u8>(child: &C) -> Result<u32, Errno> {
    const CLONE_VM: usize = 0x100;
    const CLONE_VFORK: usize = 0x4000;
    let child: *const C = child;
    // SAFETY: the child calls a function of this type with this argument.
    check(unsafe { clone(CLONE_VM | CLONE_VFORK | CHLD as usize, child) })
}

/// The child's life.
extern "C" fn run<C: Fn() -> u8>(child: &C) -> ! {
    exit(child())
}

/// The system call, and in the child a call of `run`, on the parent's own stack: below what is in
/// use there is nothing that the parent, which stands still meanwhile, will look at again.
///
/// # Safety
///
/// The flags must be such that the parent does stand still.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn clone<C: Fn() -> u8>(flags: usize, child: *const C) -> isize {
    let result;
    // SAFETY: the child does not come back, and the kernel keeps the parent's registers. Since this
    // is not said to leave the stack alone, it is aligned for a call, and nothing lies below it.
    unsafe {
        asm!(
            "syscall",
            "test eax, eax",
            "jnz 2f",
            "mov rdi, rdx",
            "call {run}",
            "2:",
            run = sym run::<C>,
            inlateout("rax") number::CLONE as isize => result,
            in("rdi") flags, in("rsi") 0, in("rdx") child,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn clone<C: Fn() -> u8>(flags: usize, child: *const C) -> isize {
    let result;
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, x5",
            "bl {run}",
            "2:",
            run = sym run::<C>,
            in("x8") number::CLONE,
            inlateout("x0") flags as isize => result,
            in("x1") 0, in("x5") child,
            lateout("x30") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "riscv64")]
#[inline]
unsafe fn clone<C: Fn() -> u8>(flags: usize, child: *const C) -> isize {
    let result;
    // SAFETY: as above.
    unsafe {
        asm!(
            "ecall",
            "bnez a0, 2f",
            "mv a0, a5",
            "call {run}",
            "2:",
            run = sym run::<C>,
            in("a7") number::CLONE,
            inlateout("a0") flags as isize => result,
            in("a1") 0, in("a5") child,
            lateout("ra") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "arm")]
#[inline]
unsafe fn clone<C: Fn() -> u8>(flags: usize, child: *const C) -> isize {
    let result;
    // SAFETY: as above. r7 may be the frame pointer, so it is swapped in and out.
    unsafe {
        asm!(
            "mov {saved}, r7",
            "mov r7, {number}",
            "svc 0",
            "mov r7, {saved}",
            "cmp r0, #0",
            "bne 2f",
            "mov r0, r5",
            "bl {run}",
            "2:",
            run = sym run::<C>,
            saved = out(reg) _,
            number = in(reg) number::CLONE,
            inlateout("r0") flags as isize => result,
            in("r1") 0, in("r5") child,
            lateout("lr") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "x86")]
#[inline]
unsafe fn clone<C: Fn() -> u8>(flags: usize, child: *const C) -> isize {
    let result;
    // SAFETY: as above. The argument lies where the stack is aligned, as a call wants it.
    unsafe {
        asm!(
            "int 0x80",
            "test eax, eax",
            "jnz 2f",
            "sub esp, 12",
            "push edx",
            "call {run}",
            "2:",
            run = sym run::<C>,
            inlateout("eax") number::CLONE as isize => result,
            in("ebx") flags, in("ecx") 0, in("edx") child,
        );
    }
    result
}
