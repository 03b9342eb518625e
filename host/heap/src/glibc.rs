#![allow(unsafe_code, reason = "the allocator is asked through libc")]

pub(super) fn trim() -> bool {
    // SAFETY: it may be called at any time, by any thread.
    let given_back = unsafe { libc::malloc_trim(0) };
    given_back == 1
}
