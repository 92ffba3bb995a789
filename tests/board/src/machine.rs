//! The bare processor: its start, its interrupts, its stack, and words to the outside.
//!
//! Words and the end go through semihosting, which a debugger or QEMU answers. All that is unsafe
//! here is in this file.

use core::arch::{asm, global_asm};
use core::cell::Cell;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

use critical_section::{Mutex, RawRestoreState};

/// What an unused word of the stack holds.
const UNUSED: u32 = 0x57ac_57ac;

/// Bytes below the stack pointer that painting leaves alone: its own frame is there.
const FRAME: usize = 128;

/// `SYS_WRITEC` of the semihosting interface.
const WRITE_CHARACTER: usize = 0x03;
/// `SYS_EXIT_EXTENDED`, and the reason of an orderly end.
const EXIT: usize = 0x20;
const APPLICATION_EXIT: usize = 0x2_0026;

/// The system timer's registers: control, the count it starts from, the count; and the register of
/// what is pending, with the bit that makes the timer's interrupt not so.
const TIMER: *mut u32 = 0xe000_e010 as *mut u32;
const PENDING: *mut u32 = 0xe000_ed04 as *mut u32;
const CLEAR_TIMER: u32 = 1 << 25;
/// Its bits for running, interrupting, and the processor's clock.
const TIMER_ON: u32 = 0b111;

unsafe extern "C" {
    static mut bss_end: u32;
    static mut stack_top: u32;
}

/// The stack's end, and where to go: reset, then fourteen exceptions, of which only the last, the
/// timer's, is expected.
#[repr(C)]
struct Vectors {
    stack: *mut u32,
    handlers: [unsafe extern "C" fn(); 15],
}

// SAFETY: it is never written.
unsafe impl Sync for Vectors {}

#[used]
#[unsafe(link_section = ".vectors")]
static VECTORS: Vectors = {
    let mut handlers: [unsafe extern "C" fn(); 15] = [unexpected; 15];
    handlers[0] = reset;
    handlers[14] = tick;
    Vectors { stack: &raw mut stack_top, handlers }
};

static ON_TICK: Mutex<Cell<Option<fn()>>> = Mutex::new(Cell::new(None));

unsafe extern "C" {
    fn reset();
}

// Not in Rust: until it has run, no variable has its value.
global_asm!(
    ".syntax unified",
    ".section .text.reset, \"ax\"",
    ".global reset",
    ".type reset, %function",
    ".thumb_func",
    "reset:",
    "    ldr r0, =data_start",
    "    ldr r1, =data_end",
    "    ldr r2, =data_stored",
    "1:  cmp r0, r1",
    "    bhs 2f",
    "    ldr r3, [r2]",
    "    str r3, [r0]",
    "    adds r0, #4",
    "    adds r2, #4",
    "    b 1b",
    "2:  ldr r0, =bss_start",
    "    ldr r1, =bss_end",
    "    movs r2, #0",
    "3:  cmp r0, r1",
    "    bhs 4f",
    "    str r2, [r0]",
    "    adds r0, #4",
    "    b 3b",
    "4:  bl start",
    "    .pool",
);

#[unsafe(no_mangle)]
extern "C" fn start() -> ! {
    crate::run();
    exit(0)
}

unsafe extern "C" fn unexpected() {
    panic!("an exception");
}

unsafe extern "C" fn tick() {
    // SAFETY: this stops the timer; nobody else writes its registers.
    unsafe { TIMER.write_volatile(0) };
    if let Some(work) = critical_section::with(|cs| ON_TICK.borrow(cs).take()) {
        work();
    }
}

/// Calls `work` once from the timer's interrupt, whatever runs then, so many cycles from now.
pub fn interrupt_after(cycles: u32, work: fn()) {
    critical_section::with(|cs| ON_TICK.borrow(cs).set(Some(work)));
    // SAFETY: the registers are there on every Cortex-M with a timer, and nobody else writes them.
    unsafe {
        TIMER.write_volatile(0);
        TIMER.add(1).write_volatile(cycles);
        TIMER.add(2).write_volatile(0);
        PENDING.write_volatile(CLEAR_TIMER);
        TIMER.write_volatile(TIMER_ON);
    }
}

struct Interrupts;
critical_section::set_impl!(Interrupts);

// SAFETY: there is one processor, and nothing else than an interrupt can come between.
unsafe impl critical_section::Impl for Interrupts {
    unsafe fn acquire() -> RawRestoreState {
        let masked: u32;
        // SAFETY: this only masks interrupts. No `nomem`: accesses may not move out of the section.
        unsafe { asm!("mrs {}, PRIMASK", "cpsid i", out(reg) masked, options(nostack)) };
        masked & 1 == 1
    }

    unsafe fn release(was_masked: RawRestoreState) {
        if !was_masked {
            // SAFETY: as above; this is the outermost section.
            unsafe { asm!("cpsie i", options(nostack)) };
        }
    }
}

/// Marks the free part of the stack, to see later how much of it was used.
pub fn paint_stack() {
    critical_section::with(|_| {
        let (mut at, end) = (stack_bottom(), stack_pointer() - FRAME);
        while (at as usize) < end {
            // SAFETY: between the variables and the stack pointer nothing is in use.
            unsafe {
                at.write_volatile(UNUSED);
                at = at.add(1);
            }
        }
    });
}

/// How many bytes below here the stack has been used since it was painted.
pub fn stack_used() -> usize {
    let pointer = stack_pointer();
    let mut at = stack_bottom();
    // SAFETY: as in `paint_stack`; reading the part in use does no harm.
    while unsafe { at.read_volatile() } == UNUSED {
        // SAFETY: the part in use is not all paint.
        at = unsafe { at.add(1) };
    }
    pointer.saturating_sub(at as usize)
}

fn stack_bottom() -> *mut u32 {
    &raw mut bss_end
}

fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: this reads a register.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack)) };
    pointer
}

/// Asks the debugger for something.
fn host(operation: usize, argument: usize) {
    // SAFETY: the debugger reads what `argument` points to, and changes only r0.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument, options(nostack)) };
}

fn exit(status: usize) -> ! {
    let block = [APPLICATION_EXIT, status];
    loop {
        host(EXIT, block.as_ptr() as usize);
    }
}

/// Where words go.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            host(WRITE_CHARACTER, (&raw const byte) as usize);
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Console, "{info}");
    exit(1)
}
