//! SQLite's write-ahead log, written a commit at a time.
//!
//! SQLite writes each page it logs in two pieces, header and page: 24 system calls for a commit of twelve pages, which
//! take five times as long as one where messages come one by one (55 and 11 µs, on the machine of `host/README.md`). Here
//! the pieces of a commit are put together, and written at once.
//!
//! Everything else is SQLite's own: its VFS for files of this system does the work, and what lies on disk is the same.
//! Other connections need nothing of this: what they may see is written by the time they can know of it, and nothing is
//! held back but within a commit.

mod disk;
mod merge;
mod vfs;

pub use disk::{fail_syncs, sync};
pub use vfs::open;
