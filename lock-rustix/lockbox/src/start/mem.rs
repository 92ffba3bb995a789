//! The four functions that compiled code calls for copies and comparisons.
//!
//! Byte by byte and volatile, so that the compiler does not make calls of themselves out of them;
//! the tool copies little.

macro_rules! byte_loop {
    ($count:expr, $at:ident => $body:block) => {{
        let mut $at = 0;
        while $at < $count {
            $body
            $at += 1;
        }
    }};
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for `count` bytes at both.
    byte_loop!(count, at => { unsafe { to.add(at).write_volatile(from.add(at).read()) } });
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if to.addr() <= from.addr() {
        // SAFETY: the caller vouches for `count` bytes at both; forwards, nothing is overwritten
        // before it is read.
        return unsafe { memcpy(to, from, count) };
    }
    let mut at = count;
    while at > 0 {
        at -= 1;
        // SAFETY: as above, backwards.
        unsafe { to.add(at).write_volatile(from.add(at).read()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // Only the lowest byte counts, says the C standard.
    let [byte, ..] = byte.to_le_bytes();
    // SAFETY: the caller vouches for `count` bytes.
    byte_loop!(count, at => { unsafe { to.add(at).write_volatile(byte) } });
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    byte_loop!(count, at => {
        // SAFETY: the caller vouches for `count` bytes at both.
        let (one, other) = unsafe { (one.add(at).read_volatile(), other.add(at).read_volatile()) };
        if one != other {
            return i32::from(one) - i32::from(other);
        }
    });
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(one, other, count) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut len = 0;
    // SAFETY: the caller vouches for a string that ends.
    while unsafe { text.add(len).read_volatile() } != 0 {
        len += 1;
    }
    len
}
