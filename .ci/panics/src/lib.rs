//! Every public function of lock-core, called with what no compiler can foresee. If one of them can
//! panic, the library refers to the symbol `lock_core_can_panic`, which nobody defines.
#![no_std]

mod codecs;
mod dlm;
mod machines;
mod outside;
mod schemes;

unsafe extern "C" {
    fn lock_core_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the library is never linked, so this is never called.
    unsafe { lock_core_can_panic() }
}

/// Indexes a slice by a number from outside.
#[cfg(feature = "control")]
#[unsafe(no_mangle)]
extern "C" fn control() {
    outside::bytes(|bytes| {
        let at = usize::try_from(outside::number()).unwrap_or(0);
        outside::keep(bytes[at]);
    });
}
