#![allow(unsafe_code, reason = "the options are a C symbol, and commands go through C")]

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

use tikv_jemalloc_sys::mallctl;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What jemalloc reads at the start of the process, unless the environment (`MALLOC_CONF`) says otherwise.
///
/// Two arenas are enough for the few threads that allocate, and keep fragments together: four for each core are usual.
#[used]
#[unsafe(export_name = "malloc_conf")]
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
    use std::ffi::c_void;

    use super::*;

    #[test]
    fn the_options_are_those_that_are_set_here() {
        let (mut arenas, mut size) = (0u32, size_of::<u32>());
        // SAFETY: there is room for as many bytes as are said.
        let code = unsafe { mallctl(c"opt.narenas".as_ptr(), (&raw mut arenas).cast(), &raw mut size, null_mut(), 0) };
        assert_eq!((code, arenas), (0, 2));
    }

    /// SQLite's memory is of it, too.
    #[test]
    fn what_c_allocates_is_of_the_same_allocator() {
        let arena_of = |mut of: *mut c_void| {
            let (mut arena, mut size) = (0u32, size_of::<u32>());
            let name = c"arenas.lookup".as_ptr();
            // SAFETY: the pointer is looked up only; there is room for as many bytes as are said.
            unsafe {
                mallctl(name, (&raw mut arena).cast(), &raw mut size, (&raw mut of).cast(), size_of::<*mut c_void>())
            }
        };
        // SAFETY: what is allocated is freed once.
        unsafe {
            let piece = libc::malloc(100);
            assert_eq!(arena_of(piece), 0, "it is known");
            libc::free(piece);
        }
        let elsewhere = 0u8;
        assert_ne!(arena_of((&raw const elsewhere).cast_mut().cast()), 0, "a stack is not");
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
