//! What is Rust's comes from jemalloc.
#![allow(unsafe_code, reason = "the options are a C symbol, and commands go through C")]

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

use tikv_jemalloc_sys::mallctl;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What jemalloc reads at the start of the process, unless the environment (`_RJEM_MALLOC_CONF`) says otherwise.
///
/// Two arenas are enough for the few threads that allocate, and keep fragments together: four for each core are usual.
#[used]
#[unsafe(export_name = "_rjem_malloc_conf")]
static OPTIONS: Options = Options(c"narenas:2".as_ptr());

#[repr(transparent)]
struct Options(*const c_char);

// SAFETY: what it points to is constant.
unsafe impl Sync for Options {}

/// All arenas; from jemalloc's manual, `MALLCTL_ARENAS_ALL`.
const PURGE: &CStr = c"arena.4096.purge";

pub(super) fn trim() {
    // SAFETY: a command without a value, in or out. Any thread may give it at any time.
    let code = unsafe { mallctl(PURGE.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    debug_assert_eq!(code, 0, "the command is known");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_those_that_are_set_here() {
        let (mut arenas, mut size) = (0u32, size_of::<u32>());
        // SAFETY: there is room for as many bytes as are said.
        let code = unsafe { mallctl(c"opt.narenas".as_ptr(), (&raw mut arenas).cast(), &raw mut size, null_mut(), 0) };
        assert_eq!((code, arenas), (0, 2));
    }

    #[test]
    fn memory_is_given_back() {
        let resident =
            || std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse::<u64>();
        let filled: Vec<Vec<u8>> = (0..64_000).map(|_| vec![1; 1000]).collect();
        drop(std::hint::black_box(filled));
        let before = resident().unwrap();
        trim();
        let pages_of_32_mib = (32 << 20) / 4096;
        assert!(before - resident().unwrap() > pages_of_32_mib, "of the 64 that were taken");
    }
}
