//! Where the memory of an instance goes that lives for one call: on and on, from the end of what the compiler has laid
//! out. All of it is gone with the instance, so nothing is kept of what is given back, but for the latest piece.

use std::alloc::Layout;
use std::cell::Cell;

/// What memory is taken from: addresses from `start` to `start + size`, more of them on request. Zero at first.
pub(crate) trait Region {
    fn start(&self) -> usize;
    /// The end of what there is.
    fn end(&self) -> usize;
    /// Moves the end by at least so many bytes; says whether it could be.
    fn grow(&self, by: usize) -> bool;
}

/// Hands out addresses within a region, each once, but for the latest.
pub(crate) struct Heap<R> {
    region: R,
    /// The first address that nobody has; 0 until the first is asked for.
    next: Cell<usize>,
    end: Cell<usize>,
}

impl<R: Region> Heap<R> {
    pub(crate) const fn new(region: R) -> Self {
        Self { region, next: Cell::new(0), end: Cell::new(0) }
    }

    /// The address of new memory; none where there is no more.
    pub(crate) fn allocate(&self, layout: Layout) -> Option<usize> {
        if self.next.get() == 0 {
            self.next.set(self.region.start());
            self.end.set(self.region.end());
        }
        let at = self.next.get().checked_next_multiple_of(layout.align())?;
        self.reach(at.checked_add(layout.size())?).then_some(at)
    }

    /// Takes memory back where it was the latest that was handed out.
    pub(crate) fn free(&self, at: usize, layout: Layout) {
        if self.is_latest(at, layout) {
            self.next.set(at);
        }
    }

    /// Whether memory could be made as large, or as small, where it is.
    pub(crate) fn resize(&self, at: usize, layout: Layout, size: usize) -> bool {
        if self.is_latest(at, layout) {
            return at.checked_add(size).is_some_and(|end| self.reach(end));
        }
        size <= layout.size()
    }

    fn is_latest(&self, at: usize, layout: Layout) -> bool {
        at + layout.size() == self.next.get()
    }

    /// Makes everything before `next` somebody's, if there is as much.
    fn reach(&self, next: usize) -> bool {
        if next > self.end.get() {
            if !self.region.grow(next - self.end.get()) {
                return false;
            }
            self.end.set(self.region.end());
        }
        self.next.set(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses alone; what lies there is of no concern to the heap.
    struct Addresses {
        end: Cell<usize>,
        most: usize,
    }

    impl Region for Addresses {
        fn start(&self) -> usize {
            1003
        }
        fn end(&self) -> usize {
            self.end.get()
        }
        fn grow(&self, by: usize) -> bool {
            let end = self.end.get() + by.next_multiple_of(100);
            let fits = end <= self.most;
            if fits {
                self.end.set(end);
            }
            fits
        }
    }

    fn heap() -> Heap<Addresses> {
        Heap::new(Addresses { end: Cell::new(1100), most: 2000 })
    }

    fn of(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_are_aligned_and_apart() {
        let heap = heap();
        let mut end = 1003;
        for (size, align) in [(1, 1), (8, 8), (3, 2), (0, 1), (16, 16), (50, 4), (1, 64)] {
            let at = heap.allocate(of(size, align)).unwrap();
            assert!(at >= end && at.is_multiple_of(align), "{at}");
            end = at + size;
        }
        assert!(end <= heap.region.end());
    }

    #[test]
    fn it_ends_where_there_is_no_more_and_says_so() {
        let heap = heap();
        assert_eq!(heap.allocate(of(2000, 1)), None);
        assert_eq!(heap.allocate(of(usize::MAX / 2, 1)), None);
        assert_eq!(heap.allocate(of(900, 1)), Some(1003), "what was refused takes nothing");
        assert!(!heap.resize(1003, of(900, 1), 1000));
        assert_eq!(heap.allocate(of(97, 1)), Some(1903));
        assert_eq!(heap.allocate(of(1, 1)), None);
    }

    #[test]
    fn only_the_latest_piece_is_given_back_or_grows() {
        let heap = heap();
        let first = heap.allocate(of(10, 1)).unwrap();
        let second = heap.allocate(of(10, 1)).unwrap();
        heap.free(first, of(10, 1));
        assert!(!heap.resize(first, of(10, 1), 11));
        assert!(heap.resize(first, of(10, 1), 5), "to be smaller takes no room");
        assert!(heap.resize(second, of(10, 1), 300));
        assert_eq!(heap.allocate(of(1, 1)), Some(second + 300));
        heap.free(second + 300, of(1, 1));
        assert_eq!(heap.allocate(of(1, 1)), Some(second + 300));
    }
}
