//! The allocator, and the memory that the system has lent it.
//!
//! On the usual servers it is jemalloc, for all of the process, SQLite included: a message takes a few hundred pieces of
//! memory, on one thread, and they are freed on others. Its pages are as large as those of the machine that builds it,
//! which is why it is not used where a kernel may have larger ones than another.

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#[path = "jemalloc.rs"]
mod allocator;
#[cfg(all(target_os = "linux", target_env = "gnu", not(target_arch = "x86_64")))]
#[path = "glibc.rs"]
mod allocator;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[path = "other.rs"]
mod allocator;

/// Gives back to the system what is free in whole pages, where that can be asked for. Some milliseconds for each ten
/// mebibytes, during which whoever allocates may wait: for when nothing is under way.
pub fn trim() {
    allocator::trim();
}
