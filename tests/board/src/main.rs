//! lock-core's schemes on a board without any operating system but what is here.
//!
//! `machine` is the bare processor, `fram` a memory that outlives the power, `store` named records
//! on it by `embedded-io`, `kernel` tasks and open files in a critical section, `task` the traits
//! of lock-core. `scheme` names what is run, `checks` and `preempt` what must come of it.
#![no_std]
#![no_main]

mod checks;
mod fram;
mod kernel;
mod machine;
mod preempt;
mod scheme;
mod store;
mod task;

use core::fmt::Write;

use scheme::Scheme;

/// The most that taking a dead holder's lock and giving it back may use of the stack, in bytes.
const STACK_MAX: usize = 24 * 1024;

/// Runs all checks. Any that fails panics, which ends the program with status 1.
fn run() {
    let mut out = machine::Console;
    for scheme in Scheme::ALL {
        checks::excludes(scheme);
        checks::takes_over_from_the_dead(scheme);
        let stack = checks::stack_of_a_take_over(scheme);
        assert!(stack <= STACK_MAX, "{scheme:?}: {stack} bytes of stack");
        checks::notices_removal(scheme);
        checks::survives_a_restart(scheme);
        let ends = checks::survives_every_end(scheme);
        let bytes = checks::survives_every_power_cut(scheme);
        let [taken, refused, restarts] = preempt::contend(scheme);
        let _ = writeln!(
            out,
            "{scheme:?}: ended at {ends} calls, without power at {bytes} bytes, interrupted while \
             it was taken {taken} times, refused {refused} times, started over {restarts} times; \
             {stack} bytes of stack",
        );
    }
    checks::kernel_locks();
    let _ = writeln!(out, "Flock: shared, exclusive, converted, signed, unlinked");
}
