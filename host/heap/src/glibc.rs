//! What is C's comes from the C library.
#![allow(unsafe_code, reason = "the allocator is asked through libc")]

pub(super) fn trim() {
    // SAFETY: it may be called at any time, by any thread.
    unsafe { libc::malloc_trim(0) };
}
