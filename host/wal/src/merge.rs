//! Which pieces are put together.
//!
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>: a log is a header of 32 bytes and frames, each a header
//! of 24 bytes and a page. A frame header holds, at byte 4, how many pages the database has after a commit, in the
//! commit's last frame, and 0 in all others. Nobody may read a frame before its commit is over, apart from the connection
//! that writes it, which reads through this.

const FRAME_HEADER: usize = 24;

/// So many bytes at once: sixteen pages. More makes a commit no quicker, and stays in memory.
const MOST: usize = 64 * 1024;

/// The file below. Fails with one of SQLite's result codes.
pub(crate) trait Below {
    fn write(&mut self, piece: &[u8], at: i64) -> Result<(), i32>;
}

/// What is to be written of a log, and is held back until it has come whole.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    held: Vec<u8>,
    /// Where in the file what is held begins.
    at: i64,
    /// Where the last piece ended; none where that is not known.
    end: Option<i64>,
    /// The pieces that come are of frames added to the log, and not of the last one of a commit that is over.
    adding: bool,
    /// The frame under way is the last of its commit.
    commits: bool,
    /// Its header has come, and nothing of its page.
    page_due: bool,
}

impl Merge {
    /// Writes a piece, or holds it back. Fails for what was held back, too: SQLite takes the commit back then, whichever of
    /// its pieces it was.
    pub(crate) fn write(&mut self, piece: &[u8], at: i64, below: &mut impl Below) -> Result<(), i32> {
        let follows = self.end == Some(at);
        if !follows {
            self.flush(below)?;
            self.adding = false;
            self.page_due = false;
        }
        let begins = follows && piece.len() == FRAME_HEADER && !self.page_due;
        self.page_due = begins;
        if begins {
            self.adding = true;
            self.commits = piece[4..8] != [0; 4];
        }
        if self.adding {
            self.hold(piece, at);
            let over = self.commits && !begins;
            if over || self.held.len() >= MOST {
                self.flush(below)?;
            }
            // What follows a commit belongs to it (a page may come in two pieces) until another frame begins.
            self.adding = !over;
        } else {
            self.end = None;
            below.write(piece, at)?;
        }
        self.end = Some(at + piece.len() as i64);
        Ok(())
    }

    /// Writes what is held back. To be called before anything else is done with the file. What could not be written is
    /// gone, as is the transaction.
    pub(crate) fn flush(&mut self, below: &mut impl Below) -> Result<(), i32> {
        if self.held.is_empty() {
            return Ok(());
        }
        let written = below.write(&self.held, self.at);
        self.held.clear();
        if written.is_err() {
            self.end = None;
        }
        written
    }

    fn hold(&mut self, piece: &[u8], at: i64) {
        if self.held.is_empty() {
            self.at = at;
        }
        self.held.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 512;
    const FRAME: usize = FRAME_HEADER + PAGE;
    const LOG_HEADER: usize = 32;

    /// A file in memory that counts its writes, and may fail.
    #[derive(Default)]
    struct File {
        bytes: Vec<u8>,
        writes: usize,
        full: bool,
    }

    impl Below for File {
        fn write(&mut self, piece: &[u8], at: i64) -> Result<(), i32> {
            if self.full {
                return Err(13);
            }
            let at = at as usize;
            self.bytes.resize(self.bytes.len().max(at + piece.len()), 0);
            self.bytes[at..at + piece.len()].copy_from_slice(piece);
            self.writes += 1;
            Ok(())
        }
    }

    #[derive(Default)]
    struct Log {
        merge: Merge,
        file: File,
    }

    impl Log {
        fn write(&mut self, piece: &[u8], at: usize) -> Result<(), i32> {
            self.merge.write(piece, at as i64, &mut self.file)
        }
        fn begin(&mut self) {
            self.write(&[1; LOG_HEADER], 0).unwrap();
        }
        /// Writes frame `n` as SQLite does: a header, then a page.
        fn frame(&mut self, n: usize, commits: bool, fill: u8) -> Result<(), i32> {
            let at = LOG_HEADER + n * FRAME;
            self.write(&header(commits, fill), at)?;
            self.write(&[fill; PAGE], at + FRAME_HEADER)
        }
        fn on_disk(&self, n: usize) -> Option<u8> {
            self.file.bytes.get(LOG_HEADER + n * FRAME + FRAME - 1).copied()
        }
    }

    fn header(commits: bool, fill: u8) -> [u8; FRAME_HEADER] {
        let mut header = [fill; FRAME_HEADER];
        header[4..8].copy_from_slice(&u32::from(commits).to_be_bytes());
        header
    }

    #[test]
    fn a_commit_is_one_write() {
        let mut log = Log::default();
        log.begin();
        for n in 0..12 {
            log.frame(n, n == 11, 7).unwrap();
        }
        assert_eq!(log.file.writes, 2, "the log's header, and the commit");
        assert_eq!(log.on_disk(11), Some(7));
        log.frame(12, true, 8).unwrap();
        assert_eq!((log.file.writes, log.on_disk(12)), (3, Some(8)));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut log = Log::default();
        log.begin();
        for n in 0..1000 {
            log.frame(n, false, 7).unwrap();
            assert!(log.merge.held.len() < MOST);
        }
        assert!(log.file.writes > 5);
    }

    #[test]
    fn what_is_changed_in_place_is_written_at_once() {
        let mut log = Log::default();
        log.begin();
        log.frame(0, false, 7).unwrap();
        log.frame(1, false, 7).unwrap();
        // A page of the same transaction that changed again, and the checksums from there on.
        log.write(&[9; PAGE], LOG_HEADER + FRAME_HEADER).unwrap();
        assert_eq!((log.on_disk(0), log.on_disk(1)), (Some(9), Some(7)));
        for n in 0..2 {
            log.write(&header(n == 1, 5), LOG_HEADER + n * FRAME).unwrap();
            assert_eq!(log.file.bytes[LOG_HEADER + n * FRAME], 5, "{n}");
        }
    }

    #[test]
    fn a_page_in_two_pieces_is_whole() {
        for first in [PAGE / 2, FRAME_HEADER] {
            let mut log = Log::default();
            log.begin();
            log.write(&header(true, 0), LOG_HEADER).unwrap();
            log.write(&vec![0; first], LOG_HEADER + FRAME_HEADER).unwrap();
            log.write(&vec![3; PAGE - first], LOG_HEADER + FRAME_HEADER + first).unwrap();
            assert_eq!(log.on_disk(0), Some(3), "{first}");
        }
    }

    #[test]
    fn a_commit_that_did_not_fit_fails_and_leaves_nothing_behind() {
        let mut log = Log::default();
        log.begin();
        log.file.full = true;
        log.frame(0, false, 6).unwrap();
        assert_eq!(log.frame(1, true, 6), Err(13));
        log.file.full = false;
        // SQLite begins again where the last commit ended.
        log.frame(0, true, 7).unwrap();
        log.merge.flush(&mut log.file).unwrap();
        assert_eq!((log.on_disk(0), log.on_disk(1)), (Some(7), None));
    }

    proptest::proptest! {
        /// Whatever SQLite writes in whatever order, the file below is what it would be without this, once a commit is
        /// over or something else is done with the file.
        #[test]
        fn the_file_is_the_same(steps in proptest::collection::vec((0usize..6, 0usize..8, proptest::bool::ANY, 1u8..), 0..60)) {
            let (mut log, mut plain) = (Log::default(), File::default());
            for (kind, n, commits, fill) in steps {
                let at = LOG_HEADER + n * FRAME;
                match kind {
                    0 => {
                        log.write(&[fill; LOG_HEADER], 0).unwrap();
                        plain.write(&[fill; LOG_HEADER], 0).unwrap();
                    }
                    1 => {
                        log.write(&[fill; PAGE], at + FRAME_HEADER).unwrap();
                        plain.write(&[fill; PAGE], (at + FRAME_HEADER) as i64).unwrap();
                    }
                    2 => log.merge.flush(&mut log.file).unwrap(),
                    _ => {
                        log.frame(n, commits, fill).unwrap();
                        plain.write(&header(commits, fill), at as i64).unwrap();
                        plain.write(&[fill; PAGE], (at + FRAME_HEADER) as i64).unwrap();
                    }
                }
                if kind == 2 || (kind > 2 && commits) {
                    proptest::prop_assert!(log.file.bytes == plain.bytes);
                }
            }
            log.merge.flush(&mut log.file).unwrap();
            proptest::prop_assert!(log.file.bytes == plain.bytes);
        }
    }
}
