//! The allocator's memory, seen as what the system has lent us.

/// Gives back to the system what is free in whole pages; says whether there was any. Some milliseconds for each ten
/// mebibytes, during which whoever allocates may wait: for when nothing is under way. Where the C library is not glibc there
/// is nothing to do.
pub fn trim() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[allow(unsafe_code, reason = "the allocator is asked through libc")]
        // SAFETY: it may be called at any time, by any thread.
        let given_back = unsafe { libc::malloc_trim(0) };
        given_back == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}
