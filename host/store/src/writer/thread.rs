//! The writer's own thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::work::Work;
use super::{QUEUE, Seat, Shared, Writer};

/// Commits what is queued.
pub(crate) struct Thread {
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Box<dyn Work>>,
    /// For waiting with a limit: a thread of ours has no timer of its own.
    timer: Runtime,
}

impl Thread {
    pub(crate) fn new(
        seat: Arc<Seat>,
        shared: Arc<Shared>,
        queue: mpsc::Receiver<Box<dyn Work>>,
    ) -> std::io::Result<Self> {
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(Self { seat, shared, queue, timer })
    }

    /// Works until told to stop, then does what waits, and ends.
    pub(crate) fn run(mut self) {
        while let Some(works) = self.next() {
            self.commit(works);
            if self.shared.stop.load(Ordering::Acquire) {
                self.queue.close();
                while let Ok(first) = self.queue.try_recv() {
                    let works = self.gather(first);
                    self.commit(works);
                }
                break;
            }
        }
        let writer = self.seat.lock().take();
        if let Some(writer) = writer {
            writer.close();
        }
    }

    /// What nobody waits for comes last: to fold the log.
    fn commit(&self, works: Vec<Box<dyn Work>>) {
        self.writing(|writer| {
            writer.commit(works);
            writer.fold();
        });
    }

    /// Only this thread takes the writer away, at its end.
    fn writing<R>(&self, work: impl FnOnce(&mut Writer) -> R) -> R {
        work(self.seat.lock().as_mut().expect("the writer is there until its thread ends"))
    }

    /// What waits, once something does; nothing where it is time to try again what the disk did not take. Where the last
    /// commit was not synced and none follows soon, its log is synced meanwhile.
    fn next(&mut self) -> Option<Vec<Box<dyn Work>>> {
        if let Some(left) = self.writing(|writer| writer.unsynced.due()) {
            // A queue that is never empty must not put it off.
            if !left.is_zero()
                && let Some(next) = self.next_within(left)
            {
                return next;
            }
            self.writing(|writer| {
                // Whoever waits is told, and what goes wrong is logged.
                let _ = writer.catch_up();
                writer.fold();
            });
        }
        match self.writing(|writer| writer.postponed.next_try()) {
            Some(wait) => self.next_within(wait).unwrap_or_else(|| Some(Vec::new())),
            None => self.queue.blocking_recv().map(|first| self.gather(first)),
        }
    }

    /// None where nothing comes in time.
    fn next_within(&mut self, wait: Duration) -> Option<Option<Vec<Box<dyn Work>>>> {
        let queue = &mut self.queue;
        let soon = async { tokio::time::timeout(wait, queue.recv()).await };
        let next = self.timer.block_on(soon).ok()?;
        Some(next.map(|first| self.gather(first)))
    }

    fn gather(&mut self, first: Box<dyn Work>) -> Vec<Box<dyn Work>> {
        let mut works = vec![first];
        while works.len() < QUEUE
            && let Ok(work) = self.queue.try_recv()
        {
            works.push(work);
        }
        works
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // After a panic, too: the journal is closed then, and the folder free.
        drop(self.seat.lock().take());
    }
}
