//! The kernel's clocks, by plain system calls: no vDSO to be found and mapped first.
#![allow(unsafe_code)]

use lock_core::owner::StartTime;

use crate::arch::syscall;

/// `CLOCK_MONOTONIC`: never set, stands still while the machine sleeps.
const MONOTONIC: usize = 1;
/// `CLOCK_BOOTTIME`: as [`MONOTONIC`], but goes on in sleep.
const BOOTTIME: usize = 7;
/// `CLOCK_REALTIME`: the wall clock.
const REALTIME: usize = 0;

/// `clock_gettime`, on 32-bit machines `clock_gettime64`.
#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: usize = 228;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const CLOCK_GETTIME: usize = 113;
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
const CLOCK_GETTIME: usize = 403;

/// Ticks a second in `/proc`, on every architecture: the kernel's `USER_HZ`.
const TICKS_PER_SECOND: u64 = 100;

/// Nanoseconds of a clock that nobody sets, for deadlines.
///
/// ```
/// let before = lock_rustix::clock::monotonic_ns();
/// assert!(lock_rustix::clock::monotonic_ns() >= before);
/// ```
pub fn monotonic_ns() -> u64 {
    read_ns(MONOTONIC)
}

/// Microseconds since 1970 by the wall clock.
///
/// ```
/// let seconds = lock_rustix::clock::wall_us() / 1_000_000;
/// let by_std = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
/// assert!(seconds.abs_diff(by_std.try_into().unwrap()) < 5);
/// ```
pub fn wall_us() -> i64 {
    i64::try_from(read_ns(REALTIME) / 1000).unwrap_or(i64::MAX)
}

/// The wall-clock time, in microseconds since 1970, at which a process started that started `start`
/// ticks after boot, less half a second.
///
/// Jane Street's programs of various versions see it up to a second too early, and take two times
/// for one if they differ by less than a second: half a second early is equal to all of them.
///
/// ```
/// use lock_core::owner::Pid;
/// use lock_rustix::{clock, process};
///
/// let me = Pid::new(u64::from(process::id())).unwrap();
/// let started_us = clock::wall_time_of_start_us(process::start_time(me).unwrap());
/// assert!(started_us < clock::wall_us());
/// ```
pub fn wall_time_of_start_us(start: StartTime) -> i64 {
    const HALF_A_SECOND_US: i64 = 500_000;
    let boot_us = wall_us().saturating_sub(i64::try_from(read_ns(BOOTTIME) / 1000).unwrap_or(0));
    let since_boot_us = start.0.saturating_mul(1_000_000 / TICKS_PER_SECOND);
    boot_us
        .saturating_add(i64::try_from(since_boot_us).unwrap_or(i64::MAX))
        .saturating_sub(HALF_A_SECOND_US)
}

fn read_ns(clock: usize) -> u64 {
    // `struct timespec`, with seconds of 64 bits on every machine. No clock is ever below 0.
    let mut time = [0u64; 2];
    // SAFETY: the call writes one `struct timespec`, two 64-bit numbers, to the array.
    let result = unsafe { syscall(CLOCK_GETTIME, [clock, time.as_mut_ptr() as usize]) };
    debug_assert_eq!(result, 0, "these clocks always exist");
    let [seconds, nanoseconds] = time;
    seconds * 1_000_000_000 + nanoseconds
}
