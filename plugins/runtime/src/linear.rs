//! The heap in the linear memory of an instance.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::ptr;

use crate::heap::{Heap, Region};

const PAGE: usize = 64 << 10;
/// It costs the host as much to make a memory larger by one page as by several. A limit may be met by so much earlier.
const AT_LEAST: usize = 4 * PAGE;

unsafe extern "C" {
    /// Where the linker has put the end of everything else.
    static __heap_base: u8;
}

struct Linear;

impl Region for Linear {
    fn start(&self) -> usize {
        (&raw const __heap_base).addr()
    }
    fn end(&self) -> usize {
        memory_size(0) * PAGE
    }
    fn grow(&self, by: usize) -> bool {
        memory_grow(0, by.max(AT_LEAST).div_ceil(PAGE)) != usize::MAX
    }
}

struct Allocator(Heap<Linear>);

// SAFETY: a target without threads.
unsafe impl Sync for Allocator {}

// SAFETY: the heap hands out no address twice while it is somebody's, each aligned and within the memory.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.allocate(layout).map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.0.free(at.addr(), layout);
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.0.resize(at.addr(), layout, size) {
            return at;
        }
        // SAFETY: the caller warrants that `size` does not overflow with this alignment.
        let to = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !to.is_null() {
            // SAFETY: both are somebody's for as long, and the new one is apart from the old one.
            unsafe { ptr::copy_nonoverlapping(at, to, layout.size()) };
        }
        to
    }
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(Heap::new(Linear));
