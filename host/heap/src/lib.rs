//! The allocators, and the memory that the system has lent them.
//!
//! On the usual servers what is Rust's comes from jemalloc: a message takes a few hundred pieces of memory, on one thread,
//! and they are freed on others. Its pages are as large as those of the machine that builds it, which is why it is not used
//! where a kernel may have larger ones than another. What is C's, such as SQLite, keeps the C library's: a `malloc` that
//! takes that one's place hangs at the start beneath libraries that put themselves before it (libfaketime does).

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod jemalloc;

/// Gives back to the system what is free in whole pages, where that can be asked for. Some milliseconds for each ten
/// mebibytes, during which whoever allocates may wait: for when nothing is under way.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    jemalloc::trim();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::trim();
}
